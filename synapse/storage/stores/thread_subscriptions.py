"""Thread subscriptions (MSC4306): which threads users follow.

What a change does depends on what is there, so it is decided inside the transaction that writes it:
several clients of a user may subscribe at the same moment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction


class ThreadSubscription(NamedTuple):
    """How a user stands to a thread, since the position `stream`."""

    room_id: str
    root_id: str
    subscribed: bool
    automatic: bool
    stream: int


@dataclass(frozen=True, slots=True)
class _Change:
    user_nid: int
    room_nid: int
    root_nid: int
    subscribed: bool
    cause_nid: int | None = None  # of an automatic subscription: the event that caused it


class _Row(NamedTuple):
    subscribed: int
    automatic: int
    unsubscribed: int
    since: int


_ONE = """
    SELECT subscribed, automatic, unsubscribed, since FROM thread_subscriptions
    WHERE user_nid = ? AND root_nid = ?
"""
_SINCE = """
    SELECT e.event_id, t.since
    FROM events e JOIN thread_subscriptions t ON t.root_nid = e.event_nid
    WHERE t.user_nid = ? AND e.event_id = ANY(?) AND t.subscribed = 1
"""
_CHANGES = """
    SELECT r.room_id, e.event_id, t.subscribed, t.automatic, t.stream FROM thread_subscriptions t
    JOIN rooms r ON r.room_nid = t.room_nid JOIN events e ON e.event_nid = t.root_nid
    WHERE t.user_nid = ? AND t.stream > ? AND t.stream <= ? ORDER BY t.stream DESC LIMIT ?
"""
_UPSERT = """
    INSERT INTO thread_subscriptions
        (user_nid, root_nid, room_nid, subscribed, automatic, unsubscribed, since, stream)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (user_nid, root_nid) DO UPDATE SET
        subscribed = excluded.subscribed, automatic = excluded.automatic,
        unsubscribed = excluded.unsubscribed, since = excluded.since, stream = excluded.stream
"""


class ThreadSubscriptionStore:
    """Remembers thread subscriptions."""

    def __init__(self, database: Database, moved: Callable[[int, int], object]) -> None:
        """`moved(user_nid, stream)` is told of each change, after its commit."""
        self._database = database
        self._moved = moved

    async def is_automatic(self, user_nid: int, root_nid: int) -> bool | None:
        """Whether the user's subscription was made by a client; None: there is none."""
        row = await self._database.fetch_one(_ONE, user_nid, root_nid)
        return bool(row[1]) if row is not None and row[0] else None

    async def since(self, user_nid: int, root_ids: Sequence[str]) -> dict[str, int]:
        """Those of the threads to which the user is subscribed, and since which position."""
        return dict(await self._database.fetch(_SINCE, user_nid, list(root_ids)))

    async def changes(
        self, user_nid: int, after: int, upto: int, limit: int
    ) -> list[ThreadSubscription]:
        """What changed between two positions, the newest first; of each thread the last change."""
        rows = await self._database.fetch(_CHANGES, user_nid, after, upto, limit)
        return [
            ThreadSubscription(room_id, root_id, bool(subscribed), bool(automatic), stream)
            for room_id, root_id, subscribed, automatic, stream in rows
        ]

    async def subscribe(
        self, user_nid: int, room_nid: int, root_nid: int, cause_nid: int | None
    ) -> bool:
        """Subscribe; with a cause, on behalf of the user.

        False: the user has unsubscribed after the cause, and that stands.
        """
        change = _Change(user_nid, room_nid, root_nid, True, cause_nid)
        return await self._database.write(self._change, change)

    async def unsubscribe(self, user_nid: int, room_nid: int, root_nid: int) -> None:
        """Unsubscribe, if there is a subscription."""
        await self._database.write(self._change, _Change(user_nid, room_nid, root_nid, False))

    def _change(self, txn: Transaction, changes: list[_Change]) -> list[bool]:
        first = txn.stream(len(changes))
        moved: dict[int, int] = {}
        results = []
        for stream, change in enumerate(changes, first):
            rows = txn.execute(_ONE, change.user_nid, change.root_nid)
            before = _Row(*rows[0]) if rows else _Row(0, 0, 0, 0)
            is_refused = (
                change.cause_nid is not None
                and not before.subscribed
                and change.cause_nid <= before.unsubscribed
            )
            results.append(not is_refused)
            after = before if is_refused else _after(change, before, stream)
            if after != before:
                key = (change.user_nid, change.root_nid, change.room_nid)
                txn.execute(_UPSERT, *key, *after, stream)
                moved[change.user_nid] = stream
        txn.after_commit(lambda: self._announce(moved))
        return results

    def _announce(self, moved: dict[int, int]) -> None:
        for user_nid, stream in moved.items():
            self._moved(user_nid, stream)


def _after(change: _Change, before: _Row, stream: int) -> _Row:
    """What a change makes of a subscription."""
    if not change.subscribed:
        return before._replace(subscribed=0, unsubscribed=stream) if before.subscribed else before
    automatic = change.cause_nid is not None
    if before.subscribed:
        # What the user did themselves goes before what clients do.
        return before if automatic else before._replace(automatic=0)
    return before._replace(subscribed=1, automatic=int(automatic), since=stream)
