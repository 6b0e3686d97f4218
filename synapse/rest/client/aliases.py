"""Room aliases and the room directory's visibility."""

from typing import Any

from synapse.api.errors import InvalidParam
from synapse.handlers.aliases import Aliases
from synapse.handlers.auth import Auth
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths


class RoomAlias(Resource):
    """`/directory/room/{room_alias}`"""

    PATHS = client_paths("/directory/room/{room_alias}", api_v1=True)

    def __init__(self, auth: Auth, aliases: Aliases) -> None:
        self._auth = auth
        self._aliases = aliases

    async def get(self, request: Request, room_alias: str) -> dict[str, Any]:
        found = await self._aliases.find(room_alias)
        return {"room_id": found.room_id, "servers": list(found.servers)}

    async def put(self, request: Request, room_alias: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        await self._aliases.add(requester, room_alias, request.json.string("room_id"))
        return {}

    async def delete(self, request: Request, room_alias: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        await self._aliases.remove(requester, room_alias)
        return {}


class AliasesOfRoom(Resource):
    """`GET /rooms/{room_id}/aliases`"""

    PATHS = client_paths("/rooms/{room_id}/aliases")

    def __init__(self, auth: Auth, aliases: Aliases) -> None:
        self._auth = auth
        self._aliases = aliases

    async def get(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        return {"aliases": await self._aliases.of_room(requester, room_id)}


class DirectoryVisibility(Resource):
    """`/directory/list/room/{room_id}`"""

    PATHS = client_paths("/directory/list/room/{room_id}", api_v1=True)

    def __init__(self, auth: Auth, aliases: Aliases) -> None:
        self._auth = auth
        self._aliases = aliases

    async def get(self, request: Request, room_id: str) -> dict[str, Any]:
        is_published = await self._aliases.is_published(room_id)
        return {"visibility": "public" if is_published else "private"}

    async def put(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        visibility = request.json_or_empty.optional_string("visibility", "public")
        if visibility not in ("public", "private"):
            raise InvalidParam("visibility is 'public' or 'private'")
        await self._aliases.publish(requester, room_id, visibility == "public")
        return {}
