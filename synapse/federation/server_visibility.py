"""What a server may see of a room's history: what one of its users may.

The rule is that of users (`synapse.events.visibility`), with the best membership that a user of the
server had at the event. That is read only where a room's history is or was not open to all members.
"""

from collections.abc import Sequence

from synapse.api.constants import EventTypes, HistoryVisibility
from synapse.events.event import Event
from synapse.events.visibility import Standing, history_visibility, may_see
from synapse.federation.partial_rooms import check_whole
from synapse.federation.visitors import Visitor
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import Membership
from synapse.storage.stores.room_servers import RoomServerStore
from synapse.storage.stores.slots import Slot, Slots
from synapse.storage.stores.states import StateStore

_SLOT = (EventTypes.HISTORY_VISIBILITY, "")
_OPEN = (HistoryVisibility.SHARED, HistoryVisibility.WORLD_READABLE)
_RANKS = (Membership.LEAVE.text, Membership.INVITE.text, Membership.JOIN.text)
_AT_ONCE = 100


class ServerVisibility:
    """Finds the events that a server may not see."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        states: StateStore,
        slots: Slots,
        store: RoomServerStore,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._states = states
        self._slots = slots
        self._store = store

    async def hidden(self, visitor: Visitor, events: Sequence[Event]) -> set[int]:
        """Those of some events of the room (their nids) that the visitor may not see.

        The state at each must be known. Raises `UnableDueToPartialState` where the members in it
        matter, and aren't known.
        """
        if visitor.is_inside and await self._was_always_open(visitor):
            return set()
        look = _Look(visitor, self._events, self._states, self._slots, self._store)
        return {event.nid for event in events if not await look.sees(event)}

    async def _was_always_open(self, visitor: Visitor) -> bool:
        setting = await self._rooms.current(visitor.room, *_SLOT)
        if setting is None:
            return True
        never_other = setting.pos is not None and not setting.replaces_nid
        return never_other and history_visibility(setting.content) in _OPEN


class _Look:
    """One visitor's look at some events."""

    def __init__(
        self,
        visitor: Visitor,
        events: EventStore,
        states: StateStore,
        slots: Slots,
        store: RoomServerStore,
    ) -> None:
        self._visitor = visitor
        self._events = events
        self._states = states
        self._slots = slots
        self._store = store
        self._settings: dict[int, str] = {}
        self._memberships: dict[int, str] = {}
        self._users: dict[Slot, int] | None = None

    async def sees(self, event: Event) -> bool:
        pos = event.pos
        joined_later = self._visitor.is_inside if pos is None else self._visitor.joined_after(pos)
        after = before = await self._setting(event.state_nid)
        replaced = None
        if event.is_state and event.replaces_nid:
            found = await self._events.by_nids([event.replaces_nid])
            replaced = found.get(event.replaces_nid)
        if event.is_state and event.slot == _SLOT:
            before = history_visibility(None if replaced is None else replaced.content)
        if may_see(Standing(before), Standing(after), joined_later=joined_later):
            return True
        membership = earlier = await self._membership(event.state_nid)
        if event.type == EventTypes.MEMBER and replaced is not None and self._is_theirs(event):
            earlier = max(membership, replaced.membership, key=_rank)
        return may_see(
            Standing(before, earlier), Standing(after, membership), joined_later=joined_later
        )

    def _is_theirs(self, event: Event) -> bool:
        key = event.state_key
        return key is not None and key.partition(":")[2] == self._visitor.server

    async def _setting(self, state_nid: int) -> str:
        setting = self._settings.get(state_nid)
        if setting is None:
            event = (await self._states.events_at(state_nid, [_SLOT])).get(_SLOT)
            setting = history_visibility(None if event is None else event.content)
            self._settings[state_nid] = setting
        return setting

    async def _membership(self, state_nid: int) -> str:
        """The best membership that a user of the server has in a state."""
        check_whole(self._visitor.room)
        best = self._memberships.get(state_nid)
        if best is None:
            best = self._memberships[state_nid] = await self._best(state_nid)
        return best

    async def _best(self, state_nid: int) -> str:
        if self._users is None:
            users = await self._store.users(self._visitor.room.nid, self._visitor.server)
            slots = [(EventTypes.MEMBER, user.user_id) for user in users]
            self._users = await self._slots.nids(slots)
        state = await self._states.at(state_nid)
        nids = [state[slot] for slot in self._users.values() if slot in state]
        best = Membership.LEAVE.text
        for start in range(0, len(nids), _AT_ONCE):
            events = await self._events.by_nids(nids[start : start + _AT_ONCE])
            best = max(best, *(event.membership for event in events.values()), key=_rank)
            if best == Membership.JOIN.text:
                break
        return best


def _rank(membership: str) -> int:
    return _RANKS.index(membership) if membership in _RANKS else 0
