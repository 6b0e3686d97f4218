"""Readers of the stream: each piece once, across crashes and processes."""

import itertools
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred

from synapse.storage.database import Database
from synapse.storage.stream_readers import StreamReader, Stretch
from synapse.storage.transaction import Reader, Transaction
from synapse.util.background import Background
from synapse.util.clock import Clock
from tests.storage.base import StoreTestCase

_EVENT = """
    INSERT INTO events (event_nid, event_id, room_nid, type_nid, sender_nid, depth,
        origin_server_ts, flags, state_nid, json) VALUES (?, ?, 1, 1, 1, 1, 1, 1, 0, ?)
"""


class Notes:
    """Work that notes in the database which events it has seen."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        self.failure: Exception | None = None

    def gather(self, reader: Reader, stretch: Stretch) -> list[Any] | None:
        self.stretches.append(stretch)
        rows = reader.fetch(
            "SELECT event_nid FROM events WHERE event_nid > ? AND event_nid <= ?",
            stretch.after,
            stretch.up_to,
        )
        return rows or None

    def write(self, txn: Transaction, gathered: list[Any]) -> None:
        txn.execute_many(
            "INSERT INTO names (name) VALUES (?)", [(str(nid),) for (nid,) in gathered]
        )
        if self.failure is not None:
            raise self.failure


class StreamReaderTests(StoreTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.time = task.Clock()
        self.work = Notes()
        self.background = Background()
        self.addCleanup(self.background.finish)
        self.reader = self.a_reader(self.database)

    def a_reader(self, database: Database) -> StreamReader[list[Any]]:
        clock = Clock(self.time, real=False)
        return StreamReader("search", self.work, database, clock, self.background)

    async def commit(self, events: int, others: int = 0) -> None:
        """Events at the next positions of the stream, and something else behind them."""

        def apply(txn: Transaction, items: list[int]) -> None:
            first = txn.stream(events + others)
            nids = range(first, first + events)
            txn.execute_many(_EVENT, [(nid, f"${nid}", b"{}") for nid in nids])

        await self.database.write(apply, 0)

    async def noted(self) -> list[int]:
        rows = await self.database.fetch("SELECT name FROM names")
        return sorted(int(name) for (name,) in rows)

    async def position(self) -> int:
        ((position,),) = await self.database.fetch(
            "SELECT position FROM stream_readers WHERE name = 'search'"
        )
        return int(position)

    async def test_everything_is_read_once_and_in_pieces(self) -> None:
        await self.commit(1_200, others=4_000)
        done = Deferred.fromCoroutine(self.reader.catch_up())
        while not done.called:
            await self.database.fetch("SELECT 1")
            await self.background_turn()
            self.time.advance(1)
        await done
        self.assertEqual(await self.noted(), list(range(1, 1_201)))
        ends = [stretch.up_to for stretch in self.work.stretches]
        self.assertEqual(ends, [500, 1_000, 3_000, 5_000, 5_200])
        await self.reader.catch_up()
        self.assertEqual(len(await self.noted()), 1_200)

    async def background_turn(self) -> None:
        """Let the database's threads answer."""
        await self.database.scan(lambda reader: reader.fetch("SELECT 1"))

    async def test_what_is_nothing_to_it_is_not_written(self) -> None:
        await self.commit(0, others=10)
        await self.reader.catch_up()
        self.assertEqual(await self.position(), 0)
        await self.commit(1)
        await self.reader.catch_up()
        self.assertEqual((await self.noted(), await self.position()), ([11], 11))

    async def test_a_step_that_fails_leaves_nothing_and_is_done_again(self) -> None:
        await self.commit(3)
        self.work.failure = ValueError("the disk is full")
        with self.assertRaises(ValueError):
            await self.reader.catch_up()
        self.assertEqual((await self.noted(), await self.position()), ([], 0))
        self.work.failure = None
        await self.a_reader(self.database).catch_up()
        self.assertEqual((await self.noted(), await self.position()), ([1, 2, 3], 3))

    async def test_two_processes_do_not_do_the_same(self) -> None:
        other = self.a_reader(self.open())
        for reader in itertools.islice(itertools.cycle((self.reader, other)), 5):
            await self.commit(2)
            await self.move_on(reader)
        self.assertEqual(await self.noted(), list(range(1, 11)))

    async def move_on(self, reader: StreamReader[list[Any]]) -> None:
        done = Deferred.fromCoroutine(reader.catch_up())
        while not done.called:
            await self.background_turn()
            self.time.advance(1)
        await done

    async def test_it_follows_commits_lazily_until_it_is_stopped(self) -> None:
        self.reader.start()
        await self.commit(1)
        await self.commit(1)
        self.assertEqual(await self.noted(), [])
        self.time.advance(1)
        await self.background.finish()
        self.assertEqual(await self.noted(), [1, 2])
        self.assertEqual(len(self.work.stretches), 1)
        self.reader.stop()
        await self.commit(1)
        self.time.advance(100)
        await self.background.finish()
        self.assertEqual(await self.noted(), [1, 2])

    async def test_after_an_error_it_tries_again(self) -> None:
        await self.commit(1)
        self.work.failure = ValueError("the disk is full")
        self.reader.start()
        self.addCleanup(self.reader.stop)
        with self.assertLogs("synapse.util.background"):
            self.time.advance(1)
            await self.background.finish()
        self.work.failure = None
        self.time.advance(60)
        await self.background.finish()
        self.assertEqual(await self.noted(), [1])
