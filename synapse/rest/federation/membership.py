"""Users of other servers join, knock, leave; `make_…` and `send_…`, in both versions."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar

from synapse.api.constants import Membership
from synapse.federation.admissions import Admissions
from synapse.federation.heavy_questions import HeavyQuestions
from synapse.federation.join_answers import JoinAnswers
from synapse.federation.peers import Peers
from synapse.federation.shown_state import ShownState
from synapse.federation.templates import Templates
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json, Response

# A request holds one event.
_MAX_BODY_BYTES = 128 * 1024


class _Template(Resource):
    def __init__(self, peers: Peers, templates: Templates) -> None:
        self._peers = peers
        self._templates = templates


class MakeJoin(_Template):
    """`GET /_matrix/federation/v1/make_join/{room_id}/{user_id}`"""

    PATHS = ("/_matrix/federation/v1/make_join/{room_id}/{user_id}",)

    async def get(self, request: Request, room_id: str, user_id: str) -> Json:
        origin = await self._peers.origin(request)
        versions = request.query.strings("ver") or ["1"]
        return await self._templates.join(origin, room_id, user_id, versions)


class MakeKnock(_Template):
    """`GET /_matrix/federation/v1/make_knock/{room_id}/{user_id}`"""

    PATHS = ("/_matrix/federation/v1/make_knock/{room_id}/{user_id}",)

    async def get(self, request: Request, room_id: str, user_id: str) -> Json:
        origin = await self._peers.origin(request)
        versions = request.query.strings("ver")
        return await self._templates.knock(origin, room_id, user_id, versions)


class MakeLeave(_Template):
    """`GET /_matrix/federation/v1/make_leave/{room_id}/{user_id}`"""

    PATHS = ("/_matrix/federation/v1/make_leave/{room_id}/{user_id}",)

    async def get(self, request: Request, room_id: str, user_id: str) -> Json:
        origin = await self._peers.origin(request)
        return await self._templates.leave(origin, room_id, user_id)


class _Admission(Resource):
    MAX_BODY_BYTES: ClassVar[int] = _MAX_BODY_BYTES

    def __init__(self, peers: Peers, admissions: Admissions) -> None:
        self._peers = peers
        self._admissions = admissions


class SendJoinV2(Resource):
    """`PUT /_matrix/federation/v2/send_join/{room_id}/{event_id}`"""

    PATHS = ("/_matrix/federation/v2/send_join/{room_id}/{event_id}",)
    MAX_BODY_BYTES: ClassVar[int] = _MAX_BODY_BYTES

    def __init__(
        self,
        peers: Peers,
        admissions: Admissions,
        answers: JoinAnswers,
        questions: HeavyQuestions,
    ) -> None:
        self._peers = peers
        self._admissions = admissions
        self._answers = answers
        self._questions = questions

    async def put(self, request: Request, room_id: str, event_id: str) -> Json:
        omit_members = request.query.boolean("omit_members")
        return await self._join(request, room_id, event_id, omit_members=omit_members)

    async def _join(
        self,
        request: Request,
        room_id: str,
        event_id: str,
        *,
        omit_members: bool = False,
        in_a_list: bool = False,
    ) -> Response:
        origin = await self._peers.origin(request)

        async def begin() -> AsyncIterator[bytes]:
            room, event = await self._admissions.take_up(
                origin, room_id, event_id, request.json.raw, Membership.JOIN
            )
            pieces = await self._answers.answer(room, event, omit_members=omit_members)
            return _in_a_list(pieces) if in_a_list else pieces

        return Response(body=await self._questions.streamed(origin, begin))


class SendJoinV1(SendJoinV2):
    """`PUT /_matrix/federation/v1/send_join/{room_id}/{event_id}`"""

    PATHS = ("/_matrix/federation/v1/send_join/{room_id}/{event_id}",)

    async def put(self, request: Request, room_id: str, event_id: str) -> Json:
        return await self._join(request, room_id, event_id, in_a_list=True)


async def _in_a_list(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield b"[200,"
    async for piece in pieces:
        yield piece
    yield b"]"


class SendLeaveV2(_Admission):
    """`PUT /_matrix/federation/v2/send_leave/{room_id}/{event_id}`"""

    PATHS = ("/_matrix/federation/v2/send_leave/{room_id}/{event_id}",)

    async def put(self, request: Request, room_id: str, event_id: str) -> Json:
        await self._leave(request, room_id, event_id)
        return {}

    async def _leave(self, request: Request, room_id: str, event_id: str) -> None:
        origin = await self._peers.origin(request)
        await self._admissions.take_up(
            origin, room_id, event_id, request.json.raw, Membership.LEAVE
        )


class SendLeaveV1(SendLeaveV2):
    """`PUT /_matrix/federation/v1/send_leave/{room_id}/{event_id}`"""

    PATHS = ("/_matrix/federation/v1/send_leave/{room_id}/{event_id}",)

    async def put(self, request: Request, room_id: str, event_id: str) -> Json:
        await self._leave(request, room_id, event_id)
        return [200, {}]


class SendKnock(_Admission):
    """`PUT /_matrix/federation/v1/send_knock/{room_id}/{event_id}`"""

    PATHS = ("/_matrix/federation/v1/send_knock/{room_id}/{event_id}",)

    def __init__(self, peers: Peers, admissions: Admissions, shown_state: ShownState) -> None:
        super().__init__(peers, admissions)
        self._shown_state = shown_state

    async def put(self, request: Request, room_id: str, event_id: str) -> dict[str, Any]:
        origin = await self._peers.origin(request)
        room, _ = await self._admissions.take_up(
            origin, room_id, event_id, request.json.raw, Membership.KNOCK
        )
        return {"knock_room_state": await self._shown_state.of(room)}
