"""Breaks in long work."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeTime

from synapse.util.breaks import Breaks
from synapse.util.clock import Clock
from tests.case import TestCase


class BreaksTests(TestCase):
    def test_others_come_in_when_work_takes_long(self) -> None:
        reactor = FakeTime()
        portions: list[int] = []

        async def work() -> None:
            breaks = Breaks(Clock(reactor, real=False))
            for portion in range(9):
                portions.append(portion)
                reactor.rightNow += 0.002
                await breaks.take()

        done = Deferred.fromCoroutine(work())
        self.assertEqual(portions, [0, 1, 2])
        reactor.callLater(0, portions.append, -1)
        reactor.advance(0)
        self.assertEqual(portions, [0, 1, 2, 3, 4, 5, -1, 6, 7, 8])
        self.assertTrue(done.called)

    def test_portions(self) -> None:
        reactor = FakeTime()
        taken: list[list[int]] = []

        async def work() -> None:
            async for some in Breaks(Clock(reactor, real=False)).portions(list(range(7)), 3):
                taken.append(list(some))
                reactor.rightNow += 0.004

        done = Deferred.fromCoroutine(work())
        self.assertEqual(taken, [[0, 1, 2], [3, 4, 5]])
        reactor.advance(0)
        self.assertEqual(taken, [[0, 1, 2], [3, 4, 5], [6]])
        self.assertTrue(done.called)
