"""Kicks and bans that take away what the user said (MSC4293)."""

from collections.abc import Iterator

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.rooms.cache import RoomCache
from synapse.rooms.chunks import Chunk, Entry
from synapse.rooms.removals import Removals, wants_redaction
from synapse.rooms.sender_redactions import SenderRedactions
from synapse.util.background import Background

# How much of a long timeline is looked through because another server says so.
_MOST_EVENTS = 100_000


class RemovalRedactions:
    """Does what a kick or a ban wants besides."""

    def __init__(
        self,
        rooms: RoomCache,
        removals: Removals,
        redactions: SenderRedactions,
        background: Background,
        *,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._removals = removals
        self._redactions = redactions
        self._background = background
        self._domain = ":" + server_name

    async def removed(self, event: Event, *, most: int | None = None) -> None:
        """A member event is committed; returns when what it takes away is gone.

        Who repeats a request that was cut in two finds the rest. With `most`, no more events of the
        timeline are looked through.
        """
        if not wants_redaction(event):
            return
        room = await self._rooms.get(event.room_id)
        removal = await self._removals.by(room, event)
        if removal is not None:
            await self._redactions.take_away(room, removal, most=most)

    def committed(self, chunks: list[Chunk]) -> None:
        """Events are committed: do so for those that came from other servers."""
        for chunk in chunks:
            for entry in chunk.entries:
                for event in _members_by(entry):
                    if not event.sender.endswith(self._domain) and wants_redaction(event):
                        work = self.removed(event, most=_MOST_EVENTS)
                        self._background.spawn("redact what removed users said", work)


def _members_by(entry: Entry) -> Iterator[Event]:
    """The member events that hold by an entry, and didn't before."""
    event = entry.event
    if event.type == EventTypes.MEMBER and event.slot not in entry.flips:
        yield event
    for (type_, _), winner in entry.flips.items():
        if type_ == EventTypes.MEMBER and winner is not None:
            yield winner
