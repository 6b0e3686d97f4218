"""A clock that tests move by hand."""

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor, task

_reactor: Any = reactor


class HandMovedTime(task.Clock):
    """What is to happen later waits for the test; what only makes way for others does not."""

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kw: object
    ) -> Any:
        if delay == 0:
            return _reactor.callLater(0, callable, *args, **kw)
        return super().callLater(delay, callable, *args, **kw)
