"""Logging out. Also for locked accounts: "Account locking" excepts these two endpoints."""

from synapse.handlers.auth import Auth
from synapse.handlers.sessions import Sessions
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json


class Logout(Resource):
    """`POST /logout`"""

    PATHS = client_paths("/logout", api_v1=True)

    def __init__(self, auth: Auth, sessions: Sessions) -> None:
        self._auth = auth
        self._sessions = sessions

    async def post(self, request: Request) -> Json:
        requester = await self._auth.requester(request, allow_guest=True, allow_locked=True)
        await self._sessions.end(requester)
        return {}


class LogoutAll(Resource):
    """`POST /logout/all`"""

    PATHS = client_paths("/logout/all", api_v1=True)

    def __init__(self, auth: Auth, sessions: Sessions) -> None:
        self._auth = auth
        self._sessions = sessions

    async def post(self, request: Request) -> Json:
        requester = await self._auth.requester(request, allow_guest=True, allow_locked=True)
        await self._sessions.end_all(requester.user_nid)
        return {}
