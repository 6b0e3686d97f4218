"""The receiver: how events of other servers come into a room.

They go through the same phases as ours (`synapse.rooms.writer`), with these differences:

    verify      was done before: hashes and signatures are right (`synapse.federation`)
    gather      an event on top of the room's newest ones is judged by the room's state; any other
                by the state that follows from its `prev_events` (`synapse.rooms.standing`)
    authorise   by its auth events, by the state before it (else it is *rejected*), and by the
                room's state as it is now (else it is *soft-failed*)
    approve     by the room's policy server (else it is soft-failed, too); that one is asked before
                all else, since nothing in the room should wait for it
    resolve     what the room's state becomes where forks meet

Specification, server-server API, "Checks performed on receipt of a PDU".
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum

import msgspec

from synapse.api.constants import EventTypes
from synapse.api.errors import MatrixError
from synapse.events.event import Event, StateMap
from synapse.events.policy import POLICY_SLOT, policy_of
from synapse.rooms.approvals import Approvals
from synapse.rooms.arrivals import Arrival
from synapse.rooms.asides import Aside, Asides
from synapse.rooms.cache import RoomCache
from synapse.rooms.chunks import Chunk, Entry, Redaction, numbers
from synapse.rooms.commits import Commits
from synapse.rooms.hearsay import hearsay
from synapse.rooms.judging import is_hearsay, slots_of_event, why_not
from synapse.rooms.moves import change_by, moves_of
from synapse.rooms.noise import SILENCE
from synapse.rooms.redactions import redaction_of
from synapse.rooms.removals import Removals
from synapse.rooms.room import HeadMoved, Room, Slot
from synapse.rooms.sender_redactions import SenderRedactions
from synapse.rooms.standing import Standings, UnknownState
from synapse.rooms.writer import Draft, Weigh
from synapse.storage.errors import ConstraintViolated
from synapse.storage.stores.early_redactions import EarlyRedactions
from synapse.storage.stores.events import EventStore, replaced_unsigned
from synapse.storage.stores.forks import KnownState
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

_TRIES = 10


class Verdict(Enum):
    """What became of an event."""

    ACCEPTED = "accepted"
    KNOWN = "known"  # it was here before
    SOFT_FAILED = "soft-failed"
    REJECTED = "rejected"
    DOUBTFUL = "doubtful"  # only a state that another server told forbids it: it is not kept


class Receiver:
    """Adds events of other servers to rooms that are here."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        standings: Standings,
        asides: Asides,
        early_redactions: EarlyRedactions,
        removals: Removals,
        sender_redactions: SenderRedactions,
        commits: Commits,
        approvals: Approvals,
        clock: Clock,
        *,
        weigh: Weigh,
        forked: Callable[[Room], None],
    ) -> None:
        """`weigh` tells whom an event reaches; `forked` is told of rooms with several ends."""
        self._rooms = rooms
        self._events = events
        self._standings = standings
        self._asides = asides
        self._early_redactions = early_redactions
        self._removals = removals
        self._sender_redactions = sender_redactions
        self._commits = commits
        self._approvals = approvals
        self._clock = clock
        self._weigh = weigh
        self._forked = forked
        # For the metrics.
        self.soft_failed = 0

    async def receive(self, room_id: str, arrivals: Sequence[Arrival]) -> list[Verdict]:
        """Take up events, in this order; returns when they are committed.

        The `prev_events` of each must be here, or before it in the list, unless it comes with the
        state that it stands on. Raises `NotFound` for an unknown room, `UnknownState`.
        """
        verdicts: dict[str, Verdict] = {}
        arrivals = await self._shown(room_id, arrivals)
        for _ in range(_TRIES - 1):
            try:
                await self._receive_once(room_id, arrivals, verdicts)
                break
            except (HeadMoved, ConstraintViolated):
                logger.info("Room %s moved on: looking at what came for it anew", room_id)
        else:
            await self._receive_once(room_id, arrivals, verdicts)
        return [verdicts[arrival.event.event_id] for arrival in arrivals]

    async def _shown(self, room_id: str, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """The arrivals with what the room's policy server says of them, if it has one."""
        room = await self._rooms.get(room_id)
        if policy_of(await self._rooms.current(room, *POLICY_SLOT)) is None:
            return arrivals
        known = await self._events.get_many([arrival.event.event_id for arrival in arrivals])
        shown = []
        for arrival in arrivals:
            seen = known.get(arrival.event.event_id)
            if seen is None or not seen.state_nid:
                try:
                    event = await self._approvals.approve(room, arrival.event)
                    arrival = replace(arrival, event=event)
                except MatrixError as objection:
                    arrival = replace(arrival, objection=objection)
            shown.append(arrival)
        return shown

    async def _receive_once(
        self, room_id: str, arrivals: Sequence[Arrival], verdicts: dict[str, Verdict]
    ) -> None:
        room = await self._rooms.get(room_id)
        await room.turns.acquire()
        try:
            event_ids = [arrival.event.event_id for arrival in arrivals]
            visit = _Visit(room, verdicts)
            visit.known = await self._events.get_many(event_ids)
            visit.early_redactions = await self._early_redactions.of(event_ids)
            for arrival in arrivals:
                if not visit.has_judged(arrival.event.event_id):
                    await self._take_up(visit, arrival)
            await self._commit(visit)
        finally:
            room.turns.release()

    async def _commit(self, visit: "_Visit") -> None:
        """Commit what was taken up so far. The room's turn is ours until then."""
        chunk, room = visit.chunk, visit.room
        if chunk.entries:
            if room.lost:
                raise HeadMoved(room.room_id)
            chunk.after = numbers(room)
            self._rooms.busy(room)
            await self._commits.commit(chunk)
            if len(room.tips) > 1:
                self._forked(room)
        visit.committed()

    # duplicate, gather

    async def _take_up(self, visit: "_Visit", arrival: Arrival) -> None:
        event, room = arrival.event, visit.room
        known = visit.known.get(event.event_id)
        if known is not None and known.room_id != room.room_id:
            logger.info("%s is refused: %s has an event of that id", event, known.room_id)
            visit.pending[event.event_id] = Verdict.REJECTED
            return
        if known is not None and (known.state_nid or known.rejected):
            visit.pending[event.event_id] = Verdict.KNOWN
            return
        tips = {tip.event_id for tip in room.tips}
        is_next = known is None and arrival.before is None and arrival.objection is None
        if is_next and tips == set(event.prev_event_ids()):
            state = await self._rooms.state(room, _slots_for(room, arrival))
            if why_not(arrival, state) is None and not self._hearsay(room, arrival, state):
                await self._append(visit, arrival, state)
                return
        # Its standing is asked of the database, and what follows stands on it.
        await self._commit(visit)
        await room.writes.empty()
        if room.lost:
            raise HeadMoved(room.room_id)
        await self._take_up_beside(visit, arrival, known)
        await self._commit(visit)

    async def _append(self, visit: "_Visit", arrival: Arrival, state: StateMap) -> None:
        """Take up an event that stands on the room's newest ones."""
        event, room = arrival.event, visit.room
        noise = await self._weigh(room, _as_draft(event), state)
        replaced = room.current(event.slot) if event.state_key is not None else None
        await self._redact(visit, event, state)
        _tell_replaced(event, replaced)
        is_local = self._standings.is_ours(event)
        moves = moves_of(change_by(room, event, is_local=is_local))
        visit.chunk.entries.append(
            Entry(
                event,
                arrival.auth_events,
                replaced,
                noise,
                moves=moves,
                is_outgoing=arrival.is_passed_on,
            )
        )
        room.append(event, is_local=is_local)
        visit.pending[event.event_id] = Verdict.ACCEPTED

    async def _take_up_beside(
        self, visit: "_Visit", arrival: Arrival, outlier: Event | None
    ) -> None:
        """Take up an event that stands on another state than the room's."""
        room = visit.room
        event = arrival.event
        if outlier is not None:
            # A copy: who reads the outlier before the commit must not find its place on it.
            event = msgspec.structs.replace(outlier)
        before, is_provisional = arrival.before, False
        if before is None:
            try:
                before = await self._standings.state_before(room, event.prev_event_ids())
            except UnknownState:
                if not room.is_partial:
                    raise
                is_provisional = True
                before = await self._standings.provisional(room, event.prev_event_ids())
        slots = _slots_for(room, arrival)
        state = await self._standings.events_of(before, slots)
        current = await self._rooms.state(room, slots)
        if told := self._hearsay(room, arrival, state):
            before = await self._standings.with_events(before, told)
            state |= told
        current |= self._hearsay(room, arrival, current)
        if error := why_not(arrival, state):
            if is_hearsay(arrival, state):
                logger.info("%s is forbidden by what %s tells: %s", event, arrival.told_by, error)
                visit.pending[event.event_id] = Verdict.DOUBTFUL
                return
            await self._refuse(visit, arrival, before, Verdict.REJECTED, error)
            return
        error = why_not(arrival, current)
        if objection := error or arrival.objection:
            await self._refuse(visit, arrival, before, Verdict.SOFT_FAILED, objection)
            return
        tips = await self._standings.tips_with(room, event)
        fork = await self._standings.fork(room, event, before, arrival.auth_events, tips)
        changes = await self._standings.changes(room, event, fork)
        # An outlier is nothing new to those who read the stream.
        noise = SILENCE if outlier else await self._weigh(room, _as_draft(event), state)
        replaced = state.get(event.slot) if event.state_key is not None else None
        await self._redact(visit, event, state)
        _tell_replaced(event, replaced)
        visit.chunk.entries.append(
            Entry(
                event,
                arrival.auth_events,
                replaced,
                noise,
                fork,
                was_outlier=bool(outlier),
                moves=moves_of(changes),
                is_outgoing=arrival.is_passed_on,
            )
        )
        missing = await self._missing(event) if arrival.before is not None else []
        # What is missing below a provisional event is noted when the room is whole.
        has_gap = bool(missing) or is_provisional
        room.append_beside(event, tips, changes, has_gap=has_gap)
        visit.chunk.gaps += [(event_id, room.pos) for event_id in missing]
        visit.pending[event.event_id] = Verdict.ACCEPTED

    def _hearsay(self, room: Room, arrival: Arrival, state: StateMap) -> StateMap:
        """The members that an event cites and that a state doesn't know, where that may be."""
        if not room.is_partial:
            return {}
        return hearsay(state, arrival.auth_events, self._standings.is_ours)

    async def _missing(self, event: Event) -> list[str]:
        """Those of the `prev_events` that have no place in the timeline."""
        prev_event_ids = event.prev_event_ids()
        known = await self._events.in_room(event.room_id, prev_event_ids)
        return [e for e in prev_event_ids if e not in known or not known[e].state_nid]

    async def _refuse(
        self,
        visit: "_Visit",
        arrival: Arrival,
        before: KnownState,
        verdict: Verdict,
        why: MatrixError,
    ) -> None:
        event = arrival.event
        logger.info("%s %s in %s: %s", event.event_id, verdict.value, event.room_id, why)
        event.rejected = verdict is Verdict.REJECTED
        event.soft_failed = verdict is Verdict.SOFT_FAILED
        await self._asides.keep(visit.room.nid, [Aside(event, arrival.auth_events, before)])
        self.soft_failed += event.soft_failed
        removal = (await self._removals.of(visit.room, [event.sender])).get(event.sender)
        if removal is not None and removal.takes(event):
            await self._sender_redactions.take(visit.room, [event], removal)
        visit.pending[event.event_id] = verdict

    # What redactions do, whichever of the two comes first.

    async def _redact(self, visit: "_Visit", event: Event, state: StateMap) -> None:
        if event.redacts is not None:
            await self._redact_target(visit, event, event.redacts, state)
        for redaction in visit.early_redactions.get(event.event_id, ()):
            levels = await self._rooms.state(visit.room, slots_of_event(redaction))
            if self._add_redaction(visit, event, redaction, levels):
                break

    async def _redact_target(
        self, visit: "_Visit", event: Event, target_id: str, state: StateMap
    ) -> None:
        target = await self._events.get(target_id)
        if target is None:
            # It may be on its way.
            await self._commit(visit)
            await visit.room.writes.empty()
            target = await self._events.get(target_id)
        if target is None:
            visit.chunk.early_redactions.append((target_id, event))
            visit.early_redactions.setdefault(target_id, []).append(event)
        else:
            self._add_redaction(visit, target, event, state)

    def _add_redaction(
        self, visit: "_Visit", target: Event, redaction: Event, state: StateMap
    ) -> bool:
        redacted = redaction_of(redaction, target, state)
        if redacted is None:
            return False
        now_ms = self._clock.now_ms()
        visit.chunk.redactions.append(Redaction(target, redacted, redaction, now_ms))
        return True


class _Visit:
    """One's turn in a room: what is taken up, and not committed yet."""

    def __init__(self, room: Room, verdicts: dict[str, Verdict]) -> None:
        self.room = room
        self.chunk = Chunk(room, room.head, numbers(room))
        self.pending: dict[str, Verdict] = {}
        self.known: dict[str, Event] = {}
        self.early_redactions: dict[str, list[Event]] = {}
        self._verdicts = verdicts

    def has_judged(self, event_id: str) -> bool:
        return event_id in self._verdicts or event_id in self.pending

    def committed(self) -> None:
        """What was taken up is committed: begin anew."""
        self._verdicts.update(self.pending)
        self.pending.clear()
        self.chunk = Chunk(self.room, self.room.head, numbers(self.room))


def _slots_for(room: Room, arrival: Arrival) -> list[Slot]:
    """The slots by which an event is judged, and those of the members that it cites."""
    slots = slots_of_event(arrival.event)
    if room.is_partial:
        slots += [auth.slot for auth in arrival.auth_events if auth.type == EventTypes.MEMBER]
    return list(dict.fromkeys(slots))


def _as_draft(event: Event) -> Draft:
    return Draft(event.type, event.sender, event.content, event.state_key, event.redacts)


def _tell_replaced(event: Event, replaced: Event | None) -> None:
    if replaced is not None:
        event.unsigned = replaced_unsigned(replaced.event_id, replaced.json)
