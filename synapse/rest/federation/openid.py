"""`GET /_matrix/federation/v1/openid/userinfo`, for services that are no homeservers."""

from typing import Any

from synapse.api.errors import MissingToken
from synapse.handlers.openid import OpenId
from synapse.http.request import Request
from synapse.http.resource import Resource


class OpenIdUserInfo(Resource):
    """`GET /_matrix/federation/v1/openid/userinfo`"""

    PATHS = ("/_matrix/federation/v1/openid/userinfo",)

    def __init__(self, openid: OpenId) -> None:
        self._openid = openid

    async def get(self, request: Request) -> dict[str, Any]:
        token = request.query.string("access_token")
        if not token:
            raise MissingToken()
        return {"sub": await self._openid.user_of(token)}
