"""Other servers, in memory, and a clock that moves while a test waits."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import orjson
from twisted.internet import reactor, task
from twisted.internet.defer import Deferred

from synapse.crypto.own_documents import with_notary_signatures
from synapse.crypto.server_keys import KeyDocument, KnownKeys
from synapse.crypto.signing import SigningKey
from synapse.federation.key_fetching import Notaries, ServersThemselves, TrustedNotary
from synapse.federation.keyring import KeyRing
from synapse.federation.own_keys import OwnKeys
from synapse.http.client.errors import RequestFailed, Step
from synapse.storage.stores.server_keys import ServerKeyStore
from synapse.util.clock import Clock
from tests.crypto.key_documents import DAY_MS, NOW_MS, key_of
from tests.storage.base import StoreTestCase
from tests.storage.fresh import SERVER_NAME

T = TypeVar("T")


class FakeNetwork:
    """A transport to servers that answer as the test says; all others refuse the connection."""

    def __init__(self) -> None:
        # Server → its answer, or a function of the request's JSON that makes it.
        self.answers: dict[str, Any] = {}
        self.hanging: set[str] = set()
        self.waits_for: Deferred[None] | None = None
        self.requests: list[tuple[str, str, Any]] = []
        self.at_once = 0
        self.most_at_once = 0

    async def request(
        self, destination: str, method: str, path: str, *, json: Any = None, **options: Any
    ) -> Any:
        self.requests.append((destination, f"{method} {path}", json))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if destination in self.hanging:
                await Deferred()
            if self.waits_for is not None:
                await self.waits_for
            if destination not in self.answers:
                raise RequestFailed(Step.TCP, "refused")
            answer = self.answers[destination]
            return answer(json) if callable(answer) else answer
        finally:
            self.at_once -= 1

    def asked(self) -> list[str]:
        """The servers that have been asked since the last call, in that order."""
        asked = [destination for destination, _, _ in self.requests]
        self.requests.clear()
        return asked


def notary(
    name: str, documents: dict[str, Any], key: SigningKey | None = None
) -> Callable[[Any], Any]:
    """Answers queries from `documents`, signed."""
    signing = key or key_of(name)

    def answer(json: Any) -> Any:
        return {
            "server_keys": [
                orjson.loads(with_notary_signatures(documents[server], name, [signing]))
                for server in json["server_keys"]
                if server in documents
            ]
        }

    return answer


class WatchedStore(ServerKeyStore):
    """Knows whether somebody waits for the database, for whom time must stand still."""

    busy = 0

    async def known(self, servers: Sequence[str]) -> dict[str, KnownKeys]:
        return await self._watched(super().known(servers))

    async def add(self, documents: Sequence[KeyDocument]) -> dict[str, KnownKeys]:
        return await self._watched(super().add(documents))

    async def _watched(self, work: Coroutine[Any, Any, T]) -> T:
        self.busy += 1
        try:
            return await work
        finally:
            self.busy -= 1


class NetworkTestCase(StoreTestCase):
    """`self.ring` over `self.network`, with the trusted key servers that `trust` names."""

    def setUp(self) -> None:
        super().setUp()
        self.time = task.Clock()
        self.time.advance(NOW_MS // 1000)
        self.clock = Clock(self.time, real=False)
        self.network = FakeNetwork()
        self.store = WatchedStore(self.database)
        self.own = OwnKeys(
            SERVER_NAME, [key_of(SERVER_NAME)], [], [key_of("us")], self.clock, lifetime_ms=DAY_MS
        )
        self.trust()

    def trust(self, *notaries: TrustedNotary) -> None:
        """Go on with a new ring, as after a restart."""
        self.ring = self.new_ring(*notaries)

    def new_ring(self, *notaries: TrustedNotary) -> KeyRing:
        ring = KeyRing(
            self.store,
            ServersThemselves(self.network, self.clock),
            Notaries(self.network, self.clock, notaries),
            self.own,
            self.clock,
        )
        self.addCleanup(ring.close)
        return ring

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The work's result, while time goes by."""
        running = Deferred.fromCoroutine(work)
        while not running.called:
            if not self.store.busy:
                self.time.advance(0.1)
            await Clock(reactor).sleep(0.001 if self.store.busy else 0)
        return await running

    def seconds(self) -> float:
        return self.time.seconds()
