"""Discovering the rooms of a space."""

from typing import Any

from synapse.handlers.auth import Auth
from synapse.handlers.space_hierarchy import MAX_DEPTH, MAX_ROOMS, SpaceHierarchy, Wish
from synapse.http.request import Request
from synapse.http.resource import Resource

_MAX_VIA = 10


class Hierarchy(Resource):
    """`GET /_matrix/client/v1/rooms/{room_id}/hierarchy`"""

    PATHS = (
        "/_matrix/client/v1/rooms/{room_id}/hierarchy",
        "/_matrix/client/unstable/org.matrix.msc2946/rooms/{room_id}/hierarchy",
    )

    def __init__(self, auth: Auth, hierarchy: SpaceHierarchy) -> None:
        self._auth = auth
        self._hierarchy = hierarchy

    async def get(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        query = request.query
        limit = query.integer("limit", MAX_ROOMS, minimum=1)
        max_depth = query.integer("max_depth", MAX_DEPTH, minimum=0)
        wish = Wish(
            limit=min(limit, MAX_ROOMS),
            max_depth=min(max_depth, MAX_DEPTH),
            suggested_only=query.boolean("suggested_only"),
            token=query.string("from"),
        )
        return await self._hierarchy.page(requester, room_id, wish, query.strings("via")[:_MAX_VIA])
