"""Jumps: events of long ago that somebody wants to see, with nothing known of what came since.

A room's history comes page by page, from the top (`synapse.federation.backfill`). Who jumps to a
date would have to wait for all of it. So the event that another server tells is brought by itself,
with the state that it stands on, and gets a place in the gap to which it belongs, as far from
either end as the depths say: an island. What is below it is a gap of its own, and the gap above
ends at the island, when it is filled so far.

If it isn't far down, the history above it is fetched first: then there is no island.

Where it belongs is known from depths alone. In the history that is fetched later, an event that
an island stands on by way of another fork may come to stand above it, as one that comes late does.
States don't depend on that.
"""

import logging
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from synapse.api.errors import MatrixError
from synapse.api.identifiers import is_event_id
from synapse.events.event import Event
from synapse.federation.answers import ask
from synapse.federation.backfill import Backfill
from synapse.federation.backoff import Backoffs
from synapse.federation.errors import FAILURES
from synapse.federation.history_keeping import HistoryKeeping, TooWide
from synapse.federation.pdus import Verified
from synapse.federation.remote_graph import RemoteGraph
from synapse.federation.transport import path_to
from synapse.federation.wire import Transport
from synapse.handlers.past_events import PATIENCE_S, Fill, Told
from synapse.handlers.room_servers import RoomServers
from synapse.rooms.history import History, HistoryPage
from synapse.rooms.room import GAP, Room
from synapse.storage.stores.events import EventStore
from synapse.util.background import Background
from synapse.util.caches import Cache
from synapse.util.clock import Clock
from synapse.util.shared import Shared

logger = logging.getLogger(__name__)

_MAX_ASKED = 2
# An event that could not be brought is left alone for so long.
_REST_S = 60.0
# Above the places of all events.
_OUTERMOST = 2**60
# What is so little deeper is fetched page by page.
_NEAR = 300
_MAX_PAGES = 5
# How many gaps are looked at for the one to which an event belongs.
_MAX_GAPS = 20
# And how many events on either side of each.
_LOOKED_AT = 50
# Places for each step of depth, since forks make more events than steps.
_PER_STEP = 8
# Depths are what servers say. Below a room's beginning here are 2^60 places.
_MOST_PLACES = 2**36


class Jumps:
    """Finds and brings such events: `synapse.handlers.past_events.Jumps`."""

    def __init__(
        self,
        transport: Transport,
        servers: RoomServers,
        backoffs: Backoffs,
        graph: RemoteGraph,
        keeping: HistoryKeeping,
        backfill: Backfill,
        history: History,
        events: EventStore,
        background: Background,
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._servers = servers
        self._backoffs = backoffs
        self._graph = graph
        self._keeping = keeping
        self._backfill = backfill
        self._history = history
        self._events = events
        self._background = background
        self._clock = clock
        self._shared: Shared[tuple[int, str], None] = Shared()
        # Until when (monotonic) an event is left alone that could not be brought.
        self._rest: Cache[tuple[int, str], float] = Cache(1_000)

    async def nearest(self, room: Room, ts_ms: int, *, backwards: bool) -> Told | None:
        """The event nearest to a time, in a direction, that another server has."""
        others = await self._servers.others(room)
        awake = [server for server in others if not self._backoffs.wait_ms(server)]
        for server in awake[:_MAX_ASKED]:
            try:
                answer = await ask(
                    self._transport,
                    server,
                    "GET",
                    path_to("/_matrix/federation/v1/timestamp_to_event", room.room_id),
                    query={"ts": str(ts_ms), "dir": "b" if backwards else "f"},
                )
            except MatrixError:
                continue  # it is in the log
            event_id, told_ms = answer.get("event_id"), answer.get("origin_server_ts")
            if not is_event_id(event_id) or type(told_ms) is not int:
                continue
            if (told_ms <= ts_ms) if backwards else (told_ms >= ts_ms):
                return Told(server, event_id, told_ms)
        return None

    async def bring(self, room: Room, told: Told, patience_s: float) -> None:
        """Bring an event into the timeline, if that can be; it may take longer than one waits."""

        async def wait() -> None:
            await self._shared.get((room.nid, told.event_id), lambda: self._run(room, told))

        if not self._rests(room, told):
            await self._clock.wait_for(Deferred.fromCoroutine(wait()), patience_s)

    async def _run(self, room: Room, told: Told) -> None:
        """Do it, and let the server's end wait for it."""
        await self._background.spawn("jump to a date", self._bring_or_rest(room, told))

    async def _bring_or_rest(self, room: Room, told: Told) -> None:
        try:
            await self._bring(room, told)
        except (*FAILURES, MatrixError, TooWide) as error:
            logger.info("%s isn't brought from %s: %s", told.event_id, told.server, error)
        self._rest[room.nid, told.event_id] = self._clock.monotonic() + _REST_S

    def _rests(self, room: Room, told: Told) -> bool:
        until = self._rest.get((room.nid, told.event_id))
        return until is not None and self._clock.monotonic() < until

    async def _bring(self, room: Room, told: Told) -> None:
        if await self._has_place(told.event_id):
            return
        one = await self._graph.event(told.server, room, told.event_id)
        gap = await self._gap_of(room, one.event)
        if gap is None:
            return
        if gap.above.depth - one.event.depth <= _NEAR:
            await self._read_down(room, gap.below, told.event_id)
        await self._backfill.alone(room, lambda: self._land(room, told.server, one))

    async def _read_down(self, room: Room, below: int, event_id: str) -> None:
        """Fetch the history below a gap, down to an event that isn't far."""
        for _ in range(_MAX_PAGES):
            filled = await self._backfill.fill(room, below, PATIENCE_S)
            if filled is not Fill.MORE or await self._has_place(event_id):
                break

    async def _land(self, room: Room, server: str, one: Verified) -> None:
        """Put an event into its gap."""
        if await self._has_place(one.event.event_id):
            return
        kept = await self._keeping.keep(server, room, [one], max_asked=1)
        gap = await self._gap_of(room, one.event)
        place = None if gap is None else gap.place_of(one.event)
        if place is None or not kept.events:
            return
        missing = await self._backfill.missing_among(one.event.prev_event_ids())
        await self._history.place(
            HistoryPage(
                room.nid,
                place + 1,
                kept.events,
                missing,
                redactions=kept.redactions,
                early_redactions=kept.early_redactions,
            )
        )

    async def _has_place(self, event_id: str) -> bool:
        known = await self._events.get(event_id)
        return known is not None and known.pos is not None

    async def _gap_of(self, room: Room, event: Event) -> "_Gap | None":
        """The gap to which an event belongs."""
        pos = _OUTERMOST
        for _ in range(_MAX_GAPS):
            found = await self._history.gap(room.nid, pos)
            if found is None:
                break
            below = found[0]
            above = await self._events.after(room.nid, below - 1, _LOOKED_AT)
            beneath = await self._events.before(room.nid, below, _LOOKED_AT)
            # Whatever stands on it is deeper. With forks there may be no such place.
            if all(e.depth > event.depth for e in above) and all(
                e.depth < event.depth for e in beneath
            ):
                return _Gap(below, above[0], beneath[0] if beneath else None) if above else None
            pos = below - 1
        return None


@dataclass(frozen=True, slots=True)
class _Gap:
    below: int
    above: Event
    beneath: Event | None

    def place_of(self, event: Event) -> int | None:
        """A `pos` in the gap for an event, with room on either side; None: there is too little."""
        down = self.above.depth - event.depth
        if self.beneath is None:
            return self.below - min(GAP + _PER_STEP * down, _MOST_PLACES)
        assert self.beneath.pos is not None, "it stands in the timeline"
        free, up = self.below - self.beneath.pos - 1, event.depth - self.beneath.depth
        if free < down + up:
            return None
        return self.beneath.pos + max(1, free * up // (down + up))
