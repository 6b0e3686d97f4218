"""Keys for encryption: publishing them, asking for others', vouching for them."""

from synapse.handlers.auth import Auth
from synapse.handlers.key_changes import KeyChanges
from synapse.handlers.keys.cross_signing import CrossSigning
from synapse.handlers.keys.queries import KeyQueries
from synapse.handlers.keys.signatures import KeySignatures
from synapse.handlers.keys.uploads import KeyUploads
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json
from synapse.streams.tokens import SyncToken


class UploadKeys(Resource):
    """`POST /keys/upload`"""

    PATHS = client_paths("/keys/upload")

    def __init__(self, auth: Auth, uploads: KeyUploads) -> None:
        self._auth = auth
        self._uploads = uploads

    async def post(self, request: Request) -> Json:
        requester = await self._auth.requester(request, allow_guest=True)
        return {"one_time_key_counts": await self._uploads.upload(requester, request.json)}


class QueryKeys(Resource):
    """`POST /keys/query`"""

    PATHS = client_paths("/keys/query")

    def __init__(self, auth: Auth, queries: KeyQueries) -> None:
        self._auth = auth
        self._queries = queries

    async def post(self, request: Request) -> Json:
        requester = await self._auth.requester(request, allow_guest=True)
        return await self._queries.query(requester, request.json)


class ClaimKeys(Resource):
    """`POST /keys/claim`"""

    PATHS = client_paths("/keys/claim")

    def __init__(self, auth: Auth, queries: KeyQueries) -> None:
        self._auth = auth
        self._queries = queries

    async def post(self, request: Request) -> Json:
        requester = await self._auth.requester(request, allow_guest=True)
        return await self._queries.claim(requester, request.json)


class ChangedKeys(Resource):
    """`GET /keys/changes`"""

    PATHS = client_paths("/keys/changes")

    def __init__(self, auth: Auth, changes: KeyChanges) -> None:
        self._auth = auth
        self._changes = changes

    async def get(self, request: Request) -> Json:
        requester = await self._auth.requester(request, allow_guest=True)
        since = SyncToken.parse(request.query.required_string("from"))
        if to := request.query.string("to"):
            SyncToken.parse(to)
        news = await self._changes.since(requester, since)
        return {"changed": news.changed, "left": news.left}


class UploadCrossSigningKeys(Resource):
    """`POST /keys/device_signing/upload`"""

    PATHS = client_paths("/keys/device_signing/upload")

    def __init__(self, auth: Auth, cross_signing: CrossSigning) -> None:
        self._auth = auth
        self._cross_signing = cross_signing

    async def post(self, request: Request) -> Json:
        requester = await self._auth.requester(request)
        await self._cross_signing.upload(requester, request.json)
        return {}


class UploadSignatures(Resource):
    """`POST /keys/signatures/upload`"""

    PATHS = client_paths("/keys/signatures/upload")

    def __init__(self, auth: Auth, signatures: KeySignatures) -> None:
        self._auth = auth
        self._signatures = signatures

    async def post(self, request: Request) -> Json:
        requester = await self._auth.requester(request)
        return {"failures": await self._signatures.upload(requester, request.json)}
