"""What the user has been notified about."""

import orjson

from synapse.api.errors import InvalidParam
from synapse.handlers.auth import Auth
from synapse.handlers.client_events import ClientEvents
from synapse.handlers.notifications import Notifications
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import RawJson

_DEFAULT_LIMIT = 20
_MAX_LIMIT = 100


class NotificationsResource(Resource):
    """`GET /notifications`"""

    PATHS = client_paths("/notifications")

    def __init__(self, auth: Auth, notifications: Notifications, events: ClientEvents) -> None:
        self._auth = auth
        self._notifications = notifications
        self._events = events

    async def get(self, request: Request) -> RawJson:
        requester = await self._auth.requester(request)
        query = request.query
        only = query.string("only")
        if only not in (None, "highlight"):
            raise InvalidParam("Query parameter 'only' must be 'highlight'")
        page = await self._notifications.page(
            requester,
            query.string("from"),
            min(query.integer("limit", _DEFAULT_LIMIT, minimum=1), _MAX_LIMIT),
            only_highlights=only is not None,
        )
        told = page.notifications
        events = await self._events.render(requester, [item.event for item in told])
        rendered = (
            b'{"actions":%b,"event":%b,"read":%b,"room_id":%b,"ts":%d}'
            % (
                orjson.dumps(item.actions),
                event,
                b"true" if item.is_read else b"false",
                orjson.dumps(item.event.room_id),
                item.event.origin_server_ts,
            )
            for item, event in zip(told, events, strict=True)
        )
        answer = b'{"notifications":[%b]' % b",".join(rendered)
        if page.next_token is not None:
            answer += b',"next_token":"%b"' % page.next_token.encode()
        return RawJson(answer + b"}")
