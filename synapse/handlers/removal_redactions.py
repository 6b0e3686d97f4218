"""Kicks and bans that take away what the user said (MSC4293)."""

from typing import Final

from synapse.api.constants import EventTypes, Membership
from synapse.events.event import Event
from synapse.events.power_levels import PowerLevels
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.sender_redactions import SenderRedactions
from synapse.storage.stores.events import EventStore

# The member of the content that wants it, and of the bodies of `/kick` and `/ban`.
REDACT_EVENTS: Final = "org.matrix.msc4293.redact_events"
# How many of a user's member events are looked through for their last join.
_MAX_WALK = 100


class RemovalRedactions:
    """Does what a kick or a ban wants besides."""

    def __init__(self, rooms: RoomCache, events: EventStore, redactions: SenderRedactions) -> None:
        self._rooms = rooms
        self._events = events
        self._redactions = redactions

    async def removed(self, event: Event) -> None:
        """A member event is committed; returns when what it takes away is gone.

        Who repeats a request that was cut in two finds the rest.
        """
        user_id = event.state_key
        if user_id is None or user_id == event.sender or not _wants_redaction(event):
            return
        room = await self._rooms.get(event.room_id)
        if not await self._may_redact(room, event.sender):
            return
        join = await self._last_join(event)
        if join is not None and join.pos is not None:
            await self._redactions.take_away(room, user_id, join.pos, event)

    async def _may_redact(self, room: Room, moderator: str) -> bool:
        slots = [(EventTypes.CREATE, ""), (EventTypes.POWER_LEVELS, "")]
        levels = PowerLevels.of(await self._rooms.state(room, slots))
        required = max(levels.redact, levels.to_send(EventTypes.REDACTION, is_state=False))
        return levels.of_user(moderator) >= required

    async def _last_join(self, event: Event) -> Event | None:
        """The event with which the membership began that was ended; None if none was."""
        join = None
        for _ in range(_MAX_WALK):
            before = (await self._events.by_nids([event.replaces_nid])).get(event.replaces_nid)
            if before is None:
                break
            if before.membership == Membership.JOIN:
                join = before  # as often as the user changed their name
            elif join is not None or not _wants_redaction(before):
                break
            event = before
        return join


def _wants_redaction(event: Event) -> bool:
    is_removal = event.membership in (Membership.LEAVE, Membership.BAN)
    return is_removal and event.content.get(REDACT_EVENTS) is True
