"""Rate limits as handlers use them."""

from synapse.api.errors import LimitExceeded
from synapse.api.ratelimits import RateLimits
from synapse.config.ratelimiting import RateLimit
from synapse.util.clock import Clock


class RateLimiter:
    """One limit, counted for each key (a user, an address, a room, …) on its own."""

    def __init__(self, clock: Clock, limit: RateLimit) -> None:
        self._clock = clock
        self._limits = RateLimits(limit.per_second, limit.burst_count)

    def check(self, key: str, actions: int = 1) -> None:
        """Count `actions` of `key`. Raises `LimitExceeded`, and then counts nothing."""
        wait_ms = self._limits.take(key, self._clock.now_ms(), actions)
        if wait_ms:
            raise LimitExceeded(wait_ms)

    def peek(self, key: str) -> None:
        """Raise `LimitExceeded` if `check` would, but count nothing."""
        wait_ms = self._limits.wait_ms(key, self._clock.now_ms())
        if wait_ms:
            raise LimitExceeded(wait_ms)

    def count(self, key: str) -> None:
        """Count an action that has happened anyway, such as a wrong password."""
        self._limits.take(key, self._clock.now_ms())
