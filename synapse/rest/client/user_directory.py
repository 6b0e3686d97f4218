"""`/user_directory/search`"""

from typing import Any

from synapse.api.errors import InvalidParam
from synapse.handlers.auth import Auth
from synapse.handlers.user_directory import MAX_RESULTS, UserDirectory
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths

_DEFAULT_LIMIT = 10


class UserDirectorySearch(Resource):
    """`POST /user_directory/search`"""

    PATHS = client_paths("/user_directory/search")

    def __init__(self, auth: Auth, directory: UserDirectory) -> None:
        self._auth = auth
        self._directory = directory

    async def post(self, request: Request) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        term = request.json.string("search_term")
        limit = request.json.optional_integer("limit", _DEFAULT_LIMIT)
        if limit < 0:
            raise InvalidParam("limit must not be negative")
        return await self._directory.search(requester, term, min(limit, MAX_RESULTS))
