"""Delayed events: scheduled, restarted, claimed by who is about to send them, finalised.

    scheduled ----- claim ----> being sent ----- finalise ----> finalised
        |  ^                        |                               ^
        |  +-------- release -------+                               |
        +------------------------- cancel --------------------------+

Each step is one statement that names the state it starts from, so of two who want different things
one comes too late. Claims that nobody acts on any more are released together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class DelayedEvent:
    """An event to be sent later, and what became of it."""

    delay_id: str
    user_id: str
    user_nid: int
    device_nid: int
    room_id: str
    type: str
    state_key: str | None
    content: bytes  # JSON
    delay_ms: int
    scheduled_ms: int
    is_being_sent: bool
    finalised_ms: int | None
    event_id: str | None
    error: str | None  # JSON


@dataclass(frozen=True, slots=True)
class NewDelayedEvent:
    """An event to schedule."""

    delay_id: str
    user_nid: int
    device_nid: int
    txn_id: str | None
    room_nid: int
    type: str
    state_key: str | None
    content: bytes
    delay_ms: int
    now_ms: int
    max_scheduled: int  # of one user at a time


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What came of a request to schedule."""

    delay_id: str | None  # None: the user has as many as they may have
    # When the event will be sent; without `delay_id`, when the user's next one will.
    send_ms: int


@dataclass(frozen=True, slots=True)
class Finalisation:
    """How a delayed event ended."""

    delay_id: str
    user_nid: int
    now_ms: int
    event_id: str | None = None
    error: str | None = None  # JSON


# Of one user's finalised events the newest are kept.
_FINALISED_KEPT = 1_000

_SELECT = """
    SELECT d.delay_id, u.name, d.user_nid, d.device_nid, r.room_id, d.type, d.state_key, d.content,
        d.delay_ms, d.scheduled_ms, d.sending, d.finalised_ms, d.event_id, d.error
    FROM delayed_events d JOIN rooms r ON r.room_nid = d.room_nid
    JOIN names u ON u.nid = d.user_nid
"""
_SENDING = 10  # its column in there
_INSERT = """
    INSERT INTO delayed_events (delay_id, user_nid, device_nid, txn_id, room_nid, type, state_key,
        content, delay_ms, scheduled_ms, send_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_BY_TXN = """
    SELECT delay_id, send_ms FROM delayed_events
    WHERE device_nid = ? AND room_nid = ? AND txn_id = ?
"""
_OF_USER = """
    SELECT count(*), MIN(send_ms) FROM delayed_events WHERE user_nid = ? AND finalised_ms IS NULL
"""
_RESTART = """
    UPDATE delayed_events SET scheduled_ms = ?, send_ms = ? + delay_ms
    WHERE delay_id = ? AND user_nid = ? AND finalised_ms IS NULL AND sending = 0
    RETURNING send_ms
"""
_CANCEL = """
    UPDATE delayed_events SET finalised_ms = ?
    WHERE delay_id = ? AND user_nid = ? AND finalised_ms IS NULL AND sending = 0
    RETURNING delay_id
"""
# It is due from now on, so that it is sent even if we don't come to it.
_CLAIM = """
    UPDATE delayed_events SET sending = 1, send_ms = ?
    WHERE delay_id = ? AND user_nid = ? AND finalised_ms IS NULL AND sending = 0
    RETURNING delay_id
"""
_DUE = """
    SELECT delay_id FROM delayed_events
    WHERE finalised_ms IS NULL AND send_ms <= ? AND sending = 0 ORDER BY send_ms LIMIT ?
"""
_CLAIM_DUE = """
    UPDATE delayed_events SET sending = 1
    WHERE delay_id = ANY(?) AND finalised_ms IS NULL AND sending = 0 RETURNING delay_id
"""
_RELEASE = """
    UPDATE delayed_events SET sending = 0, send_ms = scheduled_ms + delay_ms
    WHERE delay_id = ? AND finalised_ms IS NULL
"""
_FINALISE = """
    UPDATE delayed_events SET finalised_ms = ?, event_id = ?, error = ?, sending = 0
    WHERE delay_id = ? AND finalised_ms IS NULL
"""
_FORGET_SURPLUS = """
    DELETE FROM delayed_events WHERE user_nid = ? AND finalised_ms < (
        SELECT finalised_ms FROM delayed_events WHERE user_nid = ? AND finalised_ms IS NOT NULL
        ORDER BY finalised_ms DESC LIMIT 1 OFFSET ?)
"""


class DelayedEventStore:
    """Remembers delayed events until some time after they were finalised."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, delay_id: str, user_nid: int) -> DelayedEvent | None:
        """The user's delayed event of that id."""
        row = await self._database.fetch_one(
            f"{_SELECT} WHERE d.delay_id = ? AND d.user_nid = ?", delay_id, user_nid
        )
        return None if row is None else _from_row(row)

    async def scheduled(self, user_nid: int) -> list[DelayedEvent]:
        """The user's events that are still scheduled, the next first."""
        rows = await self._database.fetch(
            f"{_SELECT} WHERE d.user_nid = ? AND d.finalised_ms IS NULL ORDER BY d.send_ms",
            user_nid,
        )
        return [_from_row(row) for row in rows]

    async def next_ms(self) -> int | None:
        """When the next event is to be sent."""
        row = await self._database.fetch_one(
            "SELECT MIN(send_ms) FROM delayed_events WHERE finalised_ms IS NULL AND sending = 0"
        )
        return None if row is None else row[0]

    async def schedule(self, event: NewDelayedEvent) -> Scheduled:
        """Add an event; one that was scheduled with the same transaction id stands for it."""
        return await self._database.write(_schedule, event)

    async def restart(self, delay_id: str, user_nid: int, now_ms: int) -> int | None:
        """Let the delay begin anew; when the event will be sent, or None: it isn't scheduled."""
        return await self._database.write(_restart, (now_ms, now_ms, delay_id, user_nid))

    async def cancel(self, delay_id: str, user_nid: int, now_ms: int) -> bool:
        """Finalise an event without sending it; False: it isn't scheduled."""
        return await self._database.write(_cancel, (now_ms, delay_id, user_nid))

    async def claim(self, delay_id: str, user_nid: int, now_ms: int) -> bool:
        """Keep everybody else from sending an event before its time; False: it isn't scheduled."""
        return await self._database.write(_claim, (now_ms, delay_id, user_nid))

    async def claim_due(self, now_ms: int, limit: int) -> list[DelayedEvent]:
        """Claim events whose time has come, in the order of their times."""
        delay_ids = await self._database.write(_claim_due, (now_ms, limit))
        if not delay_ids:
            return []
        rows = await self._database.fetch(
            f"{_SELECT} WHERE d.delay_id = ANY(?) ORDER BY d.send_ms", delay_ids
        )
        return [_from_row(row) for row in rows]

    async def release(self, delay_id: str) -> None:
        """Give a claim back: the event is sent when its delay is over."""
        await self._database.write(_release, delay_id)

    async def release_all(self) -> None:
        """Give back all claims; what they were for is due.

        If somebody does act on one of them, the event is sent by whoever comes first.
        """
        await self._database.write(_release_all, None)

    async def finalise(self, end: Finalisation) -> None:
        await self._database.write(_finalise, end)

    async def forget_finalised(self, before_ms: int) -> None:
        await self._database.write(_forget_finalised, before_ms)


def _from_row(row: Sequence[Any]) -> DelayedEvent:
    values = list(row)
    values[_SENDING] = bool(values[_SENDING])
    return DelayedEvent(*values)


def _schedule(txn: Transaction, events: list[NewDelayedEvent]) -> list[Scheduled]:
    return [_schedule_one(txn, event) for event in events]


def _schedule_one(txn: Transaction, event: NewDelayedEvent) -> Scheduled:
    if event.txn_id is not None:
        for delay_id, send_ms in txn.execute(
            _BY_TXN, event.device_nid, event.room_nid, event.txn_id
        ):
            return Scheduled(delay_id, send_ms)
    ((count, next_ms),) = txn.execute(_OF_USER, event.user_nid)
    if count >= event.max_scheduled:
        return Scheduled(None, next_ms)
    send_ms = event.now_ms + event.delay_ms
    txn.execute(
        _INSERT,
        event.delay_id,
        event.user_nid,
        event.device_nid,
        event.txn_id,
        event.room_nid,
        event.type,
        event.state_key,
        event.content,
        event.delay_ms,
        event.now_ms,
        send_ms,
    )
    return Scheduled(event.delay_id, send_ms)


def _restart(txn: Transaction, items: list[tuple[int, int, str, int]]) -> list[int | None]:
    found = [txn.execute(_RESTART, *item) for item in items]
    return [rows[0][0] if rows else None for rows in found]


def _cancel(txn: Transaction, items: list[tuple[int, str, int]]) -> list[bool]:
    return [bool(txn.execute(_CANCEL, *item)) for item in items]


def _claim(txn: Transaction, items: list[tuple[int, str, int]]) -> list[bool]:
    return [bool(txn.execute(_CLAIM, *item)) for item in items]


def _claim_due(txn: Transaction, items: list[tuple[int, int]]) -> list[list[str]]:
    claimed = []
    for now_ms, limit in items:
        due = [delay_id for (delay_id,) in txn.execute(_DUE, now_ms, limit)]
        rows = txn.execute(_CLAIM_DUE, due) if due else []
        claimed.append([delay_id for (delay_id,) in rows])
    return claimed


def _release(txn: Transaction, delay_ids: list[str]) -> None:
    txn.execute_many(_RELEASE, [(delay_id,) for delay_id in delay_ids])


def _release_all(txn: Transaction, items: list[None]) -> None:
    txn.execute("UPDATE delayed_events SET sending = 0 WHERE sending = 1 AND finalised_ms IS NULL")


def _finalise(txn: Transaction, ends: list[Finalisation]) -> None:
    for end in ends:
        txn.execute(_FINALISE, end.now_ms, end.event_id, end.error, end.delay_id)
    for user_nid in {end.user_nid for end in ends}:
        txn.execute(_FORGET_SURPLUS, user_nid, user_nid, _FINALISED_KEPT - 1)


def _forget_finalised(txn: Transaction, times: list[int]) -> None:
    txn.execute("DELETE FROM delayed_events WHERE finalised_ms < ?", max(times))
