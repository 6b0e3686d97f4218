"""The two-generation cache."""

from synapse.util import caches
from synapse.util.caches import Cache
from tests.case import TestCase


class CacheTests(TestCase):
    def test_holds_at_least_half_and_at_most_all_of_its_bound(self) -> None:
        cache: Cache[int, str] = Cache(100)
        for number in range(1000):
            cache[number] = str(number)
            self.assertLessEqual(len(cache), 101)
        self.assertEqual([n for n in range(950, 1000) if cache.get(n) != str(n)], [])
        self.assertIsNone(cache.get(0))

    def test_what_is_used_stays(self) -> None:
        cache: Cache[int, str] = Cache(100)
        cache[-1] = "often used"
        for number in range(1000):
            cache[number] = "once"
            self.assertEqual(cache.get(-1), "often used")

    def test_a_forgotten_entry_does_not_come_back(self) -> None:
        cache: Cache[str, int] = Cache(32)
        cache["a"] = 1
        for number in range(17):
            cache[str(number)] = number
        cache["a"] = 2  # now in both generations
        self.assertEqual(cache.pop("a"), 2)
        self.assertIsNone(cache.get("a"))
        self.assertNotIn("a", cache)

    def test_false_values_are_values(self) -> None:
        cache: Cache[str, object] = Cache(32)
        for value in (0, "", (), False):
            cache["key"] = value
            self.assertEqual(cache.get("key"), value)

    def test_factors_scale_caches_by_name(self) -> None:
        before = caches._factor_of
        self.addCleanup(caches.set_factors, before)
        caches.set_factors({"large": 10.0, "small": 0.1}.__getitem__)
        for name, held in (("large", 1000), ("small", 16)):
            cache: Cache[int, int] = Cache(100, name)
            for number in range(2000):
                cache[number] = number
            self.assertGreaterEqual(len(cache), held // 2)
            self.assertLessEqual(len(cache), 2 * held + 2)
            self.assertIn(cache, caches.in_use())
