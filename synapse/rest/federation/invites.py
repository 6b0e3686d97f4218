"""Users of ours are invited by users of other servers, or by their e-mail address."""

from typing import Any, ClassVar

from synapse.federation.peers import Peers
from synapse.federation.received_invites import ReceivedInvites
from synapse.federation.third_party import ThirdParty
from synapse.handlers.ratelimits import RateLimiter
from synapse.http.request import Request
from synapse.http.resource import MEBIBYTE, Resource
from synapse.http.response import Json


class _Invite(Resource):
    # An event, and a dozen more that the room shows.
    MAX_BODY_BYTES: ClassVar[int] = 2 * MEBIBYTE

    def __init__(self, peers: Peers, invites: ReceivedInvites) -> None:
        self._peers = peers
        self._invites = invites


class InviteV2(_Invite):
    """`PUT /_matrix/federation/v2/invite/{room_id}/{event_id}`"""

    PATHS = ("/_matrix/federation/v2/invite/{room_id}/{event_id}",)

    async def put(self, request: Request, room_id: str, event_id: str) -> Json:
        origin = await self._peers.origin(request)
        body = request.json
        event = await self._invites.take_up(
            origin,
            room_id,
            event_id,
            body.string("room_version"),
            body.object("event").raw,
            body.optional_array("invite_room_state"),
        )
        return {"event": event}


class InviteV1(_Invite):
    """`PUT /_matrix/federation/v1/invite/{room_id}/{event_id}`: room versions 1 and 2"""

    PATHS = ("/_matrix/federation/v1/invite/{room_id}/{event_id}",)

    async def put(self, request: Request, room_id: str, event_id: str) -> Json:
        origin = await self._peers.origin(request)
        value = request.json.raw
        unsigned = value.get("unsigned")
        shown = unsigned.get("invite_room_state") if isinstance(unsigned, dict) else None
        # The request doesn't tell the version; the two have the same events.
        event = await self._invites.take_up(origin, room_id, event_id, "1", value, shown)
        return [200, {"event": event}]


class ExchangeThirdPartyInvite(Resource):
    """`PUT /_matrix/federation/v1/exchange_third_party_invite/{room_id}`"""

    PATHS = ("/_matrix/federation/v1/exchange_third_party_invite/{room_id}",)

    def __init__(self, peers: Peers, third_party: ThirdParty) -> None:
        self._peers = peers
        self._third_party = third_party

    async def put(self, request: Request, room_id: str) -> dict[str, Any]:
        origin = await self._peers.origin(request)
        await self._third_party.exchange(origin, room_id, request.json)
        return {}


class OnBind(Resource):
    """`PUT /_matrix/federation/v1/3pid/onbind`: an identity server tells; it signs no requests"""

    PATHS = ("/_matrix/federation/v1/3pid/onbind",)

    def __init__(self, third_party: ThirdParty, limit: RateLimiter) -> None:
        self._third_party = third_party
        self._limit = limit

    async def put(self, request: Request) -> dict[str, Any]:
        self._limit.check(request.client_ip)
        body = request.json
        await self._third_party.bound(body.string("mxid"), body.objects("invites"))
        return {}

    # COMPAT: identity servers follow Sydent, which has always sent POST.
    post = put
