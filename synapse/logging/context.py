"""For whom the server is working: the request's id, who sent it, and what it has cost so far.

The context is a `contextvars` variable. Each request is answered by one coroutine in a context of
its own (`Deferred.fromCoroutine` copies it), so it follows the work through every `await`; log
lines and costs find their request without a parameter.
"""

import logging
import types
from collections.abc import Awaitable, Generator
from contextvars import ContextVar
from time import thread_time
from typing import Any, TypeVar

_T = TypeVar("_T")


class RequestContext:
    """One request, or one piece of background work, as log lines and costs see it."""

    __slots__ = ("cpu_seconds", "db_seconds", "db_transactions", "db_wait_seconds", "id")

    def __init__(self, id: str) -> None:
        self.id = id
        self.cpu_seconds = 0.0
        self.db_seconds = 0.0
        self.db_wait_seconds = 0.0
        self.db_transactions = 0


_current: ContextVar[RequestContext | None] = ContextVar("request", default=None)


def current() -> RequestContext | None:
    """The context of the request that this code works for; `None` for the server's own work."""
    return _current.get()


def enter(context: RequestContext) -> None:
    """From here on, this coroutine and what it starts work for `context`."""
    _current.set(context)


def request_id() -> str:
    """What log lines show as their request: `GET-12`, or `main` for the server's own work."""
    context = _current.get()
    return "main" if context is None else context.id


def record_database(seconds: float, *, waited: float = 0.0, transactions: int = 1) -> None:
    """Add the time that the database worked, and that the query waited for it, to the request."""
    context = _current.get()
    if context is not None:
        context.db_seconds += seconds
        context.db_wait_seconds += waited
        context.db_transactions += transactions


@types.coroutine
def measured(context: RequestContext, work: Awaitable[_T]) -> Generator[Any, Any, _T]:
    """Await `work`, adding the CPU time of each of its steps to the context."""
    steps = work.__await__()
    step, argument = steps.send, None
    while True:
        started = thread_time()
        try:
            awaited = step(argument)
        except StopIteration as end:
            result: _T = end.value
            return result
        finally:
            context.cpu_seconds += thread_time() - started
        try:
            argument = yield awaited
            step = steps.send
        except GeneratorExit:
            steps.close()
            raise
        except BaseException as error:
            step, argument = steps.throw, error


class LoggingContextFilter(logging.Filter):
    """Gives records the attribute `request`. Log configurations made by Synapse name it.

    `configure` already stamps each record when it is made, so that one that waits in a buffer
    keeps its request; this helps only where the server's logging was not set up by `configure`.
    """

    def __init__(self, name: str = "", request: str = "") -> None:
        super().__init__(name)
        self._default = request

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request"):
            context = _current.get()
            record.request = self._default if context is None else context.id
        return True
