"""One request and its answer: call the handler, turn what it returns or raises into a response,
send it, and account for it."""

import logging
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred

from synapse.api.errors import MatrixError
from synapse.http import compression, rendering
from synapse.http.access_log import AccessLog
from synapse.http.reader import Incoming
from synapse.http.response import Response
from synapse.http.transport import ConnectionLost, HttpTransport
from synapse.http.writing import PIECE_BYTES, Outflow, let_go
from synapse.logging import context
from synapse.logging.context import RequestContext
from synapse.metrics.requests import RequestMetrics

logger = logging.getLogger(__name__)


class Wire(Protocol):
    """The connection, as an exchange sees it."""

    transport: HttpTransport
    outflow: Outflow

    def answered(self, *, keep_alive: bool) -> None:
        """The whole answer has been handed to the transport."""

    def abort(self) -> None:
        """The answer broke off: the client must see that it isn't whole."""

    def sends_long(self) -> None:
        """An answer begins that the client has to take piece by piece."""


class Answering:
    """What all exchanges of a site share."""

    def __init__(
        self,
        seconds: Callable[[], float],
        access_log: AccessLog,
        metrics: RequestMetrics,
        tag: str,
        *,
        compress: bool,
    ) -> None:
        self.seconds = seconds
        self.access_log = access_log
        self.metrics = metrics
        self.tag = tag
        self.compress = compress
        self.stopping = False


class Exchange:
    """One request on its way to its answer."""

    __slots__ = (
        "_answering",
        "_body_bytes",
        "_costs",
        "_deferred",
        "_disconnected",
        "_sending",
        "_started",
        "_status",
        "_wire",
        "incoming",
    )

    def __init__(self, incoming: Incoming, wire: Wire, answering: Answering) -> None:
        self.incoming = incoming
        self._wire = wire
        self._answering = answering
        self._costs = RequestContext(incoming.request.id)
        self._started = answering.seconds()
        self._disconnected = False
        self._sending = False
        self._status = 0
        self._body_bytes = 0
        self._deferred: Deferred[None] | None = None

    @property
    def labels(self) -> tuple[str, str]:
        """Method and servlet for metrics: from a bounded set, whatever clients send."""
        incoming = self.incoming
        if incoming.handler is None or incoming.route is None:
            return "other", "none"
        return incoming.request.method, incoming.route.name

    def start(self) -> None:
        """Begin; it may be over when this returns."""
        deferred = Deferred.fromCoroutine(self._run())
        if not deferred.called:
            self._deferred = deferred

    def disconnected(self) -> None:
        """The client has gone. A long poll and a half-sent body end; other work goes on."""
        self._disconnected = True
        request = self.incoming.request
        request.disconnected()
        if self._sending or request.cancelled_by_disconnect:
            self._cancel()

    def server_stops(self) -> None:
        """End what only waits for something to happen."""
        request = self.incoming.request
        if request.cancelled_by_disconnect and not self._sending:
            request.server_stops = True
            self._cancel()

    def _cancel(self) -> None:
        if self._deferred is not None:
            self._deferred.cancel()

    async def _run(self) -> None:
        # Its own context: fromCoroutine has made a copy.
        context.enter(self._costs)
        keep_alive = False
        try:
            response = await self._response()
            keep_alive = self.incoming.keep_alive and not self._answering.stopping
            try:
                keep_alive = await self._send(response, keep_alive)
            finally:
                await let_go(response.body)
        except (ConnectionLost, CancelledError):
            self._disconnected = True
        except Exception:
            logger.exception("Answer to %s broke off", self.incoming.request.id)
            keep_alive = False
            self._wire.abort()
        self._deferred = None
        self._account()
        self._wire.answered(keep_alive=keep_alive)

    async def _response(self) -> Response:
        incoming = self.incoming
        request = incoming.request
        try:
            if incoming.error is not None:
                return rendering.error_response(incoming.error)
            if incoming.handler is None:
                return rendering.preflight_response()
            work = incoming.handler(request, **incoming.parameters)
            if self._answering.access_log.wanted:
                result = await context.measured(self._costs, work)
            else:
                result = await work
            response = rendering.to_response(result)
        except MatrixError as error:
            return rendering.error_response(error)
        except CancelledError:
            if self._disconnected:
                raise
            if not self._answering.stopping:
                logger.exception("Something that %s waited for was cancelled", request.id)
                return rendering.INTERNAL_ERROR
            stopping = MatrixError(503, "M_UNKNOWN", "The server is stopping")
            return rendering.error_response(stopping)
        except Exception:
            logger.exception("Failed to answer %s", request.id)
            return rendering.INTERNAL_ERROR
        if self._answering.compress and compression.may_compress(request, response):
            return await compression.compressed(response)
        return response

    async def _send(self, response: Response, keep_alive: bool) -> bool:
        """Write the response; returns whether the connection can be used again."""
        request = self.incoming.request
        body = response.body
        self._status = response.status
        if self._disconnected:
            return False
        self._sending = True
        if isinstance(body, bytes):
            length: int | None = len(body)
        elif isinstance(body, list):
            length = rendering.total_length(body)
        else:
            length = response.length
            if length is None and request.version == "1.0":
                keep_alive = False
        head = rendering.head(response, length, self._connection_lines(length, keep_alive))
        transport = self._wire.transport
        if request.method == "HEAD" or response.status in rendering.NO_BODY:
            transport.write(head)
        elif isinstance(body, bytes) and len(body) <= PIECE_BYTES:
            self._body_bytes = len(body)
            transport.write(head + body)
        else:
            await self._send_long(response, head, length)
        return keep_alive

    async def _send_long(self, response: Response, head: bytes, length: int | None) -> None:
        self._wire.sends_long()
        self._wire.transport.write(head)
        outflow = self._wire.outflow
        body = response.body
        if isinstance(body, bytes):
            self._body_bytes = await outflow.write_pieces((body,))
        elif isinstance(body, list):
            self._body_bytes = await outflow.write_pieces(body)
        else:
            chunked = length is None and self.incoming.request.version != "1.0"
            self._body_bytes = await outflow.write_stream(body, chunked=chunked)
            if length is not None and self._body_bytes != length:
                raise ValueError(f"A body of {length} bytes came with {self._body_bytes}")

    def _connection_lines(self, length: int | None, keep_alive: bool) -> bytes:
        old = self.incoming.request.version == "1.0"
        lines = b""
        if length is None and not old:
            lines = b"Transfer-Encoding: chunked\r\n"
        if not keep_alive:
            return lines + b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if old else lines

    def _account(self) -> None:
        answering = self._answering
        request = self.incoming.request
        seconds = answering.seconds() - self._started
        method, servlet = self.labels
        answering.metrics.answered(method, servlet, self._status, answering.tag, seconds)
        if answering.access_log.wanted:
            answering.access_log.write(
                request,
                self._costs,
                status=self._status,
                body_bytes=self._body_bytes,
                seconds=seconds,
                disconnected=self._disconnected,
            )
