"""Floods: how many transactions one server may send (`rc_federation`).

So many in a while are taken up at once; more are delayed, each by the same time, a few at a time;
and if too many of them wait, they are refused until later. A server that has much to tell fills its
transactions instead of sending more of them, so this meets those that are broken or hostile.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from twisted.internet.defer import DeferredSemaphore

from synapse.api.errors import LimitExceeded
from synapse.config.ratelimiting import FederationLimits
from synapse.util.clock import Clock

# Of how many servers it is remembered when they sent something.
_MAX_KNOWN = 5_000


@dataclass(slots=True)
class _Origin:
    turns: DeferredSemaphore
    arrivals_ms: deque[int] = field(default_factory=deque)
    waiting: int = 0
    active: int = 0

    def is_quiet(self, since_ms: int) -> bool:
        is_idle = not (self.waiting or self.active)
        return is_idle and (not self.arrivals_ms or self.arrivals_ms[-1] < since_ms)


class Floods:
    """Gives servers their turns."""

    def __init__(self, clock: Clock, limits: FederationLimits) -> None:
        self._clock = clock
        self._limits = limits
        self._origins: dict[str, _Origin] = {}

    @asynccontextmanager
    async def turn(self, server: str) -> AsyncIterator[None]:
        """Wait until a transaction may be taken up. Raises `LimitExceeded`."""
        limits = self._limits
        origin = self._origin(server)
        if origin.waiting >= limits.reject_limit:
            raise LimitExceeded(max(limits.window_size_ms, limits.sleep_delay_ms))
        is_delayed = self._count(origin) > limits.sleep_limit
        origin.waiting += 1
        try:
            if is_delayed:
                await self._clock.sleep(limits.sleep_delay_ms / 1000)
            await origin.turns.acquire()
        finally:
            origin.waiting -= 1
        origin.active += 1
        try:
            yield
        finally:
            origin.active -= 1
            origin.turns.release()

    def _origin(self, server: str) -> _Origin:
        origin = self._origins.get(server)
        if origin is None:
            if len(self._origins) >= _MAX_KNOWN:
                self._forget_quiet_ones()
            origin = _Origin(DeferredSemaphore(self._limits.concurrent))
            self._origins[server] = origin
        return origin

    def _count(self, origin: _Origin) -> int:
        """How many transactions came lately, with this one."""
        now_ms, arrivals_ms = self._clock.now_ms(), origin.arrivals_ms
        while arrivals_ms and arrivals_ms[0] <= now_ms - self._limits.window_size_ms:
            arrivals_ms.popleft()
        # More than this need not be told apart.
        if len(arrivals_ms) <= self._limits.sleep_limit:
            arrivals_ms.append(now_ms)
        return len(arrivals_ms)

    def _forget_quiet_ones(self) -> None:
        since_ms = self._clock.now_ms() - self._limits.window_size_ms
        self._origins = {
            name: origin for name, origin in self._origins.items() if not origin.is_quiet(since_ms)
        }
