"""Fetching the members of rooms that were entered without them.

One task for each such room asks the servers that are in it for the state before our join, the one
through which we joined first, until one tells it; then the room is completed
(`synapse.rooms.completion`). What is known is in the database, so a restart goes on where the last
process has stopped, and a room whose servers are all away waits for them.
"""

import logging
from collections import deque
from functools import partial

from synapse.api.identifiers import domain_of
from synapse.events.auth_rules import AuthError
from synapse.events.event import Event
from synapse.federation.errors import RemoteError, Unanswered
from synapse.federation.remote_graph import RemoteGraph
from synapse.federation.told_rooms import ToldRooms, read_state
from synapse.federation.transport import path_to
from synapse.federation.wire import MEBIBYTE, Transport
from synapse.http.client.errors import RequestFailed
from synapse.rooms.cache import RoomCache
from synapse.rooms.completion import Completion
from synapse.rooms.room import HeadMoved, Room
from synapse.rooms.wholeness import Wholeness
from synapse.storage.stores.forks import KnownState
from synapse.storage.stores.partial_rooms import PartialRoom, PartialRoomStore
from synapse.util.background import Background
from synapse.util.clock import Clock, Timer

logger = logging.getLogger(__name__)

# A room of a hundred thousand members has a state of some 70 MiB: few of them at the same time.
_AT_ONCE = 2
_MAX_BYTES = 200 * MEBIBYTE
_TIMEOUT_S = 300.0
# Of a long list, those who are asked in turn; and how many before a pause.
_MOST_SERVERS = 20
_IN_A_ROW = 3
_FIRST_PAUSE_S = 10.0
_LONGEST_PAUSE_S = 3600.0
_MOST_DOUBLINGS = 10
# An event whose state nobody tells holds up the room for so many tries.
_PATIENCE = 12
# How often a room that moves on is completed anew.
_TRIES = 5


class Completions:
    """Works on all rooms that lack their members."""

    def __init__(
        self,
        rooms: RoomCache,
        store: PartialRoomStore,
        completion: Completion,
        wholeness: Wholeness,
        transport: Transport,
        told_rooms: ToldRooms,
        graph: RemoteGraph,
        background: Background,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._store = store
        self._completion = completion
        self._wholeness = wholeness
        self._transport = transport
        self._told_rooms = told_rooms
        self._graph = graph
        self._background = background
        self._clock = clock
        self._waiting: deque[int] = deque()
        self._working: set[int] = set()
        # Rooms that were entered anew while their earlier stay was worked on.
        self._overtaken: set[int] = set()
        self._tries: dict[int, int] = {}
        self._timers: dict[int, Timer] = {}
        self._stopped = False

    def begin(self, room_nid: int) -> None:
        """Work on a room, if it is partial."""
        timer = self._timers.pop(room_nid, None)
        if timer is not None:
            timer.cancel()
        if self._stopped:
            return
        if room_nid in self._working:
            self._overtaken.add(room_nid)
        elif room_nid not in self._waiting:
            self._waiting.append(room_nid)
            self._start_next()

    async def resume(self) -> None:
        """Go on with what the last stop interrupted."""
        for room_nid in await self._store.all():
            self.begin(room_nid)

    def stop(self) -> None:
        """Stop after the requests in flight."""
        self._stopped = True
        self._waiting.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _start_next(self) -> None:
        while self._waiting and len(self._working) < _AT_ONCE:
            room_nid = self._waiting.popleft()
            self._working.add(room_nid)
            self._background.spawn("learn a room's members", self._work(room_nid))

    async def _work(self, room_nid: int) -> None:
        is_done = False
        try:
            is_done = await self._try(room_nid)
        except Exception:
            # Ours to mend; perhaps another server's answer does better.
            logger.exception("The room number %d can't be completed", room_nid)
        finally:
            self._working.discard(room_nid)
            if room_nid in self._overtaken:
                self._overtaken.discard(room_nid)
                self._tries.pop(room_nid, None)
                self.begin(room_nid)
            elif is_done:
                self._tries.pop(room_nid, None)
            else:
                self._pause(room_nid)
            self._start_next()

    def _pause(self, room_nid: int) -> None:
        """Try again: at once with the next server, or a while later."""
        if self._stopped:
            return
        tries = self._tries[room_nid] = self._tries.get(room_nid, 0) + 1
        if tries % _IN_A_ROW:
            self.begin(room_nid)
            return
        doublings = min(tries // _IN_A_ROW - 1, _MOST_DOUBLINGS)
        pause_s = min(_FIRST_PAUSE_S * 2**doublings, _LONGEST_PAUSE_S)
        self._timers[room_nid] = self._clock.call_later(pause_s, self._again, room_nid)

    def _again(self, room_nid: int) -> None:
        del self._timers[room_nid]
        self.begin(room_nid)

    async def _try(self, room_nid: int) -> bool:
        """Whether nothing is left to be done."""
        known = await self._store.get(room_nid)
        if known is None:
            return True
        room = await self._rooms.get_by_nid(room_nid)
        if not room.local_joined:
            # Nobody is left to whom it matters, and nobody may ask others any more.
            await self._store.drop(known)
            self._rooms.discard(room)
            self._wholeness.moved(room_nid)
            return True
        if known.whole_nid is None and not await self._learn(room, known):
            return False
        ask = partial(self._state_before, room, known)
        for _ in range(_TRIES):
            try:
                await self._completion.complete(room.room_id, ask)
                return True
            except HeadMoved:
                continue
            except RequestFailed as failure:
                logger.info("The room %s can't be completed yet: %s", room.room_id, failure)
                return False
        return False

    async def _state_before(
        self, room: Room, known: PartialRoom, event: Event
    ) -> KnownState | None:
        """What the event's own server, or another one, tells; None: they don't know either.

        Raises `RequestFailed` if none can be reached, unless that was so for long.
        """
        failures: list[RequestFailed] = []
        servers = dict.fromkeys([domain_of(event.sender), *known.servers[:_IN_A_ROW]])
        for server in servers:
            try:
                return await self._graph.state_told_by(room, event.event_id, server)
            except (RemoteError, Unanswered) as failure:
                logger.info("%s doesn't tell where %s stands: %s", server, event.event_id, failure)
            except RequestFailed as failure:
                failures.append(failure)
        if len(failures) == len(servers) and self._tries.get(room.nid, 0) < _PATIENCE:
            raise failures[0]
        return None

    async def _learn(self, room: Room, known: PartialRoom) -> bool:
        """Have one server tell the members; False: it doesn't."""
        join = room.entrance
        if join is None:
            return True  # somebody else has completed it
        servers = known.servers[:_MOST_SERVERS]
        server = servers[self._tries.get(room.nid, 0) % len(servers)]
        try:
            members = await self.members_at(server, room, join)
            await self._completion.keep_members(room, members)
        except (RequestFailed, RemoteError, Unanswered) as failure:
            logger.info("%s doesn't tell the members of %s: %s", server, room.room_id, failure)
            return False
        except AuthError as error:
            logger.warning(
                "%s tells members of %s that forbid our join: %s", server, room.room_id, error
            )
            return False
        return True

    async def members_at(self, server: str, room: Room, join: Event) -> list[Event]:
        """What a server tells of the members before our join, kept."""
        told = await self._transport.request(
            server,
            "GET",
            path_to("/_matrix/federation/v1/state", room.room_id),
            query={"event_id": join.event_id},
            timeout_s=_TIMEOUT_S,
            max_bytes=_MAX_BYTES,
            decode=read_state,
        )
        return await self._told_rooms.members_before(server, join, told)
