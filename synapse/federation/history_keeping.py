"""Keeping a page of history: each event with the state that it stands on.

The oldest events of a page stand on what we don't have, so the other server is asked for the state
before them; for all others it follows from the page. An event that its auth events or that state
forbid is rejected, as when it had come in its time. (Whether the room as it is now would allow it
is not asked: soft failure is for what comes late, not for what is old.)

Messages that stand on the same state are written together.
"""

from collections.abc import Mapping, Sequence

import msgspec

from synapse.api.constants import EventTypes
from synapse.events.event import Event, StateMap
from synapse.federation.pdus import Verified
from synapse.federation.remote_graph import RemoteGraph
from synapse.rooms.arrivals import Arrival
from synapse.rooms.asides import Aside, Asides
from synapse.rooms.chunks import Redaction
from synapse.rooms.judging import slots_of_event, why_not
from synapse.rooms.redactions import redaction_of
from synapse.rooms.removals import Removals
from synapse.rooms.room import Room
from synapse.rooms.sender_redactions import SenderRedactions
from synapse.rooms.standing import Standings
from synapse.storage.stores.early_redactions import EarlyRedactions
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.forks import KnownState
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock


class TooWide(Exception):
    """More events of a page than we ask states for stand on what we don't have."""


class HistoryKeeping:
    """Keeps pages. What it needs of other servers raises what `RemoteGraph` raises."""

    def __init__(
        self,
        graph: RemoteGraph,
        standings: Standings,
        asides: Asides,
        events: EventStore,
        early_redactions: EarlyRedactions,
        removals: Removals,
        sender_redactions: SenderRedactions,
        clock: Clock,
    ) -> None:
        self._graph = graph
        self._standings = standings
        self._asides = asides
        self._events = events
        self._early_redactions = early_redactions
        self._removals = removals
        self._sender_redactions = sender_redactions
        self._clock = clock

    async def keep(
        self, server: str, room: Room, page: Sequence[Verified], *, max_asked: int
    ) -> "KeptPage":
        """Keep events, each of them behind those that it stands on. Raises `TooWide`."""
        ids = {one.event.event_id for one in page}
        prev_ids = {prev for one in page for prev in one.event.prev_event_ids()}
        known = await self._events.get_many([*(ids | prev_ids)])
        elsewhere = {e for e, event in known.items() if event.room_id != room.room_id}
        if elsewhere:  # in versions 1 and 2 servers choose the ids of their events
            page = [one for one in page if one.event.event_id not in elsewhere]
            ids -= elsewhere
            known = {e: event for e, event in known.items() if e not in elsewhere}
        if sum(_is_lowest(one.event, ids, known) for one in page) > max_asked:
            raise TooWide
        keeping = _Keeping(room, known)
        breaks = Breaks(self._clock)
        for one in page:
            await self._keep_one(server, keeping, one)
            await breaks.take()
        await self._flush(keeping)
        await self._redact(keeping)
        return keeping.page

    async def _keep_one(self, server: str, keeping: "_Keeping", one: Verified) -> None:
        event, page = one.event, keeping.page
        known = keeping.known.get(event.event_id)
        if known is not None and known.state_nid:
            # It has its place, or was refused, or is left from a page that was not finished.
            keeping.after[known.event_id] = KnownState(known.state_nid, {})
            if known.rejected or known.soft_failed:
                page.refused.append(known)
            elif known.pos is None:
                # A copy: others read this one, and it gets its place with the page.
                await self._take(keeping, msgspec.structs.replace(known))
            return
        auth_events = await self._graph.auth_events(server, keeping.room, event)
        before = await self._before(server, keeping, event)
        state = await self._standings.events_of(before, slots_of_event(event))
        error = why_not(Arrival(event, auth_events, one.signed_by), state)
        event.rejected = error is not None or (known is not None and known.rejected)
        keeping.waiting.append(Aside(event, auth_events, before))
        keeping.after[event.event_id] = before
        if before.changes or (event.is_state and not event.rejected):
            await self._flush(keeping)
        if event.rejected:
            page.refused.append(event)
        else:
            await self._take(keeping, event)

    async def _take(self, keeping: "_Keeping", event: Event) -> None:
        keeping.page.events.append(event)
        if event.redacts is not None:
            state = await self._standings.events_of(
                keeping.after[event.event_id], slots_of_event(event)
            )
            keeping.redactions.append((event, event.redacts, state))

    async def _flush(self, keeping: "_Keeping") -> None:
        """Write what waits. What stands on it stands on snapshots then."""
        waiting, keeping.waiting = keeping.waiting, []
        if waiting:
            await self._asides.keep(keeping.room.nid, waiting)
        for aside in waiting:
            state = KnownState(aside.event.state_nid, {})
            keeping.after[aside.event.event_id] = state

    async def _before(self, server: str, keeping: "_Keeping", event: Event) -> KnownState:
        prev_ids = event.prev_event_ids()
        if event.type == EventTypes.CREATE and not prev_ids:
            return KnownState(0, {})
        states = [keeping.state_after(prev_id) for prev_id in prev_ids]
        first = states[0] if states else None
        if first is None or None in states:
            return await self._graph.state_before(server, keeping.room, event.event_id)
        if all(state == first for state in states):
            return first
        await self._flush(keeping)
        return await self._standings.state_before(keeping.room, prev_ids)

    # What redactions do, whichever of the two is known first.

    async def _redact(self, keeping: "_Keeping") -> None:
        page = keeping.page
        targets = {event.event_id: event for event in page.events}
        others = [target for _, target, _ in keeping.redactions if target not in targets]
        targets |= await self._events.get_many(others)
        for redaction, target_id, state in keeping.redactions:
            if target_id in targets:
                self._add(page, redaction, targets[target_id], state)
            else:
                page.early_redactions.append((target_id, redaction))
        early = await self._early_redactions.of([event.event_id for event in page.events])
        for target_id, redactions in early.items():
            for redaction in redactions:
                before = KnownState(redaction.state_nid, {})
                state = await self._standings.events_of(before, slots_of_event(redaction))
                self._add(page, redaction, targets[target_id], state)

        await self._take_away(keeping)

    async def _take_away(self, keeping: "_Keeping") -> None:
        """Redact what users said who were removed with all of it."""
        page = keeping.page
        senders = list({event.sender for event in page.events})
        removals = await self._removals.of(keeping.room, senders)
        for event in page.events:
            removal = removals.get(event.sender)
            if removal is not None and removal.takes(event):
                page.redactions.append(self._sender_redactions.redaction(event, removal))

    def _add(self, page: "KeptPage", redaction: Event, target: Event, state: StateMap) -> None:
        redacted = redaction_of(redaction, target, state)
        if redacted is not None:
            now_ms = self._clock.now_ms()
            page.redactions.append(Redaction(target, redacted, redaction, now_ms))


class KeptPage:
    """What became of a page."""

    def __init__(self) -> None:
        self.events: list[Event] = []  # to be placed, oldest first
        self.refused: list[Event] = []  # they get no place
        self.redactions: list[Redaction] = []
        self.early_redactions: list[tuple[str, Event]] = []


class _Keeping:
    """A page while it is kept."""

    def __init__(self, room: Room, known: Mapping[str, Event]) -> None:
        self.room = room
        self.known = known
        self.page = KeptPage()
        self.after: dict[str, KnownState] = {}
        self.waiting: list[Aside] = []
        self.redactions: list[tuple[Event, str, StateMap]] = []

    def state_after(self, event_id: str) -> KnownState | None:
        """The state after an event that was kept or is known; None: it isn't known."""
        if event_id in self.after:
            return self.after[event_id]
        known = self.known.get(event_id)
        return KnownState(known.state_nid, {}) if known is not None and known.state_nid else None


def _is_lowest(event: Event, page: set[str], known: Mapping[str, Event]) -> bool:
    """Whether the state before the event has to be asked for."""
    mine = known.get(event.event_id)
    if mine is not None and mine.state_nid:
        return False
    return any(
        prev not in page and (prev not in known or not known[prev].state_nid)
        for prev in event.prev_event_ids()
    )
