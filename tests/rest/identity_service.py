"""An identity server for tests: over TLS on this machine, as the specification says, or hostile."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from twisted.internet import reactor

from synapse.app.parts.outbound import Outbound
from synapse.config.homeserver import HomeserverConfig
from synapse.config.outbound import OutboundConfig
from synapse.config.server import ServerConfig
from synapse.crypto.signing import SigningKey, sign_json
from synapse.http.client.client import HttpClient
from synapse.http.client.networks import IpRules
from synapse.http.client.trust import Trust
from tests.http.outbound.servers import Names, Server, SocketTestCase
from tests.rest.rooms import RoomTestCase
from tests.storage.fresh import SERVER_NAME

HOST = "id.example"
UNKNOWN_HOST = "gone.example"
TOKEN = "id-token"
KEY = SigningKey("id", b"i" * 32)
_API = "/_matrix/identity/v2"


class IdentityService(Server):
    """Knows whose the addresses in `bound` are. `says` replaces what it answers to a path."""

    def __init__(self) -> None:
        super().__init__()
        self.bound: dict[str, str] = {}  # hash → user id
        self.pepper = "matrixrocks"
        self.invites: list[dict[str, Any]] = []
        self.valid_keys = {KEY.verify_key.base64}
        self.asked: list[str] = []
        self.hashes: list[str] = []
        self.says: dict[str, tuple[int, Any]] = {}

    @property
    def name(self) -> str:
        return f"{HOST}:{self.port}"

    def answer(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        _, target, _ = lines[0].split(" ")
        url = urlsplit(target)
        path = url.path.removeprefix(_API)
        self.asked.append(path)
        status, said = self.says.get(path) or self._honest(
            path, parse_qs(url.query), orjson.loads(body or b"{}"), lines[1:]
        )
        content = said if isinstance(said, bytes) else orjson.dumps(said)
        return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(content), content)

    def signed(self, mxid: str, invite: dict[str, Any]) -> dict[str, Any]:
        """What the invitee gets who has proved that an address is theirs."""
        value = {"mxid": mxid, "sender": invite["sender"], "token": invite["token"]}
        return sign_json(value, HOST, KEY)

    def _honest(
        self, path: str, query: dict[str, list[str]], body: dict[str, Any], headers: list[str]
    ) -> tuple[int, Any]:
        if path == "/pubkey/isvalid":
            return 200, {"valid": query["public_key"][0] in self.valid_keys}
        if f"Authorization: Bearer {TOKEN}" not in headers:
            return 401, {"errcode": "M_UNAUTHORIZED", "error": "Unauthorised"}
        if path == "/hash_details":
            return 200, {"lookup_pepper": self.pepper, "algorithms": ["none", "sha256"]}
        if path == "/lookup":
            return self._look_up(body)
        assert path == "/store-invite", path
        token = f"token-{len(self.invites)}"
        self.invites.append({**body, "token": token})
        url = f"https://{self.name}{_API}/pubkey/isvalid"
        key = {"public_key": KEY.verify_key.base64, "key_validity_url": url}
        return 200, {"token": token, "public_keys": [key], "display_name": "b…@e…"}

    def _look_up(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body["pepper"] != self.pepper:
            return 400, {"errcode": "M_INVALID_PEPPER", "error": "Another pepper, please"}
        self.hashes += body["addresses"]
        found = {h: self.bound[h] for h in body["addresses"] if h in self.bound}
        return 200, {"mappings": found}


class _LocalOutbound(Outbound):
    """Talks to this machine, and believes the tests' authority."""

    def __init__(self, authority: str) -> None:
        config = HomeserverConfig(server=ServerConfig(server_name=SERVER_NAME))
        super().__init__(config, reactor, KEY)
        self._authority = Trust((authority,))

    def _new_client(self, rules: IpRules, trust: Trust) -> HttpClient:
        client = HttpClient(
            reactor,
            Names(UNKNOWN_HOST),
            user_agent="Tests",
            rules=IpRules(OutboundConfig().ip_range_blacklist[1:]),  # loopback is the first
            trust=self._authority,
        )
        self._made.append(client)
        return client


class IdentityTestCase(SocketTestCase, RoomTestCase):
    """`self.service` is an identity server, which the homeserver may ask."""

    def setUp(self) -> None:
        SocketTestCase.setUp(self)
        self.service = IdentityService()
        self.serve(self.service, self.authority.issue(HOST))
        self.outbound = _LocalOutbound(self.authority.path)
        self.addCleanup(self.outbound.close)
        RoomTestCase.setUp(self)

    def wish(self, address: str, **more: Any) -> dict[str, Any]:
        """The body of an invitation by e-mail address."""
        return {
            "id_server": self.service.name,
            "id_access_token": TOKEN,
            "medium": "email",
            "address": address,
            **more,
        }
