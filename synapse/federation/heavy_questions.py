"""Heavy questions: states, auth chains, joins, history. How many answers of one server are made at
a time.

Each may take a hundred megabytes out of the database, so a few are made at once (as many as
transactions are taken up: `rc_federation`), others wait, and if too many do, they are refused
until later. An answer counts until its last byte was taken, so a server that reads slowly waits
for itself.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from twisted.internet.defer import DeferredSemaphore

from synapse.api.errors import LimitExceeded
from synapse.config.ratelimiting import FederationLimits

_RETRY_AFTER_MS = 5_000


@dataclass(slots=True)
class _Asker:
    turns: DeferredSemaphore
    using: int = 0  # answers under way and waiting


class HeavyQuestions:
    """Gives servers their turns."""

    def __init__(self, limits: FederationLimits) -> None:
        self._limits = limits
        self._askers: dict[str, _Asker] = {}

    @asynccontextmanager
    async def turn(self, server: str) -> AsyncIterator[None]:
        """Wait until an answer may be made. Raises `LimitExceeded`."""
        await self._begin(server)
        try:
            yield
        finally:
            self._end(server)

    async def streamed(
        self, server: str, begin: Callable[[], Awaitable[AsyncIterator[bytes]]]
    ) -> AsyncIterator[bytes]:
        """An answer in pieces, whose turn is over when it was taken or let go.

        Raises `LimitExceeded`, and what `begin` raises.
        """
        await self._begin(server)
        try:
            pieces = await begin()
        except BaseException:
            self._end(server)
            raise
        return _Streamed(pieces, lambda: self._end(server))

    async def _begin(self, server: str) -> None:
        asker = self._askers.get(server)
        if asker is None:
            asker = self._askers[server] = _Asker(DeferredSemaphore(self._limits.concurrent))
        if asker.using >= self._limits.concurrent + self._limits.reject_limit:
            raise LimitExceeded(_RETRY_AFTER_MS)
        asker.using += 1
        try:
            await asker.turns.acquire()
        except BaseException:  # given up while it waited
            self._leave(server)
            raise

    def _end(self, server: str) -> None:
        self._askers[server].turns.release()
        self._leave(server)

    def _leave(self, server: str) -> None:
        asker = self._askers[server]
        asker.using -= 1
        if not asker.using:
            del self._askers[server]


class _Streamed(AsyncIterator[bytes]):
    """Not a generator: one that was never begun does nothing when it is closed."""

    def __init__(self, pieces: AsyncIterator[bytes], end: Callable[[], None]) -> None:
        self._pieces = pieces
        self._end: Callable[[], None] | None = end

    async def __anext__(self) -> bytes:
        try:
            return await self._pieces.__anext__()
        except BaseException:
            self._over()
            raise

    async def aclose(self) -> None:
        close = getattr(self._pieces, "aclose", None)
        try:
            if close is not None:
                await close()
        finally:
            self._over()

    def _over(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            end()
