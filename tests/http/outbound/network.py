"""A network in memory: names, addresses, connections, and a clock that tests move.

network = Network({"one.example": ["192.0.2.1"]})
asked = start(network.client().request("GET", "http://one.example/"))
peer = network.accept()
peer.send(OK)
answer = asked.result
"""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from synapse.http.client.client import HttpClient
from synapse.http.client.errors import RequestFailed, Step

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """The other end of a connection, and the transport that our end sees."""

    def __init__(self, protocol: Any) -> None:
        self.received = b""
        self.is_closed = False
        self._protocol = protocol
        protocol.makeConnection(self)

    def send(self, data: bytes) -> None:
        self._protocol.dataReceived(data)

    def close(self, *, cleanly: bool = True) -> None:
        self._lose(ConnectionDone() if cleanly else ConnectionLost())

    def take(self) -> bytes:
        """What has been received since the last time."""
        taken, self.received = self.received, b""
        return taken

    # The transport.

    def write(self, data: bytes) -> None:
        assert not self.is_closed, "The connection is closed"
        self.received += data

    def abortConnection(self) -> None:
        self._lose(ConnectionLost())

    def loseConnection(self) -> None:
        self._lose(ConnectionDone())

    def _lose(self, reason: Exception) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._protocol.connectionLost(Failure(reason))


class Attempt:
    """A connection that was asked for."""

    def __init__(self, host: str, port: int, factory: Any) -> None:
        self.host, self.port = host, port
        self.is_given_up = False
        self._factory = factory

    def accept(self) -> Peer:
        return Peer(self._factory.buildProtocol(None))

    def refuse(self) -> None:
        self._factory.clientConnectionFailed(self, Failure(ConnectionRefusedError()))

    def disconnect(self) -> None:
        self.is_given_up = True


class Network(Clock):
    """The reactor and the resolver of clients. A name without addresses never gets an answer."""

    def __init__(self, names: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__()
        self.names = dict(names or {})
        self.attempts: list[Attempt] = []
        self.looked_up: list[str] = []

    def client(self, **options: Any) -> HttpClient:
        return HttpClient(self, self, user_agent="Tests", **options)

    def accept(self) -> Peer:
        """Let the oldest attempt succeed."""
        return self.attempts.pop(0).accept()

    async def addresses(self, host: str) -> Sequence[str]:
        self.looked_up.append(host)
        if host not in self.names:
            raise RequestFailed(Step.DNS, f"there is no address of {host}")
        found = self.names[host]
        if not found:
            await Deferred()
        return found

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float) -> Attempt:
        attempt = Attempt(host, port, factory)
        self.attempts.append(attempt)
        return attempt


class Outcome:
    """What became of a coroutine that was started."""

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        self.results: list[Any] = []
        self.failures: list[Failure] = []
        self.deferred = Deferred.fromCoroutine(work)
        self.deferred.addCallbacks(self.results.append, self.failures.append)

    @property
    def is_over(self) -> bool:
        return bool(self.results or self.failures)

    @property
    def result(self) -> Any:
        for failure in self.failures:
            failure.raiseException()
        assert self.results, "It has not ended yet"
        return self.results[0]

    @property
    def error(self) -> RequestFailed:
        assert self.failures, f"It has not failed: {self.results}"
        error = self.failures[0].value
        assert isinstance(error, RequestFailed), repr(error)
        return error


def start(work: Coroutine[Any, Any, Any]) -> Outcome:
    return Outcome(work)
