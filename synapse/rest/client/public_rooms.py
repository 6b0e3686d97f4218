"""`/publicRooms`"""

from typing import Any

from synapse.api.errors import BadJson, InvalidParam
from synapse.handlers.auth import Auth
from synapse.handlers.public_rooms import MAX_ROOMS, PublicRooms, Wish
from synapse.http.json_body import JsonObject
from synapse.http.query import Query
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths

_DEFAULT_LIMIT = 100


class PublicRoomsResource(Resource):
    """`GET` and `POST /_matrix/client/v3/publicRooms`"""

    PATHS = client_paths("/publicRooms", api_v1=True)

    def __init__(self, auth: Auth, rooms: PublicRooms, *, needs_token: bool) -> None:
        self._auth = auth
        self._rooms = rooms
        self._needs_token = needs_token

    async def get(self, request: Request) -> dict[str, Any]:
        if self._needs_token:
            await self._auth.requester(request, allow_guest=True)
        server = request.query.string("server") or None
        return await self._rooms.page_of(server, wish_of_query(request.query, _DEFAULT_LIMIT))

    async def post(self, request: Request) -> dict[str, Any]:
        await self._auth.requester(request, allow_guest=True)
        server = request.query.string("server") or None
        return await self._rooms.page_of(server, wish_of(request.json_or_empty, _DEFAULT_LIMIT))


def wish_of_query(query: Query, default_limit: int) -> Wish:
    """What a GET asks for. Raises `InvalidParam`."""
    limit = query.integer("limit", default_limit, minimum=0)
    return Wish(min(limit, MAX_ROOMS), query.string("since") or None)


def wish_of(body: JsonObject, default_limit: int) -> Wish:
    """What a POST asks for. Raises `InvalidParam` and `BadJson`."""
    limit = body.optional_integer("limit", default_limit)
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
    # Bridged networks come with application services; there is none.
    return wish if network is None else Wish(0)


def _room_types(types: list[Any] | None) -> frozenset[str | None] | None:
    if types is None:
        return None
    if any(type_ is not None and not isinstance(type_, str) for type_ in types):
        raise BadJson("filter.room_types is an array of strings and null")
    return frozenset(types)
