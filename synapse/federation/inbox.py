"""The inbox: events of other servers that wait for their turn, room by room.

One task for each room takes up what waits in it, in the order in which it came. It waits in the
database, so a restart loses nothing; and since the rooms don't wait for each other, a server that
answers slowly holds up only the rooms whose events need it.
"""

import logging
from collections.abc import Sequence

import orjson

from synapse.api.errors import MatrixError
from synapse.federation.backoff import is_out_of_reach
from synapse.federation.errors import RemoteError, Unanswered
from synapse.federation.inbound import Inbound
from synapse.federation.pdus import Pdus, Refused, Verified
from synapse.http.client.errors import RequestFailed, Step
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores.staging import NewlyStaged, StagedEvent, StagingStore
from synapse.util.background import Background
from synapse.util.clock import Clock, Timer

logger = logging.getLogger(__name__)

_AT_ONCE = 50
# Of one room. A server whose room has so many is told that its event was not taken.
MAX_WAITING = 1_000
# An event whose history isn't told is tried again so often, behind the others. If it is lost, the
# next event that stands on it brings it along.
_TRIES = 3
# If the server that has the history can't be reached, about a day's worth of tries: it has our word
# that we have the event. But not if so many events of a room wait that new ones find no place.
_PATIENT_TRIES = 40
_FEW = 100
_FIRST_PAUSE_S = 10.0
_LONGEST_PAUSE_S = 3600.0


class Inbox:
    """Lets events wait, and takes them up."""

    def __init__(
        self,
        staging: StagingStore,
        rooms: RoomCache,
        pdus: Pdus,
        inbound: Inbound,
        background: Background,
        clock: Clock,
    ) -> None:
        self._staging = staging
        self._rooms = rooms
        self._pdus = pdus
        self._inbound = inbound
        self._background = background
        self._clock = clock
        self._working: set[int] = set()
        # When rooms try again what came to nothing, if that is all that waits in them.
        self._timers: dict[int, Timer] = {}
        self._stopped = False

    def is_waiting(self, room_nid: int) -> bool:
        """Whether events of the room wait here, so that newer ones have to get in line."""
        return room_nid in self._working

    async def put(self, room: Room, origin: str, events: Sequence[Verified]) -> bool:
        """Let events wait, and return when they are safe; False: there are too many already."""
        if await self._staging.count(room.nid, MAX_WAITING) >= MAX_WAITING:
            return False
        now_ms = self._clock.now_ms()
        await self._staging.stage(
            [
                NewlyStaged(room.nid, one.event.event_id, origin, one.event.json, now_ms)
                for one in events
            ]
        )
        self._work_on(room.nid)
        return True

    async def resume(self) -> None:
        """Go on with what the last stop interrupted."""
        for room_nid in await self._staging.rooms():
            self._work_on(room_nid)

    def stop(self) -> None:
        """Stop after the events in flight."""
        self._stopped = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _work_again_on(self, room_nid: int) -> None:
        del self._timers[room_nid]
        self._work_on(room_nid, again=True)

    def _work_on(self, room_nid: int, *, again: bool = False) -> None:
        if room_nid not in self._working and not self._stopped:
            self._working.add(room_nid)
            self._background.spawn("take up events of other servers", self._work(room_nid, again))

    async def _work(self, room_nid: int, again: bool) -> None:
        """Take up what waits; what was tried before only if it is to be tried `again`."""
        try:
            room = await self._rooms.get_by_nid(room_nid)
            while not self._stopped and (staged := await self._staging.next(room_nid, _AT_ONCE)):
                tries = staged[0].tries
                if tries and not again:
                    self._pause(room_nid, tries)
                    return
                again = again and not tries
                for event in staged:
                    if event.tries == tries and not self._stopped:
                        await self._take_up(room, event)
        finally:
            self._working.discard(room_nid)

    def _pause(self, room_nid: int, tries: int) -> None:
        if room_nid not in self._timers:
            pause_s = min(_FIRST_PAUSE_S * 2 ** (tries - 1), _LONGEST_PAUSE_S)
            timer = self._clock.call_later(pause_s, self._work_again_on, room_nid)
            self._timers[room_nid] = timer

    async def _take_up(self, room: Room, staged: StagedEvent) -> None:
        value = orjson.loads(staged.json)
        if room.version.events_have_ids:
            value.setdefault("event_id", staged.event_id)
        (one,) = await self._pdus.verify(room.version, room.room_id, [value])
        if isinstance(one, Refused):
            logger.info("%s is refused: %s", staged.event_id, one.reason)
            await self._staging.done([staged.stage_nid])
            return
        try:
            await self._inbound.take_up(staged.origin, room, one)
        except (RequestFailed, RemoteError, Unanswered, MatrixError) as error:
            logger.info("%s can't be taken up yet: %s", staged.event_id, error)
            if staged.tries + 1 < await self._most_tries(room, error):
                await self._staging.tried(staged.stage_nid)
                return
            logger.warning("%s from %s is given up: %s", staged.event_id, staged.origin, error)
        except Exception:
            # Ours to mend, but not a reason for the room's other events to wait for ever.
            logger.exception("%s from %s is given up", staged.event_id, staged.origin)
        await self._staging.done([staged.stage_nid])

    async def _most_tries(self, room: Room, error: Exception) -> int:
        is_away = isinstance(error, (RequestFailed, RemoteError)) and is_out_of_reach(error)
        # What is left alone for a while because it could not be reached is away, too.
        is_away = is_away or (isinstance(error, RequestFailed) and error.step is Step.BLOCKED)
        if is_away and await self._staging.count(room.nid, _FEW) < _FEW:
            return _PATIENT_TRIES
        return _TRIES
