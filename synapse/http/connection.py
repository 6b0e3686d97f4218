"""One client's connection: requests in, answers out, strictly in order and one at a time.

While a request is being answered, what else arrives is kept unread (up to a bound, then reading
pauses): reading goes on so that we notice when a client leaves its long poll. While the client does
not read its answers, no further request of its is answered. Deadlines are numbers
that the site's sweep compares with the time; a timer per request would cost more than its parsing.
"""

import math
from typing import Protocol as Interface

from twisted.internet import tcp
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from synapse.api.errors import MatrixError
from synapse.http.exchange import Answering, Exchange
from synapse.http.limits import Limits
from synapse.http.reader import Incoming, Phase, RequestReader
from synapse.http.transport import HttpTransport
from synapse.http.writing import Outflow

# How long a closed connection may take to get rid of its last data.
_CLOSING_S = 10.0


class Site(Interface):
    """The listener, as a connection sees it."""

    limits: Limits
    answering: Answering

    def opened(self, connection: "HttpConnection") -> RequestReader: ...
    def closed(self, connection: "HttpConnection") -> None: ...


@implementer(IHalfCloseableProtocol)
class HttpConnection(Protocol):
    """The server's side of one connection."""

    transport: HttpTransport  # type: ignore[assignment]
    outflow: Outflow
    _reader: RequestReader

    def __init__(self, site: Site) -> None:
        self.exchange: Exchange | None = None
        self.deadline = math.inf
        self._site = site
        self._limits = site.limits
        self._answering = site.answering
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._paused = False
        self._advancing = False
        self._input_ended = False
        # The last answer has been given: what still arrives is thrown away.
        self._closing = False
        self._waiting_in: Phase | None = None
        self._waiting_since = 0.0

    # What Twisted calls.

    def connectionMade(self) -> None:
        if isinstance(self.transport.getPeer(), IPv4Address | IPv6Address):
            # Or the end of each piece of an answer waits until the client has confirmed the rest.
            self.transport.setTcpNoDelay(True)
        self.outflow = Outflow(self.transport, self._client_took_data)
        self._reader = self._site.opened(self)
        self._advance()

    def dataReceived(self, data: bytes) -> None:
        if self._closing:
            return
        if self.exchange is None and not self.outflow.is_full:
            self._reader.feed(data)
            self._advance()
            return
        self._unread.append(data)
        self._unread_bytes += len(data)
        if self._unread_bytes > self._limits.pipelined_bytes and not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def readConnectionLost(self) -> None:
        """The client will send no more. It may still read its answers, but not wait for news."""
        self._input_ended = True
        if self._closing:
            self.transport.loseConnection()
        elif self.exchange is None:
            self._advance()
        elif self.exchange.incoming.request.cancelled_by_disconnect:
            self.transport.abortConnection()

    def writeConnectionLost(self) -> None:
        """We have closed our half."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.outflow.is_broken = True
        self._unread.clear()
        self._site.closed(self)
        if self.exchange is not None:
            self.exchange.disconnected()

    # What the exchange calls.

    def answered(self, *, keep_alive: bool) -> None:
        self.exchange = None
        if not keep_alive:
            self._close()
        else:
            self._advance()

    def sends_long(self) -> None:
        self._client_must_read()

    def abort(self) -> None:
        self.transport.abortConnection()

    # What the site calls.

    def expired(self) -> None:
        """The deadline has passed."""
        if self._closing or self.exchange is not None or self.outflow.is_full:
            self.transport.abortConnection()
        elif self._reader.phase is Phase.IDLE:
            self._close()
        else:
            self._reader.refuse(MatrixError(408, "M_UNKNOWN", "The request took too long"))
            self._advance()

    def server_stops(self) -> None:
        """Close if idle; otherwise after the answer that is on its way."""
        if self.exchange is not None:
            self.exchange.server_stops()
        elif not self._closing and self._reader.phase is Phase.IDLE:
            self._close()

    # What the outflow calls.

    def _client_took_data(self) -> None:
        if self.exchange is None:
            self._advance()
        else:
            self._client_must_read()

    # How it goes on.

    def _client_must_read(self) -> None:
        self.deadline = self._answering.seconds() + self._limits.write_pause_s

    def _advance(self) -> None:
        """Answer what has been read, and read what has arrived, until there is nothing to do."""
        if self._advancing:
            return
        self._advancing = True
        reader = self._reader
        while self.exchange is None and not self._closing and not self.outflow.is_broken:
            if self.outflow.is_full:
                self._client_must_read()
                break
            if reader.ready:
                self._start(reader.ready.popleft())
            elif self._unread:
                self._read_unread()
            elif not self._input_ended:
                self._wait()
                break
            elif reader.phase is Phase.IDLE:
                self._close()
            else:
                reader.refuse(MatrixError(400, "M_UNKNOWN", "The request ended early"))
        self._advancing = False

    def _start(self, incoming: Incoming) -> None:
        self.deadline = math.inf
        self._waiting_in = None
        self.exchange = Exchange(incoming, self, self._answering)
        self.exchange.start()

    def _read_unread(self) -> None:
        data = b"".join(self._unread)
        self._unread.clear()
        self._unread_bytes = 0
        self._resume()
        self._reader.feed(data)

    def _wait(self) -> None:
        """For more of a request: set the deadline for it."""
        reader = self._reader
        now = self._answering.seconds()
        phase = reader.phase
        if phase is not self._waiting_in:
            self._waiting_in = phase
            self._waiting_since = now
        limits = self._limits
        if phase is Phase.IDLE:
            self.deadline = self._waiting_since + limits.idle_s
        elif phase is Phase.HEAD:
            self.deadline = self._waiting_since + limits.head_s
        else:
            allowed = limits.body_grace_s + reader.body_bytes / limits.body_bytes_per_s
            self.deadline = min(now + limits.body_pause_s, self._waiting_since + allowed)
            if reader.expects_continue:
                reader.expects_continue = False
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _close(self) -> None:
        """Close when the transport has sent everything, and the client could read it."""
        if self._closing or self.outflow.is_broken:
            return
        self._closing = True
        self.outflow.end()
        now = self._answering.seconds()
        if self._input_ended or not (self._reader.refused or self._unread):
            self.deadline = now + _CLOSING_S
            self.transport.loseConnection()
            return
        # What we haven't read would make the kernel reset the connection, and with it the answer.
        self._unread.clear()
        self._resume()
        self.deadline = now + self._limits.linger_s
        if isinstance(self.transport, tcp.Connection) and not self.transport.TLS:
            self.transport.loseWriteConnection()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()
