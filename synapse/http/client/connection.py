"""One connection of ours: a transport, perhaps layers above it, and one exchange at a time."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from synapse.http.client.answer import Answer
from synapse.http.client.errors import RequestFailed
from synapse.http.client.reader import AnswerReader


@implementer(IHandshakeListener)
class Connection(Protocol):
    """Carries requests, or another protocol (TLS) on which the next `Connection` stands."""

    transport: Any

    def __init__(self, made: Callable[["Connection"], None] | None = None) -> None:
        self.is_open = False
        # Whether it has carried a request before.
        self.is_used = False
        # When it began to wait for the next one, and whom to tell if it ends.
        self.idle_since = 0.0
        self.ended: Callable[[Connection], None] | None = None
        self._made = made
        self._agreement: Deferred[None] | None = None
        self._has_agreed = False
        self._loss: Failure | None = None
        self._upper: Any = None
        self._reader: AnswerReader | None = None
        self._waiting: Deferred[Answer] | None = None

    async def exchange(self, request: bytes, reader: AnswerReader) -> Answer:
        """Send a request and wait for its answer. Raises `RequestFailed`; then it is closed."""
        waiting: Deferred[Answer] = Deferred(lambda _: self._give_up())
        self._reader, self._waiting = reader, waiting
        try:
            if self.is_open:
                self.transport.write(request)
            else:
                self._end_exchange("it was closed", cleanly=False)
            return await waiting
        finally:
            self._reader = self._waiting = None
            self.is_used = True

    async def agreed(self) -> None:
        """Wait until TLS below has been agreed upon. Raises what kept it from that."""
        if self._loss is not None:
            self._loss.raiseException()
        if not self._has_agreed:
            self._agreement = Deferred(lambda _: self._give_up())
            await self._agreement

    @property
    def certificate(self) -> bytes:
        """What the peer has shown on a connection above TLS, in DER; TLS servers always do."""
        from OpenSSL import crypto

        shown = self.transport.getPeerCertificate()
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, shown)

    def carry(self, upper: Any) -> None:
        """Hand the transport over to a protocol above."""
        self._upper = upper
        upper.makeConnection(self.transport)

    def abort(self) -> None:
        """Close at once. Nothing that we send is worth waiting for when nobody wants the answer."""
        if self.is_open:
            self.is_open = False
            self.transport.abortConnection()

    def _give_up(self) -> None:
        """Whoever waits has been cancelled, and is told so by the `Deferred` itself."""
        self._waiting = self._agreement = None
        self.abort()

    # What Twisted calls.

    def connectionMade(self) -> None:
        self.is_open = True
        if self._made is not None:
            self._made(self)

    def handshakeCompleted(self) -> None:
        self._has_agreed = True
        agreement, self._agreement = self._agreement, None
        if agreement is not None:
            agreement.callback(None)

    def dataReceived(self, data: bytes) -> None:
        if self._upper is not None:
            self._upper.dataReceived(data)
            return
        reader = self._reader
        if reader is None:
            self.abort()  # nobody asked
            return
        try:
            reader.feed(data)
        except RequestFailed as failure:
            self._fail(failure)
            return
        self._finish_if_complete()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.is_open = False
        if self._upper is not None:
            upper, self._upper = self._upper, None
            upper.connectionLost(reason)
            return
        self._loss = reason
        agreement, self._agreement = self._agreement, None
        if agreement is not None:
            agreement.errback(reason)
        if self.ended is not None:
            self.ended(self)
        self._end_exchange(
            reason.getErrorMessage(), cleanly=reason.check(ConnectionDone) is not None
        )

    def _end_exchange(self, reason: str, *, cleanly: bool) -> None:
        if self._reader is None or self._waiting is None:
            return
        try:
            self._reader.connection_ended(reason.rstrip("."), cleanly=cleanly)
        except RequestFailed as failure:
            self._fail(failure)
            return
        self._finish_if_complete()

    def _finish_if_complete(self) -> None:
        assert self._reader is not None, "there is an exchange"
        answer = self._reader.answer
        if answer is None:
            return
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(answer)

    def _fail(self, failure: RequestFailed) -> None:
        waiting, self._waiting = self._waiting, None
        self.abort()
        if waiting is not None:
            waiting.errback(failure)
