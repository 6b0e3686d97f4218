"""Replaying what came since our join on the whole state before it.

A room that was entered without its members took up events by states that lack these. Once the
members are known, the states after all these events, and whether the events are allowed, follow
from the same rules as in `synapse.rooms.receiver`: the events are gone through once more, in the
order in which they came, on the state that has them.

    the join        stands on the whole state, told by another server
    in a line       the state after an event is the one before it, and what it changes
    forks           are resolved again
    asides          that were refused are judged where they stand, so that nobody who cites them is
                    refused for their sake
    what we lack    below an event: another server tells the state before it

The states are written as differences from the whole one: a few slots each, however many members
there are. What is allowed now and was refused then stays out of the timeline, soft-failed: clients
have gone on without it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from synapse.events.auth_rules import AuthError
from synapse.events.event import Event, StateMap
from synapse.rooms.arrivals import Arrival
from synapse.rooms.judging import slots_of_event, why_not
from synapse.rooms.room import Room
from synapse.rooms.standing import stands_beside
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.forks import ForkStore, KnownState
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

_AT_ONCE = 200

# Has another server tell the state before an event; None: nobody does.
AskState = Callable[[Event], Awaitable[KnownState | None]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an event comes to."""

    event: Event
    after: KnownState  # the state after it in the graph
    view: KnownState  # the room's state once it had come
    replaces_nid: int
    rejected: bool = False
    soft_failed: bool = False
    missing: Sequence[str] = ()  # what it stands on and we don't have
    # Nobody tells where it stands: it is as if it had not come, and may come again.
    is_lost: bool = False

    @property
    def is_refused(self) -> bool:
        return self.rejected or self.soft_failed or self.is_lost


class MustAsk(Exception):
    """Another server has to tell the state before an event."""


class Replay:
    """Goes through the events of one room."""

    def __init__(
        self,
        room: Room,
        whole_nid: int,
        whole: Mapping[int, int],
        events: EventStore,
        slots: Slots,
        states: StateStore,
        forks: ForkStore,
        clock: Clock,
        *,
        ask: AskState,
    ) -> None:
        """`whole` is the snapshot of the state before our join: slot_nid → event_nid."""
        assert room.entrance is not None, "only partial rooms are replayed"
        self._room = room
        self._entrance = room.entrance
        self._whole = whole
        self._events = events
        self._slots = slots
        self._states = states
        self._forks = forks
        self._clock = clock
        self._ask = ask
        self._may_ask = True
        self._start = self.view = KnownState(whole_nid, {})
        self._pos = (room.entrance.pos or 0) - 1
        self._after: dict[str, KnownState] = {}
        self._older: dict[int, KnownState] = {}  # by snapshots of before our join
        self.outcomes: list[Outcome] = []
        self._refused: dict[str, Event] = {}
        self._rejected: set[str] = set()
        self._lost: set[str] = set()
        self.tips: list[Event] = []

    @property
    def join_nid(self) -> int:
        return self._entrance.nid

    async def catch_up(self, *, may_ask: bool = True) -> int:
        """Go through what is committed and was not yet; how many events that were.

        Raises `MustAsk` at an event that another server has to be asked about, if it may not be.
        """
        self._may_ask = may_ask
        before = len(self.outcomes)
        breaks = Breaks(self._clock)
        while page := await self._events.after(self._room.nid, self._pos, _AT_ONCE):
            for event in page:
                await self._take(event)
                self._pos = event.pos or self._pos
                await breaks.take()
        return len(self.outcomes) - before

    def at(self, state: KnownState, slot_nid: int) -> int:
        """What fills a slot of a state that was replayed; 0: nothing does."""
        filled = state.changes.get(slot_nid)
        return self._whole.get(slot_nid, 0) if filled is None else filled

    async def judge_asides(self, nids: Sequence[int]) -> None:
        """Judge those of some events without a place that nobody stands on. Raises `MustAsk`."""
        breaks = Breaks(self._clock)
        for aside in (await self._events.by_nids(nids)).values():
            if aside.event_id not in self._after and aside.event_id not in self._lost:
                await self._judge_aside(
                    aside, await self._before(aside, await self._missing(aside))
                )
            await breaks.take()

    async def _judge_aside(self, aside: Event, before: KnownState | None) -> None:
        if before is None:
            self._note(Outcome(aside, self._start, self.view, 0, is_lost=True))
            return
        outcome = await self._judged(aside, before)
        # It has no place, whatever it comes to; what it stood on is no end of the graph.
        self._note(replace(outcome, soft_failed=not outcome.rejected))

    async def _take(self, event: Event) -> None:
        """Judge an event of the timeline, and put it at the end of the graph."""
        prev_ids = set(event.prev_event_ids())
        is_first = event.event_id == self._entrance.event_id
        is_in_line = is_first or prev_ids == {tip.event_id for tip in self.tips}
        missing = [] if is_first else await self._missing(event)
        before = self.view if is_in_line else await self._before(event, missing)
        if before is None:
            self._note(Outcome(event, self._start, self.view, 0, is_lost=True))
            return
        outcome = await self._judged(event, before)
        if not outcome.is_refused:
            if is_in_line:
                self.tips = [event]
                self.view = outcome.after
            else:
                self.tips = self._tips_with(event)
                await self._merge()
        self._note(replace(outcome, missing=missing))

    async def _judged(self, event: Event, before: KnownState) -> Outcome:
        cited = event.auth_event_ids()
        known = await self._events.get_many(cited)
        known = {event_id: self._settled(auth) for event_id, auth in known.items()}
        # Their signatures were checked when they came.
        signed_by = frozenset(event.parsed().get("signatures", ()))
        arrival = Arrival(event, [known[e] for e in cited if e in known], signed_by)
        slots = slots_of_event(event)
        replaces = slot_nid = 0
        if event.state_key is not None:
            slot_nid = (await self._slots.nids([event.slot]))[event.slot]
            replaces = self.at(before, slot_nid)
        if await self._why_not(arrival, slots, before):
            return Outcome(event, before, self.view, 0, rejected=True)
        after = before.with_changes({slot_nid: event.nid} if slot_nid else {})
        self._after[event.event_id] = after
        soft_failed = before is not self.view and bool(
            await self._why_not(arrival, slots, self.view)
        )
        return Outcome(event, after, self.view, replaces, soft_failed=soft_failed)

    def _settled(self, event: Event) -> Event:
        """An event with what it has come to."""
        is_rejected = event.rejected
        if event.event_id in self._after:
            is_rejected = event.event_id in self._rejected
        if is_rejected == event.rejected:
            return event
        return msgspec.structs.replace(event, rejected=is_rejected)

    async def _why_not(
        self, arrival: Arrival, slots: Sequence[tuple[str, str]], state: KnownState
    ) -> AuthError | None:
        return why_not(arrival, await self._events_of(state, slots))

    async def _events_of(self, state: KnownState, slots: Sequence[tuple[str, str]]) -> StateMap:
        nids = await self._slots.nids(slots)
        filled = [nid for slot_nid in nids.values() if (nid := self.at(state, slot_nid))]
        return {event.slot: event for event in (await self._events.by_nids(filled)).values()}

    async def _before(self, event: Event, missing: Sequence[str]) -> KnownState | None:
        """The state that an event stands on; None: nobody tells.

        What it stands on or cites is judged first, if that was not done yet.
        """
        # A stack instead of recursion: those who are refused may stand on each other at length.
        stack = [(event, missing)]
        opened = {event.event_id}  # in versions 1 and 2, they may stand on each other in a circle
        while True:
            current, missing = stack[-1]
            below = [e for e in await self._unjudged(current) if e.event_id not in opened]
            if below:
                opened.update(e.event_id for e in below)
                stack += [(e, await self._missing(e)) for e in below]
                continue
            stack.pop()
            before = await self._resolved(current, missing)
            if not stack:
                return before
            if current.pos is None:
                await self._judge_aside(current, before)
            else:
                await self._judge_early(current, before)

    async def _judge_early(self, event: Event, before: KnownState | None) -> None:
        """Judge an event of the timeline before its turn: it came later than who stands on it."""
        if before is None:
            self._lost.add(event.event_id)
            return
        outcome = await self._judged(event, before)
        self._after[event.event_id] = outcome.after
        if outcome.rejected:
            self._rejected.add(event.event_id)

    async def _unjudged(self, event: Event) -> list[Event]:
        """Those that an event stands on or cites that have come since our join, and were neither
        gone through nor judged."""
        cited = [e for e in event.auth_event_ids() if e not in self._after and e not in self._lost]
        known = {**await self._unseen(event), **await self._events.in_room(event.room_id, cited)}
        return [e for e in known.values() if e.state_nid and not self._is_history(e)]

    def _is_history(self, event: Event) -> bool:
        """Whether it is from before our join."""
        return event.pos is not None and event.pos < (self._entrance.pos or 0)

    async def _missing(self, event: Event) -> list[str]:
        """Those of the `prev_events` of which no state is known."""
        known = await self._unseen(event)
        return [
            event_id
            for event_id in dict.fromkeys(event.prev_event_ids())
            if event_id not in self._after
            and (event_id not in known or not known[event_id].state_nid)
            and not stands_beside(self._entrance, event.prev_event_ids())
        ]

    async def _unseen(self, event: Event) -> dict[str, Event]:
        """Those of the `prev_events` that are here and were not gone through."""
        if stands_beside(self._entrance, event.prev_event_ids()):
            return {}
        return await self._events.in_room(
            event.room_id,
            [e for e in event.prev_event_ids() if e not in self._after and e not in self._lost],
        )

    async def _resolved(self, event: Event, missing: Sequence[str]) -> KnownState | None:
        prev_ids = list(dict.fromkeys(event.prev_event_ids()))
        if stands_beside(self._entrance, prev_ids):
            return self._start
        unseen = await self._unseen(event)
        if missing or not prev_ids or not all(map(self._is_history, unseen.values())):
            if not self._may_ask:
                raise MustAsk
            told = await self._ask(event)
            return None if told is None else await self._relative(told)
        states = [self._after[e] for e in prev_ids if e in self._after]
        # History from before our join has whole states of its own.
        for older in unseen.values():
            nid = older.state_nid
            if nid not in self._older:
                self._older[nid] = await self._relative(KnownState(nid, {}))
            states.append(self._older[nid])
        if all(state is states[0] for state in states):
            return states[0]
        return await self._forks.resolve(self._room.version, states)

    async def _relative(self, state: KnownState) -> KnownState:
        """A whole state, told by how it differs from the one before our join."""
        full = {**await self._states.whole(state.base_nid), **state.changes}
        whole = self._whole
        changes = {slot: nid for slot, nid in full.items() if whole.get(slot, 0) != nid}
        changes.update(dict.fromkeys(whole.keys() - full.keys(), 0))
        return KnownState(self._start.base_nid, changes)

    async def _merge(self) -> None:
        """The room's state follows from the states after all ends of the graph."""
        states = [self._after[tip.event_id] for tip in self.tips]
        changes = await self._forks.changes(self._room.version, self.view, states, None)
        self.view = self.view.with_changes(changes)

    def _tips_with(self, event: Event) -> list[Event]:
        covered = set(event.prev_event_ids())
        stack = list(covered)
        while stack:
            refused = self._refused.get(stack.pop())
            if refused is not None:
                fresh = set(refused.prev_event_ids()) - covered
                covered |= fresh
                stack += fresh
        return [tip for tip in self.tips if tip.event_id not in covered] + [event]

    def _note(self, outcome: Outcome) -> None:
        event_id = outcome.event.event_id
        if outcome.is_lost:
            self._lost.add(event_id)
        else:
            self._after[event_id] = outcome.after
        if outcome.is_refused:
            self._refused[event_id] = outcome.event
        if outcome.rejected:
            self._rejected.add(event_id)
        else:
            self._rejected.discard(event_id)
        self.outcomes.append(replace(outcome, view=self.view))
