"""Helpers: servers that are asked for what a room lacks, one after the other.

Who sent an event is asked first: it should have what the event stands on. Where it doesn't answer,
or not with what was asked for, a few other servers of the room may: those with the most users in
it, of those that could be reached lately. What a hostile server sends must not make us bother
others without end, so each room has an allowance of such requests.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from synapse.api.ratelimits import RateLimits
from synapse.federation.backoff import Backoffs
from synapse.federation.errors import FAILURES
from synapse.handlers.room_servers import RoomServers
from synapse.rooms.room import Room
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_OTHERS = 2
_PER_SECOND, _AT_ONCE = 0.2, 20


class Helpers:
    """Finds them."""

    def __init__(self, servers: RoomServers, backoffs: Backoffs, clock: Clock) -> None:
        self._servers = servers
        self._backoffs = backoffs
        self._clock = clock
        self._allowances = RateLimits(_PER_SECOND, _AT_ONCE)

    async def besides(self, room: Room, first: str) -> list[str]:
        """Whom to ask if the first one doesn't help."""
        now_ms = self._clock.now_ms()
        found: list[str] = []
        for server in await self._servers.others(room):
            if server == first or self._backoffs.wait_ms(server):
                continue
            if len(found) == _MAX_OTHERS or self._allowances.take(room.room_id, now_ms):
                break
            found.append(server)
        return found

    async def ask(self, room: Room, first: str, attempt: Callable[[str], Awaitable[T]]) -> T:
        """What `attempt` returns for the first server for which it doesn't fail.

        Raises what came of the first: if that is away, it may be worth waiting for.
        """
        try:
            return await attempt(first)
        except FAILURES as failure:
            for server in await self.besides(room, first):
                logger.info("Asking %s in %s instead: %s", server, room.room_id, failure)
                try:
                    return await attempt(server)
                except FAILURES as error:
                    logger.info("%s doesn't help: %s", server, error)
            raise
