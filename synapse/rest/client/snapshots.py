"""Reading rooms and streams in the way of the time before `/sync`."""

from collections.abc import AsyncIterator

import orjson
from twisted.internet.defer import CancelledError

from synapse.handlers.auth import Auth, Requester
from synapse.handlers.client_events import ClientEvents
from synapse.handlers.event_stream import EventStream, StreamPage
from synapse.handlers.snapshots import RoomSnapshot, Snapshots
from synapse.handlers.sync.personal import PersonalNews
from synapse.handlers.timelines import Timelines
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import RawJson, Response
from synapse.streams.tokens import SyncToken

_DEFAULT_LIMIT = 10
_MAX_LIMIT = 100


class RoomInitialSync(Resource):
    """`GET /rooms/{room_id}/initialSync`"""

    PATHS = client_paths("/rooms/{room_id}/initialSync", api_v1=True)

    def __init__(self, auth: Auth, snapshots: Snapshots, events: ClientEvents) -> None:
        self._auth = auth
        self._snapshots = snapshots
        self._events = events

    async def get(self, request: Request, room_id: str) -> RawJson:
        requester = await self._auth.requester(request, allow_guest=True)
        snapshot = await self._snapshots.room(requester, room_id, _limit(request))
        return RawJson(await _rendered(self._events, requester, snapshot))


class InitialSync(Resource):
    """`GET /initialSync` (deprecated)"""

    PATHS = client_paths("/initialSync", api_v1=True)

    def __init__(self, auth: Auth, snapshots: Snapshots, events: ClientEvents) -> None:
        self._auth = auth
        self._snapshots = snapshots
        self._events = events

    async def get(self, request: Request) -> Response:
        requester = await self._auth.requester(request, allow_guest=True)
        limit, archived = _limit(request), request.query.boolean("archived")
        token = self._snapshots.token()
        personal = await self._snapshots.personal(requester)
        return Response(body=self._body(requester, limit, archived, token, personal))

    async def _body(
        self,
        requester: Requester,
        limit: int,
        archived: bool,
        token: SyncToken,
        personal: PersonalNews,
    ) -> AsyncIterator[bytes]:
        yield b'{"end":"%b","presence":[],"account_data":[%b],"rooms":[' % (
            str(token).encode(),
            b",".join(personal.account_data),
        )
        comma = b""
        async for snapshot in self._snapshots.rooms(requester, limit, personal, archived=archived):
            yield comma + await _rendered(self._events, requester, snapshot)
            comma = b","
        yield b"]}"


class Events(Resource):
    """`GET /events`: deprecated, except for one room with `room_id`."""

    PATHS = client_paths("/events", api_v1=True)

    def __init__(self, auth: Auth, stream: EventStream, events: ClientEvents) -> None:
        self._auth = auth
        self._stream = stream
        self._events = events

    async def get(self, request: Request) -> RawJson:
        requester = await self._auth.requester(request, allow_guest=True)
        start = request.query.string("from")
        since = None if start is None else SyncToken.parse(start)
        timeout_ms = request.query.integer("timeout", 0, minimum=0)
        room_id = request.query.string("room_id")
        request.cancel_on_disconnect()
        try:
            if room_id is None:
                page = await self._stream.news(requester, since, timeout_ms)
            else:
                page = await self._stream.peek(requester, room_id, since, timeout_ms)
        except CancelledError:
            if not request.server_stops or since is None:
                raise
            # There was no news until the server stopped: the next one goes on from there.
            page = StreamPage([], since, since)
        return RawJson(
            b'{"start":"%b","end":"%b","chunk":%b}'
            % (
                str(page.start).encode(),
                str(page.end).encode(),
                await self._events.render_array(requester, page.events),
            )
        )


class EventAnywhere(Resource):
    """`GET /events/{event_id}` (deprecated)"""

    PATHS = client_paths("/events/{event_id}", api_v1=True)

    def __init__(self, auth: Auth, timelines: Timelines, events: ClientEvents) -> None:
        self._auth = auth
        self._timelines = timelines
        self._events = events

    async def get(self, request: Request, event_id: str) -> RawJson:
        requester = await self._auth.requester(request, allow_guest=True)
        event = await self._timelines.event_anywhere(requester, event_id)
        return RawJson((await self._events.render(requester, [event]))[0])


def _limit(request: Request) -> int:
    return min(request.query.integer("limit", _DEFAULT_LIMIT, minimum=0), _MAX_LIMIT)


async def _rendered(events: ClientEvents, requester: Requester, room: RoomSnapshot) -> bytes:
    """The specification's `RoomInfo`."""
    members = [b'"room_id":' + orjson.dumps(room.room_id)]
    if room.membership is not None:
        members.append(b'"membership":"%b"' % room.membership.encode())
    if room.invite is not None:
        members.append(b'"invite":' + (await events.render(requester, [room.invite]))[0])
        return b"{%b}" % b",".join(members)
    start = b"" if room.start is None else b'"start":"%b",' % room.start.encode()
    members += [
        b'"messages":{%b"end":"%b","chunk":%b}'
        % (start, room.end.encode(), await events.render_array(requester, room.messages)),
        b'"state":' + await events.render_array(requester, room.state),
        b'"visibility":"%b"' % (b"public" if room.is_published else b"private"),
        b'"account_data":[%b]' % b",".join(room.account_data),
    ]
    return b"{%b}" % b",".join(members)
