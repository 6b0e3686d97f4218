"""`GET /_matrix/federation/v1/version`"""

from synapse import __version__
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json


class FederationVersion(Resource):
    """`GET /_matrix/federation/v1/version`, for everybody"""

    PATHS = ("/_matrix/federation/v1/version",)

    async def get(self, request: Request) -> Json:
        return {"server": {"name": "Synapse", "version": __version__}}
