"""The queue of writes and its one thread.

While a batch commits, the next one gathers; a batch costs one hop to the thread and one back,
however many writes it holds. All bookkeeping happens in the reactor's thread, so nothing here
needs a lock: the thread sees a batch only between the two hops.

SQLite's statements run in the reactor's thread and only the COMMIT, which waits for the disk,
runs in the other. A thread that runs SQLite gives Python's lock away at every row and must get it
back from a reactor that is never idle for long: under full load, 32 inserts took 400 to 800 ms
so, against 0.2 ms of work. Batches that are known to take longer than a turn of the reactor should
go to the thread whole.
"""

import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from synapse.storage.commit import Applied, Apply, Committed, Committer, Write, name_of
from synapse.storage.errors import Overloaded, Unavailable

logger = logging.getLogger(__name__)

# Enough for seconds of work; who comes later would not get an answer in time.
MAX_PENDING = 10_000
# Delivering a batch resumes all its callers in one turn of the reactor.
MAX_BATCH = 256
# How long the reactor's thread may run a batch's statements.
_BUDGET_S = 0.01
_MAX_REMEMBERED = 1_000


class Reactor(Protocol):
    """What the storage needs of a reactor (`IReactorFromThreads`)."""

    def callFromThread(self, callable: Callable[..., Any], *args: Any) -> Any: ...


class Writer:
    """Accepts writes in the reactor's thread and settles them in batches."""

    def __init__(
        self,
        reactor: Reactor,
        committer: Committer,
        announce: Callable[[Committed], None],
        *,
        threaded: bool,
        in_process: bool,
    ) -> None:
        self._reactor = reactor
        self._committer = committer
        self._announce = announce
        self._threaded = threaded
        self._in_process = in_process
        # What an item of each kind has cost lately.
        self._seconds_per_item: dict[str, float] = {}
        self._thread: Thread | None = None
        self._batches: SimpleQueue[tuple[list[Write], Committed | None] | None] = SimpleQueue()
        self._pending: list[Write] = []
        self._busy = False
        self._closed: Deferred[None] | None = None

    def submit(self, apply: Apply, item: Any) -> Write:
        """Queue one item. Raises `Overloaded`, or `Unavailable` once `close` was called."""
        if len(self._pending) >= MAX_PENDING:
            raise Overloaded
        if self._closed is not None:
            raise Unavailable("The server is shutting down")
        write = Write(apply, item)
        self._pending.append(write)
        if not self._busy:
            # At the end of this turn, so that what else it writes goes along.
            self._busy = True
            self._reactor.callFromThread(self._hand_over)
        return write

    async def close(self) -> None:
        """Write what is queued, then end the thread and the connection."""
        assert self._closed is None, "the writer is closed once"
        self._closed = Deferred()
        if not self._busy:
            self._end()
        await self._closed

    def _hand_over(self) -> None:
        batch = self._pending[:MAX_BATCH]
        del self._pending[:MAX_BATCH]
        if not self._threaded:
            self._deliver(batch, self._committer.settle(batch))
            return
        if self._thread is None:
            self._thread = Thread(target=self._work, name="database-writer", daemon=True)
            self._thread.start()
        prepared = self._committer.prepare(batch) if self._is_quick(batch) else None
        self._batches.put((batch, prepared))

    def _is_quick(self, batch: list[Write]) -> bool:
        if not self._in_process:
            return False
        # An item that is many in one, such as a room's whole state, says so.
        if any(getattr(write.item, "is_large", False) for write in batch):
            return False
        costs = self._seconds_per_item
        return sum(costs.get(name_of(write.apply), 0.0) for write in batch) < _BUDGET_S

    def _learn(self, applied: list[Applied]) -> None:
        costs = self._seconds_per_item
        if len(costs) > _MAX_REMEMBERED:
            costs.clear()
        for name, seconds, items in applied:
            cost = seconds / items
            costs[name] = 0.8 * costs.get(name, cost) + 0.2 * cost

    def _work(self) -> None:
        while (work := self._batches.get()) is not None:
            batch, prepared = work
            committed = self._committer.finish(batch, prepared)
            self._reactor.callFromThread(self._deliver, batch, committed)
        self._committer.close()
        self._reactor.callFromThread(self._ended)

    def _deliver(self, batch: list[Write], committed: list[Committed]) -> None:
        # Caches and the notifier first: who is told "written" may rely on them.
        for each in committed:
            self._learn(each.times)
            self._announce(each)
        # The next commit runs while this one's callers do.
        if self._pending:
            self._again()
        else:
            self._busy = False
        for write in batch:
            if write.error is None:
                write.done.callback(write)
            else:
                write.done.errback(write.error)
        if self._closed is not None and not self._busy:
            self._end()

    def _again(self) -> None:
        if self._threaded:
            self._hand_over()
        else:
            # Not within this call: a chain of writes must not become a deep stack.
            self._reactor.callFromThread(self._hand_over)

    def _end(self) -> None:
        self._busy = True
        if self._thread is not None:
            self._batches.put(None)
        else:
            self._committer.close()
            self._ended()

    def _ended(self) -> None:
        assert self._closed is not None, "only close() ends the writer"
        self._closed.callback(None)
