"""Removals that take away what the user said (MSC4293): whose, and since when.

A kick or a ban says so in its content, if it comes from somebody who may redact. It counts for what
the user said since the join with which the membership began that it ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from synapse.api.constants import EventTypes, Membership
from synapse.events.event import Event
from synapse.events.power_levels import PowerLevels
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore

# The member of the content that wants it, and of the bodies of `/kick` and `/ban`.
REDACT_EVENTS: Final = "org.matrix.msc4293.redact_events"
# How many of a user's member events are looked through for their last join.
_MAX_WALK = 100
# They make the room what it is; and who was in it when is told by its member events.
_KEPT = (EventTypes.CREATE, EventTypes.SERVER_ACL, EventTypes.MEMBER)


@dataclass(frozen=True, slots=True)
class Removal:
    """A member event that takes away what a user said."""

    because: Event
    join: Event  # since then

    @property
    def sender(self) -> str:
        """Whose events it takes away."""
        return self.because.state_key or ""

    def takes(self, event: Event) -> bool:
        """Whether it takes an event away, which may have its place in the timeline already."""
        if event.sender != self.sender or event.type in _KEPT or event.redacted:
            return False
        if event.pos is not None and self.join.pos is not None:
            return event.pos > self.join.pos
        # One of them came with a state or with history, or stands nowhere.
        return event.depth > self.join.depth


class Removals:
    """Finds them."""

    def __init__(self, rooms: RoomCache, events: EventStore) -> None:
        self._rooms = rooms
        self._events = events

    async def of(self, room: Room, user_ids: Sequence[str]) -> dict[str, Removal]:
        """By user, for those who are removed so at present."""
        state = await self._rooms.state(room, [(EventTypes.MEMBER, u) for u in user_ids])
        found = {}
        for member in state.values():
            if (removal := await self.by(room, member)) is not None:
                found[removal.sender] = removal
        return found

    async def by(self, room: Room, event: Event) -> Removal | None:
        """What a member event takes away; None: nothing."""
        if not wants_redaction(event) or not await self._may_redact(room, event.sender):
            return None
        join = await self._last_join(event)
        return None if join is None else Removal(event, join)

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
            elif join is not None or not wants_redaction(before):
                break
            event = before
        return join


def wants_redaction(event: Event) -> bool:
    """Whether a member event is such a removal, by whoever."""
    is_removal = event.membership in (Membership.LEAVE, Membership.BAN)
    is_others = event.state_key is not None and event.state_key != event.sender
    return is_removal and is_others and event.content.get(REDACT_EVENTS) is True
