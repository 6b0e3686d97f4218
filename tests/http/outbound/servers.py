"""Real servers on 127.0.0.1, which answer as a test says."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory

from synapse.http.client.errors import RequestFailed, Step
from tests.case import TestCase
from tests.http.outbound.authority import Authority, Identity

reactor: Any = installed_reactor
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server(Factory):
    """Answers each request with the next of its answers, the last one for ever after."""

    noisy = False

    def __init__(self, *answers: bytes, closes: bool = False) -> None:
        self.answers = list(answers) or [OK]
        self.closes = closes
        self.requests: list[bytes] = []
        self.connections: set[Protocol] = set()
        self.connection_count = 0
        self.port = 0

    def buildProtocol(self, addr: Any) -> Protocol:
        return _Answering(self)

    def answer(self, request: bytes) -> bytes:
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Answering(Protocol):
    transport: Any

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""

    def connectionMade(self) -> None:
        self._server.connections.add(self)
        self._server.connection_count += 1

    def connectionLost(self, reason: Any = None) -> None:
        self._server.connections.discard(self)

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        if end and len(body) >= length:
            request, self._received = self._received, b""
            self.transport.write(self._server.answer(request))
            if self._server.closes:
                self.transport.loseConnection()


class TunnelServer(Server):
    """A proxy: takes whoever asks for CONNECT to a port of this machine, and passes on bytes."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        super().__init__()
        self.ports = dict(ports)

    def buildProtocol(self, addr: Any) -> Protocol:
        return _Tunnel(self)


class _Tunnel(_Answering):
    _other: "_TunnelEnd | None" = None

    def dataReceived(self, data: bytes) -> None:
        if self._other is not None:
            self._other.transport.write(data)
            return
        self._server.requests.append(data)
        target = data.split(b" ")[1].decode()
        assert isinstance(self._server, TunnelServer)
        factory = ClientFactory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: _TunnelEnd(self)  # type: ignore[method-assign]
        reactor.connectTCP("127.0.0.1", self._server.ports[target], factory)

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        if self._other is not None:
            self._other.transport.loseConnection()


class _TunnelEnd(Protocol):
    transport: Any

    def __init__(self, near: _Tunnel) -> None:
        self._near = near

    def connectionMade(self) -> None:
        self._near._other = self
        self._near.transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    def dataReceived(self, data: bytes) -> None:
        self._near.transport.write(data)

    def connectionLost(self, reason: Any = None) -> None:
        self._near.transport.loseConnection()


class Names:
    """A resolver: all names are this machine, except those that have no address."""

    def __init__(self, *unknown: str) -> None:
        self.unknown = unknown

    async def addresses(self, host: str) -> Sequence[str]:
        if host in self.unknown:
            raise RequestFailed(Step.DNS, f"there is no address of {host}")
        return ["127.0.0.1"]


class SocketTestCase(TestCase):
    """Opens servers and closes them, and what they have accepted, in the end."""

    def setUp(self) -> None:
        self.authority = Authority()
        self.addCleanup(self.authority.close)

    def serve(self, server: Server, identity: Identity | None = None) -> Server:
        factory: Any = server
        if identity is not None:
            factory = TLSMemoryBIOFactory(identity, False, server)  # type: ignore[arg-type]
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        server.port = port.getHost().port
        self.addCleanup(self._until_closed, server)
        self.addCleanup(port.stopListening)
        return server

    async def _until_closed(self, server: Server) -> None:
        for connection in list(server.connections):
            connection.transport.abortConnection()  # type: ignore[union-attr]
        await self.until(lambda: not server.connections)
        await self.turn()

    async def until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            await self.turn()

    async def turn(self) -> None:
        """Let the reactor run."""
        turned: Deferred[None] = Deferred()
        reactor.callLater(0.005, turned.callback, None)
        await turned
