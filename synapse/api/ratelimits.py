"""How often something may happen: the arithmetic of rate limits, without a clock.

The generic cell rate algorithm (ITU-T I.371): each key has one number, the time at which its
bucket will be full again. An action moves it on by 1/rate; if that would put it further ahead than
a full bucket's worth, the action has to wait. One number per key, no timers, and a key whose time
has come is as good as one that was never seen.

    2 per second, burst of 3:   t=0 s  t=0 s  t=0 s  t=0 s           t=0.5 s
                                ok     ok     ok     wait 500 ms     ok
"""

# A rate of 0 means "the burst, and then never"; ten years pass for it.
_NEVER_MS = 10 * 365 * 24 * 60 * 60 * 1000.0


class RateLimits:
    """Buckets of one size and rate, one for each key.

    Memory is bounded: there are two generations of keys, and when the young one is full, the old
    one is forgotten. Who has been quiet for so long gets a full bucket, which is rarely more
    than they would have anyway.
    """

    __slots__ = ("_burst_ms", "_generation_size", "_interval_ms", "_old", "_young")

    def __init__(self, per_second: float, burst: float, generation_size: int = 50_000) -> None:
        self._interval_ms = min(1000.0 / per_second, _NEVER_MS) if per_second > 0 else _NEVER_MS
        self._burst_ms = self._interval_ms * burst
        self._generation_size = generation_size
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}

    def wait_ms(self, key: str, now_ms: int, actions: int = 1) -> int:
        """How long the key would have to wait before `actions` more; 0: it may act now."""
        ahead_ms = self._full_at(key, now_ms) + actions * self._interval_ms - now_ms
        # A fraction of a millisecond is the arithmetic's, not the client's.
        return max(0, int(ahead_ms - self._burst_ms))

    def take(self, key: str, now_ms: int, actions: int = 1) -> int:
        """Take from the key's bucket; if it holds too little, leave it and return the wait."""
        wait_ms = self.wait_ms(key, now_ms, actions)
        if wait_ms == 0:
            if len(self._young) >= self._generation_size:
                self._old, self._young = self._young, {}
            self._young[key] = self._full_at(key, now_ms) + actions * self._interval_ms
        return wait_ms

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _full_at(self, key: str, now_ms: int) -> float:
        full_at = self._young.get(key)
        if full_at is None:
            full_at = self._old.get(key, 0.0)
        return max(full_at, float(now_ms))
