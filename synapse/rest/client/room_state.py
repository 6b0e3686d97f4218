"""Reading a room's state and members, and setting state."""

from typing import Any

from synapse.api.constants import Membership
from synapse.api.errors import InvalidParam
from synapse.events.client_format import client_content
from synapse.handlers.auth import Auth
from synapse.handlers.client_events import ClientEvents
from synapse.handlers.delayed_events import DelayedEvents
from synapse.handlers.room_state import RoomState
from synapse.handlers.state_events import StateEvents
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import RawJson, Response
from synapse.rest.client.room_send import set_state


class State(Resource):
    """`GET /rooms/{room_id}/state`"""

    PATHS = client_paths("/rooms/{room_id}/state", api_v1=True)

    def __init__(self, auth: Auth, state: RoomState, events: ClientEvents) -> None:
        self._auth = auth
        self._state = state
        self._events = events

    async def get(self, request: Request, room_id: str) -> Response:
        requester = await self._auth.requester(request, allow_guest=True)
        state = await self._state.all(requester, room_id)
        return Response(body=await self._events.render_array(requester, state))


class _OneState(Resource):
    def __init__(
        self,
        auth: Auth,
        state: RoomState,
        states: StateEvents,
        delayed: DelayedEvents,
        events: ClientEvents,
    ) -> None:
        self._auth = auth
        self._state = state
        self._states = states
        self._delayed = delayed
        self._events = events

    async def _put(
        self, request: Request, room_id: str, type: str, state_key: str
    ) -> dict[str, Any]:
        return await set_state(
            self._auth, self._states, self._delayed, request, room_id, type, state_key
        )

    async def _get(self, request: Request, room_id: str, type: str, state_key: str) -> RawJson:
        requester = await self._auth.requester(request, allow_guest=True)
        form = request.query.choice("format", ("content", "event"), "content")
        event = await self._state.one(requester, room_id, type, state_key)
        if form == "event":
            return RawJson((await self._events.render(requester, [event]))[0])
        return RawJson(client_content(event))


class StateWithKey(_OneState):
    """`GET` and `PUT /rooms/{room_id}/state/{event_type}/{state_key}`"""

    PATHS = client_paths("/rooms/{room_id}/state/{event_type}/{state_key}", api_v1=True)

    async def get(self, request: Request, room_id: str, event_type: str, state_key: str) -> RawJson:
        return await self._get(request, room_id, event_type, state_key)

    async def put(
        self, request: Request, room_id: str, event_type: str, state_key: str
    ) -> dict[str, Any]:
        return await self._put(request, room_id, event_type, state_key)


class StateWithoutKey(_OneState):
    """The same with an empty state key, which may be left out."""

    PATHS = (
        *client_paths("/rooms/{room_id}/state/{event_type}", api_v1=True),
        *client_paths("/rooms/{room_id}/state/{event_type}/", api_v1=True),
    )

    async def get(self, request: Request, room_id: str, event_type: str) -> RawJson:
        return await self._get(request, room_id, event_type, "")

    async def put(self, request: Request, room_id: str, event_type: str) -> dict[str, Any]:
        return await self._put(request, room_id, event_type, "")


class Members(Resource):
    """`GET /rooms/{room_id}/members`"""

    PATHS = client_paths("/rooms/{room_id}/members", api_v1=True)

    def __init__(self, auth: Auth, state: RoomState, events: ClientEvents) -> None:
        self._auth = auth
        self._state = state
        self._events = events

    async def get(self, request: Request, room_id: str) -> Response:
        requester = await self._auth.requester(request, allow_guest=True)
        query = request.query
        wanted, unwanted = query.string("membership"), query.string("not_membership")
        for membership in (wanted, unwanted):
            if membership is not None and membership not in Membership.ALL:
                raise InvalidParam(f"membership is one of {', '.join(Membership.ALL)}")
        memberships = {wanted} if wanted is not None else set(Membership.ALL)
        if unwanted is not None:
            # With both, the specification wants either: who has the one, and who lacks the other.
            lacking = set(Membership.ALL) - {unwanted}
            memberships = memberships | lacking if wanted is not None else lacking
        members = await self._state.members(requester, room_id, memberships, query.string("at"))
        return Response(body=b'{"chunk":%b}' % await self._events.render_array(requester, members))


class JoinedMembers(Resource):
    """`GET /rooms/{room_id}/joined_members`"""

    PATHS = client_paths("/rooms/{room_id}/joined_members", api_v1=True)

    def __init__(self, auth: Auth, state: RoomState) -> None:
        self._auth = auth
        self._state = state

    async def get(self, request: Request, room_id: str) -> Response:
        requester = await self._auth.requester(request, allow_guest=True)
        joined = await self._state.joined_members(requester, room_id)
        return Response(body=b'{"joined":%b}' % joined)


class JoinedRooms(Resource):
    """`GET /joined_rooms`"""

    PATHS = client_paths("/joined_rooms", api_v1=True)

    def __init__(self, auth: Auth, state: RoomState) -> None:
        self._auth = auth
        self._state = state

    async def get(self, request: Request) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        return {"joined_rooms": await self._state.joined_rooms(requester)}
