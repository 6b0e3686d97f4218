"""The lock of a room's writer."""

from twisted.internet.defer import CancelledError, Deferred

from synapse.util.turns import Turns, TurnsByKey
from tests.case import TestCase


class TurnsTests(TestCase):
    def setUp(self) -> None:
        self.turns = Turns()
        self.log: list[str] = []
        self.gates: dict[str, Deferred[None]] = {}

    def enter(self, name: str, *, waits: bool = False) -> Deferred[None]:
        async def work() -> None:
            await self.turns.acquire()
            self.log.append(name)
            if waits:
                self.gates[name] = Deferred()
                await self.gates[name]
            self.turns.release()

        return Deferred.fromCoroutine(work())

    def test_one_at_a_time_in_order(self) -> None:
        self.enter("a", waits=True)
        self.enter("b")
        self.enter("c", waits=True)
        self.enter("d")
        self.assertEqual(self.log, ["a"])
        self.gates["a"].callback(None)
        self.assertEqual(self.log, ["a", "b", "c"])
        self.gates["c"].callback(None)
        self.assertEqual(self.log, ["a", "b", "c", "d"])

    def test_a_thousand_wait_without_a_deep_stack(self) -> None:
        self.enter("first", waits=True)
        waiting = [self.enter(str(number)) for number in range(5_000)]
        self.gates["first"].callback(None)
        self.assertTrue(all(each.called for each in waiting))
        self.assertEqual(self.log, ["first", *map(str, range(5_000))])

    def test_who_gives_up_is_passed_over(self) -> None:
        self.enter("a", waits=True)
        gone = self.enter("b")
        self.enter("c")
        gone.addErrback(lambda failure: failure.trap(CancelledError))
        gone.cancel()
        self.gates["a"].callback(None)
        self.assertEqual(self.log, ["a", "c"])

    def test_nobody_overtakes_who_waits(self) -> None:
        async def work() -> None:
            await self.turns.acquire()
            self.log.append("b")
            self.turns.release()
            # The lock is free for a moment, but c came first.
            self.enter("d")

        self.enter("a", waits=True)
        Deferred.fromCoroutine(work())
        self.enter("c")
        self.gates["a"].callback(None)
        self.assertEqual(self.log, ["a", "b", "c", "d"])


class TurnsByKeyTests(TestCase):
    def test_one_at_a_time_for_each_key(self) -> None:
        turns, gate, log = TurnsByKey(), Deferred[None](), list[str]()

        async def work(key: str, name: str, wait: Deferred[None] | None = None) -> None:
            async with turns.of(key):
                log.append(name)
                if wait is not None:
                    await wait

        Deferred.fromCoroutine(work("a", "first", gate))
        gone = Deferred.fromCoroutine(work("a", "never"))
        Deferred.fromCoroutine(work("a", "second"))
        Deferred.fromCoroutine(work("b", "other"))
        gone.addErrback(lambda failure: failure.trap(CancelledError))
        gone.cancel()
        self.assertEqual(log, ["first", "other"])
        gate.callback(None)
        self.assertEqual(log, ["first", "other", "second"])
        # Nothing is kept for keys that nobody uses.
        self.assertEqual((turns._turns, turns._users), ({}, {}))
