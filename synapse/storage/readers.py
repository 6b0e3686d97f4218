"""Threads that read, for what would hold up the reactor: PostgreSQL's answers, and long scans.

Each thread has a connection of its own. Answers that are ready by the time the reactor looks go
back in one hop.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from synapse.storage.engines.base import Connection, Engine, Failure
from synapse.storage.errors import Overloaded, Unavailable, in_one_line
from synapse.storage.writer import Reactor

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_PENDING = 10_000


class _Read:
    __slots__ = ("done", "error", "job", "result", "seconds")

    def __init__(self, job: Callable[[Connection], Any]) -> None:
        self.job = job
        self.done: Deferred[None] = Deferred()
        self.result: Any = None
        self.error: Exception | None = None
        self.seconds = 0.0


class Readers:
    """A few threads that run read jobs in the order in which they come."""

    def __init__(self, engine: Engine, reactor: Reactor) -> None:
        self._engine = engine
        self._reactor = reactor
        self._jobs: SimpleQueue[_Read | None] = SimpleQueue()
        self._answers: deque[_Read] = deque()
        # Whether the reactor has been told to look. Written by all threads: see `_answer`.
        self._told = False
        self._unanswered = 0
        self._threads = 0
        self._closed: Deferred[None] | None = None

    async def run(self, job: Callable[[Connection], T]) -> tuple[T, float]:
        """The job's result, and the seconds that it took. Raises `Overloaded`."""
        if self._unanswered >= MAX_PENDING:
            raise Overloaded
        if self._closed is not None:
            raise Unavailable("The server is shutting down")
        if self._threads <= self._unanswered and self._threads < self._engine.reader_threads:
            self._threads += 1
            Thread(target=self._work, name="database-reader", daemon=True).start()
        self._unanswered += 1
        read = _Read(job)
        self._jobs.put(read)
        await read.done
        return read.result, read.seconds

    async def close(self) -> None:
        """Answer what is queued, then end the threads."""
        assert self._closed is None, "the readers are closed once"
        self._closed = Deferred()
        if self._threads == 0:
            return
        for _ in range(self._threads):
            self._jobs.put(None)
        await self._closed

    def _work(self) -> None:
        connection: Connection | None = None
        while (read := self._jobs.get()) is not None:
            started = time.perf_counter()
            connection = self._try(read, connection)
            read.seconds = time.perf_counter() - started
            self._answer(read)
        if connection is not None:
            connection.close()
        self._reactor.callFromThread(self._ended)

    def _try(self, read: _Read, connection: Connection | None) -> Connection | None:
        """Run it, a second time if the connection was lost; the connection to go on with."""
        for last_try in (False, True):
            try:
                if connection is None:
                    connection = self._engine.connect(read_only=True)
                read.result = read.job(connection)
                return connection
            except Exception as error:
                if self._engine.failure(error) is not Failure.LOST:
                    read.error = error
                    return connection
                if connection is not None:
                    connection.close()
                    connection = None
                if last_try:
                    read.error = Unavailable(in_one_line(error))
                else:
                    logger.warning("Reading again after: %s", in_one_line(error))
        return None

    def _answer(self, read: _Read) -> None:
        # First append, then look at the flag; `_deliver` first clears it, then empties the queue.
        # So an answer that finds the flag set is seen by the delivery that is still to come.
        self._answers.append(read)
        if not self._told:
            self._told = True
            self._reactor.callFromThread(self._deliver)

    def _deliver(self) -> None:
        self._told = False
        while self._answers:
            read = self._answers.popleft()
            self._unanswered -= 1
            if read.error is None:
                read.done.callback(None)
            else:
                read.done.errback(read.error)

    def _ended(self) -> None:
        self._threads -= 1
        if self._threads == 0:
            assert self._closed is not None, "only close() ends the readers"
            self._closed.callback(None)
