"""Which version of the server runs."""

from synapse import __version__
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json


class ServerVersion(Resource):
    """`GET /_synapse/admin/v1/server_version`"""

    PATHS = ("/_synapse/admin/v1/server_version",)

    async def get(self, request: Request) -> Json:
        return {"server_version": __version__}
