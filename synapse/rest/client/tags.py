"""Room tagging."""

from synapse.handlers.auth import Auth
from synapse.handlers.tags import Tags
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json


class TagsOfRoom(Resource):
    """`GET /user/{user_id}/rooms/{room_id}/tags`"""

    PATHS = client_paths("/user/{user_id}/rooms/{room_id}/tags")

    def __init__(self, auth: Auth, tags: Tags) -> None:
        self._auth = auth
        self._tags = tags

    async def get(self, request: Request, user_id: str, room_id: str) -> Json:
        requester = await self._auth.requester(request)
        return {"tags": await self._tags.tags(requester, user_id, room_id)}


class OneTag(Resource):
    """`PUT` and `DELETE /user/{user_id}/rooms/{room_id}/tags/{tag}`"""

    PATHS = client_paths("/user/{user_id}/rooms/{room_id}/tags/{tag}")

    def __init__(self, auth: Auth, tags: Tags) -> None:
        self._auth = auth
        self._tags = tags

    async def put(self, request: Request, user_id: str, room_id: str, tag: str) -> Json:
        requester = await self._auth.requester(request)
        await self._tags.put(requester, user_id, room_id, tag, request.json)
        return {}

    async def delete(self, request: Request, user_id: str, room_id: str, tag: str) -> Json:
        requester = await self._auth.requester(request)
        await self._tags.delete(requester, user_id, room_id, tag)
        return {}
