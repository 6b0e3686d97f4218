"""`PUT /_matrix/federation/v1/send/{txnId}`: what other servers tell us.

Server-server API, "Transactions". The answer says of each event whether we have it, or why not. An
event that needs nothing more is committed by then; one that does waits in the inbox, which is in
the database: either way it is not lost once it is answered. Neither are messages to devices. A
transaction that comes again is answered as it was the first time.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from twisted.internet.defer import Deferred

from synapse.api.errors import BadJson, MatrixError, NotFound
from synapse.federation.edus import Edus
from synapse.federation.inbound import Inbound, stands_on_nothing
from synapse.federation.inbox import Inbox
from synapse.federation.pdus import Pdus, Refused, Verified
from synapse.federation.policy_servers import PolicyServers
from synapse.federation.server_acls import ServerAcls
from synapse.federation.traffic import Traffic
from synapse.federation.withdrawals import Withdrawals
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores.staging import StagingStore
from synapse.util.background import Background
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

MAX_PDUS = 50
MAX_EDUS = 100

Verdicts = dict[str, dict[str, str]]


class Transactions:
    """Takes up transactions of other servers."""

    def __init__(
        self,
        staging: StagingStore,
        rooms: RoomCache,
        pdus: Pdus,
        acls: ServerAcls,
        inbound: Inbound,
        inbox: Inbox,
        edus: Edus,
        withdrawals: Withdrawals,
        policy_servers: PolicyServers,
        traffic: Traffic,
        background: Background,
        clock: Clock,
    ) -> None:
        self._staging = staging
        self._rooms = rooms
        self._pdus = pdus
        self._acls = acls
        self._inbound = inbound
        self._inbox = inbox
        self._edus = edus
        self._withdrawals = withdrawals
        self._policy_servers = policy_servers
        self._traffic = traffic
        self._background = background
        self._clock = clock
        # For the metrics.
        self.pdus = 0
        self.edus = 0
        self._under_way: dict[tuple[str, str], list[Deferred[None]]] = {}

    async def receive(
        self, origin: str, txn_id: str, pdus: Sequence[Any], edus: Sequence[Any]
    ) -> dict[str, Any]:
        """Take up a transaction; its answer. Raises `BadJson` for one that holds too much."""
        if len(pdus) > MAX_PDUS or len(edus) > MAX_EDUS:
            raise BadJson(f"A transaction has at most {MAX_PDUS} PDUs and {MAX_EDUS} EDUs")
        key = (origin, txn_id)
        # A sender that lost patience may repeat it while the first try is under way.
        while (waiting := self._under_way.get(key)) is not None:
            ended: Deferred[None] = Deferred(waiting.remove)
            waiting.append(ended)
            await ended
        # Before anything is waited for: who comes next must find that it is under way.
        self._under_way[key] = []
        try:
            before = await self._staging.answer(*key)
            if before is not None:
                answer: dict[str, Any] = orjson.loads(before)
                return answer
            # First of all: events may be encrypted with keys that come along.
            await self._edus.keep(origin, edus)
            answer = {"pdus": await self._take_up(origin, pdus)}
            self.pdus += len(pdus)
            self.edus += len(edus)
            self._traffic.received(origin, pdus, edus)
            if edus:
                self._background.spawn("take up EDUs", self._edus.take_up(origin, edus))
            await self._staging.answered(*key, self._clock.now_ms(), orjson.dumps(answer))
            return answer
        finally:
            for ended in self._under_way.pop(key):
                ended.callback(None)

    async def forget_answers(self, before_ms: int) -> None:
        """Let go of answers that nobody will ask for again."""
        await self._staging.forget_answers(before_ms)

    async def _take_up(self, origin: str, pdus: Sequence[Any]) -> Verdicts:
        """For each event an empty object, or one with the `error`."""
        by_room: dict[str, list[Any]] = {}
        for pdu in pdus:
            room_id = _room_id_of(pdu)
            if room_id is None:
                logger.info("%s sent an event without a room", origin)
            else:
                by_room.setdefault(room_id, []).append(pdu)
        verdicts: Verdicts = {}
        for room_id, values in by_room.items():
            verdicts.update(await self._take_up_in_room(origin, room_id, values))
        return verdicts

    async def _take_up_in_room(self, origin: str, room_id: str, values: Sequence[Any]) -> Verdicts:
        try:
            room = await self._rooms.get(room_id)
        except NotFound:
            logger.info("%s sent events of %s, which is not known here", origin, room_id)
            return {}
        verdicts: Verdicts = {}
        verified: dict[str, Verified] = {}
        for one in await self._pdus.verify(room.version, room_id, values):
            if isinstance(one, Refused):
                logger.info("%s from %s is refused: %s", one.event_id, origin, one.reason)
                if one.event_id is not None:
                    verdicts[one.event_id] = {"error": one.reason}
            elif stands_on_nothing(one.event):
                verdicts[one.event.event_id] = {"error": "The event stands on no other event"}
            else:
                verified[one.event.event_id] = one
        if not room.local_joined:
            for event_id, one in list(verified.items()):
                if await self._withdrawals.take_up(room, one):
                    verdicts[event_id] = {}
                    del verified[event_id]
        refusal = await self._refusal(room, origin)
        if refusal is not None:
            return verdicts | {event_id: {"error": refusal} for event_id in verified}
        return verdicts | await self._take_up_verified(room, origin, list(verified.values()))

    async def _refusal(self, room: Room, origin: str) -> str | None:
        """Why we take nothing of a room from a server; None: we do."""
        if not room.local_joined:
            return "This server is not in the room"
        if not await self._acls.admit(room, origin):
            return f"{origin} is not admitted to the room"
        return None

    async def _take_up_verified(
        self, room: Room, origin: str, verified: list[Verified]
    ) -> Verdicts:
        verdicts: Verdicts = {one.event.event_id: {} for one in verified}
        done: Mapping[str, object] = {}
        if not self._inbox.is_waiting(room.nid) and not await self._has_to_ask(room, verified):
            started_s = self._clock.monotonic()
            try:
                done = await self._inbound.take_up_ready(room.room_id, verified)
                self._traffic.took_up(len(done), self._clock.monotonic() - started_s)
            except MatrixError as error:
                # The room is too busy just now; they wait like those that need more.
                logger.info("Events of %s have to wait: %s", room.room_id, error)
        rest = [one for one in verified if one.event.event_id not in done]
        if rest and not await self._inbox.put(room, origin, rest):
            full = {"error": "Too many events of the room wait to be taken up"}
            verdicts.update((one.event.event_id, full) for one in rest)
        return verdicts

    async def _has_to_ask(self, room: Room, verified: Sequence[Verified]) -> bool:
        """Whether a policy server has to be asked: the transaction does not wait for that one."""
        for one in verified:
            if await self._policy_servers.must_ask(room, one.event):
                return True
        return False


def _room_id_of(pdu: Any) -> str | None:
    room_id = pdu.get("room_id") if isinstance(pdu, dict) else None
    return room_id if isinstance(room_id, str) else None
