"""`/_matrix/key/v2/query`: other servers' keys, as this server knows them."""

from synapse.api.errors import InvalidParam
from synapse.api.identifiers import is_server_name
from synapse.crypto.key_validity import Moment, Need
from synapse.federation.notary import Criteria, Notary
from synapse.http.json_body import JsonObject
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json, RawJson
from synapse.util.clock import Clock


class KeysOfServer(Resource):
    """`GET /_matrix/key/v2/query/{serverName}`, and its old form with a key's id"""

    PATHS = (
        "/_matrix/key/v2/query/{server_name}",
        "/_matrix/key/v2/query/{server_name}/{key_id}",
    )

    def __init__(self, notary: Notary, clock: Clock) -> None:
        self._notary = notary
        self._clock = clock

    async def get(self, request: Request, server_name: str, key_id: str = "") -> Json:
        if not is_server_name(server_name):
            raise InvalidParam(f"{server_name[:100]!r} is not a server's name")
        until_ms = request.query.integer("minimum_valid_until_ts", self._clock.now_ms())
        asked = {server_name: [_need(key_id, until_ms)]}
        return _answer(await self._notary.documents(asked, request.client_ip))


class KeysOfServers(Resource):
    """`POST /_matrix/key/v2/query`"""

    PATHS = ("/_matrix/key/v2/query",)

    def __init__(self, notary: Notary, clock: Clock) -> None:
        self._notary = notary
        self._clock = clock

    async def post(self, request: Request) -> Json:
        now_ms = self._clock.now_ms()
        servers = request.json.object("server_keys")
        asked = {server: _criteria(servers.object(server), now_ms) for server in servers.raw}
        return _answer(await self._notary.documents(asked, request.client_ip))


def _criteria(keys: JsonObject, now_ms: int) -> Criteria:
    if not keys.raw:
        return [_need("", now_ms)]
    return [
        _need(key_id, keys.object(key_id).optional_integer("minimum_valid_until_ts", now_ms))
        for key_id in keys.raw
    ]


def _need(key_id: str, until_ms: int) -> Need:
    """One key, or with no id whichever the server uses now."""
    key_ids = frozenset([key_id] if key_id else [])
    return Need(key_ids, Moment(until_ms, old_keys_count=bool(key_id)))


def _answer(documents: list[bytes]) -> RawJson:
    return RawJson(b'{"server_keys":[' + b",".join(documents) + b"]}")
