"""`Drain`: counts what is under way, and lets one wait for its end."""

from twisted.internet.defer import Deferred


class Drain:
    """How much of something is under way."""

    __slots__ = ("_count", "_waiting")

    def __init__(self) -> None:
        self._count = 0
        self._waiting: list[Deferred[None]] = []

    def begin(self) -> None:
        self._count += 1

    def end(self) -> None:
        self._count -= 1
        if not self._count:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.callback(None)

    async def empty(self) -> None:
        """Returns when nothing is under way."""
        if self._count:
            waiter: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(waiter)
            await waiter
