"""The server in process: real resources, handlers and database; a clock that tests move by hand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from synapse.app.parts.outbound import Outbound
from synapse.app.resources.keys import key_resources
from synapse.app.resources.listeners import client_resources
from synapse.app.wiring import Server
from synapse.config.federation import FederationConfig, FederationRetries
from synapse.config.homeserver import HomeserverConfig
from synapse.config.ratelimiting import (
    FederationLimits,
    InviteLimits,
    JoinLimits,
    LoginLimits,
    PresenceLimits,
    RateLimit,
    RateLimitsConfig,
)
from synapse.config.registration import RegistrationConfig
from synapse.config.server import ServerConfig
from synapse.crypto.signing import SigningKey
from synapse.http.resource import Resource
from synapse.http.routing import Router
from synapse.util.clock import Clock
from tests.federation.network import FakeNetwork
from tests.hand_moved import HandMovedTime
from tests.http.client import Answer, FakeSite
from tests.spec.answers import complaint
from tests.storage.base import StoreTestCase
from tests.storage.fresh import SERVER_NAME

PASSWORD = "correct horse"
KEY = SigningKey.from_line("ed25519 a_test " + "A" * 43)
T = TypeVar("T")

_NO_LIMIT = RateLimit(per_second=1_000, burst_count=1_000)


def default_config(server_name: str = SERVER_NAME) -> HomeserverConfig:
    """Open to everybody, with cheap password hashes and no rate limits."""
    return HomeserverConfig(
        server=ServerConfig(server_name=server_name),
        # The clock stands still while a test waits for an answer.
        federation=FederationConfig(retries=FederationRetries(max_short_retries=0)),
        registration=RegistrationConfig(
            enable_registration=True,
            enable_registration_without_verification=True,
            allow_guest_access=True,
            registration_shared_secret="shared",
            bcrypt_rounds=4,
        ),
        rate_limits=RateLimitsConfig(
            rc_message=_NO_LIMIT,
            rc_registration=_NO_LIMIT,
            rc_joins=JoinLimits(local=_NO_LIMIT, remote=_NO_LIMIT),
            rc_joins_per_room=_NO_LIMIT,
            rc_invites=InviteLimits(per_room=_NO_LIMIT, per_user=_NO_LIMIT, per_issuer=_NO_LIMIT),
            rc_third_party_invite=_NO_LIMIT,
            rc_room_creation=_NO_LIMIT,
            rc_presence=PresenceLimits(per_user=_NO_LIMIT),
            rc_federation=FederationLimits(sleep_limit=1_000),
            rc_reports=_NO_LIMIT,
            rc_delayed_event_mgmt=_NO_LIMIT,
            rc_login=LoginLimits(address=_NO_LIMIT, account=_NO_LIMIT, failed_attempts=_NO_LIMIT),
        ),
    )


class AtOnce:
    """Does the work of the password threads where it is asked for."""

    async def run(self, work: Callable[[], T]) -> T:
        return work()


class RestTestCase(StoreTestCase):
    """`await self.fetch(…)` is a client's request to a server of the test's own."""

    # What the server may ask others with.
    outbound: Outbound | None = None

    def setUp(self) -> None:
        super().setUp()
        self.prepare()
        self.time = HandMovedTime()
        self.time.advance(1_700_000_000)
        self.clock = Clock(self.time, real=False)
        self.network = FakeNetwork()
        self.start(default_config())

    def prepare(self) -> None:
        """Put something into the database before the server starts."""

    def start(self, config: HomeserverConfig) -> None:
        """Start the server, or start it again with another configuration."""
        self.config = config
        self.server = Server(
            config,
            self.database,
            self.clock,
            AtOnce(),
            KEY,
            self.outbound,
            transport=self.network,
        )
        self.background = self.server.background
        self.site = FakeSite(Router(self.resources()), check=check_answer)
        self.addCleanup(self.server.keys.ring.close)
        self.addCleanup(self.server.streams.typing.close)
        self.addCleanup(self.server.streams.presence_changes.close)
        self.addCleanup(self.server.background.finish)

    def resources(self) -> list[Resource]:
        """All that is served."""
        keys = key_resources(self.clock, self.server.keys)
        return [*client_resources(self.server), *keys]

    def reconfigure(self, **sections: Any) -> None:
        """Start again with other values: `reconfigure(registration={"bcrypt_rounds": 5})`."""
        changed = {
            name: replace(getattr(self.config, name), **values) for name, values in sections.items()
        }
        self.start(replace(self.config, **changed))

    def advance(self, seconds: float) -> None:
        self.time.advance(seconds)
        self.site.clock.advance(seconds)

    async def fetch(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        token: str | None = None,
        body: bytes | None = None,
    ) -> Answer:
        return await self.site.fetch(method, path, json, token=token, body=body)

    async def register(self, username: str, **body: Any) -> str:
        """A new account's access token."""
        return str((await self.registered(username, **body))["access_token"])

    async def registered(self, username: str, **body: Any) -> dict[str, Any]:
        """A new account: the response."""
        answer = await self.fetch(
            "POST",
            "/_matrix/client/v3/register",
            {
                "username": username,
                "password": PASSWORD,
                "auth": {"type": "m.login.dummy"},
                **body,
            },
        )
        self.assertEqual(answer.status, 200, str(answer))
        result: dict[str, Any] = answer.json
        return result

    async def login(self, user: str, password: str = PASSWORD, **body: Any) -> Answer:
        return await self.fetch(
            "POST",
            "/_matrix/client/v3/login",
            {
                "type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": user},
                "password": password,
                **body,
            },
        )

    async def whoami(self, token: str | None) -> Answer:
        return await self.fetch("GET", "/_matrix/client/v3/account/whoami", token=token)

    async def finish_background(self) -> None:
        """Wait for what no request waits for."""
        await self.background.finish()


def check_answer(method: str, path: str, answer: Answer) -> None:
    """Every answer of every test is as the specification says."""
    if method != "HEAD" and answer.status != 204:
        wrong = complaint(method, path, answer.status, answer.json)
        assert wrong is None, wrong
