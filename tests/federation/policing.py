"""A policy server: one of the servers of a test, which signs events, or says why not."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.app.wiring import Server
from synapse.crypto.signing import SigningKey
from synapse.events import hashing
from synapse.federation.partners import Partners
from synapse.federation.peers import Peers
from synapse.federation.policy_servers import PATH
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.util import base64
from tests.federation.rooms import ONE, THREE, V3, SharedRoomTestCase

# Not the key with which the server signs requests and events of its users.
KEY = SigningKey("policy_server", b"policy".ljust(32, b"."))
PUBLIC_KEY = base64.encode_url_safe(KEY.public).decode()
POLICY = {"via": THREE, "public_keys": {"ed25519": PUBLIC_KEY, "future": "?"}}

Answer = Callable[[dict[str, Any]], Awaitable[Any]]


class Sign(Resource):
    """`POST /_matrix/policy/v1/sign`: answers as the test wants it."""

    PATHS = (PATH,)

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self.key = KEY
        self.name = THREE
        self.version = "12"
        self.answer: Answer = self.signature
        self.asked: list[tuple[str, dict[str, Any]]] = []  # who, about which event

    async def post(self, request: Request) -> Any:
        self.asked.append((await self._peers.origin(request), request.json_value))
        return await self.answer(request.json_value)

    async def signature(self, event: dict[str, Any]) -> Any:
        essential = hashing.essential_bytes(event, ROOM_VERSIONS[self.version])
        return {self.name: {"ed25519:policy_server": self.key.sign(essential).decode()}}

    def types(self) -> list[tuple[str, str]]:
        """Who has asked about what since the last call."""
        asked = [(origin, event["type"]) for origin, event in self.asked]
        self.asked.clear()
        return asked


class PolicyTestCase(SharedRoomTestCase):
    """alice of one.test, bob of two.test, and three.test, which is the policy server."""

    def more_resources(self, server: Server) -> list[Resource]:
        if server.config.server.server_name != THREE:
            return []
        # It is told about what users of the server say, too.
        partners = Partners("")
        peers = Peers(
            server.keys.ring, partners, self.clock, server_name=THREE, heard_from=lambda name: None
        )
        self.policy = Sign(peers)
        return [self.policy]

    async def arrange_room(self, version: str = "12", **sections: Any) -> None:
        await self.arrange(ONE, "two.test", THREE, **sections)
        await self.start_sending()
        await self.enter_room(version)

    async def enter_room(self, version: str) -> None:
        """A room of alice's, which names the policy server."""
        self.policy.version = version
        self.room_id = await self.create(room_version=version)
        for name in ("bob", "carol"):
            await self.join(name, self.room_id, ONE)
        await self.settle()
        await self.set_policy(POLICY)
        await self.settle()
        self.policy.asked.clear()

    async def set_policy(self, content: Any) -> None:
        url = f"{V3}/rooms/{quote(self.room_id)}/state/m.room.policy/"
        await self.ask("alice", "PUT", url, content)

    async def signatures(self, server: str, event_id: str) -> dict[str, list[str]]:
        """Who has signed an event, with which keys, as a server has it."""
        event = await self.servers[server].stores.events.get(event_id)
        assert event is not None, f"{server} has no event {event_id}"
        by_server = event.parsed()["signatures"]
        return {name: sorted(signatures) for name, signatures in by_server.items()}

    async def is_shown(self, who: str, event_id: str) -> bool:
        """Whether a user finds an event in the room's timeline."""
        url = f"{V3}/rooms/{quote(self.room_id)}/messages?dir=b&limit=100"
        page = await self.ask(who, "GET", url)
        return event_id in [event["event_id"] for event in page["chunk"]]
