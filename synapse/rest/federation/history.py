"""What other servers ask about events: single ones, what they miss, and what was long ago."""

from collections.abc import Sequence

from synapse.api.errors import MissingParam
from synapse.federation.heavy_questions import HeavyQuestions
from synapse.federation.peers import Peers
from synapse.federation.told_history import ToldHistory, positive
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json, RawJson
from synapse.util.clock import Clock

_DEFAULT_MISSING = 10


class _Told(Resource):
    def __init__(
        self, peers: Peers, history: ToldHistory, clock: Clock, *, server_name: str
    ) -> None:
        self._peers = peers
        self._history = history
        self._clock = clock
        self._server_name = server_name

    def _transaction(self, pdus: Sequence[bytes]) -> RawJson:
        origin, now_ms = self._server_name.encode(), self._clock.now_ms()
        return RawJson(
            b'{"origin":"%b","origin_server_ts":%d,"pdus":[%b]}' % (origin, now_ms, b",".join(pdus))
        )


class TellEvent(_Told):
    """`GET /_matrix/federation/v1/event/{eventId}`"""

    PATHS = ("/_matrix/federation/v1/event/{event_id}",)

    async def get(self, request: Request, event_id: str) -> Json:
        origin = await self._peers.origin(request)
        return self._transaction([await self._history.event(origin, event_id)])


class _ToldPages(_Told):
    def __init__(
        self,
        peers: Peers,
        history: ToldHistory,
        clock: Clock,
        questions: HeavyQuestions,
        *,
        server_name: str,
    ) -> None:
        super().__init__(peers, history, clock, server_name=server_name)
        self._questions = questions


class TellBackfill(_ToldPages):
    """`GET /_matrix/federation/v1/backfill/{roomId}`"""

    PATHS = ("/_matrix/federation/v1/backfill/{room_id}",)

    async def get(self, request: Request, room_id: str) -> Json:
        origin = await self._peers.origin(request)
        event_ids = request.query.strings("v")
        limit = request.query.integer("limit")
        if not event_ids:
            raise MissingParam("v")
        if limit is None:
            raise MissingParam("limit")
        async with self._questions.turn(origin):
            pdus = await self._history.before(origin, room_id, event_ids, positive(limit))
        return self._transaction(pdus)


class TellMissingEvents(_ToldPages):
    """`POST /_matrix/federation/v1/get_missing_events/{roomId}`"""

    PATHS = ("/_matrix/federation/v1/get_missing_events/{room_id}",)

    async def post(self, request: Request, room_id: str) -> Json:
        origin = await self._peers.origin(request)
        body = request.json
        async with self._questions.turn(origin):
            events = await self._history.between(
                origin,
                room_id,
                body.strings("earliest_events"),
                body.strings("latest_events"),
                positive(body.optional_integer("limit", _DEFAULT_MISSING)),
                body.optional_integer("min_depth", 0),
            )
        return RawJson(b'{"events":[%b]}' % b",".join(events))


class TellEventByTime(_Told):
    """`GET /_matrix/federation/v1/timestamp_to_event/{roomId}`"""

    PATHS = (
        "/_matrix/federation/v1/timestamp_to_event/{room_id}",
        "/_matrix/federation/unstable/org.matrix.msc3030/timestamp_to_event/{room_id}",
    )

    async def get(self, request: Request, room_id: str) -> Json:
        origin = await self._peers.origin(request)
        ts_ms = request.query.integer("ts")
        direction = request.query.choice("dir", ("b", "f"))
        if ts_ms is None:
            raise MissingParam("ts")
        if direction is None:
            raise MissingParam("dir")
        event = await self._history.nearest(origin, room_id, ts_ms, backwards=direction == "b")
        return {"event_id": event.event_id, "origin_server_ts": event.origin_server_ts}
