"""Third-party networks: what clients ask about bridges, on a server that has none."""

from typing import Any

from synapse.api.errors import Forbidden, NotFound
from synapse.handlers.auth import Auth
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths


class _ThirdParty(Resource):
    def __init__(self, auth: Auth) -> None:
        self._auth = auth


class Protocols(_ThirdParty):
    """`GET /thirdparty/protocols`"""

    PATHS = client_paths("/thirdparty/protocols")

    async def get(self, request: Request) -> dict[str, Any]:
        await self._auth.requester(request, allow_guest=True)
        return {}


class OneProtocol(_ThirdParty):
    """`GET /thirdparty/{protocol,location,user}/{protocol}`"""

    PATHS = (
        *client_paths("/thirdparty/protocol/{protocol}"),
        *client_paths("/thirdparty/location/{protocol}"),
        *client_paths("/thirdparty/user/{protocol}"),
    )

    async def get(self, request: Request, protocol: str) -> dict[str, Any]:
        await self._auth.requester(request, allow_guest=True)
        raise NotFound(f"This server has no bridge to {protocol[:255]}")


class LocationOfAlias(_ThirdParty):
    """`GET /thirdparty/location`"""

    PATHS = client_paths("/thirdparty/location")

    async def get(self, request: Request) -> dict[str, Any]:
        await self._auth.requester(request, allow_guest=True)
        alias = request.query.required_string("alias")
        raise NotFound(f"{alias[:255]} is no portal to a third-party network")


class UserOfId(_ThirdParty):
    """`GET /thirdparty/user`"""

    PATHS = client_paths("/thirdparty/user")

    async def get(self, request: Request) -> dict[str, Any]:
        await self._auth.requester(request, allow_guest=True)
        user_id = request.query.required_string("userid")
        raise NotFound(f"{user_id[:255]} stands for nobody in a third-party network")


class NetworkDirectory(_ThirdParty):
    """`PUT /directory/list/appservice/{network_id}/{room_id}`, for application services alone"""

    PATHS = client_paths("/directory/list/appservice/{network_id}/{room_id}")

    async def put(self, request: Request, network_id: str, room_id: str) -> dict[str, Any]:
        await self._auth.requester(request)
        raise Forbidden("Only application services have lists of their own in the directory")
