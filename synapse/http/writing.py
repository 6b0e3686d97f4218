"""Bodies that don't go out in one piece: at the client's pace, never much in memory.

Twisted calls `pauseProducing` when its buffer is full and `resumeProducing` when it has drained.
"""

from collections.abc import AsyncIterator, Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from synapse.http.transport import ConnectionLost, HttpTransport

# What Twisted's own buffer holds before it pauses a producer.
PIECE_BYTES = 65536


@implementer(IPushProducer)
class BodyWriter:
    """Writes one body. `progress` is called whenever the client has taken what was written."""

    def __init__(self, transport: HttpTransport, progress: Callable[[], None]) -> None:
        self._transport = transport
        self._progress = progress
        self._paused = False
        self._stopped = False
        self._resumed: Deferred[None] | None = None
        self._bytes = 0

    async def write_pieces(self, pieces: Sequence[bytes]) -> int:
        """Write a body that is in memory; returns its length. Raises `ConnectionLost`."""
        return await self._write(_cut(pieces), chunked=False)

    async def write_stream(self, stream: AsyncIterator[bytes], *, chunked: bool) -> int:
        """Write a body as it comes; returns its length. Raises `ConnectionLost`, and whatever the
        stream raises."""
        return await self._write(stream, chunked=chunked)

    async def _write(self, stream: AsyncIterator[bytes], *, chunked: bool) -> int:
        self._transport.registerProducer(self, True)
        self._progress()
        try:
            async for piece in stream:
                if self._stopped:
                    raise ConnectionLost
                if piece:
                    self._bytes += len(piece)
                    self._transport.write(
                        b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
                    )
                if self._paused:
                    await self._until_resumed()
            if chunked:
                self._transport.write(b"0\r\n\r\n")
        finally:
            if not self._stopped:
                self._transport.unregisterProducer()
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()
        return self._bytes

    async def _until_resumed(self) -> None:
        self._resumed = Deferred()
        await self._resumed
        if self._stopped:
            raise ConnectionLost

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._progress()
        self._wake()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self._stopped = True
        self._wake()

    def _wake(self) -> None:
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            resumed.callback(None)


async def _cut(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), PIECE_BYTES):
            yield piece[start : start + PIECE_BYTES]
