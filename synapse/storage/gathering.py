"""Reads that many ask for in one turn of the reactor, and that cost hardly more than one of them.

When a room moves, all clients that wait for it are woken in one turn, and each asks the same kind
of question. Gathered, they are one statement.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred

from synapse.storage.writer import Reactor

I = TypeVar("I")  # noqa: E741 (an item)
R = TypeVar("R")


class Gathering(Generic[I, R]):
    """Hands to `load` what was asked for in one turn, at its end; made by `Database.gathering`."""

    def __init__(
        self, reactor: Reactor, load: Callable[[Sequence[I]], Awaitable[Sequence[R]]]
    ) -> None:
        self._reactor = reactor
        self._load = load
        self._waiting: list[tuple[I, Deferred[R]]] = []

    async def ask(self, item: I) -> R:
        """The item's result. Raises what `load` raises."""
        waiter: Deferred[R] = Deferred()
        self._waiting.append((item, waiter))
        if len(self._waiting) == 1:
            self._reactor.callFromThread(self._hand_over)
        return await waiter

    def _hand_over(self) -> None:
        waiting, self._waiting = self._waiting, []
        Deferred.fromCoroutine(self._answer(waiting))

    async def _answer(self, waiting: list[tuple[I, Deferred[R]]]) -> None:
        try:
            results = await self._load([item for item, _ in waiting])
        except Exception as error:
            for _, waiter in waiting:
                waiter.errback(error)
            return
        for (_, waiter), result in zip(waiting, results, strict=True):
            waiter.callback(result)
