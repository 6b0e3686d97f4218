"""`Places`: how many may do something at once; the others wait in line."""

from collections import deque

from twisted.internet.defer import Deferred


class Places:
    """Gives out a number of places, in the order in which they were asked for."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: deque[Deferred[None]] = deque()
        self._passing_on = False

    async def acquire(self) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        waiter: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        await waiter

    def release(self) -> None:
        self._free += 1
        if self._passing_on:
            return  # the loop below goes on: many who are soon done need no deep stack
        self._passing_on = True
        while self._waiting and self._free:
            self._free -= 1
            self._waiting.popleft().callback(None)
        self._passing_on = False
