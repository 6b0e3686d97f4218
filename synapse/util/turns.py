"""`Turns`: a lock for coroutines whose waiters may be many; `TurnsByKey`: one for each key."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.defer import Deferred


class Turns:
    """One at a time, in the order in which they came.

    Twisted's `DeferredLock` runs who is next within the call of who has finished, and that one's
    next within it again: a thousand waiters that need not wait for anything else overflow the
    stack. Here they run one after the other.
    """

    __slots__ = ("_passing_on", "_taken", "_waiting")

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[Deferred[None]] = deque()
        self._passing_on = False

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    async def acquire(self) -> None:
        """Returns when it is one's turn; who is cancelled gives up the place."""
        if self._taken or self._waiting:
            waiter: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(waiter)
            await waiter
        else:
            self._taken = True

    def release(self) -> None:
        """One's turn is over."""
        self._taken = False
        if self._passing_on:
            return  # to the loop that gave us our turn
        self._passing_on = True
        while self._waiting and not self._taken:
            self._taken = True
            self._waiting.popleft().callback(None)
        self._passing_on = False


class TurnsByKey:
    """`async with turns.of(room_id): …`, one at a time for each key."""

    def __init__(self) -> None:
        self._turns: dict[str, Turns] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        turns = self._turns.setdefault(key, Turns())
        self._users[key] = self._users.get(key, 0) + 1
        try:
            await turns.acquire()
            try:
                yield
            finally:
                turns.release()
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._turns[key]
