"""`POST /user/{user_id}/openid/request_token`"""

from typing import Any

from synapse.handlers.auth import Auth
from synapse.handlers.openid import LIFETIME_MS, OpenId
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths


class RequestOpenIdToken(Resource):
    """`POST /user/{user_id}/openid/request_token`"""

    PATHS = client_paths("/user/{user_id}/openid/request_token", api_v1=True)

    def __init__(self, auth: Auth, openid: OpenId, *, server_name: str) -> None:
        self._auth = auth
        self._openid = openid
        self._server_name = server_name

    async def post(self, request: Request, user_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        return {
            "access_token": await self._openid.new_token(requester, user_id),
            "token_type": "Bearer",
            "matrix_server_name": self._server_name,
            "expires_in": LIFETIME_MS // 1000,
        }
