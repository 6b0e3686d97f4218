"""What users of ours do in rooms of other servers: `synapse.handlers.elsewhere.Elsewhere`.

Leaving and knocking are handshakes like joining; what comes of them is kept on the doorstep
(`synapse.rooms.doorstep`), since this server knows nothing of the room but what it was shown.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import Forbidden, MatrixError, NotFound
from synapse.api.identifiers import domain_of, is_user_id
from synapse.crypto.signing import SigningKey
from synapse.events.builder import build
from synapse.events.event import Event
from synapse.federation.attempts import as_matrix_error, first_success
from synapse.federation.candidates import Candidates
from synapse.federation.errors import RemoteError
from synapse.federation.handshakes import Handshakes
from synapse.federation.remote_joins import RemoteJoins
from synapse.federation.sent_invites import SentInvites
from synapse.federation.shown_state import ShownState
from synapse.federation.transport import path_to
from synapse.federation.untold_leaves import UntoldLeaves
from synapse.federation.wire import Transport
from synapse.http.client.errors import RequestFailed
from synapse.rooms.doorstep import Doorstep
from synapse.rooms.entrances import Entrances
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)


class RemoteRooms:
    """Acts for users of ours."""

    def __init__(
        self,
        transport: Transport,
        joins: RemoteJoins,
        invites: SentInvites,
        handshakes: Handshakes,
        candidates: Candidates,
        shown_state: ShownState,
        untold_leaves: UntoldLeaves,
        entrances: Entrances,
        doorstep: Doorstep,
        clock: Clock,
        *,
        server_name: str,
        key: SigningKey,
    ) -> None:
        self._transport = transport
        self._joins = joins
        self._invites = invites
        self._handshakes = handshakes
        self._candidates = candidates
        self._shown_state = shown_state
        self._untold_leaves = untold_leaves
        self._entrances = entrances
        self._doorstep = doorstep
        self._clock = clock
        self._server_name = server_name
        self._key = key

    async def join(
        self,
        user_id: str,
        room_id: str,
        content: Mapping[str, Any],
        servers: Sequence[str],
        *,
        from_within: bool = False,
    ) -> str | None:
        return await self._joins.join(user_id, room_id, content, servers, from_within=from_within)

    async def knock(
        self, user_id: str, room_id: str, content: Mapping[str, Any], servers: Sequence[str]
    ) -> str:
        candidates = await self._candidates.of(room_id, user_id, servers)
        attempt = partial(self._knock_through, user_id, room_id, content)
        return await first_success(f"Knocking at {room_id}", candidates, attempt)

    async def leave(
        self, user_id: str, room: Room, current: Event, content: Mapping[str, Any]
    ) -> None:
        candidates = await self._candidates.of(room.room_id, user_id)
        attempt = partial(self._leave_through, user_id, room.room_id, content)
        try:
            event = await first_success(f"Leaving {room.room_id}", candidates, attempt)
        except MatrixError as error:
            # Who doesn't want to be invited must not depend on who invites.
            logger.info("%s leaves %s only here: %s", user_id, room.room_id, error)
            event = self._own_leave(user_id, room, current, content)
            if not isinstance(error, Forbidden | NotFound):
                # First of all: when the user sees that they have left, it isn't forgotten.
                await self._untold_leaves.add(room, user_id, current, event, candidates)
        await self._doorstep.stand(room.nid, event, [])

    async def invite(self, room_id: str, draft: Draft) -> Event:
        return await self._invites.invite(room_id, draft)

    async def exchange(
        self, user_id: str, room_id: str, sender: Any, signed: Mapping[str, Any]
    ) -> None:
        if not is_user_id(sender) or domain_of(sender) == self._server_name:
            raise NotFound(f"Unknown room: {room_id}")
        server = domain_of(sender)
        # Under which name the user was invited, the inviter's server knows.
        invite = {"display_name": "", "signed": dict(signed)}
        body = {
            "type": EventTypes.MEMBER,
            "room_id": room_id,
            "sender": sender,
            "state_key": user_id,
            "content": {"membership": Membership.INVITE, "third_party_invite": invite},
        }
        path = path_to("/_matrix/federation/v1/exchange_third_party_invite", room_id)
        try:
            await self._transport.request(server, "PUT", path, json=body)
        except (RequestFailed, RemoteError) as failure:
            logger.info("%s doesn't exchange an invite for %s: %s", server, user_id, failure)
            raise as_matrix_error([failure]) from None

    async def _knock_through(
        self, user_id: str, room_id: str, content: Mapping[str, Any], server: str
    ) -> str:
        event = await self._handshakes.event(server, room_id, user_id, content)
        answer = await self._handshakes.send(server, event)
        told = answer.get("knock_room_state") if isinstance(answer, dict) else None
        shown = await self._shown_state.shown(event.version, room_id, told)
        room_nid = await self._entrances.open(room_id, event.version)
        await self._doorstep.stand(room_nid, event, shown)
        return event.event_id

    async def _leave_through(
        self, user_id: str, room_id: str, content: Mapping[str, Any], server: str
    ) -> Event:
        event = await self._handshakes.event(server, room_id, user_id, content)
        await self._handshakes.send(server, event)
        return event

    def _own_leave(
        self, user_id: str, room: Room, current: Event, content: Mapping[str, Any]
    ) -> Event:
        """A leave that no other server has seen."""
        version = room.version
        return build(
            version,
            room_id=room.room_id,
            type=EventTypes.MEMBER,
            sender=user_id,
            state_key=user_id,
            content=dict(content),
            prev_events=[current],
            auth_events=[current],
            depth=current.depth + 1,
            origin_server_ts=self._clock.now_ms(),
            server_name=self._server_name,
            key=self._key,
            event_id_localpart=secrets.token_urlsafe(18) if version.events_have_ids else None,
        )
