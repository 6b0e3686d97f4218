"""Redacting what a user said in a room, without a redaction for each event (MSC4293).

What takes the content away is the member event that removed the user: it is told of as
`redacted_because`. The timeline is gone through in windows, each written on its own, so that
neither a reader nor another room's writer has to wait for a long history.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.events.redaction import redacted_event
from synapse.rooms.cache import RoomCache
from synapse.rooms.chunks import Redaction
from synapse.rooms.redaction_rows import write_redactions
from synapse.rooms.room import Room
from synapse.storage.database import Database
from synapse.storage.stores.events import EventStore
from synapse.storage.transaction import Transaction
from synapse.util.clock import Clock

# How many places of the timeline are looked through at once.
_WINDOW = 1_000
# They make the room what it is; and who was in it when is told by its member events.
_KEPT = (EventTypes.CREATE, EventTypes.SERVER_ACL, EventTypes.MEMBER)


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

    async def take_away(self, room: Room, sender: str, above: int, because: Event) -> None:
        """Redact the sender's events between a place and a committed member event."""
        assert because.pos is not None, "the member event stands in the timeline"
        below = because.pos
        while below > above + 1:
            lowest = max(above, below - 1 - _WINDOW)
            found = await self._events.of_sender(room.nid, sender, lowest, below)
            redactions = [
                self._redaction(event, because) for event in found if event.type not in _KEPT
            ]
            if redactions:
                await self._database.write(self._write, _Page(room.nid, redactions))
            below = lowest + 1

    def _redaction(self, event: Event, because: Event) -> Redaction:
        return Redaction(event, redacted_event(event), because, self._clock.now_ms())

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
