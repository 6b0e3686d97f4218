"""`PUT /rooms/{room_id}/typing/{user_id}`"""

from typing import Any

from synapse.api.errors import BadJson
from synapse.handlers.auth import Auth
from synapse.handlers.typing import TypingNotices
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths

_DEFAULT_TIMEOUT_MS = 30_000


class TypingResource(Resource):
    """`PUT /_matrix/client/v3/rooms/{room_id}/typing/{user_id}`"""

    PATHS = client_paths("/rooms/{room_id}/typing/{user_id}")

    def __init__(self, auth: Auth, notices: TypingNotices) -> None:
        self._auth = auth
        self._notices = notices

    async def put(self, request: Request, room_id: str, user_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        typing = request.json.boolean("typing")
        timeout_ms = request.json.optional_integer("timeout", _DEFAULT_TIMEOUT_MS)
        if timeout_ms < 0:
            raise BadJson("timeout must not be negative")
        await self._notices.set(requester, room_id, user_id, typing=typing, timeout_ms=timeout_ms)
        return {}
