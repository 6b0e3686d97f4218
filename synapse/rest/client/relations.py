"""Events that relate to others, and threads."""

from synapse.handlers.auth import Auth
from synapse.handlers.client_events import ClientEvents
from synapse.handlers.relations import MAX_DEPTH, Relations, Wish
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import RawJson

_DEFAULT_LIMIT = 20
_MAX_LIMIT = 100


class _Related(Resource):
    def __init__(self, auth: Auth, relations: Relations, events: ClientEvents) -> None:
        self._auth = auth
        self._relations = relations
        self._events = events


class RelationsResource(_Related):
    """`GET /rooms/{room_id}/relations/{event_id}[/{rel_type}[/{event_type}]]`"""

    PATHS = tuple(
        path
        for kind in ("/{rel_type}/{event_type}", "/{rel_type}", "")
        for path in client_paths("/rooms/{room_id}/relations/{event_id}" + kind, versions=("v1",))
    )

    async def get(
        self,
        request: Request,
        room_id: str,
        event_id: str,
        rel_type: str | None = None,
        event_type: str | None = None,
    ) -> RawJson:
        requester = await self._auth.requester(request, allow_guest=True)
        recurse = request.query.boolean("recurse")
        start = request.query.string("from")
        wish = Wish(
            rel_type=rel_type,
            event_type=event_type,
            recurse=recurse,
            backwards=request.query.choice("dir", ("b", "f"), "b") == "b",
            limit=_limit(request),
            start=start,
            stop=request.query.string("to"),
        )
        found = await self._relations.children(requester, room_id, event_id, wish)
        answer = b'{"chunk":' + await self._events.render_array(requester, found.events)
        if found.end is not None:
            answer += b',"next_batch":"%b"' % found.end.encode()
        if start is not None:
            answer += b',"prev_batch":"%b"' % start.encode()
        if "recurse" in request.query:
            answer += b',"recursion_depth":%d' % (MAX_DEPTH if recurse else 1)
        return RawJson(answer + b"}")


class Threads(_Related):
    """`GET /rooms/{room_id}/threads`"""

    PATHS = (
        *client_paths("/rooms/{room_id}/threads", versions=("v1",)),
        "/_matrix/client/unstable/org.matrix.msc3856/rooms/{room_id}/threads",
    )

    async def get(self, request: Request, room_id: str) -> RawJson:
        requester = await self._auth.requester(request, allow_guest=True)
        include = request.query.choice("include", ("all", "participated"), "all")
        found = await self._relations.threads(
            requester,
            room_id,
            only_participated=include == "participated",
            limit=_limit(request),
            start=request.query.string("from"),
        )
        answer = b'{"chunk":' + await self._events.render_array(requester, found.events)
        if found.end is not None:
            answer += b',"next_batch":"%b"' % found.end.encode()
        return RawJson(answer + b"}")


def _limit(request: Request) -> int:
    return min(request.query.integer("limit", _DEFAULT_LIMIT, minimum=1), _MAX_LIMIT)
