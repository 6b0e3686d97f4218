"""Reading a room's timeline."""

from synapse.api.errors import InvalidParam, MissingParam
from synapse.api.filter_shape import ROOM_EVENT_FILTER, require_filter
from synapse.events.filtering import EventFilter
from synapse.handlers.auth import Auth
from synapse.handlers.client_events import ClientEvents
from synapse.handlers.event_by_time import EventByTime
from synapse.handlers.timelines import MAX_EVENTS, Timelines
from synapse.http.json_body import parse_json
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json, RawJson

_DEFAULT_LIMIT = 10


class _Reading(Resource):
    def __init__(self, auth: Auth, timelines: Timelines, events: ClientEvents) -> None:
        self._auth = auth
        self._timelines = timelines
        self._events = events


class RoomMessages(_Reading):
    """`GET /rooms/{room_id}/messages`"""

    PATHS = client_paths("/rooms/{room_id}/messages", api_v1=True)

    async def get(self, request: Request, room_id: str) -> RawJson:
        requester = await self._auth.requester(request, allow_guest=True)
        page = await self._timelines.messages(
            requester,
            room_id,
            _filter(request),
            backwards=_is_backwards(request),
            start=request.query.string("from"),
            stop=request.query.string("to"),
        )
        chunk = await self._events.render_array(requester, page.events)
        answer = b'{"chunk":%b,"start":"%b"' % (chunk, page.start.encode())
        if page.end is not None:
            answer += b',"end":"%b"' % page.end.encode()
        if page.state is not None:
            answer += b',"state":' + await self._events.render_array(requester, page.state)
        return RawJson(answer + b"}")


class OneEvent(_Reading):
    """`GET /rooms/{room_id}/event/{event_id}`"""

    PATHS = client_paths("/rooms/{room_id}/event/{event_id}", api_v1=True)

    async def get(self, request: Request, room_id: str, event_id: str) -> RawJson:
        requester = await self._auth.requester(request, allow_guest=True)
        event = await self._timelines.event(requester, room_id, event_id)
        return RawJson((await self._events.render(requester, [event]))[0])


class Context(_Reading):
    """`GET /rooms/{room_id}/context/{event_id}`"""

    PATHS = client_paths("/rooms/{room_id}/context/{event_id}", api_v1=True)

    async def get(self, request: Request, room_id: str, event_id: str) -> RawJson:
        requester = await self._auth.requester(request, allow_guest=True)
        around = await self._timelines.surroundings(requester, room_id, event_id, _filter(request))
        before, after = len(around.before), len(around.after)
        # All at once: what is asked about events is asked for all of them.
        rendered = await self._events.render(
            requester, [around.event, *around.before, *around.after, *around.state]
        )
        return RawJson(
            b'{"event":%b,"events_before":[%b],"events_after":[%b],"start":"%b","end":"%b",'
            b'"state":[%b]}'
            % (
                rendered[0],
                b",".join(rendered[1 : before + 1]),
                b",".join(rendered[before + 1 : before + after + 1]),
                around.start.encode(),
                around.end.encode(),
                b",".join(rendered[before + after + 1 :]),
            )
        )


class TimestampToEvent(Resource):
    """`GET /_matrix/client/v1/rooms/{room_id}/timestamp_to_event`"""

    PATHS = (
        "/_matrix/client/v1/rooms/{room_id}/timestamp_to_event",
        "/_matrix/client/unstable/org.matrix.msc3030/rooms/{room_id}/timestamp_to_event",
    )

    def __init__(self, auth: Auth, by_time: EventByTime) -> None:
        self._auth = auth
        self._by_time = by_time

    async def get(self, request: Request, room_id: str) -> Json:
        requester = await self._auth.requester(request, allow_guest=True)
        ts_ms = request.query.integer("ts")
        if ts_ms is None:
            raise MissingParam("ts")
        event = await self._by_time.nearest(
            requester, room_id, ts_ms, backwards=_is_backwards(request)
        )
        return {"event_id": event.event_id, "origin_server_ts": event.origin_server_ts}


def _is_backwards(request: Request) -> bool:
    direction = request.query.choice("dir", ("b", "f"))
    if direction is None:
        raise MissingParam("dir")
    return direction == "b"


def _filter(request: Request) -> EventFilter:
    """The filter of the query, with the query's limit."""
    text = request.query.string("filter")
    definition = parse_json(text.encode()) if text else {}
    if not isinstance(definition, dict):
        raise InvalidParam("filter is a JSON object")
    require_filter(definition, ROOM_EVENT_FILTER)
    limit = request.query.integer("limit", definition.get("limit", _DEFAULT_LIMIT), minimum=0)
    return EventFilter.compile({**definition, "limit": limit}, _DEFAULT_LIMIT, MAX_EVENTS)
