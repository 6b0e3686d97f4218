"""`GET /mutual_rooms`"""

from typing import Any

from synapse.handlers.auth import Auth
from synapse.handlers.mutual_rooms import MutualRooms
from synapse.http.request import Request
from synapse.http.resource import Resource


class MutualRoomsResource(Resource):
    """`GET /_matrix/client/v1/mutual_rooms`"""

    PATHS = ("/_matrix/client/v1/mutual_rooms",)

    def __init__(self, auth: Auth, mutual_rooms: MutualRooms) -> None:
        self._auth = auth
        self._mutual_rooms = mutual_rooms

    async def get(self, request: Request) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        user_id = request.query.required_string("user_id")
        return await self._mutual_rooms.page(requester, user_id, request.query.string("from"))


class UnstableMutualRooms(Resource):
    """The same as MSC2666 proposed it, with other names for the tokens of pages."""

    # COMPAT: may go when matrix-js-sdk asks at the path above.
    PATHS = ("/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms",)

    def __init__(self, auth: Auth, mutual_rooms: MutualRooms) -> None:
        self._auth = auth
        self._mutual_rooms = mutual_rooms

    async def get(self, request: Request) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        user_id = request.query.required_string("user_id")
        token = request.query.string("batch_token")
        page = await self._mutual_rooms.page(requester, user_id, token)
        if "next_batch" in page:
            page["next_batch_token"] = page.pop("next_batch")
        return page
