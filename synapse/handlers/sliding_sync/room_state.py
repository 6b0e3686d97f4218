"""The state that a client requires of a room, as it is now or was when the user left."""

from collections.abc import Iterable

from synapse.api.constants import EventTypes
from synapse.events.event import Event, StateMap
from synapse.handlers.sliding_sync.required_state import ANY, LAZY, RequiredState
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room, Slot
from synapse.storage.stores.states import StateStore

_KEPT = frozenset(
    (type_, "")
    for type_ in (
        EventTypes.CREATE,
        EventTypes.NAME,
        EventTypes.AVATAR,
        EventTypes.TOPIC,
        EventTypes.ENCRYPTION,
        EventTypes.JOIN_RULES,
        EventTypes.POWER_LEVELS,
        EventTypes.HISTORY_VISIBILITY,
        EventTypes.CANONICAL_ALIAS,
        EventTypes.TOMBSTONE,
    )
)


class RequiredStates:
    """Reads no more of a room's state than was asked for."""

    def __init__(self, rooms: RoomCache, states: StateStore) -> None:
        self._rooms = rooms
        self._states = states

    async def current(self, room: Room, slots: Iterable[Slot]) -> StateMap:
        """What fills these slots, as far as it is committed.

        Memory keeps what most clients ask for; not the rest, since they may name any slot.
        """
        slots = list(dict.fromkeys(slots))
        await self._rooms.state(
            room, [slot for slot in slots if slot in _KEPT or slot[0] == EventTypes.MEMBER]
        )
        found: StateMap = {}
        missing = []
        for slot in slots:
            event = room.current(slot) if room.knows(slot) else None
            if not room.knows(slot) or (event is not None and room.is_pending(event)):
                missing.append(slot)
            elif event is not None:
                found[slot] = event
        if missing:
            found.update(await self._states.current(room.nid, missing))
        return found

    async def required(
        self, room: Room, required: RequiredState, users: Iterable[str], more: Iterable[Slot] = ()
    ) -> StateMap:
        """The required state now, the member events of some users, and what fills `more`."""
        found: StateMap = {}
        if required.needs_all:
            for event in await self._states.without_members(room.nid):
                found[event.slot] = event
        if required.all_members:
            for event in await self._states.members(room.nid):
                found[event.slot] = event
        slots = [slot for slot in (*_slots(required, users), *more) if slot not in found]
        found.update(await self.current(room, slots))
        return found

    async def required_at(
        self,
        state_nid: int,
        required: RequiredState,
        users: Iterable[str],
        more: Iterable[Slot] = (),
    ) -> StateMap:
        """The same as it was in a snapshot."""
        if required.needs_all or required.all_members:
            return await self._states.events_at(state_nid)
        return await self._states.events_at(state_nid, [*_slots(required, users), *more])


def chosen(state: StateMap, required: RequiredState, users: Iterable[str] = ()) -> list[Event]:
    """The required events of a state, and the member events of these users."""
    members = {(EventTypes.MEMBER, user) for user in users}
    return [event for slot, event in state.items() if slot in members or required.matches(event)]


def _slots(required: RequiredState, users: Iterable[str]) -> list[Slot]:
    slots = required.slots()
    slots += [(EventTypes.MEMBER, user) for user in users]
    slots += [
        (EventTypes.MEMBER, key)
        for type_, key in required.pairs
        if type_ == ANY and key not in (ANY, LAZY)
    ]
    return slots
