"""Reading the state of rooms: as it is now, as it was at an event, as a reader may see it."""

from collections.abc import Collection, Sequence

from synapse.api.constants import EventTypes
from synapse.events.event import Event, StateMap
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room, Slot
from synapse.storage.stores.members import Membership
from synapse.storage.stores.states import StateStore


class States:
    """Finds state events, in memory where they are there."""

    def __init__(self, rooms: RoomCache, states: StateStore) -> None:
        self._rooms = rooms
        self._states = states

    async def now(self, room: Room) -> list[Event]:
        """All of the current state."""
        others = await self._states.without_members(room.nid)
        return others + await self._states.members(room.nid)

    async def members_now(
        self, room: Room, memberships: Collection[Membership] = tuple(Membership)
    ) -> list[Event]:
        return await self._states.members(room.nid, memberships)

    async def at_event(
        self, room: Room, event: Event, *, members: Collection[str] | None = None
    ) -> list[Event]:
        """The state after an event; of the members only these users, if any are named."""
        if members is None:
            if event.state_nid == room.view_nid:
                return await self.now(room)
            return list((await self._states.events_at(event.state_nid)).values())
        slots = [(EventTypes.MEMBER, user_id) for user_id in members]
        named = await self.slots_at_event(room, event, slots)
        return await self._others_at(room, event) + list(named.values())

    async def slots_at_event(self, room: Room, event: Event, slots: Sequence[Slot]) -> StateMap:
        """What filled some slots after an event."""
        return await self._slots_at(room, event.state_nid, slots)

    async def slots_in_view(self, room: Room, event: Event, slots: Sequence[Slot]) -> StateMap:
        """What filled some slots of the room's state when an event had come.

        Where forks met, that is more than the event stands on.
        """
        return await self._slots_at(room, event.view_nid, slots)

    async def members_at(
        self, room: Room, state_nid: int, memberships: Collection[Membership]
    ) -> list[Event]:
        """The member events of these memberships in a snapshot."""
        if state_nid == room.view_nid:
            return await self.members_now(room, memberships)
        wanted = {membership.text for membership in memberships}
        state = await self._states.events_at(state_nid)
        return [
            event
            for event in state.values()
            if event.type == EventTypes.MEMBER and event.membership in wanted
        ]

    async def _slots_at(self, room: Room, state_nid: int, slots: Sequence[Slot]) -> StateMap:
        if state_nid == room.view_nid:
            return await self._rooms.state(room, list(slots))
        return await self._states.events_at(state_nid, slots)

    async def _others_at(self, room: Room, event: Event) -> list[Event]:
        if event.state_nid == room.view_nid:
            return await self._states.without_members(room.nid)
        state = await self._states.events_at(event.state_nid)
        return [e for e in state.values() if e.type != EventTypes.MEMBER]
