"""Thread subscriptions (MSC4306), and paging back through their changes (MSC4308)."""

from synapse.api.errors import MissingParam
from synapse.handlers.auth import Auth
from synapse.handlers.thread_subscriptions import END, ThreadSubscriptions, parse_changes_token
from synapse.http.json_body import JsonObject
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json
from synapse.streams.tokens import SyncToken

_MSC4306 = "/_matrix/client/unstable/io.element.msc4306"


class ThreadSubscriptionResource(Resource):
    """`GET`, `PUT` and `DELETE /rooms/{room_id}/thread/{event_id}/subscription`"""

    PATHS = (f"{_MSC4306}/rooms/{{room_id}}/thread/{{event_id}}/subscription",)

    def __init__(self, auth: Auth, subscriptions: ThreadSubscriptions) -> None:
        self._auth = auth
        self._subscriptions = subscriptions

    async def get(self, request: Request, room_id: str, event_id: str) -> Json:
        requester = await self._auth.requester(request)
        automatic = await self._subscriptions.is_automatic(requester, room_id, event_id)
        return {"automatic": automatic}

    async def put(self, request: Request, room_id: str, event_id: str) -> Json:
        requester = await self._auth.requester(request)
        cause_id = _cause(request.json)
        await self._subscriptions.subscribe(requester, room_id, event_id, cause_id)
        return {}

    async def delete(self, request: Request, room_id: str, event_id: str) -> Json:
        requester = await self._auth.requester(request)
        await self._subscriptions.unsubscribe(requester, room_id, event_id)
        return {}


class ThreadSubscriptionChanges(Resource):
    """`GET /thread_subscriptions`"""

    PATHS = ("/_matrix/client/unstable/io.element.msc4308/thread_subscriptions",)

    def __init__(self, auth: Auth, subscriptions: ThreadSubscriptions) -> None:
        self._auth = auth
        self._subscriptions = subscriptions

    async def get(self, request: Request) -> Json:
        requester = await self._auth.requester(request)
        query = request.query
        if query.choice("dir", ("b",)) is None:
            raise MissingParam("dir")
        start, stop = query.string("from"), query.string("to")
        changes = await self._subscriptions.changes(
            requester,
            0 if stop is None else SyncToken.parse(stop).position,
            END if start is None else parse_changes_token(start) - 1,
            query.integer("limit", 100, minimum=1),
        )
        return changes.to_json("end")


def _cause(body: JsonObject) -> str | None:
    """The event for which a client subscribes on its own; `false` is another way to say none."""
    if body.raw.get("automatic") is False:
        return None
    return body.optional_string("automatic")
