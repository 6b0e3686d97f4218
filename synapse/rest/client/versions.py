"""Which versions of the specification the server speaks."""

from typing import Final

from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json

# Clients gate features on these: a version stands here when what it added works.
SPEC_VERSIONS: Final = ("r0.6.1", "v1.1")
# Features ahead of the specification, by their proposals' names.
UNSTABLE_FEATURES: Final[dict[str, bool]] = {"org.matrix.simplified_msc3575": True}


class Versions(Resource):
    """`GET /_matrix/client/versions`"""

    PATHS = ("/_matrix/client/versions",)

    async def get(self, request: Request) -> Json:
        return {"versions": list(SPEC_VERSIONS), "unstable_features": dict(UNSTABLE_FEATURES)}
