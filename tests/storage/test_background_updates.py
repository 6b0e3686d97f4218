"""Long changes, step by step."""

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeTime
from twisted.internet.task import deferLater

from synapse.storage.background_updates import BackgroundUpdates, Pace, Position, Status, Step
from synapse.storage.transaction import Transaction
from synapse.util.clock import Clock
from tests.storage.base import StoreTestCase

START = "INSERT INTO background_updates (name, ordering) VALUES (?, ?)"


class Counting:
    """An update that counts to `total`, and fails where it is told to."""

    def __init__(self, total: int, failures: int = 0) -> None:
        self.total = total
        self.failures = failures
        self.sizes: list[int] = []

    def __call__(self, tx: Transaction, position: Position, size: int) -> Step:
        if self.failures:
            self.failures -= 1
            raise ValueError("not yet")
        self.sizes.append(size)
        start = position.get("next", 0)
        end = min(start + size, self.total)
        for number in range(start, end):
            tx.execute("INSERT INTO names (nid, name) VALUES (?, ?)", number, str(number))
        return Step(end - start, {"next": end} if end < self.total else None)


class BackgroundUpdateTests(StoreTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.time = FakeTime()

    def updates(self, **known: Any) -> BackgroundUpdates:
        pace = Pace(default_batch_size=4, sleep_duration_ms=1000)
        return BackgroundUpdates(self.database, Clock(self.time, real=False), known, pace)

    async def start(self, name: str, ordering: int = 0) -> None:
        def insert(tx: Transaction, items: list[str]) -> None:
            tx.execute(START, name, ordering)

        await self.database.write(insert, name)

    async def finish(self, running: Deferred[None]) -> None:
        """Let it run to its end, without its pauses."""
        while not running.called:
            self.time.advance(60)
            await deferLater(reactor, 0.001)
        await running

    async def count(self) -> int:
        ((count,),) = await self.database.fetch("SELECT count(*) FROM names")
        return int(count)

    async def test_an_update_is_done_in_steps_and_then_gone(self) -> None:
        await self.start("count")
        counting = Counting(10)
        updates = self.updates(count=counting)
        await self.finish(Deferred.fromCoroutine(updates.run()))
        self.assertEqual(await self.count(), 10)
        self.assertGreater(len(counting.sizes), 1)
        self.assertEqual(await updates.unfinished(), [])

    async def test_progress_is_visible_and_resumed(self) -> None:
        await self.start("count")
        updates = self.updates(count=Counting(10))
        running = Deferred.fromCoroutine(updates.run())
        while not await self.count():
            await deferLater(reactor, 0.001)
        updates.enabled = False
        await self.finish(running)
        self.assertEqual(await updates.unfinished(), [Status("count", 4, {"next": 4})])
        await self.finish(Deferred.fromCoroutine(self.updates(count=Counting(10)).run()))
        self.assertEqual(await self.count(), 10)

    async def test_a_step_that_fails_is_tried_again(self) -> None:
        await self.start("count")
        with self.assertLogs("synapse.storage.background_updates", "ERROR"):
            # The database itself tries a failed write a second time.
            updates = self.updates(count=Counting(3, failures=2))
            await self.finish(Deferred.fromCoroutine(updates.run()))
        self.assertEqual(await self.count(), 3)

    async def test_an_update_that_keeps_failing_waits_for_the_next_start(self) -> None:
        await self.start("count")
        updates = self.updates(count=Counting(3, failures=99))
        with self.assertLogs("synapse.storage.background_updates", "ERROR"):
            await self.finish(Deferred.fromCoroutine(updates.run()))
        self.assertEqual(len(await updates.unfinished()), 1)

    async def test_what_nobody_knows_is_left_alone(self) -> None:
        await self.start("unheard_of", 1)
        await self.start("count", 2)
        updates = self.updates(count=Counting(3))
        with self.assertLogs("synapse.storage.background_updates", "ERROR"):
            await self.finish(Deferred.fromCoroutine(updates.run()))
        self.assertEqual([status.name for status in await updates.unfinished()], ["unheard_of"])


class PaceTests(StoreTestCase):
    async def test_steps_grow_and_shrink_towards_the_wanted_duration(self) -> None:
        clock = Clock(FakeTime(), real=False)
        updates = BackgroundUpdates(self.database, clock, {}, Pace(min_batch_size=5))
        for size, items, took_ms, expected in [
            (100, 100, 10.0, 200),  # would fit ten times: at most double
            (100, 100, 200.0, 50),
            (100, 100, 10_000.0, 5),
            (100, 0, 10.0, 200),
        ]:
            with self.subTest(took_ms=took_ms):
                self.assertEqual(updates._next_size(size, items, took_ms), expected)
