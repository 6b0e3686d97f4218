"""Uploading and downloading filters."""

from synapse.api.errors import Forbidden
from synapse.handlers.auth import Auth, Requester
from synapse.handlers.filters import Filters
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json


class UploadFilter(Resource):
    """`POST /user/{user_id}/filter`"""

    PATHS = client_paths("/user/{user_id}/filter")
    # A filter is kept in memory while it is in use.
    MAX_BODY_BYTES = 64 * 1024

    def __init__(self, auth: Auth, filters: Filters) -> None:
        self._auth = auth
        self._filters = filters

    async def post(self, request: Request, user_id: str) -> Json:
        requester = await self._auth.requester(request, allow_guest=True)
        _require_own(requester, user_id)
        return {"filter_id": await self._filters.add(requester, request.json.raw)}


class OneFilter(Resource):
    """`GET /user/{user_id}/filter/{filter_id}`"""

    PATHS = client_paths("/user/{user_id}/filter/{filter_id}")

    def __init__(self, auth: Auth, filters: Filters) -> None:
        self._auth = auth
        self._filters = filters

    async def get(self, request: Request, user_id: str, filter_id: str) -> Json:
        requester = await self._auth.requester(request, allow_guest=True)
        _require_own(requester, user_id)
        return await self._filters.filter(requester, filter_id)


def _require_own(requester: Requester, user_id: str) -> None:
    if user_id != requester.user_id:
        raise Forbidden("Filters belong to their user alone")
