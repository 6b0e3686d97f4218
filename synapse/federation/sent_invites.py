"""Users of ours invite users of other servers.

Server-server API, "Inviting to a room": the event is built here, signed by the invited user's
server too, and then it comes into the room, wherever that has got to meanwhile: the room isn't held
up while the other server thinks.
"""

import logging
from collections.abc import Mapping
from typing import Any

from synapse.api.errors import Forbidden, MatrixError
from synapse.api.identifiers import domain_of
from synapse.crypto.key_validity import event_signed
from synapse.crypto.signing import InvalidSignature
from synapse.events.event import Event
from synapse.events.parsing import parse_received
from synapse.federation.attempts import as_matrix_error
from synapse.federation.errors import RemoteError, Unanswered
from synapse.federation.shown_state import ShownState
from synapse.federation.signature_checks import SignatureChecks, Signed
from synapse.federation.transport import path_to
from synapse.federation.wire import Transport
from synapse.http.client.errors import RequestFailed
from synapse.rooms.arrivals import Arrival
from synapse.rooms.receiver import Receiver, Verdict
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft, RoomWriter

logger = logging.getLogger(__name__)

_PATH = "/_matrix/federation/{}/invite"
_TIMEOUT_S = 60.0


class SentInvites:
    """Invites users of other servers."""

    def __init__(
        self,
        transport: Transport,
        writer: RoomWriter,
        receiver: Receiver,
        shown_state: ShownState,
        checks: SignatureChecks,
        *,
        server_name: str,
    ) -> None:
        self._transport = transport
        self._writer = writer
        self._receiver = receiver
        self._shown_state = shown_state
        self._checks = checks
        self._server_name = server_name

    async def invite(self, room_id: str, draft: Draft) -> Event:
        """Add an invite of another server's user; the committed event.

        Raises `Forbidden`, 403 `M_INVITE_BLOCKED`, 400 `M_INCOMPATIBLE_ROOM_VERSION`, and 502
        `M_UNKNOWN` if the other server can't be reached.
        """
        proposal = await self._writer.propose(room_id, draft)
        event = proposal.event
        server = domain_of(event.state_key or "")
        try:
            answer = await self._ask(server, proposal.room, event)
            signed = await self._with_signature(server, event, answer)
        except (RequestFailed, RemoteError, Unanswered) as failure:
            logger.info("%s doesn't sign the invite of %s: %s", server, event.state_key, failure)
            raise as_matrix_error([failure]) from None
        signed_by = frozenset((self._server_name, server))
        arrival = Arrival(signed, proposal.auth_events, signed_by, is_passed_on=True)
        (verdict,) = await self._receiver.receive(room_id, [arrival])
        if verdict in (Verdict.REJECTED, Verdict.SOFT_FAILED):
            raise Forbidden("The room changed, and doesn't allow this invite any more")
        return signed

    async def _ask(self, server: str, room: Room, event: Event) -> Any:
        """What the other server makes of the event."""
        shown = await self._shown_state.of(room, event.sender)
        body = {
            "room_version": room.version.identifier,
            "event": event.parsed(),
            "invite_room_state": shown,
        }
        try:
            return await self._put(server, "v2", event, body)
        except RemoteError as error:
            # Servers that know nothing newer know no other rooms.
            is_old = room.version.events_have_ids and error.status in (400, 404)
            if not is_old or error.errcode not in ("M_UNRECOGNIZED", "M_UNKNOWN"):
                raise
        body = {**event.parsed(), "unsigned": {"invite_room_state": shown}}
        answer = await self._put(server, "v1", event, body)
        return answer[1] if isinstance(answer, list) and len(answer) == 2 else None

    async def _put(self, server: str, api: str, event: Event, body: Mapping[str, Any]) -> Any:
        path = path_to(_PATH.format(api), event.room_id, event.event_id)
        return await self._transport.request(server, "PUT", path, json=body, timeout_s=_TIMEOUT_S)

    async def _with_signature(self, server: str, event: Event, answer: Any) -> Event:
        """Our event with the other server's signature; nothing else is taken from the answer."""
        told = answer.get("event") if isinstance(answer, dict) else None
        signatures = told.get("signatures") if isinstance(told, dict) else None
        theirs = signatures.get(server) if isinstance(signatures, dict) else None
        if not isinstance(theirs, dict):
            raise Unanswered(f"{server} answers without its signature")
        ours = event.parsed()
        value = {**ours, "signatures": {**ours["signatures"], server: theirs}}
        try:
            received = parse_received(value, event.version)
            moment = event_signed(event.origin_server_ts, event.version)
            await self._checks.check(Signed(server, received.essential, theirs, moment))
        except (MatrixError, InvalidSignature) as error:
            raise Unanswered(f"{server} answers with a signature that is none: {error}") from None
        return received.event
