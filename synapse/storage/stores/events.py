"""Events: reading them, one by one and as timelines.

Only `synapse.rooms.persister` writes the table.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import orjson

from synapse.api.constants import EventTypes
from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.client_format import DELAYED_TXN, client_event
from synapse.events.event import Event
from synapse.storage.database import Database
from synapse.storage.transaction import Transaction
from synapse.util.breaks import Breaks
from synapse.util.caches import Cache
from synapse.util.clock import Clock

# `events.flags`. An event of which none is set came with history, and is in no one's sync.
LIVE = 1  # arrived as news
REJECTED = 2  # failed authorisation against its own auth events
SOFT_FAILED = 4  # failed it against the current state
REDACTED = 8  # `json` is what the redaction left
# What a redaction has to take back (`synapse.storage.stores.unread`). Events of before these flags
# have none.
LOUD = 16  # counted in the room's number of loud events
SHOUT = 32  # and of shouts
MARKED = 64  # there are marks of it
OUTGOING = 128  # other servers hear of it from us

# What makes an `Event`, with the event it replaced and its redaction, for `unsigned`.
COLUMNS = """
    e.event_nid, e.event_id, ro.room_id, ro.version, e.pos, e.flags, e.state_nid, e.view_nid,
    e.replaces, e.json, p.event_id, p.json, d.event_id, d.json, d.origin_server_ts"""
JOINS = """
    JOIN rooms ro ON ro.room_nid = e.room_nid
    LEFT JOIN events p ON p.event_nid = e.replaces
    LEFT JOIN events d ON d.event_nid = e.redacted_by"""


# Of a hundred thousand, that many are read at a time, and others are served in between.
_READ_AT_ONCE = 500
# A transaction id belongs to one endpoint: those of redactions are kept with this before them.
REDACTION_TXN = "redact\x1f"
# Those of an administrator's server notices, which another user sends.
NOTICE_TXN = "notice\x1f"


class EventStore:
    """Reads events, through a cache of them by number."""

    def __init__(self, database: Database, clock: Clock, *, cache_size: int) -> None:
        self._database = database
        self._clock = clock
        self._events: Cache[int, Event] = Cache(cache_size, "events")
        self._nids: Cache[str, int] = Cache(cache_size, "event_numbers")
        # Counts redacted state events: what was made of state may be outdated by them.
        self.state_redactions = 0

    async def get(self, event_id: str) -> Event | None:
        """The event of that id, of whatever kind it is."""
        return (await self.get_many([event_id])).get(event_id)

    async def get_many(self, event_ids: Sequence[str]) -> dict[str, Event]:
        """Those of the events that we have."""
        found: dict[str, Event] = {}
        if len(event_ids) > _READ_AT_ONCE:
            async for some in Breaks(self._clock).portions(event_ids, _READ_AT_ONCE):
                found |= await self.get_many(some)
            return found
        missing = []
        for event_id in event_ids:
            nid = self._nids.get(event_id)
            event = self._events.get(nid) if nid is not None else None
            if event is None:
                missing.append(event_id)
            else:
                found[event_id] = event
        if missing:
            rows = await self._database.fetch(
                f"SELECT {COLUMNS} FROM events e {JOINS} WHERE e.event_id = ANY(?)", missing
            )
            found.update((event.event_id, event) for event in self.from_rows(rows))
        return found

    async def in_room(self, room_id: str, event_ids: Sequence[str]) -> dict[str, Event]:
        """Those of the events that we have, and that are events of this room.

        What another server cites may be events of any room; and in versions 1 and 2 servers choose
        the ids.
        """
        found = await self.get_many(event_ids)
        return {event_id: event for event_id, event in found.items() if event.room_id == room_id}

    async def by_nids(self, nids: Iterable[int]) -> dict[int, Event]:
        """The events of these numbers. Those that don't exist are missing in the answer."""
        found: dict[int, Event] = {}
        async for some in Breaks(self._clock).portions(list(nids), _READ_AT_ONCE):
            missing = []
            for nid in some:
                event = self._events.get(nid)
                if event is None:
                    missing.append(nid)
                else:
                    found[nid] = event
            if missing:
                rows = await self._database.fetch(
                    f"SELECT {COLUMNS} FROM events e {JOINS} WHERE e.event_nid = ANY(?)", missing
                )
                found.update((event.nid, event) for event in self.from_rows(rows))
        return found

    async def replaced_by(self, nids: Sequence[int], pos: int, limit: int) -> list[int]:
        """State events, those that they replaced, those that these replaced, and so on: all nids.

        Each chain ends with its first event that is not above a `pos`, or has `limit` events.
        """
        rows = await self._database.fetch(
            """WITH RECURSIVE chain (event_nid, replaces, pos, length) AS (
                   SELECT event_nid, replaces, pos, 1 FROM events WHERE event_nid = ANY(?)
                   UNION ALL
                   SELECT e.event_nid, e.replaces, e.pos, c.length + 1
                   FROM chain c JOIN events e ON e.event_nid = c.replaces
                   WHERE c.pos > ? AND c.length < ?)
               SELECT event_nid FROM chain""",
            list(nids),
            pos,
            limit,
        )
        return [nid for (nid,) in rows]

    async def before(self, room_nid: int, pos: int, limit: int) -> list[Event]:
        """Up to `limit` events of a room's timeline below `pos`, newest first."""
        rows = await self._database.fetch(
            f"SELECT {COLUMNS} FROM events e {JOINS}"
            " WHERE e.room_nid = ? AND e.pos < ? ORDER BY e.pos DESC LIMIT ?",
            room_nid,
            pos,
            limit,
        )
        return self.from_rows(rows)

    async def after(self, room_nid: int, pos: int, limit: int) -> list[Event]:
        """Up to `limit` events of a room's timeline above `pos`, oldest first."""
        rows = await self._database.fetch(
            f"SELECT {COLUMNS} FROM events e {JOINS}"
            " WHERE e.room_nid = ? AND e.pos > ? ORDER BY e.pos LIMIT ?",
            room_nid,
            pos,
            limit,
        )
        return self.from_rows(rows)

    async def place_below(self, room_nid: int, pos: int, distance: int) -> int | None:
        """The `pos` of the event of a room's timeline that is so many events below a place."""
        row = await self._database.fetch_one(
            "SELECT pos FROM events WHERE room_nid = ? AND pos < ?"
            " ORDER BY pos DESC LIMIT 1 OFFSET ?",
            room_nid,
            pos,
            distance - 1,
        )
        return None if row is None else row[0]

    async def of_sender(self, room_nid: int, sender: str, above: int, below: int) -> list[Event]:
        """A user's events between two places of a room's timeline that aren't redacted yet."""
        rows = await self._database.fetch(
            f"SELECT {COLUMNS} FROM events e {JOINS}"
            " WHERE e.room_nid = ? AND e.pos > ? AND e.pos < ? AND e.redacted_by IS NULL"
            " AND e.sender_nid = (SELECT nid FROM names WHERE name = ?)",
            room_nid,
            above,
            below,
            sender,
        )
        return self.from_rows(rows)

    async def tails(self, room_nids: Sequence[int], limit: int) -> dict[int, list[Event]]:
        """The newest `limit` events of each of these rooms, oldest first; one query for all."""
        # The rooms first, each with one place from which on its index is read: `pos IN (…)` would
        # be asked about each event of the room.
        rows = await self._database.fetch(
            f"""SELECT e.room_nid, {COLUMNS} FROM rooms ro
                CROSS JOIN events e
                LEFT JOIN events p ON p.event_nid = e.replaces
                LEFT JOIN events d ON d.event_nid = e.redacted_by
                WHERE ro.room_nid = ANY(?) AND e.room_nid = ro.room_nid AND e.pos >= coalesce((
                    SELECT t.pos FROM events t WHERE t.room_nid = ro.room_nid
                    AND t.pos IS NOT NULL ORDER BY t.pos DESC LIMIT 1 OFFSET ?), ro.first_pos)
                ORDER BY e.room_nid, e.pos""",
            list(room_nids),
            limit - 1,
        )
        tails: dict[int, list[Event]] = {nid: [] for nid in room_nids}
        for row, event in zip(rows, self.from_rows([row[1:] for row in rows]), strict=True):
            tails[row[0]].append(event)
        return tails

    async def pos_at(self, room_nid: int, position: int) -> int | None:
        """The `pos` of the room's newest event that had come as news at a position."""
        row = await self._database.fetch_one(
            "SELECT pos FROM events WHERE room_nid = ? AND pos IS NOT NULL AND event_nid <= ?"
            " AND flags & ? <> 0 ORDER BY pos DESC LIMIT 1",
            room_nid,
            position,
            LIVE,
        )
        return None if row is None else row[0]

    async def by_time(
        self, room_nid: int, after: tuple[int, int], limit: int, *, backwards: bool
    ) -> list[Event]:
        """Up to `limit` events of a room's timeline beyond (`origin_server_ts`, `pos`).

        The nearest first; of those with the same time, the nearest in the timeline.
        """
        order, beyond = ("DESC", "<") if backwards else ("", ">")
        rows = await self._database.fetch(
            f"""SELECT {COLUMNS} FROM events e {JOINS}
                WHERE e.room_nid = ? AND e.pos IS NOT NULL
                AND (e.origin_server_ts, e.pos) {beyond} (?, ?)
                ORDER BY e.origin_server_ts {order}, e.pos {order} LIMIT ?""",
            room_nid,
            *after,
            limit,
        )
        return self.from_rows(rows)

    async def by_txn(self, device_nid: int, room_nid: int, txn_id: str) -> str | None:
        """The id of the event that a device sent with a transaction id."""
        row = await self._database.fetch_one(
            "SELECT event_id FROM events WHERE device_nid = ? AND room_nid = ? AND txn_id = ?",
            device_nid,
            room_nid,
            txn_id,
        )
        return None if row is None else row[0]

    async def txn_ids(self, device_nid: int, nids: Sequence[int]) -> dict[int, str]:
        """The transaction ids with which a device sent these events, for `unsigned`.

        Those of delayed events are for all devices of their sender.
        """
        rows = await self._database.fetch(
            "SELECT event_nid, txn_id FROM events"
            " WHERE event_nid = ANY(?) AND (device_nid = ? OR txn_id LIKE ?)"
            " AND txn_id IS NOT NULL",
            list(nids),
            device_nid,
            f"%{DELAYED_TXN}%",
        )
        return {nid: txn_id.removeprefix(REDACTION_TXN) for nid, txn_id in rows}

    async def forget_redacted(self, before_ms: int) -> None:
        """Let go of what redactions before a time took away."""
        await self._database.write(_forget_redacted, before_ms)

    def from_rows(self, rows: Iterable[Sequence[Any]]) -> list[Event]:
        """Events from rows of `COLUMNS`, the cached ones where there are such."""
        events = []
        for row in rows:
            event = self._events.get(row[0])
            if event is None:
                event = event_from_row(row)
                self.remember(event)
            events.append(event)
        return events

    def remember_new(self, event: Event, replaced: Event | None) -> None:
        """Keep an event that was just committed, and that was built to replace another one."""
        if replaced is not None:
            known = self._events.get(replaced.nid)
            if known is not None and known.json != replaced.json:
                tell_of_redacted(event, known)  # it was redacted meanwhile
        self.remember(event)

    def remember(self, event: Event) -> None:
        """Keep an event as the database has it."""
        self._events[event.nid] = event
        self._nids[event.event_id] = event.nid

    def remember_redacted(self, event: Event, because: Event) -> None:
        """Keep the redacted form, also where other events tell of it in their `unsigned`."""
        # What it tells of others may have changed since the redaction was built.
        known = self._events.get(event.nid)
        told = event.unsigned if known is None else known.unsigned
        event.unsigned = with_unsigned(told, redacted_unsigned(because))
        self.remember(event)
        if event.is_state:
            self.state_redactions += 1
        if is_told_of(event):
            for nid in self._events:
                other = self._events.get(nid)
                if other is not None:
                    tell_of_redacted(other, event)

    def forget(self, nid: int) -> None:
        """Read the event anew next time: it was redacted."""
        self._events.pop(nid)


def _forget_redacted(txn: Transaction, times: list[int]) -> None:
    txn.execute("DELETE FROM redacted_events WHERE redacted_ms < ?", max(times))


class _Header(msgspec.Struct, gc=False):
    """The members of an event's JSON that its header repeats."""

    type: str
    sender: str
    depth: int
    origin_server_ts: int
    state_key: str | None = None


_decode_header = msgspec.json.Decoder(_Header).decode


def event_from_row(row: Sequence[Any]) -> Event:
    """The event of a row of `COLUMNS`."""
    (nid, event_id, room_id, version, pos, flags, state_nid, view_nid, replaces, json) = row[:10]
    header = _decode_header(json)
    event = Event(
        json=json,
        event_id=event_id,
        room_id=room_id,
        type=header.type,
        sender=header.sender,
        state_key=header.state_key,
        depth=header.depth,
        origin_server_ts=header.origin_server_ts,
        version=ROOM_VERSIONS[version],
        nid=nid,
        pos=pos,
        state_nid=state_nid,
        view_nid=view_nid or state_nid,
        replaces_nid=replaces or 0,
        live=bool(flags & LIVE),
        rejected=bool(flags & REJECTED),
        soft_failed=bool(flags & SOFT_FAILED),
        redacted=bool(flags & REDACTED),
    )
    unsigned = []
    if row[10] is not None:
        unsigned.append(replaced_unsigned(row[10], row[11]))
    if row[12] is not None:
        nothing = (None,) * 5
        redaction = event_from_row(
            (0, row[12], room_id, version, None, 0, 0, None, 0, row[13], *nothing)
        )
        unsigned.append(redacted_unsigned(redaction))
    event.unsigned = b",".join(unsigned)
    return event


def replaced_unsigned(event_id: str, json: bytes) -> bytes:
    """The members of `unsigned` that tell of the state event before (`prev_content`, …)."""
    previous = orjson.loads(json)
    return orjson.dumps(
        {
            "prev_content": previous["content"],
            "prev_sender": previous["sender"],
            "replaces_state": event_id,
        }
    )[1:-1]


def redacted_unsigned(redaction: Event) -> bytes:
    """The member of `unsigned` that holds the redaction of an event."""
    plain = msgspec.structs.replace(redaction, unsigned=b"")
    because = client_event(plain, now_ms=redaction.origin_server_ts, room_id=True)
    return b'"redacted_because":' + because


def is_told_of(event: Event) -> bool:
    """Whether other events may tell of this one: of what they replaced, of what redacted them."""
    return event.is_state or event.type == EventTypes.REDACTION


def tell_of_redacted(other: Event, redacted: Event) -> None:
    """Bring up to date what an event tells of another one, which was redacted."""
    if other.replaces_nid == redacted.nid:
        replaced = replaced_unsigned(redacted.event_id, redacted.json)
        other.unsigned = with_unsigned(other.unsigned, replaced)
    elif b'"redacted_because":' in other.unsigned and redacted.event_id.encode() in other.unsigned:
        because = orjson.loads(b"{%b}" % other.unsigned).get("redacted_because", {})
        if because.get("event_id") == redacted.event_id:
            other.unsigned = with_unsigned(other.unsigned, redacted_unsigned(redacted))


def with_unsigned(unsigned: bytes, members: bytes) -> bytes:
    """Members of `unsigned`, with others beside them or, of the same name, in their place."""
    told = orjson.loads(b"{%b}" % unsigned) | orjson.loads(b"{%b}" % members)
    return orjson.dumps(told)[1:-1]
