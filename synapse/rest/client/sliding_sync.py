"""Simplified sliding sync (MSC4186), at the path that clients know it by."""

import orjson
from twisted.internet.defer import CancelledError

from synapse.api.presence import PRESENCE_STATES, PresenceState
from synapse.handlers.auth import Auth
from synapse.handlers.presence import Presence
from synapse.handlers.sliding_sync.handler import SlidingSync
from synapse.handlers.sliding_sync.request import parse_request
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import RawJson


class SlidingSyncResource(Resource):
    """`POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync`"""

    PATHS = ("/_matrix/client/unstable/org.matrix.simplified_msc3575/sync",)

    def __init__(
        self,
        auth: Auth,
        sliding_sync: SlidingSync,
        presence: Presence,
        *,
        max_timeline_limit: int,
    ) -> None:
        self._auth = auth
        self._sliding_sync = sliding_sync
        self._presence = presence
        self._max_timeline_limit = max_timeline_limit

    async def post(self, request: Request) -> RawJson:
        requester = await self._auth.requester(request, allow_guest=True)
        query = request.query
        state = PresenceState.of(query.choice("set_presence", PRESENCE_STATES, "online"))
        sliding_request = parse_request(
            request.json,
            requester,
            query.string("pos"),
            query.integer("timeout", 0, minimum=0),
            max_timeline_limit=self._max_timeline_limit,
        )
        request.cancel_on_disconnect()
        try:
            with await self._presence.syncing(requester, state):
                return RawJson(await self._sliding_sync.sync(sliding_request))
        except CancelledError:
            if not request.server_stops or sliding_request.pos is None:
                raise
            # There was no news until the server stopped.
            nothing = {"pos": sliding_request.pos, "lists": {}, "rooms": {}, "extensions": {}}
            return RawJson(orjson.dumps(nothing))
