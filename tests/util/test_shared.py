"""Work that several wait for."""

from twisted.internet.defer import CancelledError, Deferred

from synapse.util.shared import Shared
from tests.case import TestCase
from tests.http.outbound.network import Outcome, start


class SharedTests(TestCase):
    def setUp(self) -> None:
        self.shared: Shared[str, int] = Shared()
        self.running: list[Deferred[int]] = []

    def get(self, key: str = "a") -> Outcome:
        async def work() -> int:
            self.running.append(Deferred())
            return await self.running[-1]

        return start(self.shared.get(key, work))

    def test_all_who_ask_meanwhile_get_one_result(self) -> None:
        asked = [self.get(), self.get(), self.get("b")]
        self.assertEqual(len(self.running), 2)
        self.running[0].callback(7)
        self.assertEqual([asked[0].result, asked[1].result, asked[2].is_over], [7, 7, False])

    def test_who_asks_later_starts_it_anew(self) -> None:
        self.get()
        self.running[0].callback(7)
        self.get()
        self.assertEqual(len(self.running), 2)

    def test_all_learn_of_a_failure(self) -> None:
        asked = [self.get(), self.get()]
        self.running[0].errback(ValueError("no"))
        for one in asked:
            self.assertRaises(ValueError, lambda one=one: one.result)

    def test_who_goes_away_stops_nothing(self) -> None:
        first, second = self.get(), self.get()
        first.deferred.cancel()
        self.assertRaises(CancelledError, lambda: first.result)
        self.running[0].callback(7)
        self.assertEqual(second.result, 7)

    def test_it_ends_even_if_all_have_gone_away(self) -> None:
        self.get().deferred.cancel()
        self.running[0].errback(ValueError("no"))
        self.get()
        self.assertEqual(len(self.running), 2)
