"""History: events of long ago that other servers tell us, put where the timeline has a gap.

They are kept first, one after the other, each with the state that it stands on
(`synapse.rooms.asides`); `place` then gives all of a page their places in one go, below what
they are the history of, and moves the gap on. A crash in between costs a page's work, and the next
one who reads back begins it anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from synapse.events.event import Event
from synapse.rooms.cache import RoomCache
from synapse.rooms.chunks import Redaction
from synapse.rooms.redaction_rows import write_redactions
from synapse.storage.database import Database
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.relations import INSERT_RELATION, relation_row
from synapse.storage.transaction import Transaction

_MAX_OTHER = 1_000
_PLACE = "UPDATE events SET pos = ? WHERE event_nid = ? AND pos IS NULL RETURNING event_nid"


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Kept events that belong just below a place, oldest first, and what is missing then."""

    room_nid: int
    below: int  # a `pos`
    events: Sequence[Event]
    missing: Sequence[str]  # the events that the oldest ones stand on, and that we don't have
    # Missing ones that nobody can tell us: they are no gaps any more.
    lost: Sequence[str] = ()
    redactions: Sequence[Redaction] = ()
    early_redactions: Sequence[tuple[str, Event]] = ()


class History:
    """Fills gaps."""

    def __init__(
        self, database: Database, names: Names, events: EventStore, rooms: RoomCache
    ) -> None:
        self._database = database
        self._names = names
        self._events = events
        self._rooms = rooms
        self._write = self._apply

    async def gap(self, room_nid: int, pos: int) -> tuple[int, list[str]] | None:
        """The first gap at or below a `pos`: where its filling goes below, and what is missing."""
        rows = await self._database.fetch(
            """SELECT below, event_id FROM gaps WHERE room_nid = ? AND below = (
                   SELECT max(below) FROM gaps WHERE room_nid = ? AND below <= ?)""",
            room_nid,
            room_nid,
            pos,
        )
        return (rows[0][0], [event_id for _, event_id in rows]) if rows else None

    async def gap_above(self, room_nid: int, pos: int) -> int | None:
        """Where the first gap above a `pos` is: the `pos` below which its filling goes."""
        row = await self._database.fetch_one(
            "SELECT below FROM gaps WHERE room_nid = ? AND below > ? ORDER BY below LIMIT 1",
            room_nid,
            pos,
        )
        return None if row is None else row[0]

    async def other_gaps(self, room_nid: int, below: int) -> set[str]:
        """Events that are missing further down than at a gap."""
        rows = await self._database.fetch(
            "SELECT event_id FROM gaps WHERE room_nid = ? AND below < ? LIMIT ?",
            room_nid,
            below,
            _MAX_OTHER,
        )
        return {event_id for (event_id,) in rows}

    async def place(self, page: HistoryPage) -> None:
        """Give the events their places. Those that have one already keep it."""
        await self._database.write(self._write, page)

    def _apply(self, txn: Transaction, pages: list[HistoryPage]) -> None:
        for page in pages:
            self._place(txn, page)

    def _place(self, txn: Transaction, page: HistoryPage) -> None:
        first = page.below - len(page.events)
        placed = []
        for pos, event in enumerate(page.events, start=first):
            if txn.execute(_PLACE, pos, event.nid):
                event.pos = pos
                placed.append(event)
        names = self._names.intern(txn, [n for e in placed for n in (e.type, e.sender)])
        relations = [
            relation_row(event, page.room_nid, names[event.type], names[event.sender])
            for event in placed
        ]
        txn.execute_many(INSERT_RELATION, [row for row in relations if row is not None])
        write_redactions(txn, page.redactions, page.early_redactions)
        self._move_gap(txn, page, first)
        txn.after_commit(lambda: self._forget(page))

    def _move_gap(self, txn: Transaction, page: HistoryPage, first: int) -> None:
        here = [event.event_id for event in page.events]
        txn.execute(
            "DELETE FROM gaps WHERE room_nid = ? AND event_id = ANY(?)",
            page.room_nid,
            [*here, *page.lost],
        )
        txn.execute(
            "UPDATE gaps SET below = ? WHERE room_nid = ? AND below = ?",
            first,
            page.room_nid,
            page.below,
        )
        txn.execute_many(
            # What is missing in two places belongs below the lower one.
            "INSERT INTO gaps (room_nid, event_id, below) VALUES (?, ?, ?)"
            " ON CONFLICT (room_nid, event_id) DO UPDATE SET below = CASE"
            " WHEN excluded.below < gaps.below THEN excluded.below ELSE gaps.below END",
            [(page.room_nid, event_id, first) for event_id in dict.fromkeys(page.missing)],
        )
        txn.execute(
            "UPDATE rooms SET first_pos = ? WHERE room_nid = ? AND first_pos > ?",
            first,
            page.room_nid,
            first,
        )

    def _forget(self, page: HistoryPage) -> None:
        """What memory has of these events and of the room's beginning is outdated."""
        for event in page.events:
            self._events.forget(event.nid)
        room = self._rooms.peek(page.room_nid)
        with self._rooms.or_discarded(room):
            for redaction in page.redactions:
                redaction.place()
                self._events.remember_redacted(redaction.redacted, redaction.by)
                if room is not None:
                    room.redacted(redaction.redacted)
            if room is not None:
                room.placed_below(page.below)
                if len(room.tips) > 1:
                    room.stood_on(prev for e in page.events for prev in e.prev_event_ids())
