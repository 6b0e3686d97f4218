"""Logging in, and refreshing tokens."""

from synapse.handlers.login import Login
from synapse.handlers.sessions import Sessions
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json


class LoginResource(Resource):
    """`GET /login`: the flows; `POST /login`"""

    PATHS = client_paths("/login", api_v1=True)

    def __init__(self, login: Login) -> None:
        self._login = login

    async def get(self, request: Request) -> Json:
        return {"flows": self._login.flows()}

    async def post(self, request: Request) -> Json:
        return await self._login.login(request.json, request.client_ip)


class Refresh(Resource):
    """`POST /refresh`"""

    PATHS = client_paths("/refresh")

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def post(self, request: Request) -> Json:
        return await self._sessions.refresh(request.json.string("refresh_token"))
