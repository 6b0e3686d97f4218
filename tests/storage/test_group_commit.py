"""What the writes of one batch have to do with each other."""

import threading
import time
from functools import partial
from itertools import chain
from types import SimpleNamespace
from typing import Any
from unittest import mock

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from synapse.storage import writer
from synapse.storage.errors import Overloaded
from synapse.storage.transaction import Transaction
from tests.storage.base import StoreTestCase
from tests.storage.test_database import add_names


class Recorder:
    """A write that keeps what it was called with."""

    def __init__(self, refused: str = "") -> None:
        self.calls: list[list[str]] = []
        self._refused = refused

    def apply(self, tx: Transaction, names: list[str]) -> list[int]:
        self.calls.append(names)
        if self._refused in names:
            raise ValueError(f"{self._refused} is refused")
        return add_names(tx, names)


class GroupCommitTests(StoreTestCase):
    def start(self, apply: Any, item: str) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.database.write(apply, item))

    async def names(self) -> list[str]:
        rows = await self.database.fetch("SELECT name FROM names ORDER BY name")
        return [name for (name,) in rows]

    async def test_pending_items_of_one_kind_are_applied_together_in_order(self) -> None:
        one, two = Recorder(), Recorder()
        commits: list[int] = []
        self.database.on_commit(commits.append)
        results = await gatherResults(
            [
                self.start(one.apply, "a"),
                self.start(two.apply, "x"),
                self.start(one.apply, "b"),
            ]
        )
        self.assertEqual(one.calls, [["a", "b"]])
        self.assertEqual(two.calls, [["x"]])
        self.assertEqual(results, [1, 3, 2])
        self.assertEqual(commits, [3])

    async def test_a_failing_item_harms_only_itself(self) -> None:
        recorder = Recorder(refused="b")
        good = [self.start(recorder.apply, "a"), self.start(recorder.apply, "c")]
        bad = self.start(recorder.apply, "b")
        caught: list[Failure] = []
        bad.addErrback(caught.append)
        other = self.start(add_names, "x")
        await gatherResults([*good, bad, other])
        self.assertEqual(recorder.calls[0], ["a", "c", "b"])
        self.assertEqual(recorder.calls[-3:], [["a"], ["c"], ["b"]])
        self.assertEqual([failure.type for failure in caught], [ValueError])
        self.assertEqual(await self.names(), ["a", "c", "x"])
        self.assertEqual(self.database.position, 3)

    async def test_a_wrong_number_of_results_is_an_error(self) -> None:
        def too_few(tx: Transaction, names: list[str]) -> list[int]:
            add_names(tx, names)
            return []

        with self.assertRaises(ValueError):
            await self.database.write(too_few, "a")
        self.assertEqual(await self.names(), [])

    async def test_callbacks_run_after_the_commit_and_before_results(self) -> None:
        happened: list[str] = []

        def apply(tx: Transaction, items: list[str]) -> list[str]:
            for item in items:
                tx.after_commit(partial(happened.append, f"cached {item}"))
            tx.stream()
            return items

        self.database.on_commit(lambda position: happened.append(f"position {position}"))
        writes = [self.start(apply, item) for item in ("a", "b")]
        for write in writes:
            write.addCallback(lambda item: happened.append(f"written {item}"))
        await gatherResults(writes)
        self.assertEqual(happened, ["cached a", "cached b", "position 1", "written a", "written b"])

    async def test_callbacks_of_a_failed_transaction_are_forgotten(self) -> None:
        happened: list[str] = []

        def apply(tx: Transaction, items: list[str]) -> None:
            tx.after_commit(lambda: happened.append("cached"))
            raise ValueError("no")

        with self.assertRaises(ValueError):
            await self.database.write(apply, "a")
        self.assertEqual(happened, [])

    async def test_a_failing_callback_fails_no_write(self) -> None:
        def apply(tx: Transaction, items: list[str]) -> list[int]:
            tx.after_commit(lambda: 1 // 0)
            return add_names(tx, items)

        with self.assertLogs("synapse.storage.database", "ERROR"):
            self.assertEqual(await self.database.write(apply, "a"), 1)

    async def test_more_than_a_batch_is_written_in_several(self) -> None:
        recorder = Recorder()
        count = writer.MAX_BATCH + 10
        await gatherResults([self.start(recorder.apply, str(number)) for number in range(count)])
        self.assertEqual([len(call) for call in recorder.calls], [writer.MAX_BATCH, 10])

    async def test_writes_beyond_the_bound_are_refused_at_once(self) -> None:
        with mock.patch.object(writer, "MAX_PENDING", 3):
            accepted = [self.start(add_names, str(number)) for number in range(3)]
            with self.assertRaises(Overloaded):
                await self.database.write(add_names, "one too many")
        self.assertEqual(await gatherResults(accepted), [1, 2, 3])

    async def test_an_item_that_says_it_is_large_leaves_it_at_once(self) -> None:
        here: list[bool] = []

        def apply(tx: Transaction, items: list[Any]) -> None:
            here.append(threading.current_thread() is threading.main_thread())

        await self.database.write(apply, "small")
        await self.database.write(apply, SimpleNamespace(is_large=True))
        self.assertEqual(here, [not self.on_postgres, False])

    async def test_slow_kinds_of_writes_leave_the_reactors_thread(self) -> None:
        threads: list[bool] = []

        def slow(tx: Transaction, items: list[str]) -> None:
            threads.append(threading.current_thread() is threading.main_thread())
            time.sleep(0.02)

        await self.database.write(slow, "a")
        await self.database.write(slow, "b")
        self.assertEqual(threads[1], False)


class TwoProcessesTests(StoreTestCase):
    async def test_positions_of_two_writers_are_distinct_and_appear_in_order(self) -> None:
        other = self.open()
        gaps: list[object] = []
        running = True

        async def write(database: Any, label: str) -> list[int]:
            return [await database.write(add_names, f"{label}{number}") for number in range(25)]

        async def watch() -> None:
            # Names are numbered by position: as many as the last one's number, or one is missing.
            while running:
                row = await self.database.fetch_one("SELECT count(*), max(nid) FROM names")
                assert row is not None
                if row[0] != (row[1] or 0):
                    gaps.append(row)
                await deferLater(reactor, 0)

        watching = Deferred.fromCoroutine(watch())
        positions = await gatherResults(
            [
                Deferred.fromCoroutine(write(database, f"{label}-"))
                for label, database in enumerate([self.database, other] * 4)
            ]
        )
        running = False
        await watching
        self.assertEqual(sorted(chain.from_iterable(positions)), list(range(1, 201)))
        self.assertEqual(gaps, [])
