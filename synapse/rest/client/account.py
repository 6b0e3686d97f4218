"""The requester's account: who it is, its password, its end."""

from typing import Any

from synapse.handlers.accounts import Accounts
from synapse.handlers.auth import Auth
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json


class WhoAmI(Resource):
    """`GET /account/whoami`"""

    PATHS = client_paths("/account/whoami")

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    async def get(self, request: Request) -> Json:
        requester = await self._auth.requester(request, allow_guest=True)
        answer: dict[str, Any] = {"user_id": requester.user_id, "is_guest": requester.is_guest}
        if requester.device_id is not None:
            answer["device_id"] = requester.device_id
        return answer


class Password(Resource):
    """`POST /account/password`"""

    PATHS = client_paths("/account/password")

    def __init__(self, auth: Auth, accounts: Accounts) -> None:
        self._auth = auth
        self._accounts = accounts

    async def post(self, request: Request) -> Json:
        requester = await self._auth.requester(request)
        await self._accounts.change_password(requester, request.json)
        return {}


class Deactivate(Resource):
    """`POST /account/deactivate`"""

    PATHS = client_paths("/account/deactivate")

    def __init__(self, auth: Auth, accounts: Accounts) -> None:
        self._auth = auth
        self._accounts = accounts

    async def post(self, request: Request) -> Json:
        requester = await self._auth.requester(request)
        await self._accounts.deactivate(requester, request.json_or_empty)
        # There is nothing to unbind: no account has third-party identifiers.
        return {"id_server_unbind_result": "success"}
