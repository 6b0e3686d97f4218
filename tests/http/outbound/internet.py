"""A small Internet: names, SRV records, and addresses behind which real servers of a test stand."""

from collections.abc import Callable, Sequence
from typing import Any

from synapse.http.client.client import HttpClient
from synapse.http.client.errors import RequestFailed, Step
from synapse.http.client.trust import Trust
from synapse.http.discovery.srv import NoAnswer
from synapse.http.discovery.srv_order import SrvRecord
from tests.http.outbound.servers import Server, SocketTestCase, reactor


class Internet:
    """The reactor, the resolver and the SRV look-up of what is under test."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        # `None`: the name server does not answer.
        self.srv: dict[str, list[SrvRecord] | None] = {}
        self.srv_asked: list[str] = []
        self.ports: dict[tuple[str, int], int] = {}
        self.connected: list[tuple[str, int]] = []

    def place(self, server: Server, name: str, address: str, port: int) -> None:
        """A server that is already listening is now at this address, which has this name."""
        self.names.setdefault(name, [address])
        self.ports[address, port] = server.port

    async def addresses(self, host: str) -> Sequence[str]:
        if host not in self.names:
            raise RequestFailed(Step.DNS, f"there is no address of {host}")
        return self.names[host]

    async def records(self, name: str) -> tuple[Sequence[SrvRecord], float]:
        self.srv_asked.append(name)
        found = self.srv.get(name, [])
        if found is None:
            raise NoAnswer("timeout")
        return found, 600.0

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float) -> Any:
        self.connected.append((host, port))
        # Nobody listens on port 1.
        real_port = self.ports.get((host, port), 1)
        return reactor.connectTCP("127.0.0.1", real_port, factory, timeout=timeout)

    def seconds(self) -> float:
        now: float = reactor.seconds()
        return now

    def callLater(self, delay: float, call: Callable[..., Any], *args: Any) -> Any:
        return reactor.callLater(delay, call, *args)


class InternetTestCase(SocketTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.internet = Internet()

    def new_client(self, **options: Any) -> HttpClient:
        options.setdefault("trust", Trust((self.authority.path,)))
        client = HttpClient(self.internet, self.internet, user_agent="Tests", **options)
        self.addCleanup(client.close)
        return client

    def server_at(
        self, name: str, address: str, port: int, *answers: bytes, proves: str | None = None
    ) -> Server:
        """A new server with a certificate for its name, or for another."""
        server = self.serve(Server(*answers), self.authority.issue(proves or name))
        self.internet.place(server, name, address, port)
        return server
