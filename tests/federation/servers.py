"""Several servers of ours in one process: each with a database, resources and keys of its own.

They sign and check their requests for real; what stands between them is a network in memory, whose
links a test can cut.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import orjson
from twisted.internet import reactor

from synapse.app.resources.answering import answering_resources, openid_resources
from synapse.app.resources.federation import federation_resources
from synapse.app.resources.hosting import hosting_resources
from synapse.app.resources.keys import key_resources
from synapse.app.resources.listeners import client_resources
from synapse.app.wiring import Server
from synapse.config.homeserver import HomeserverConfig
from synapse.crypto.signing import SigningKey
from synapse.federation.authentication import authorization
from synapse.federation.errors import RemoteError, error_of
from synapse.http.client.answer import Answer as ClientAnswer
from synapse.http.client.errors import RequestFailed, Step
from synapse.http.resource import Resource
from synapse.http.routing import Router
from synapse.storage.engines.base import Engine
from synapse.util import canonicaljson
from synapse.util.clock import Clock
from tests.hand_moved import HandMovedTime
from tests.http.client import Answer, FakeSite
from tests.rest.base import PASSWORD, AtOnce, check_answer, default_config
from tests.storage.base import StoreTestCase


class Network:
    """Leads from each server to the others."""

    def __init__(self) -> None:
        self.sites: dict[str, FakeSite] = {}
        self.links: dict[str, Link] = {}
        self.cut: set[frozenset[str]] = set()  # pairs of servers that don't reach each other
        self.faults: list[Exception] = []  # what the next requests raise
        self.log: list[tuple[str, str, str]] = []  # from, to, "METHOD /path"
        # Comes before each request, and may raise what comes of it.
        self.before: Callable[[str, str], Awaitable[None]] | None = None
        # What becomes of an answer on its way, by a part of the request's path.
        self.tampers: dict[str, Callable[[Any], Any]] = {}
        self.transactions: list[tuple[str, str, dict[str, Any]]] = []  # that have arrived

    def cut_off(self, *names: str) -> None:
        """These servers are alone from now on."""
        self.cut |= {frozenset({name, other}) for name in names for other in self.sites}

    def heal(self) -> None:
        self.cut.clear()

    def age(self, *parts: str) -> None:
        """The servers don't know paths with one of these parts any more."""

        async def refuse(destination: str, path: str) -> None:
            if any(part in path for part in parts):
                raise RemoteError(destination, 404, "M_UNRECOGNIZED", "Unrecognized request")

        self.before = refuse


class Link:
    """A server's way to the others: a `Transport`."""

    def __init__(self, network: Network, origin: str, key: SigningKey) -> None:
        self._network = network
        self._origin = origin
        self.key = key

    async def request(
        self,
        destination: str,
        method: str,
        path: str,
        *,
        query: Any = None,
        json: Any = None,
        decode: Any = None,
        body: bytes | None = None,
        **options: Any,
    ) -> Any:
        network = self._network
        network.log.append((self._origin, destination, f"{method} {path}"))
        if network.faults:
            raise network.faults.pop()
        site = network.sites.get(destination)
        if site is None or frozenset({self._origin, destination}) in network.cut:
            raise RequestFailed(Step.TCP, f"{destination} can't be reached")
        if network.before is not None:
            await network.before(destination, path)
        uri = f"{path}?{urlencode(query, doseq=True)}" if query else path
        answer = await self.fetch(destination, method, uri, json, body)
        if "/federation/v1/send/" in path:
            sent = json if body is None else orjson.loads(body)
            network.transactions.append((self._origin, destination, sent))
        if answer.status != 200:
            raise error_of(destination, ClientAnswer(answer.status, answer.headers, answer.body))
        told = answer.body
        for part, tamper in network.tampers.items():
            if part in path:
                told = orjson.dumps(tamper(orjson.loads(told)))
        return (decode or orjson.loads)(told)

    async def fetch(
        self,
        destination: str,
        method: str,
        uri: str,
        json: Any = None,
        body: bytes | None = None,
    ) -> Answer:
        """What a signed request is answered, whatever that is."""
        site = self._network.sites[destination]
        if json is not None:
            body = canonicaljson.encode_lax(json)
        header = authorization(
            self.key,
            method=method,
            uri=uri,
            origin=self._origin,
            destination=destination,
            content=body,
        )
        return await site.fetch(method, uri, body=body, headers={"Authorization": header})


def key_of(name: str) -> SigningKey:
    return SigningKey("a_" + name.partition(".")[0], name.encode().ljust(32, b".")[:32])


def is_quiet(server: Server) -> bool:
    """Whether nothing runs but what waits for its time."""
    pausing = sum(d.pause is not None for d in server.federation.sending.sender.destinations)
    return len(server.background.names) == pausing


class FederationTestCase(StoreTestCase):
    """`self.add_server("one.test")`; `self.servers` has them by name."""

    migrated = False  # each server has a database of its own, with its name in it

    def setUp(self) -> None:
        super().setUp()
        self.time = HandMovedTime()
        self.time.advance(1_700_000_000)
        self.clock = Clock(self.time, real=False)
        self.network = Network()
        self.servers: dict[str, Server] = {}
        self.engines: dict[str, Engine] = {}
        self.configs: dict[str, HomeserverConfig] = {}

    def add_server(self, name: str, **sections: Any) -> Server:
        """One more server, which all others can reach; with other sections of the configuration."""
        self.engines[name] = self._postgres() if self.on_postgres else self._sqlite()
        self.configs[name] = replace(self.config(name), **sections)
        return self.start_server(name)

    def start_server(self, name: str) -> Server:
        """Start a server on its database, as it was left."""
        self.engine = self.engines[name]
        self.network.links[name] = Link(self.network, name, key_of(name))
        server = Server(
            self.configs[name],
            self.open(name),
            self.clock,
            AtOnce(),
            key_of(name),
            transport=self.network.links[name],
        )
        resources = [
            *client_resources(server),
            *federation_resources(server.federation),
            *hosting_resources(server.federation.peers, server.hosting),
            *answering_resources(server),
            *openid_resources(server),
            *key_resources(self.clock, server.keys),
            *self.more_resources(server),
        ]
        self.servers[name] = server
        self.network.sites[name] = FakeSite(Router(resources), check=check_answer)
        self.addCleanup(server.background.finish)
        self.addCleanup(server.federation.sending.stop)
        self.addCleanup(server.streams.typing.close)
        self.addCleanup(server.streams.presence_changes.close)
        self.addCleanup(server.keys.ring.close)
        return server

    def more_resources(self, server: Server) -> list[Resource]:
        """What a server of the test answers besides."""
        return []

    def config(self, name: str) -> HomeserverConfig:
        return default_config(name)

    async def start_sending(self) -> None:
        """Let all servers tell each other what happens."""
        for server in self.servers.values():
            await server.federation.sending.start()

    async def stop_server(self, name: str, *, crash: bool = False) -> None:
        """Stop a server, as far as sending goes."""
        server = self.servers[name]
        server.federation.sending.stop()
        await server.background.finish()
        if not crash:
            await server.federation.sending.sender.save()

    async def settle(self, seconds: float = 0) -> None:
        """Let time go by, then let the servers do whatever doesn't need more of it."""
        self.time.advance(seconds)
        quiet = 0
        while quiet < 3:
            await Clock(reactor).sleep(0.002 if self.on_postgres else 0)
            self.time.advance(0)
            quiet = quiet + 1 if all(map(is_quiet, self.servers.values())) else 0

    async def register(self, server: str, username: str) -> str:
        """A new account's access token."""
        answer = await self.client(
            server,
            "POST",
            "/_matrix/client/v3/register",
            {"username": username, "password": PASSWORD, "auth": {"type": "m.login.dummy"}},
        )
        return str(answer["access_token"])

    async def client(
        self, server: str, method: str, path: str, json: Any = None, *, token: str | None = None
    ) -> Any:
        """What a client's request is answered, which must be 200."""
        answer = await self.fetch(server, method, path, json, token=token)
        self.assertEqual(answer.status, 200, str(answer))
        return answer.json

    async def fetch(
        self, server: str, method: str, path: str, json: Any = None, *, token: str | None = None
    ) -> Answer:
        return await self.network.sites[server].fetch(method, path, json, token=token)


def always(answer: Any) -> Callable[[Any], Any]:
    """Makes this of every answer."""
    return lambda _: answer
