"""Delayed events (MSC4140), as the proposal has them now and as clients began to use them."""

from typing import Any

from synapse.api.errors import InvalidParam, MatrixError
from synapse.handlers.auth import Auth, Requester
from synapse.handlers.delayed_events import ACTIONS, DelayedEvents, DelayTooLong
from synapse.http.request import Request
from synapse.http.resource import Resource

_PREFIX = "/_matrix/client/unstable/org.matrix.msc4140"


class _DelayedEventResource(Resource):
    def __init__(self, auth: Auth, delayed: DelayedEvents) -> None:
        self._auth = auth
        self._delayed = delayed


class ScheduleEvent(_DelayedEventResource):
    """`PUT /rooms/{room_id}/delayed_event/{event_type}/{txn_id}`"""

    PATHS = (f"{_PREFIX}/rooms/{{room_id}}/delayed_event/{{event_type}}/{{txn_id}}",)

    async def put(
        self, request: Request, room_id: str, event_type: str, txn_id: str
    ) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        body = request.json
        delay_id = await self._delayed.schedule(
            requester,
            room_id,
            event_type,
            body.optional_string("state_key"),
            body.object("content").raw,
            body.integer("delay_ms"),
            txn_id,
        )
        return {"delay_id": delay_id}


class DelayedEventList(_DelayedEventResource):
    """`GET /delayed_events`"""

    PATHS = (f"{_PREFIX}/delayed_events",)

    async def get(self, request: Request) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        return {"delayed_events": await self._delayed.scheduled(requester)}


class OneDelayedEvent(_DelayedEventResource):
    """`GET /delayed_events/{delay_id}`; `POST` with the action in the body"""

    PATHS = (f"{_PREFIX}/delayed_events/{{delay_id}}",)

    async def get(self, request: Request, delay_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        return await self._delayed.get(requester, delay_id)

    async def post(self, request: Request, delay_id: str) -> dict[str, Any]:
        # COMPAT: the proposal's first versions; may go when clients name the action in the path.
        requester = await self._auth.requester(request, allow_guest=True)
        action = request.json.string("action")
        await self._delayed.manage(requester, delay_id, _checked(action))
        return {}


class DelayedEventAction(_DelayedEventResource):
    """`POST /delayed_events/{delay_id}/{action}`"""

    PATHS = (f"{_PREFIX}/delayed_events/{{delay_id}}/{{action}}",)

    async def post(self, request: Request, delay_id: str, action: str) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        await self._delayed.manage(requester, delay_id, _checked(action))
        return {}


def requested_delay_ms(request: Request) -> int | None:
    """The delay that `PUT …/send` or `PUT …/state` asks for in its query; None: send now."""
    return request.query.integer("org.matrix.msc4140.delay")


async def schedule(
    delayed: DelayedEvents,
    requester: Requester,
    room_id: str,
    type: str,
    state_key: str | None,
    content: dict[str, Any],
    delay_ms: int,
    txn_id: str | None,
) -> dict[str, Any]:
    """Schedule an event in the way of the proposal's first versions, with their error."""
    # COMPAT: may go when clients schedule with `ScheduleEvent`.
    try:
        delay_id = await delayed.schedule(
            requester, room_id, type, state_key, content, delay_ms, txn_id
        )
    except DelayTooLong as error:
        more: dict[str, Any] = {
            "org.matrix.msc4140.errcode": "M_MAX_DELAY_EXCEEDED",
            "org.matrix.msc4140.max_delay": error.max_delay_ms,
        }
        raise MatrixError(400, "M_UNKNOWN", error.message, **more) from None
    return {"delay_id": delay_id}


def _checked(action: str) -> str:
    if action not in ACTIONS:
        raise InvalidParam(f"action is one of {', '.join(ACTIONS)}")
    return action
