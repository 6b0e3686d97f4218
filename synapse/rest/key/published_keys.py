"""`/_matrix/key/v2/server`: this server's keys."""

from synapse.federation.own_keys import OwnKeys
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json, RawJson


class PublishedKeys(Resource):
    """`GET /_matrix/key/v2/server`; old servers ask with a key's id, and get all keys as well"""

    PATHS = (
        "/_matrix/key/v2/server",
        "/_matrix/key/v2/server/",
        "/_matrix/key/v2/server/{key_id}",
    )

    def __init__(self, own: OwnKeys) -> None:
        self._own = own

    async def get(self, request: Request, key_id: str = "") -> Json:
        return RawJson(self._own.document())
