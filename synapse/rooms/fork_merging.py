"""Merging forks in rooms in which nobody of ours says anything.

Each event of ours stands on all ends of the room's graph, so a room in which our users talk has few
of them. One in which they only read gets an end more by each fork that nobody else merges, and each
event that comes is then judged by the states of all of them. There, one of our users says something
that clients have no use for. It waits a while first: every server of the room is in the same
position, and the first one to speak spares the others to.
"""

import logging
import random
from dataclasses import dataclass

from synapse.api.constants import EventTypes
from synapse.api.errors import MatrixError
from synapse.events.auth_rules import AuthError
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores.members import MemberStore
from synapse.util.background import Background
from synapse.util.clock import Clock, Timer

logger = logging.getLogger(__name__)

_SHORTEST_WAIT_S = 20.0
_LONGEST_WAIT_S = 60.0
# If none of so many of our users may send the event, the room stays as it is for a while.
_MAX_USERS = 20
_REST_MS = 3600 * 1000
_MAX_RESTING = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MergingRules:
    """When forks are merged."""

    enabled: bool
    threshold: int  # more ends of the graph than this are too many


class ForkMerging:
    """Sends what merges them."""

    def __init__(
        self,
        rooms: RoomCache,
        writer: RoomWriter,
        members: MemberStore,
        background: Background,
        clock: Clock,
        rules: MergingRules,
    ) -> None:
        self._rooms = rooms
        self._writer = writer
        self._members = members
        self._background = background
        self._clock = clock
        self._rules = rules
        self._waiting: dict[int, Timer] = {}
        # Until when rooms are left alone in which none of ours may speak.
        self._resting: dict[int, int] = {}

    def forked(self, room: Room) -> None:
        """A room's graph has got another end."""
        if not self._is_crowded(room) or room.nid in self._waiting:
            return
        if self._resting.get(room.nid, 0) > self._clock.now_ms():
            return
        wait_s = random.uniform(_SHORTEST_WAIT_S, _LONGEST_WAIT_S)
        self._waiting[room.nid] = self._clock.call_later(wait_s, self._wake, room)

    def stop(self) -> None:
        """Leave the rooms as they are."""
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()

    def _is_crowded(self, room: Room) -> bool:
        return self._rules.enabled and len(room.tips) > self._rules.threshold

    def _wake(self, room: Room) -> None:
        del self._waiting[room.nid]
        self._background.spawn("merge forks", self._merge(room.room_id))

    async def _merge(self, room_id: str) -> None:
        room = await self._rooms.get(room_id)
        if not self._is_crowded(room):
            return
        for user_id in await self._members.some_of_ours(room.nid, _MAX_USERS):
            try:
                draft = Draft(EventTypes.DUMMY, user_id, {})
                await self._writer.send(room_id, draft)
            except AuthError:
                continue
            except MatrixError as error:
                logger.info("The forks of %s are not merged now: %s", room_id, error)
            return
        logger.info("Nobody of ours may merge the forks of %s", room_id)
        if len(self._resting) >= _MAX_RESTING:
            self._resting.clear()
        self._resting[room.nid] = self._clock.now_ms() + _REST_MS
