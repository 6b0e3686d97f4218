"""`/publicRooms`"""

from typing import Any

from synapse.api.errors import BadJson, InvalidParam
from synapse.handlers.auth import Auth
from synapse.handlers.public_rooms import MAX_ROOMS, PublicRooms, Wish, require_own_server
from synapse.http.json_body import JsonObject
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths

_DEFAULT_LIMIT = 100


class PublicRoomsResource(Resource):
    """`GET` and `POST /_matrix/client/v3/publicRooms`"""

    PATHS = client_paths("/publicRooms", api_v1=True)

    def __init__(
        self, auth: Auth, rooms: PublicRooms, *, server_name: str, needs_token: bool
    ) -> None:
        self._auth = auth
        self._rooms = rooms
        self._server_name = server_name
        self._needs_token = needs_token

    async def get(self, request: Request) -> dict[str, Any]:
        if self._needs_token:
            await self._auth.requester(request, allow_guest=True)
        query = request.query
        require_own_server(query.string("server"), self._server_name)
        limit = query.integer("limit", _DEFAULT_LIMIT, minimum=0)
        return await self._rooms.page(Wish(min(limit, MAX_ROOMS), query.string("since") or None))

    async def post(self, request: Request) -> dict[str, Any]:
        await self._auth.requester(request, allow_guest=True)
        require_own_server(request.query.string("server"), self._server_name)
        body = request.json_or_empty
        limit = body.optional_integer("limit", _DEFAULT_LIMIT)
        if limit < 0:
            raise InvalidParam("limit must not be negative")
        wish_filter = body.optional_object("filter") or JsonObject({})
        wish = Wish(
            min(limit, MAX_ROOMS),
            body.optional_string("since") or None,
            wish_filter.optional_string("generic_search_term"),
            _room_types(wish_filter.optional_array("room_types")),
        )
        everywhere = body.optional_boolean("include_all_networks")
        network = body.optional_string("third_party_instance_id")
        if network is not None and everywhere:
            raise InvalidParam("Either all networks or one of them")
        if network is not None:
            # Bridged networks come with application services; there is none.
            wish = Wish(0)
        return await self._rooms.page(wish)


def _room_types(types: list[Any] | None) -> frozenset[str | None] | None:
    if types is None:
        return None
    if any(type_ is not None and not isinstance(type_, str) for type_ in types):
        raise BadJson("filter.room_types is an array of strings and null")
    return frozenset(types)
