"""What other servers ask about a room's state before an event, and about auth chains."""

from functools import partial
from typing import Any

from synapse.federation.heavy_questions import HeavyQuestions
from synapse.federation.peers import Peers
from synapse.federation.told_states import ToldStates
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json, Response


class _Told(Resource):
    def __init__(self, peers: Peers, states: ToldStates, questions: HeavyQuestions) -> None:
        self._peers = peers
        self._states = states
        self._questions = questions


class TellState(_Told):
    """`GET /_matrix/federation/v1/state/{roomId}`"""

    PATHS = ("/_matrix/federation/v1/state/{room_id}",)

    async def get(self, request: Request, room_id: str) -> Json:
        origin = await self._peers.origin(request)
        event_id = request.query.required_string("event_id")
        begin = partial(self._states.before, origin, room_id, event_id)
        return Response(body=await self._questions.streamed(origin, begin))


class TellStateIds(_Told):
    """`GET /_matrix/federation/v1/state_ids/{roomId}`"""

    PATHS = ("/_matrix/federation/v1/state_ids/{room_id}",)

    async def get(self, request: Request, room_id: str) -> dict[str, Any]:
        origin = await self._peers.origin(request)
        event_id = request.query.required_string("event_id")
        async with self._questions.turn(origin):
            state, chain = await self._states.ids_before(origin, room_id, event_id)
        return {"pdu_ids": state, "auth_chain_ids": chain}


class TellEventAuth(_Told):
    """`GET /_matrix/federation/v1/event_auth/{roomId}/{eventId}`"""

    PATHS = ("/_matrix/federation/v1/event_auth/{room_id}/{event_id}",)

    async def get(self, request: Request, room_id: str, event_id: str) -> Json:
        origin = await self._peers.origin(request)
        begin = partial(self._states.auth_chain, origin, room_id, event_id)
        return Response(body=await self._questions.streamed(origin, begin))
