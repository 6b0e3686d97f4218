"""Redacting what a user said in a room, without a redaction for each event (MSC4293).

What takes the content away is the member event that removed the user: it is told of as
`redacted_because`. The timeline is gone through in windows, each written on its own, so that
neither a reader nor another room's writer has to wait for a long history.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import NamedTuple

from synapse.events.event import Event
from synapse.events.redaction import redacted_event
from synapse.rooms.cache import RoomCache
from synapse.rooms.chunks import Redaction
from synapse.rooms.redaction_rows import write_redactions
from synapse.rooms.removals import Removal
from synapse.rooms.room import Room
from synapse.storage.database import Database
from synapse.storage.stores.events import EventStore
from synapse.storage.transaction import Transaction
from synapse.util.clock import Clock

# How many places of the timeline are looked through at once.
_WINDOW = 1_000
# Below the places of all events.
_LOWEST = -(2**60)


class _Page(NamedTuple):
    """What is written at once."""

    room_nid: int
    redactions: list[Redaction]


class SenderRedactions:
    """Takes away what users said."""

    def __init__(
        self,
        database: Database,
        rooms: RoomCache,
        events: EventStore,
        clock: Clock,
        *,
        forget: Callable[[Transaction, Sequence[int]], None],
    ) -> None:
        """`forget` takes events out of what is made of their texts, before these are gone."""
        self._database = database
        self._rooms = rooms
        self._events = events
        self._clock = clock
        # One object, since the database gathers the items of one and the same function.
        self._write = self._apply
        self._forget = forget

    async def take_away(self, room: Room, removal: Removal, *, most: int | None = None) -> None:
        """Redact what a committed removal takes away; at most so many events are looked through."""
        below, above = removal.because.pos, removal.join.pos
        windows = count() if most is None else range(-(-most // _WINDOW))
        for _ in windows:
            if below is None:
                break
            lowest = await self._events.place_below(room.nid, below, _WINDOW)
            found = await self._events.of_sender(
                room.nid, removal.sender, _highest(lowest, above), below
            )
            await self.take(room, [event for event in found if removal.takes(event)], removal)
            if above is not None and lowest is not None and lowest <= above:
                break
            below = lowest

    async def take(self, room: Room, events: Sequence[Event], removal: Removal) -> None:
        """Redact these events."""
        redactions = [self.redaction(event, removal) for event in events]
        if redactions:
            await self._database.write(self._write, _Page(room.nid, redactions))

    def redaction(self, event: Event, removal: Removal) -> Redaction:
        """What becomes of an event by a removal."""
        return Redaction(event, redacted_event(event), removal.because, self._clock.now_ms())

    def _apply(self, txn: Transaction, pages: list[_Page]) -> None:
        redactions = [redaction for page in pages for redaction in page.redactions]
        self._forget(txn, [redaction.target.nid for redaction in redactions])
        write_redactions(txn, redactions)
        txn.after_commit(lambda: self._announce(pages))

    def _announce(self, pages: list[_Page]) -> None:
        for page in pages:
            room = self._rooms.peek(page.room_nid)
            with self._rooms.or_discarded(room):
                for redaction in page.redactions:
                    self._events.remember_redacted(redaction.redacted, redaction.by)
                    if room is not None:
                        room.redacted(redaction.redacted)


def _highest(lowest: int | None, above: int | None) -> int:
    """The place above which a window's events are."""
    return max(
        _LOWEST if lowest is None else lowest - 1,
        _LOWEST if above is None else above,
    )
