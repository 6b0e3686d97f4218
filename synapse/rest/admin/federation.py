"""How other servers are, and trying them again."""

from synapse.federation.destinations import Destinations
from synapse.handlers.auth import Auth
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json
from synapse.storage.stores.destination_lists import ORDERS

_PATH = "/_synapse/admin/v1/federation/destinations"
_LARGEST_PAGE = 1_000
_FARTHEST = 2**31


class _DestinationsResource(Resource):
    def __init__(self, auth: Auth, destinations: Destinations) -> None:
        self._auth = auth
        self._destinations = destinations


class ListDestinations(_DestinationsResource):
    """`GET /_synapse/admin/v1/federation/destinations`"""

    PATHS = (_PATH,)

    async def get(self, request: Request) -> Json:
        await self._auth.admin(request)
        skip, limit, backwards = _page_of(request)
        return await self._destinations.page(
            request.query.string("destination") or "",
            request.query.choice("order_by", tuple(ORDERS), "destination"),
            backwards=backwards,
            skip=skip,
            limit=limit,
        )


class Destination(_DestinationsResource):
    """`GET /_synapse/admin/v1/federation/destinations/{destination}`"""

    PATHS = (_PATH + "/{destination}",)

    async def get(self, request: Request, destination: str) -> Json:
        await self._auth.admin(request)
        return await self._destinations.one(destination)


class DestinationRooms(_DestinationsResource):
    """`GET /_synapse/admin/v1/federation/destinations/{destination}/rooms`"""

    PATHS = (_PATH + "/{destination}/rooms",)

    async def get(self, request: Request, destination: str) -> Json:
        await self._auth.admin(request)
        skip, limit, backwards = _page_of(request)
        return await self._destinations.rooms(
            destination, backwards=backwards, skip=skip, limit=limit
        )


class ResetConnection(_DestinationsResource):
    """`POST /_synapse/admin/v1/federation/destinations/{destination}/reset_connection`"""

    PATHS = (_PATH + "/{destination}/reset_connection",)

    async def post(self, request: Request, destination: str) -> Json:
        await self._auth.admin(request)
        await self._destinations.reset(destination)
        return {}


def _page_of(request: Request) -> tuple[int, int, bool]:
    """How many to skip, how many to show, and whether from the end."""
    query = request.query
    return (
        query.integer("from", 0, minimum=0, maximum=_FARTHEST),
        min(query.integer("limit", 100, minimum=0), _LARGEST_PAGE),
        query.choice("dir", ("f", "b"), "f") == "b",
    )
