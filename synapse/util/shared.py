"""Work that several wait for, and that none of them can stop by going away."""

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Shared(Generic[K, V]):
    """Runs one piece of work for each key at a time; all who ask meanwhile get its result."""

    def __init__(self) -> None:
        self._waiting: dict[K, list[Deferred[V]]] = {}

    async def get(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """What `work` returns or raises; it is started unless it is under way."""
        waiters = self._waiting.get(key)
        is_first = waiters is None
        if waiters is None:
            waiters = self._waiting[key] = []
        waiter: Deferred[V] = Deferred(waiters.remove)
        waiters.append(waiter)
        if is_first:
            Deferred.fromCoroutine(work()).addBoth(self._finished, key)
        return await waiter

    def _finished(self, result: "V | Failure", key: K) -> None:
        for waiter in self._waiting.pop(key):
            waiter.callback(result)
