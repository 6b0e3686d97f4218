"""`GET /mutual_rooms`"""

from typing import Any

from synapse.handlers.auth import Auth
from synapse.handlers.mutual_rooms import MutualRooms
from synapse.http.request import Request
from synapse.http.resource import Resource


class MutualRoomsResource(Resource):
    """`GET /_matrix/client/v1/mutual_rooms`, and as MSC2666 proposed it"""

    PATHS = (
        "/_matrix/client/v1/mutual_rooms",
        "/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms",
    )

    def __init__(self, auth: Auth, mutual_rooms: MutualRooms) -> None:
        self._auth = auth
        self._mutual_rooms = mutual_rooms

    async def get(self, request: Request) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        user_id = request.query.required_string("user_id")
        return await self._mutual_rooms.page(requester, user_id, request.query.string("from"))
