"""The arithmetic of rate limits."""

from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from synapse.api.ratelimits import RateLimits


class RateLimitsTests(TestCase):
    def test_burst_then_rate(self) -> None:
        limits = RateLimits(per_second=2, burst=3)
        for now_ms, wait_ms in ((0, 0), (0, 0), (0, 0), (0, 500), (499, 1), (500, 0), (500, 500)):
            self.assertEqual(limits.take("key", now_ms), wait_ms)

    def test_keys_are_counted_apart(self) -> None:
        limits = RateLimits(per_second=1, burst=1)
        self.assertEqual(limits.take("a", 0), 0)
        self.assertEqual(limits.take("b", 0), 0)
        self.assertGreater(limits.take("a", 0), 0)

    def test_asking_takes_nothing(self) -> None:
        limits = RateLimits(per_second=1, burst=1)
        for _ in range(5):
            self.assertEqual(limits.wait_ms("key", 0), 0)

    def test_several_actions_at_once(self) -> None:
        limits = RateLimits(per_second=1, burst=5)
        self.assertEqual(limits.take("key", 0, actions=4), 0)
        self.assertEqual(limits.take("key", 0, actions=2), 1000)
        self.assertEqual(limits.take("key", 0, actions=1), 0)

    def test_rate_of_zero_is_the_burst_and_no_more(self) -> None:
        limits = RateLimits(per_second=0, burst=1)
        self.assertEqual(limits.take("key", 0), 0)
        self.assertGreater(limits.take("key", 365 * 24 * 3600 * 1000), 10**9)

    def test_burst_of_zero_lets_nothing_through(self) -> None:
        self.assertGreater(RateLimits(per_second=5, burst=0).take("key", 10**12), 0)

    def test_memory_is_bounded(self) -> None:
        limits = RateLimits(per_second=1, burst=1, generation_size=10)
        for n in range(1000):
            limits.take(f"key {n}", 0)
        self.assertLessEqual(len(limits), 20)
        self.assertGreater(limits.take("key 999", 0), 0)

    @given(
        per_second=st.floats(0.003, 1000),
        burst=st.integers(1, 50),
        now_ms=st.integers(0, 2 * 10**12),
        pauses=st.lists(st.integers(0, 5000), max_size=50),
    )
    def test_never_more_than_burst_and_rate_allow(
        self, per_second: float, burst: int, now_ms: int, pauses: list[int]
    ) -> None:
        limits = RateLimits(per_second, burst)
        self.assertEqual([limits.take("key", now_ms) for _ in range(burst)], [0] * burst)
        start_ms, taken = now_ms, burst
        for pause_ms in pauses:
            now_ms += pause_ms
            taken += limits.take("key", now_ms) == 0
            allowed = burst + (now_ms - start_ms) * per_second / 1000
            # One millisecond is given for rounding.
            self.assertLessEqual(taken, allowed + per_second / 1000 + 1e-6)

    @given(per_second=st.floats(0.01, 1000), burst=st.integers(1, 9), now_ms=st.integers(0, 10**12))
    def test_who_waits_as_told_may_act(self, per_second: float, burst: int, now_ms: int) -> None:
        limits = RateLimits(per_second, burst)
        for _ in range(burst + 5):
            now_ms += limits.wait_ms("key", now_ms)
            self.assertEqual(limits.take("key", now_ms), 0)
