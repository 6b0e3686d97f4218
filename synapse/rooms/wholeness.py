"""Waiting until a room is whole: for who asks about members, or does what depends on them."""

from twisted.internet.defer import Deferred

from synapse.api.errors import MatrixError
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.util.clock import Clock

# About as long as clients and proxies wait for an answer.
LONGEST_WAIT_S = 60.0


class Wholeness:
    """Tells those who wait that a room is whole."""

    def __init__(self, rooms: RoomCache, clock: Clock) -> None:
        self._rooms = rooms
        self._clock = clock
        self._waiting: dict[int, list[Deferred[None]]] = {}

    async def of(self, room: Room) -> Room:
        """The room, once this server knows all its members.

        Raises 504 `M_UNABLE_DUE_TO_PARTIAL_STATE` if that takes too long.
        """
        room = await self.within(room, LONGEST_WAIT_S)
        if room.is_partial:
            raise MatrixError(
                504,
                "M_UNABLE_DUE_TO_PARTIAL_STATE",
                "This server has just joined the room, and is still learning of its members;"
                " try again later",
            )
        return room

    async def within(self, room: Room, seconds: float) -> Room:
        """The room once it is whole, or as it is after so long."""
        deadline = self._clock.monotonic() + seconds
        while room.is_partial:
            # What one was handed may be the room as it was before.
            room = await self._rooms.get(room.room_id)
            left = deadline - self._clock.monotonic()
            if not room.is_partial or left <= 0:
                break
            await self._moved(room.nid, left)
        return room

    def moved(self, room_nid: int) -> None:
        """A room is whole now, or nobody works on that any more."""
        for waiter in self._waiting.pop(room_nid, []):
            waiter.callback(None)

    async def _moved(self, room_nid: int, timeout_s: float) -> None:
        waiters = self._waiting.setdefault(room_nid, [])
        waiter: Deferred[None] = Deferred()
        waiters.append(waiter)
        timer = self._clock.call_later(timeout_s, self._give_up, room_nid, waiter)
        try:
            await waiter
        finally:
            if timer.active():
                timer.cancel()
            self._forget(room_nid, waiter)

    def _give_up(self, room_nid: int, waiter: Deferred[None]) -> None:
        self._forget(room_nid, waiter)
        if not waiter.called:
            waiter.callback(None)

    def _forget(self, room_nid: int, waiter: Deferred[None]) -> None:
        waiters = self._waiting.get(room_nid, [])
        if waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiting[room_nid]
