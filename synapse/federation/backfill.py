"""Backfill: history that we don't have, fetched from other servers when somebody reads it.

Where a timeline has a gap, a page of what belongs there is asked of the room's other servers, one
after the other, until one helps. It is verified, put in order, kept, and given its places
(`synapse.rooms.history`); what its oldest events stand on is the gap from then on. So a room's
history comes page by page as far as it is read, and ends at the create event or at what was here
before.

One page at a time for a room. Who reads waits for it a while; it goes on without them.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred

from synapse.api.errors import MatrixError
from synapse.api.identifiers import is_event_id
from synapse.events.event import Event
from synapse.federation.answers import ask
from synapse.federation.errors import RemoteError, Unanswered
from synapse.federation.history_keeping import HistoryKeeping, KeptPage, TooWide
from synapse.federation.history_pages import Circular, in_order, left_out_of
from synapse.federation.pdus import Pdus, Refused, Verified
from synapse.federation.remote_graph import RemoteGraph
from synapse.federation.transport import path_to
from synapse.federation.wire import Transport
from synapse.handlers.past_events import Fill
from synapse.handlers.room_servers import RoomServers
from synapse.http.client.errors import RequestFailed
from synapse.rooms.history import History, HistoryPage
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.util.background import Background
from synapse.util.caches import Cache
from synapse.util.clock import Clock
from synapse.util.shared import Shared

logger = logging.getLogger(__name__)

# Sizes of pages to try: if too many events of a page stand on what is not known, a smaller one.
_SIZES = (100, 20, 5)
_MAX_SERVERS = 5
_MAX_MISSING = 50
_MAX_SINGLE = 20
_MAX_ASKED_FOR_TIME = 2
# For how many events of a page a state is asked for.
_MAX_STATES = 12
_TIMEOUT_S = 20.0
# A room whose servers don't help, and a server that doesn't, are left alone for so long.
_REST_S = 60.0
# What was refused is looked through for what it stands on.
_MAX_WALK = 200


@dataclass(frozen=True, slots=True)
class _Gap:
    below: int
    missing: Sequence[str]


class Backfill:
    """Asks for history: `synapse.handlers.past_events.PastEvents`."""

    def __init__(
        self,
        transport: Transport,
        servers: RoomServers,
        pdus: Pdus,
        graph: RemoteGraph,
        keeping: HistoryKeeping,
        events: EventStore,
        history: History,
        background: Background,
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._servers = servers
        self._pdus = pdus
        self._graph = graph
        self._keeping = keeping
        self._events = events
        self._history = history
        self._background = background
        self._clock = clock
        self._shared: Shared[int, Fill] = Shared()
        # Until when (monotonic) a room, or a server, is left alone.
        self._rooms_rest: Cache[int, tuple[float, Fill]] = Cache(10_000)
        self._servers_rest: Cache[str, float] = Cache(10_000)

    async def fill(self, room: Room, pos: int, patience_s: float) -> Fill:
        """Fetch what belongs into the first gap at or below a place, or a part of it."""
        until, outcome = self._rooms_rest.get(room.nid) or (0.0, Fill.MORE)
        if self._rests(until):
            return outcome
        results: list[Fill] = []

        async def wait() -> None:
            results.append(await self._shared.get(room.nid, lambda: self._run(room, pos)))

        await self._clock.wait_for(Deferred.fromCoroutine(wait()), patience_s)
        return results[0] if results else Fill.LATER

    async def nearest(self, room: Room, ts_ms: int, *, backwards: bool) -> tuple[str, int] | None:
        """The event nearest to a time, in a direction, that another server has, with its time."""
        others = await self._servers.others(room)
        awake = [server for server in others if not self._rests(self._servers_rest.get(server))]
        for server in awake[:_MAX_ASKED_FOR_TIME]:
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
                return event_id, told_ms
        return None

    async def _run(self, room: Room, pos: int) -> Fill:
        """Do it, and let the server's end wait for it."""
        results: list[Fill] = []

        async def work() -> None:
            results.append(await self._fill(room, pos))

        await self._background.spawn("fetch history", work())
        return results[0] if results else self._rest(room, Fill.LATER)

    async def _fill(self, room: Room, pos: int) -> Fill:
        found = await self._history.gap(room.nid, pos)
        if found is None:
            return Fill.MORE
        gap = _Gap(*found)
        missing, settled = await self._below_known(gap.missing)
        if settled:
            await self._history.place(HistoryPage(room.nid, gap.below, [], missing, lost=settled))
            return Fill.MORE
        others = await self._servers.others(room)
        if not others:
            return Fill.NEVER
        awake = [server for server in others if not self._rests(self._servers_rest.get(server))]
        asked = 0
        for server in awake[:_MAX_SERVERS]:
            try:
                if await self._fill_from(server, room, gap):
                    return Fill.MORE
                asked += 1
            except (RequestFailed, RemoteError, Unanswered, MatrixError, Circular) as error:
                logger.info("%s tells no history of %s: %s", server, room.room_id, error)
                if isinstance(error, RemoteError) and error.status in (403, 404):
                    asked += 1
                self._servers_rest[server] = self._clock.monotonic() + _REST_S
        if asked < len(others[:_MAX_SERVERS]):
            return self._rest(room, Fill.LATER)
        # They may learn of it, and others may come: the gap stays, but readers pass it for now.
        logger.info("Nobody tells what %s lacks: %s", room.room_id, ", ".join(gap.missing[:5]))
        return self._rest(room, Fill.NEVER)

    async def _fill_from(self, server: str, room: Room, gap: _Gap) -> bool:
        """Whether the gap is smaller now."""
        elsewhere = await self._history.other_gaps(room.nid, gap.below)
        for size in _SIZES:
            told, is_full = await self._told(server, room, gap, size)
            # A full page goes from the deepest events down to some depth.
            lowest = min((one.event.depth for one in told.values()), default=0)
            lacking = [event_id for event_id in gap.missing if event_id not in told]
            for event_id, one in (await self._single(server, room, lacking)).items():
                if not is_full or one.event.depth >= lowest:
                    told[event_id] = one
            page = in_order(told, gap.missing, elsewhere)
            try:
                kept = await self._keeping.keep(server, room, page, max_asked=_MAX_STATES)
            except TooWide:
                continue
            return await self._place(room, gap, page, kept, left_out_of(told, elsewhere))
        raise Unanswered(f"Too many events of a page from {server} stand on what is not known")

    async def _told(
        self, server: str, room: Room, gap: _Gap, size: int
    ) -> tuple[dict[str, Verified], bool]:
        """The events of a page, and whether there may be more."""
        answer = await self._transport.request(
            server,
            "GET",
            path_to("/_matrix/federation/v1/backfill", room.room_id),
            query={"v": list(gap.missing[:_MAX_MISSING]), "limit": str(size)},
            timeout_s=_TIMEOUT_S,
        )
        pdus: Any = answer.get("pdus") if isinstance(answer, dict) else None
        if not isinstance(pdus, list):
            raise Unanswered("The answer has no list pdus")
        # One that tells more than it was asked for may do so for a reason that is not ours.
        pdus = pdus[: max(size, len(gap.missing))]
        told: dict[str, Verified] = {}
        for one in await self._pdus.verify(
            room.version, room.room_id, pdus, limits_references=False
        ):
            if isinstance(one, Refused):
                logger.info("%s from %s is refused: %s", one.event_id, server, one.reason)
            else:
                told[one.event.event_id] = one
        return told, len(pdus) >= size

    async def _single(
        self, server: str, room: Room, event_ids: Sequence[str]
    ) -> dict[str, Verified]:
        """Events that a page lacks: those that the other server refused are told one by one."""
        found: dict[str, Verified] = {}
        for event_id in event_ids[:_MAX_SINGLE]:
            try:
                found[event_id] = await self._graph.event(server, room, event_id)
            except Unanswered as error:
                logger.info("%s", error)
            except RemoteError as error:
                if error.status not in (403, 404):
                    raise
        return found

    async def _place(
        self,
        room: Room,
        gap: _Gap,
        page: Sequence[Verified],
        kept: KeptPage,
        left_out: set[str],
    ) -> bool:
        here = {one.event.event_id for one in page}
        prev_ids = {prev for event in kept.events for prev in event.prev_event_ids()}
        prev_ids.update(prev for event in kept.refused for prev in event.prev_event_ids())
        missing, _ = await self._below_known([*(prev_ids - here - left_out)])
        # What is refused, and what has got a place meanwhile, is not missing any more.
        _, settled = await self._below_known(gap.missing)
        if not kept.events and not settled:
            return False
        await self._history.place(
            HistoryPage(
                room.nid,
                gap.below,
                kept.events,
                missing,
                lost=settled,
                redactions=kept.redactions,
                early_redactions=kept.early_redactions,
            )
        )
        return True

    async def _below_known(self, event_ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Which events are missing if these should be there; those of them that are not."""
        missing: list[str] = []
        seen = set(event_ids)
        stack = list(event_ids)
        settled: set[str] = set()
        for _ in range(_MAX_WALK):
            if not stack:
                break
            known = await self._events.get_many(stack)
            next_stack: list[str] = []
            for event_id in stack:
                event = known.get(event_id)
                if event is None or (event.pos is None and not _is_refused(event)):
                    missing.append(event_id)
                    continue
                settled.add(event_id)
                if event.pos is None:
                    new = [prev for prev in event.prev_event_ids() if prev not in seen]
                    seen.update(new)
                    next_stack += new
            stack = next_stack
        return missing, [event_id for event_id in event_ids if event_id in settled]

    def _rests(self, until: float | None) -> bool:
        return until is not None and self._clock.monotonic() < until

    def _rest(self, room: Room, outcome: Fill) -> Fill:
        self._rooms_rest[room.nid] = (self._clock.monotonic() + _REST_S, outcome)
        return outcome


def _is_refused(event: Event) -> bool:
    """Whether it has no place because it was judged, and what it stands on is known."""
    return event.rejected or event.soft_failed
