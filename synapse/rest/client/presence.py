"""`/presence/{user_id}/status`"""

from synapse.api.errors import BadJson
from synapse.api.presence import PRESENCE_STATES, PresenceState
from synapse.handlers.auth import Auth
from synapse.handlers.presence import Presence
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json


class PresenceStatus(Resource):
    """`GET` and `PUT /_matrix/client/v3/presence/{user_id}/status`"""

    PATHS = client_paths("/presence/{user_id}/status", api_v1=True)

    def __init__(self, auth: Auth, presence: Presence) -> None:
        self._auth = auth
        self._presence = presence

    async def get(self, request: Request, user_id: str) -> Json:
        requester = await self._auth.requester(request)
        return await self._presence.status(requester, user_id)

    async def put(self, request: Request, user_id: str) -> Json:
        requester = await self._auth.requester(request)
        state = request.json.string("presence")
        if state not in PRESENCE_STATES:
            raise BadJson(f"'presence' must be one of {', '.join(PRESENCE_STATES)}")
        status_msg = request.json.optional_string("status_msg")
        await self._presence.set(requester, user_id, PresenceState.of(state), status_msg)
        return {}
