"""Sending at the client's pace: never much in memory, however slowly it reads.

Twisted calls `pauseProducing` when its buffer is full and `resumeProducing` when it has drained.
"""

from collections.abc import AsyncIterator, Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from synapse.http.response import Body
from synapse.http.transport import ConnectionLost, HttpTransport

# What Twisted's own buffer holds before it pauses a producer.
PIECE_BYTES = 65536


@implementer(IPushProducer)
class Outflow:
    """What one connection sends. `drained` is called when the client has taken what was written
    after the transport's buffer had been full."""

    __slots__ = ("_drained", "_transport", "_waiting", "is_broken", "is_full")

    def __init__(self, transport: HttpTransport, drained: Callable[[], None]) -> None:
        self.is_full = False
        # The connection is lost, though it may not have been told yet.
        self.is_broken = False
        self._transport = transport
        self._drained = drained
        self._waiting: Deferred[None] | None = None
        transport.registerProducer(self, True)

    def end(self) -> None:
        """Nothing more will be written; a transport closes only when it knows that."""
        self._transport.unregisterProducer()

    async def write_pieces(self, pieces: Sequence[bytes]) -> int:
        """Write a body that is in memory; returns its length. Raises `ConnectionLost`."""
        return await self.write_stream(_cut(pieces), chunked=False)

    async def write_stream(self, stream: AsyncIterator[bytes], *, chunked: bool) -> int:
        """Write a body as it comes; returns its length. Raises `ConnectionLost`, and whatever the
        stream raises."""
        length = 0
        try:
            async for piece in stream:
                await self._until_wanted()
                if piece:
                    length += len(piece)
                    self._transport.write(
                        b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
                    )
            await self._until_wanted()
            if chunked:
                self._transport.write(b"0\r\n\r\n")
        finally:
            await let_go(stream)
        return length

    async def _until_wanted(self) -> None:
        if self.is_full and not self.is_broken:
            self._waiting = Deferred()
            await self._waiting
        if self.is_broken:
            raise ConnectionLost

    # What the transport calls.

    def pauseProducing(self) -> None:
        self.is_full = True

    def resumeProducing(self) -> None:
        self.is_full = False
        self._drained()
        self._wake()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self.is_broken = True
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)


async def let_go(body: Body) -> None:
    """End a stream, whether it was sent, broke off, or was never begun."""
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()


async def _cut(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), PIECE_BYTES):
            yield piece[start : start + PIECE_BYTES]
