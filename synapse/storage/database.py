"""The database as the rest of the server sees it.

Reads return what is committed. Short reads on SQLite run at once in the reactor's thread (4 µs; a
hop to another thread costs five times that), all others in reader threads. Writes are queued and
committed in groups: see `synapse.storage.commit` for what that means for the function that writes.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, overload

from synapse.logging.context import record_database
from synapse.storage.commit import Apply, Committed, Committer, name_of
from synapse.storage.engines.base import Connection, Engine
from synapse.storage.gathering import Gathering
from synapse.storage.migrations import migrate
from synapse.storage.readers import Readers
from synapse.storage.sql import Row, described
from synapse.storage.transaction import Reader, Transaction
from synapse.storage.writer import Reactor, Writer

logger = logging.getLogger(__name__)

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 (the contract's name: an item)
R = TypeVar("R")

# Statements and functions whose times are kept apart; what comes later is counted together.
_MAX_TIMED = 1_000


class Timing:
    """How often something ran, and for how many seconds in all."""

    __slots__ = ("count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds


class Database:
    """Reads, queued writes and news of commits. Belongs to the reactor's thread."""

    def __init__(
        self,
        engine: Engine,
        reactor: Reactor,
        *,
        connection: Connection,
        position: int = 0,
    ) -> None:
        """`connection` becomes the writer's."""
        self.engine = engine
        # The newest stream position known to be committed.
        self.position = position
        # For the metrics: description -> how often and how long.
        self.timings: dict[str, Timing] = {}
        self._timing_of: dict[str, Timing] = {}
        self._listeners: list[Callable[[int], object]] = []
        self._local: Connection | None = None
        if engine.single_connection:
            self._local = connection
        elif engine.in_process:
            self._local = engine.connect(read_only=True)
        self._reactor = reactor
        self._readers = Readers(engine, reactor)
        self._writer = Writer(
            reactor,
            Committer(engine, connection),
            self._announce,
            threaded=not engine.single_connection,
            in_process=engine.in_process,
        )

    async def fetch(self, sql: str, *params: object) -> list[Row]:
        """All rows of one short read."""
        if self._local is None:
            return await self._in_thread(
                self._timing_of.get(sql) or self._new_timing(sql),
                lambda connection: connection.fetch(sql, params),
            )
        started = time.perf_counter()
        rows = self._local.fetch(sql, params)
        seconds = time.perf_counter() - started
        (self._timing_of.get(sql) or self._new_timing(sql)).add(seconds)
        record_database(seconds)
        return rows

    async def fetch_one(self, sql: str, *params: object) -> Row | None:
        """The first row of one short read."""
        if self._local is None:
            return await self._in_thread(
                self._timing_of.get(sql) or self._new_timing(sql),
                lambda connection: connection.fetch_one(sql, params),
            )
        started = time.perf_counter()
        row = self._local.fetch_one(sql, params)
        seconds = time.perf_counter() - started
        (self._timing_of.get(sql) or self._new_timing(sql)).add(seconds)
        record_database(seconds)
        return row

    async def read(self, fn: Callable[[Reader], T]) -> T:
        """Several short reads on one snapshot. `fn` may be called twice."""
        if self._local is None:
            return await self.scan(fn)
        started = time.perf_counter()
        result = _on_snapshot(self._local, fn)
        seconds = time.perf_counter() - started
        self._timing(name_of(fn)).add(seconds)
        record_database(seconds)
        return result

    async def scan(self, fn: Callable[[Reader], T]) -> T:
        """Like `read`, for what needs over 10 ms: it leaves the reactor's thread on SQLite too.

        A busy reactor gives a thread little time, so anything shorter is faster in place.
        """
        if self._local is not None and self.engine.single_connection:
            return await self.read(fn)
        return await self._in_thread(
            self._timing(name_of(fn)), lambda connection: _on_snapshot(connection, fn)
        )

    def gathering(self, load: Callable[[Sequence[I]], Awaitable[Sequence[R]]]) -> Gathering[I, R]:
        """Gathers what is asked for in one turn of the reactor; `load` then reads it together."""
        return Gathering(self._reactor, load)

    @overload
    async def write(self, apply: Callable[[Transaction, list[I]], None], item: I) -> None: ...
    @overload
    async def write(self, apply: Callable[[Transaction, list[I]], list[R]], item: I) -> R: ...
    async def write(self, apply: Apply, item: Any) -> Any:
        """Queue one item for `apply` and wait until it is committed; its result.

        All that is pending, of all kinds, goes into one transaction, with one call of each `apply`
        for its items in the order in which they came. Nothing is said about the order of different
        `apply`s. If the transaction fails, each item is tried alone in one of its own.

        Raises what `apply` raised for this item; `Overloaded` and `Unavailable`, then nothing was
        written; `OutcomeUnknown`.
        """
        started = time.perf_counter()
        write = self._writer.submit(apply, item)
        await write.done
        waited = time.perf_counter() - started - write.seconds
        record_database(write.seconds, waited=waited)
        return write.result

    def on_commit(self, callback: Callable[[int], object]) -> None:
        """Call after each commit with the newest committed stream position."""
        self._listeners.append(callback)

    async def close(self) -> None:
        """Finish what is queued, then let go of the database."""
        await self._readers.close()
        await self._writer.close()
        if self._local is not None:
            self._local.close()

    def _announce(self, committed: Committed) -> None:
        for applied in committed.times:
            self._timing(applied.name).add(applied.seconds)
        if committed.position is not None:
            self.position = max(self.position, committed.position)
        for callback in committed.callbacks:
            _call(callback)
        for listener in self._listeners:
            _call(listener, self.position)

    async def _in_thread(self, timing: Timing, job: Callable[[Connection], T]) -> T:
        started = time.perf_counter()
        result, seconds = await self._readers.run(job)
        timing.add(seconds)
        record_database(seconds, waited=time.perf_counter() - started - seconds)
        return result

    def _new_timing(self, sql: str) -> Timing:
        if len(self._timing_of) >= _MAX_TIMED:
            self._timing_of.clear()
        timing = self._timing_of[sql] = self._timing(described(sql))
        return timing

    def _timing(self, name: str) -> Timing:
        if name not in self.timings and len(self.timings) >= _MAX_TIMED:
            name = "other"
        return self.timings.setdefault(name, Timing())


def open_database(engine: Engine, server_name: str, reactor: Reactor) -> Database:
    """Connect and migrate, which may take a while. Raises `DatabaseRefused`, `Unavailable`."""
    connection = engine.connect()
    try:
        migrate(engine, connection, server_name)
        ((position,),) = connection.fetch("SELECT pos FROM stream", ())
    except BaseException:
        connection.close()
        raise
    return Database(engine, reactor, connection=connection, position=position)


def _on_snapshot(connection: Connection, fn: Callable[[Reader], T]) -> T:
    connection.begin_snapshot()
    try:
        result = fn(Reader(connection))
    except Exception:
        connection.rollback()
        raise
    connection.commit()
    return result


def _call(callback: Callable[..., object], *args: object) -> None:
    """One callback's fault harms neither the others nor the writes that were committed."""
    try:
        callback(*args)
    except Exception:
        logger.exception("A callback after a commit failed")
