"""Reads that are gathered within a turn of the reactor."""

from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred, gatherResults

from tests.storage.base import StoreTestCase


class GatheringTests(StoreTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.loads: list[list[int]] = []
        self.gathering = self.database.gathering(self.load)

    async def load(self, items: Sequence[int]) -> list[int]:
        self.loads.append(list(items))
        if 0 in items:
            raise ValueError("nothing for nothing")
        await self.database.fetch("SELECT 1")
        return [item * 10 for item in items]

    def ask(self, item: int) -> Deferred[int]:
        return Deferred.fromCoroutine(self.gathering.ask(item))

    async def test_what_is_asked_in_one_turn_is_read_together(self) -> None:
        self.assertEqual(await gatherResults([self.ask(1), self.ask(2), self.ask(1)]), [10, 20, 10])
        self.assertEqual(await self.ask(3), 30)
        self.assertEqual(self.loads, [[1, 2, 1], [3]])

    async def test_all_learn_of_a_failure(self) -> None:
        waiting = [self.ask(0), self.ask(1)]
        for each in waiting:
            with self.assertRaises(ValueError):
                await each
        self.assertEqual(await self.ask(2), 20)

    async def test_who_goes_away_takes_nobody_along(self) -> None:
        gone, other = self.ask(1), self.ask(2)
        gone.cancel()
        with self.assertRaises(CancelledError):
            await gone
        self.assertEqual(await other, 20)
