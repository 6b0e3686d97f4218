"""What other servers ask about users and aliases of ours."""

from typing import Any

from synapse.api.errors import Forbidden, InvalidParam, NotFound
from synapse.api.identifiers import domain_of, is_user_id
from synapse.federation.peers import Peers
from synapse.federation.told_devices import ToldDevices
from synapse.handlers.aliases import Aliases, check_alias
from synapse.handlers.profiles import Profiles
from synapse.http.request import Request
from synapse.http.resource import Resource


class QueryProfile(Resource):
    """`GET /_matrix/federation/v1/query/profile`"""

    PATHS = ("/_matrix/federation/v1/query/profile",)

    def __init__(
        self, peers: Peers, profiles: Profiles, *, server_name: str, is_allowed: bool
    ) -> None:
        self._peers = peers
        self._profiles = profiles
        self._server_name = server_name
        self._is_allowed = is_allowed

    async def get(self, request: Request) -> dict[str, Any]:
        await self._peers.origin(request)
        if not self._is_allowed:
            raise Forbidden("Profile lookup over federation is disabled on this server")
        user_id = request.query.required_string("user_id")
        if not is_user_id(user_id) or domain_of(user_id) != self._server_name:
            raise InvalidParam("Not a user of this server")
        profile = await self._profiles.of_ours(user_id)
        field = request.query.string("field")
        if field is None:
            return profile
        return {field: profile[field]} if field in profile else {}


class QueryDirectory(Resource):
    """`GET /_matrix/federation/v1/query/directory`"""

    PATHS = ("/_matrix/federation/v1/query/directory",)

    def __init__(self, peers: Peers, aliases: Aliases) -> None:
        self._peers = peers
        self._aliases = aliases

    async def get(self, request: Request) -> dict[str, Any]:
        await self._peers.origin(request)
        alias = request.query.required_string("room_alias")
        check_alias(alias)
        found = await self._aliases.find_ours(alias)
        return {"room_id": found.room_id, "servers": list(found.servers)}


class QueryOther(Resource):
    """`GET /_matrix/federation/v1/query/{queryType}` of a type that we don't know"""

    PATHS = ("/_matrix/federation/v1/query/{query_type}",)

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    async def get(self, request: Request, query_type: str) -> dict[str, Any]:
        await self._peers.origin(request)
        raise NotFound(f"No queries of the type {query_type[:255]!r} are answered")


class TellDevices(Resource):
    """`GET /_matrix/federation/v1/user/devices/{userId}`"""

    PATHS = ("/_matrix/federation/v1/user/devices/{user_id}",)

    def __init__(self, peers: Peers, devices: ToldDevices) -> None:
        self._peers = peers
        self._devices = devices

    async def get(self, request: Request, user_id: str) -> dict[str, Any]:
        await self._peers.origin(request)
        return await self._devices.of_user(user_id)


class TellKeys(Resource):
    """`POST /_matrix/federation/v1/user/keys/query`"""

    PATHS = ("/_matrix/federation/v1/user/keys/query",)

    def __init__(self, peers: Peers, devices: ToldDevices) -> None:
        self._peers = peers
        self._devices = devices

    async def post(self, request: Request) -> dict[str, Any]:
        await self._peers.origin(request)
        return await self._devices.keys(request.json.object("device_keys").raw)


class TellOneTimeKeys(Resource):
    """`POST /_matrix/federation/v1/user/keys/claim`"""

    PATHS = ("/_matrix/federation/v1/user/keys/claim",)

    def __init__(self, peers: Peers, devices: ToldDevices) -> None:
        self._peers = peers
        self._devices = devices

    async def post(self, request: Request) -> dict[str, Any]:
        await self._peers.origin(request)
        return await self._devices.claimed(request.json.object("one_time_keys").raw)
