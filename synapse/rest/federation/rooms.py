"""What other servers ask to find rooms: the directory, and what spaces hold."""

from typing import Any

from synapse.api.errors import Forbidden
from synapse.federation.peers import Peers
from synapse.federation.told_spaces import ToldSpaces
from synapse.handlers.public_rooms import MAX_ROOMS, PublicRooms, Wish
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.rest.client.public_rooms import wish_of, wish_of_query


class TellPublicRooms(Resource):
    """`GET` and `POST /_matrix/federation/v1/publicRooms`"""

    PATHS = ("/_matrix/federation/v1/publicRooms",)

    def __init__(self, peers: Peers, rooms: PublicRooms, *, is_allowed: bool) -> None:
        self._peers = peers
        self._rooms = rooms
        self._is_allowed = is_allowed

    async def get(self, request: Request) -> dict[str, Any]:
        await self._check(request)
        return await self._page(wish_of_query(request.query, 0))

    async def post(self, request: Request) -> dict[str, Any]:
        await self._check(request)
        wish = wish_of(request.json_or_empty, 0)
        if request.json_or_empty.optional_string("third_party_instance_id") is not None:
            return await self._rooms.page(wish)  # of a bridged network: there is none
        return await self._page(wish)

    async def _check(self, request: Request) -> None:
        await self._peers.origin(request)
        if not self._is_allowed:
            raise Forbidden("The room directory of this server is not for other servers")

    async def _page(self, wish: Wish) -> dict[str, Any]:
        # "Defaults to 0 (no limit)": ours holds all the same.
        limit = wish.limit or MAX_ROOMS
        return await self._rooms.page(Wish(limit, wish.since, wish.term, wish.room_types))


class TellHierarchy(Resource):
    """`GET /_matrix/federation/v1/hierarchy/{roomId}`"""

    PATHS = ("/_matrix/federation/v1/hierarchy/{room_id}",)

    def __init__(self, peers: Peers, rooms: ToldSpaces) -> None:
        self._peers = peers
        self._rooms = rooms

    async def get(self, request: Request, room_id: str) -> dict[str, Any]:
        origin = await self._peers.origin(request)
        suggested_only = request.query.boolean("suggested_only")
        return await self._rooms.hierarchy(origin, room_id, suggested_only=suggested_only)
