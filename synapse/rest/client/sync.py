"""`GET /sync`"""

import orjson
from twisted.internet.defer import CancelledError

from synapse.api.errors import InvalidParam, NotFound
from synapse.api.filter_shape import require_filter
from synapse.api.presence import PRESENCE_STATES, PresenceState
from synapse.handlers.auth import Auth, Requester
from synapse.handlers.filters import Filters
from synapse.handlers.presence import Presence
from synapse.handlers.sync.filters import StateForm, SyncFilter, compile_filter
from synapse.handlers.sync.handler import Sync
from synapse.handlers.sync.request import SyncRequest
from synapse.http.json_body import parse_json
from synapse.http.query import Query
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Response
from synapse.streams.tokens import SyncToken
from synapse.util.caches import Cache


class SyncResource(Resource):
    """`GET /_matrix/client/v3/sync`"""

    PATHS = client_paths("/sync")

    def __init__(
        self,
        auth: Auth,
        filters: Filters,
        sync: Sync,
        presence: Presence,
        *,
        max_timeline_limit: int,
    ) -> None:
        self._auth = auth
        self._filters = filters
        self._sync = sync
        self._presence = presence
        self._max_timeline_limit = max_timeline_limit
        self._compiled: Cache[tuple[bytes, StateForm], SyncFilter] = Cache(
            1_000, "compiled_filters"
        )

    async def get(self, request: Request) -> Response:
        requester = await self._auth.requester(request, allow_guest=True)
        query = request.query
        state = PresenceState.of(query.choice("set_presence", PRESENCE_STATES, "online"))
        since = query.string("since")
        sync_request = SyncRequest(
            requester=requester,
            filter=await self._filter(requester, query.string("filter"), _state_form(query)),
            since=SyncToken.parse(since) if since else None,
            timeout_ms=query.integer("timeout", 0, minimum=0),
            full_state=query.boolean("full_state", False),
        )
        request.cancel_on_disconnect()
        try:
            with await self._presence.syncing(requester, state):
                return Response(body=await self._sync.sync(sync_request))
        except CancelledError:
            if not request.server_stops or sync_request.since is None:
                raise
            # There was no news until the server stopped: the next one goes on from there.
            return Response(body=self._sync.nothing_new(requester, sync_request.since))

    async def _filter(
        self, requester: Requester, text: str | None, state_form: StateForm
    ) -> SyncFilter:
        """A filter given as JSON, or by the id of one that was uploaded."""
        if not text:
            return self._compile(b"{}", state_form)
        if text.startswith("{"):
            return self._compile(text.encode(), state_form)
        try:
            definition = await self._filters.filter(requester, text)
        except NotFound:
            raise InvalidParam(f"There is no filter {text[:100]!r}") from None
        return self._compile(orjson.dumps(definition), state_form)

    def _compile(self, json: bytes, state_form: StateForm) -> SyncFilter:
        compiled = self._compiled.get((json, state_form))
        if compiled is None:
            definition = parse_json(json)
            if not isinstance(definition, dict):
                raise InvalidParam("A filter is a JSON object or the id of one")
            require_filter(definition)
            compiled = compile_filter(
                definition, max_limit=self._max_timeline_limit, state_form=state_form
            )
            self._compiled[json, state_form] = compiled
        return compiled


def _state_form(query: Query) -> StateForm:
    """How the client wants to be told the state; in the words in which it asked for it."""
    if query.boolean("use_state_after", False):
        return StateForm.AFTER
    if query.boolean("org.matrix.msc4222.use_state_after", False):
        return StateForm.AFTER_UNSTABLE
    return StateForm.BEFORE
