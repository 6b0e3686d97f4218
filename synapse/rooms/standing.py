"""Where an event stands in a room's graph, if it doesn't stand on the room's newest events.

Its state is what follows from the states after its `prev_events`; what the room's state becomes by
it follows from the states after all ends of the graph, the new event among them. Both are state
resolution (`synapse.storage.stores.forks`), and often there is nothing to resolve.
"""

from collections.abc import Sequence

from synapse.api.constants import EventTypes, Membership
from synapse.events.event import Event, StateMap
from synapse.rooms.cache import RoomCache
from synapse.rooms.chunks import Fork
from synapse.rooms.room import MemberChange, Room, Slot
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.forks import NEWCOMER, ForkStore, KnownState, Newcomer
from synapse.storage.stores.gaps import GapStore
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore

# How many ends of the graph an event of ours names. (The specification's limit is 20.)
MAX_PREV_EVENTS = 10
# How many events that failed are looked through for the ends of the graph below them.
_MAX_WALK = 100


class UnknownState(LookupError):
    """Of some `prev_events` the state is not known."""

    def __init__(self, event_ids: Sequence[str]) -> None:
        super().__init__(f"The state after {', '.join(event_ids)} is not known")
        self.event_ids = event_ids


class Standings:
    """Finds out where events stand. Hold the room's turn, with nothing of it under way."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        states: StateStore,
        slots: Slots,
        forks: ForkStore,
        gaps: GapStore,
        *,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._states = states
        self._slots = slots
        self._forks = forks
        self._gaps = gaps
        self._domain = ":" + server_name

    async def some_tips(self, room: Room, state: StateMap) -> list[Event]:
        """As many ends of the graph as an event may name that is judged by this state.

        Those first that stand for most of that state themselves, so that what they agree on allows
        what the room does; then the newest.
        """
        nids = await self._slots.nids(list(state))
        ranked = []
        for place, tip in enumerate(room.tips):
            held = await self._states.filled(tip.state_nid, list(nids.values()))
            same = sum(held.get(nids[slot]) == event.nid for slot, event in state.items())
            ranked.append((same, place, tip))
        ranked.sort(key=lambda item: item[:2], reverse=True)
        return [tip for _, _, tip in ranked[:MAX_PREV_EVENTS]]

    async def state_before(self, room: Room, prev_event_ids: Sequence[str]) -> KnownState:
        """The state that an event with these `prev_events` stands on. Raises `UnknownState`.

        In a room that lacks its members, all states are to lack the same ones. Of what stands on
        the history before our join more may be known, but it is as unknown here: see `provisional`.
        """
        entrance = room.entrance
        if entrance is not None and stands_beside(entrance, prev_event_ids):
            return await self._before_entrance(entrance)
        found = await self._events.in_room(room.room_id, prev_event_ids)
        unknown = [
            event_id
            for event_id in prev_event_ids
            if event_id not in found
            or not found[event_id].state_nid
            or _is_below(found[event_id], entrance)
        ]
        if unknown or not found:
            raise UnknownState(unknown)
        state_nids = sorted({event.state_nid for event in found.values()})
        return await self._forks.resolve(room.version, [KnownState(nid, {}) for nid in state_nids])

    async def provisional(self, room: Room, prev_event_ids: Sequence[str]) -> KnownState:
        """What stands in for the state before an event until a partial room is whole.

        What the event stands on and we don't have is taken for the history before our join.
        """
        entrance = room.entrance
        assert entrance is not None, "only partial rooms make do with that"
        found = (await self._events.in_room(room.room_id, prev_event_ids)).values()
        nids = {e.state_nid for e in found if e.state_nid and not _is_below(e, entrance)}
        states = [KnownState(nid, {}) for nid in sorted(nids)]
        states.append(await self._before_entrance(entrance))
        return await self._forks.resolve(room.version, states)

    async def _before_entrance(self, entrance: Event) -> KnownState:
        nids = await self._slots.nids([entrance.slot])
        return KnownState(entrance.state_nid, {nids[entrance.slot]: entrance.replaces_nid})

    async def events_of(self, state: KnownState, slots: Sequence[Slot]) -> StateMap:
        """What fills some slots of a state."""
        nids = await self._slots.nids(slots)
        found = await self._states.filled(state.base_nid, list(nids.values()))
        found |= {nid: event for nid, event in state.changes.items() if nid in nids.values()}
        events = await self._events.by_nids([nid for nid in found.values() if nid])
        return {event.slot: event for event in events.values()}

    async def with_events(self, state: KnownState, events: StateMap) -> KnownState:
        """A state in which these events fill their slots."""
        nids = await self._slots.nids(list(events))
        return state.with_changes({nids[slot]: event.nid for slot, event in events.items()})

    async def tips_with(self, room: Room, event: Event) -> list[Event]:
        """The ends of the graph once an event is in it. It may be none itself, if it comes late."""
        covered = set(event.prev_event_ids())
        # What was refused is no end; but what it stood on is covered by who stands on it.
        stack = list(covered)
        for _ in range(_MAX_WALK):
            if not stack:
                break
            for known in (await self._events.in_room(room.room_id, [stack.pop()])).values():
                if known.rejected or known.soft_failed:
                    fresh = set(known.prev_event_ids()) - covered
                    covered |= fresh
                    stack += fresh
        covered |= room.covered
        tips = [tip for tip in room.tips if tip.event_id not in covered]
        # What stands on it came first: then there is an end above it.
        if tips and await self._gaps.is_missed(room.nid, event.event_id):
            return tips
        return [*tips, event]

    async def fork(
        self,
        room: Room,
        event: Event,
        before: KnownState,
        auth_events: Sequence[Event],
        tips: Sequence[Event],
    ) -> Fork:
        """What the room's state becomes by an event that stands on a state; `tips` with it."""
        slot_nid, after = NEWCOMER, before
        if event.state_key is not None:
            slot_nid = (await self._slots.nids([event.slot])).get(event.slot, NEWCOMER)
            after = before.with_changes({slot_nid: event.nid or NEWCOMER})
        newcomer = None
        if not event.nid:  # an outlier is in the database
            newcomer = Newcomer(event, slot_nid, tuple(auth.nid for auth in auth_events))
        states = [KnownState(tip.state_nid, {}) for tip in tips if tip is not event]
        if event in tips:
            states.insert(0, after)
        view = KnownState(room.view_nid, {})
        changes = await self._forks.changes(room.version, view, states, newcomer)
        takes = changes.get(slot_nid) == NEWCOMER
        if takes:
            del changes[slot_nid]
        names = await self._slots.slots(changes)
        winners = await self._events.by_nids([nid for nid in changes.values() if nid])
        flips = {names[slot]: winners[nid] if nid else None for slot, nid in changes.items()}
        if event.state_key is not None and not takes and event.slot not in flips:
            flips[event.slot] = await self._rooms.current(room, *event.slot)
        return Fork(before, flips)

    def is_ours(self, event: Event) -> bool:
        """Whether the event's state key is a user of ours."""
        return event.state_key is not None and event.state_key.endswith(self._domain)

    async def changes(self, room: Room, event: Event, fork: Fork) -> list[MemberChange]:
        """The memberships that change by an event."""
        winners: dict[Slot, Event | None] = dict(fork.flips)
        if event.state_key is not None:
            winners.setdefault(event.slot, event)
        members = {slot: e for slot, e in winners.items() if slot[0] == EventTypes.MEMBER}
        await self._rooms.state(room, list(members))
        return [
            MemberChange(
                user_id,
                room.membership(user_id),
                Membership.LEAVE if winner is None else winner.membership,
                user_id.endswith(self._domain),
            )
            for (_, user_id), winner in members.items()
        ]


def stands_beside(entrance: Event, prev_event_ids: Sequence[str]) -> bool:
    """Whether an event stands on just what our join stands on, whose state is known."""
    return set(prev_event_ids) == set(entrance.prev_event_ids())


def _is_below(event: Event, entrance: Event | None) -> bool:
    """Whether an event is of the history before our join."""
    if entrance is None or entrance.pos is None:
        return False
    if event.pos is None:
        return event.nid < entrance.nid
    return event.pos < entrance.pos
