"""Client config: account data, globally and for rooms."""

from synapse.handlers.account_data import AccountData
from synapse.handlers.auth import Auth
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json, RawJson

_MSC3391 = "/_matrix/client/unstable/org.matrix.msc3391"


class GlobalAccountData(Resource):
    """`GET` and `PUT /user/{user_id}/account_data/{type}`"""

    PATHS = client_paths("/user/{user_id}/account_data/{type}")

    def __init__(self, auth: Auth, account_data: AccountData) -> None:
        self._auth = auth
        self._account_data = account_data

    async def get(self, request: Request, user_id: str, type: str) -> Json:
        requester = await self._auth.requester(request)
        return RawJson(await self._account_data.get(requester, user_id, None, type))

    async def put(self, request: Request, user_id: str, type: str) -> Json:
        requester = await self._auth.requester(request)
        await self._account_data.put(requester, user_id, None, type, request.json)
        return {}


class RoomAccountData(Resource):
    """`GET` and `PUT /user/{user_id}/rooms/{room_id}/account_data/{type}`"""

    PATHS = client_paths("/user/{user_id}/rooms/{room_id}/account_data/{type}")

    def __init__(self, auth: Auth, account_data: AccountData) -> None:
        self._auth = auth
        self._account_data = account_data

    async def get(self, request: Request, user_id: str, room_id: str, type: str) -> Json:
        requester = await self._auth.requester(request)
        return RawJson(await self._account_data.get(requester, user_id, room_id, type))

    async def put(self, request: Request, user_id: str, room_id: str, type: str) -> Json:
        requester = await self._auth.requester(request)
        await self._account_data.put(requester, user_id, room_id, type, request.json)
        return {}


class DeleteGlobalAccountData(Resource):
    """`DELETE /user/{user_id}/account_data/{type}` (MSC3391)"""

    PATHS = (f"{_MSC3391}/user/{{user_id}}/account_data/{{type}}",)

    def __init__(self, auth: Auth, account_data: AccountData) -> None:
        self._auth = auth
        self._account_data = account_data

    async def delete(self, request: Request, user_id: str, type: str) -> Json:
        requester = await self._auth.requester(request)
        await self._account_data.delete(requester, user_id, None, type)
        return {}


class DeleteRoomAccountData(Resource):
    """`DELETE /user/{user_id}/rooms/{room_id}/account_data/{type}` (MSC3391)"""

    PATHS = (f"{_MSC3391}/user/{{user_id}}/rooms/{{room_id}}/account_data/{{type}}",)

    def __init__(self, auth: Auth, account_data: AccountData) -> None:
        self._auth = auth
        self._account_data = account_data

    async def delete(self, request: Request, user_id: str, room_id: str, type: str) -> Json:
        requester = await self._auth.requester(request)
        await self._account_data.delete(requester, user_id, room_id, type)
        return {}
