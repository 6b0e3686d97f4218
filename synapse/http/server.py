"""`HttpSite`: a listener's HTTP server, independent of how its sockets are opened."""

import re
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Factory
from zope.interface import implementer

from synapse.api.errors import MatrixError
from synapse.http.access_log import AccessLog
from synapse.http.connection import HttpConnection
from synapse.http.exchange import Answering
from synapse.http.limits import Limits
from synapse.http.peer import forwarded_ip, peer_ip
from synapse.http.reader import RequestReader
from synapse.http.request import Request
from synapse.http.routing import Router
from synapse.metrics.requests import RequestMetrics
from synapse.util.clock import ReactorTime

_REQUEST_ID = re.compile(rb"[!-~]{1,100}")


@implementer(IProtocolFactory)
class HttpSite(Factory):
    """Serves a router's resources to the connections of one listener."""

    noisy = False

    def __init__(
        self,
        router: Router,
        reactor: ReactorTime,
        *,
        tag: str,
        metrics: RequestMetrics | None = None,
        request_ids: Iterator[int] | None = None,
        limits: Limits | None = None,
        tls: bool = False,
        x_forwarded: bool = False,
        request_id_header: str | None = None,
        compress: bool = False,
    ) -> None:
        """`tag` names the listener in the access log and metrics: its port, if nothing better.
        `request_ids` are shared by the listeners of a process, so that an id means one request."""
        self.limits = limits or Limits()
        metrics = metrics or RequestMetrics()
        self.answering = Answering(reactor.seconds, AccessLog(tag), metrics, tag, compress=compress)
        metrics.watch(self._in_flight)
        self._router = router
        self._reactor = reactor
        self._request_ids = request_ids or count(1)
        self._tls = tls
        self._x_forwarded = x_forwarded
        self._request_id_header = request_id_header.lower().encode() if request_id_header else None
        self._connections: set[HttpConnection] = set()
        self._sweeper: Any = None
        self._all_closed: list[Deferred[None]] = []

    def buildProtocol(self, addr: IAddress | None) -> HttpConnection:
        return HttpConnection(self)

    def opened(self, connection: HttpConnection) -> RequestReader:
        """A new connection; returns what reads its requests."""
        self._connections.add(connection)
        if self._sweeper is None:
            self._sweeper = self._reactor.callLater(self.limits.sweep_s, self._sweep)
        ip = peer_ip(connection.transport.getPeer())
        reader = RequestReader(self.limits, self._router, partial(self._make_request, ip))
        if len(self._connections) > self.limits.connections:
            reader.refuse(MatrixError(503, "M_UNKNOWN", "Too many connections"))
        return reader

    def closed(self, connection: HttpConnection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            waiting, self._all_closed = self._all_closed, []
            for waiter in waiting:
                waiter.callback(None)

    async def stop(self) -> None:
        """Close idle connections, let running requests finish, within bounds."""
        self.answering.stopping = True
        for connection in list(self._connections):
            connection.server_stops()
        if self._connections:
            finished: Deferred[None] = Deferred()
            self._all_closed.append(finished)
            timeout = self._reactor.callLater(self.limits.stop_s, self._abort_all)
            await finished
            if timeout.active():
                timeout.cancel()
        if self._sweeper is not None and self._sweeper.active():
            self._sweeper.cancel()

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    def _abort_all(self) -> None:
        for connection in list(self._connections):
            connection.abort()

    def _sweep(self) -> None:
        """Act on deadlines that have passed. Runs only while there are connections."""
        self._sweeper = None
        now = self._reactor.seconds()
        for connection in [each for each in self._connections if each.deadline <= now]:
            connection.expired()
        if self._connections:
            self._sweeper = self._reactor.callLater(self.limits.sweep_s, self._sweep)

    def _make_request(
        self, peer: str, method: str, target: str, headers: dict[bytes, bytes], version: str
    ) -> Request:
        secure = self._tls
        if self._x_forwarded:
            forwarded = headers.get(b"x-forwarded-for")
            if forwarded is not None:
                peer = forwarded_ip(forwarded) or peer
            protocol = headers.get(b"x-forwarded-proto")
            if protocol is not None:
                secure = protocol.lower() == b"https"
        return Request(
            method,
            target,
            headers,
            id=self._request_id(method, headers),
            client_ip=peer,
            version=version,
            secure=secure,
        )

    def _request_id(self, method: str, headers: dict[bytes, bytes]) -> str:
        if self._request_id_header is not None:
            given = headers.get(self._request_id_header)
            if given is not None and _REQUEST_ID.fullmatch(given):
                return f"{method}-{given.decode()}"
        return f"{method}-{next(self._request_ids)}"

    def _in_flight(self) -> Iterator[tuple[str, str]]:
        for connection in self._connections:
            exchange = connection.exchange
            if exchange is not None:
                yield exchange.labels
