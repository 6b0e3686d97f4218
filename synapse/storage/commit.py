"""Group commit without threads: a batch of writes goes in, and comes out settled.

All writes of a batch share one transaction, those of the same `apply` one call. When it fails, it
is clear only that one of them is to blame, so each is tried alone in a transaction of its own, and
the culprit's error reaches nobody else. What other transactions or the network broke is tried
again as it was, a bounded number of times.

With an engine in our own process there is a short cut: `prepare` runs the statements, `finish`
commits what it prepared, in another thread if one likes; when anything goes wrong, `finish` does
what `settle` does.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred

from synapse.storage.engines.base import Connection, Engine, Failure
from synapse.storage.errors import OutcomeUnknown, Unavailable, in_one_line
from synapse.storage.transaction import Transaction

logger = logging.getLogger(__name__)

Apply = Callable[[Transaction, list[Any]], list[Any] | None]

# Waits before each new try. A server that restarts is back within these; if not, the callers get
# an error rather than a queue that grows.
_CONFLICT_PAUSES_S = (0.0, 0.01, 0.05, 0.2)
_LOST_PAUSES_S = (0.0, 0.1, 0.5, 1.5)


class Write:
    """One item on its way, and what became of it."""

    __slots__ = ("apply", "done", "error", "item", "result", "seconds")

    def __init__(self, apply: Apply, item: Any) -> None:
        self.apply = apply
        self.item = item
        self.done: Deferred[Any] = Deferred()
        self.result: Any = None
        self.error: Exception | None = None
        # This write's share of the time its group took.
        self.seconds = 0.0


class Committed:
    """One transaction, and what the reactor must do about it once it is committed."""

    __slots__ = ("callbacks", "position", "times")

    def __init__(self, transaction: Transaction, times: list["Applied"]) -> None:
        self.callbacks = transaction.callbacks
        self.position = transaction.position
        self.times = times


class Applied(NamedTuple):
    """How long one call of `apply` took, and for how many items."""

    name: str
    seconds: float
    items: int


class Committer:
    """Writes batches over one connection, which it replaces when it breaks."""

    def __init__(self, engine: Engine, connection: Connection | None = None) -> None:
        self._engine = engine
        self._connection = connection

    def settle(self, writes: list[Write]) -> list[Committed]:
        """Give each write its result or its error; what was committed, in order."""
        try:
            return [self._persist(writes)]
        except Exception as error:
            if len(writes) == 1 or isinstance(error, (OutcomeUnknown, Unavailable)):
                for write in writes:
                    write.error = error
                return []
        committed: list[Committed] = []
        for write in writes:
            committed += self.settle([write])
        return committed

    def prepare(self, writes: list[Write]) -> Committed | None:
        """Run the statements without waiting for anyone; `None` if that is not possible."""
        connection = self._connection
        if connection is None:
            return None
        try:
            if not connection.begin_at_once():
                return None
            transaction = Transaction(connection)
            return Committed(transaction, _apply_all(transaction, writes))
        except Exception as error:
            self._abandon(connection, error)
            return None

    def finish(self, writes: list[Write], prepared: Committed | None) -> list[Committed]:
        """Commit what `prepare` returned for these writes."""
        if prepared is None:
            return self.settle(writes)
        assert self._connection is not None, "something was prepared on it"
        try:
            self._connection.commit()
            return [prepared]
        except Exception as error:
            logger.warning("Writing again after: %s", in_one_line(error))
            self._abandon(self._connection, error)
            return self.settle(writes)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _persist(self, writes: list[Write]) -> Committed:
        conflicts = iter(_CONFLICT_PAUSES_S)
        losses = iter(_LOST_PAUSES_S)
        while True:
            try:
                return self._commit_together(writes)
            except OutcomeUnknown:
                raise
            except Exception as error:
                failure = self._engine.failure(error)
                if failure is Failure.STATEMENT:
                    raise
                pause = next(conflicts if failure is Failure.CONFLICT else losses, None)
                if pause is None:
                    raise Unavailable(in_one_line(error)) from error
                logger.warning("Writing again after: %s", in_one_line(error))
                time.sleep(pause)

    def _commit_together(self, writes: list[Write]) -> Committed:
        if self._connection is None:
            self._connection = self._engine.connect()
        connection = self._connection
        try:
            connection.begin()
            transaction = Transaction(connection)
            times = _apply_all(transaction, writes)
        except Exception as error:
            self._abandon(connection, error)
            raise
        try:
            connection.commit()
        except Exception as error:
            self._abandon(connection, error)
            if self._engine.failure(error) is Failure.LOST:
                raise OutcomeUnknown from error
            raise
        return Committed(transaction, times)

    def _abandon(self, connection: Connection, error: Exception) -> None:
        """Roll back, or drop a connection with which that is no longer possible."""
        if self._engine.failure(error) is not Failure.LOST:
            try:
                connection.rollback()
                return
            except Exception:
                logger.exception("Could not roll back; using a new connection")
        self.close()


def _apply_all(transaction: Transaction, writes: list[Write]) -> list[Applied]:
    groups: dict[Apply, list[Write]] = {}
    for write in writes:
        groups.setdefault(write.apply, []).append(write)
    times = []
    for apply, group in groups.items():
        started = time.perf_counter()
        results = apply(transaction, [write.item for write in group])
        seconds = time.perf_counter() - started
        times.append(Applied(name_of(apply), seconds, len(group)))
        share = seconds / len(group)
        if results is None:
            results = [None] * len(group)
        for write, result in zip(group, results, strict=True):
            write.result = result
            write.seconds = share
    return times


def name_of(fn: Callable[..., Any]) -> str:
    """A function's name for metrics."""
    name: str = getattr(fn, "__qualname__", type(fn).__name__)
    return name
