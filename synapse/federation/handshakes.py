"""The two steps by which a user of ours says something in a room that this server isn't in.

Server-server API, "Joining Rooms", "Knocking upon a room", "Leaving Rooms": a server of the room
makes a template, of which nothing is believed but where the event will stand; we make the event,
and give it to that server.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import MatrixError
from synapse.api.identifiers import is_hash_room_id
from synapse.api.room_versions import ROOM_VERSIONS, RoomVersion
from synapse.crypto.signing import SigningKey
from synapse.events.event import Event
from synapse.events.templates import event_on
from synapse.federation.errors import RemoteError, Unanswered
from synapse.federation.transport import path_to
from synapse.federation.wire import MEBIBYTE, Transport
from synapse.util.clock import Clock

_AUTHORISER = "join_authorised_via_users_server"
_TEMPLATE_TIMEOUT_S = 30.0
_MAX_TEMPLATE_BYTES = MEBIBYTE
# `ver` is not asked for leaving.
_NAMES_VERSIONS = (Membership.JOIN, Membership.KNOCK)


@dataclass(frozen=True, slots=True)
class Template:
    """Where an event will stand, as a server of the room says."""

    version: RoomVersion
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class How:
    """How the answer of the second step is read."""

    timeout_s: float = 60.0
    max_bytes: int = 10 * MEBIBYTE
    decode: Callable[[bytes], Any] | None = None
    query: Mapping[str, Any] | None = None  # of the second version of the endpoint


class Handshakes:
    """Goes through the steps with one server. All raise `RequestFailed`, `RemoteError` and
    `Unanswered`."""

    def __init__(
        self, transport: Transport, clock: Clock, *, server_name: str, key: SigningKey
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._server_name = server_name
        self._key = key

    async def event(
        self, server: str, room_id: str, user_id: str, content: Mapping[str, Any]
    ) -> Event:
        """A member event of a user of ours, on a template that `server` made."""
        membership: str = content["membership"]
        template = await self._template(server, room_id, user_id, membership)
        own = dict(content)
        if membership == Membership.JOIN:
            told = template.event["content"].get(_AUTHORISER)
            if isinstance(told, str) and template.version.restricted_joins:
                own[_AUTHORISER] = told
        try:
            return event_on(
                template.event,
                template.version,
                room_id=room_id,
                type=EventTypes.MEMBER,
                sender=user_id,
                state_key=user_id,
                content=own,
                origin_server_ts=self._clock.now_ms(),
                server_name=self._server_name,
                key=self._key,
                event_id_localpart=secrets.token_urlsafe(18),
            )
        except MatrixError as error:
            raise Unanswered(f"{server} makes a template that is none: {error.message}") from None

    async def send(self, server: str, event: Event, *, how: How | None = None) -> Any:
        """Give the event to the server that made its template; what it answers."""
        name = f"send_{event.membership}"
        how = how or How()
        try:
            # There was never another version of send_knock.
            newest = "v1" if event.membership == Membership.KNOCK else "v2"
            prefix = f"/_matrix/federation/{newest}/{name}"
            return await self._send(server, prefix, event, how, how.query)
        except RemoteError as error:
            if newest == "v1" or error.errcode != "M_UNRECOGNIZED":
                raise
        return await self._send(server, f"/_matrix/federation/v1/{name}", event, how)

    async def knows(self, server: str, event_id: str) -> bool:
        """Whether a server has an event of ours, as far as it can be asked."""
        try:
            await self._transport.request(
                server,
                "GET",
                path_to("/_matrix/federation/v1/event", event_id),
                timeout_s=_TEMPLATE_TIMEOUT_S,
                max_bytes=_MAX_TEMPLATE_BYTES,
            )
        except RemoteError as error:
            return error.status != 404
        return True

    async def _send(
        self,
        server: str,
        prefix: str,
        event: Event,
        how: How,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        return await self._transport.request(
            server,
            "PUT",
            path_to(prefix, event.room_id, event.event_id),
            query=query,
            json=event.parsed(),
            timeout_s=how.timeout_s,
            max_bytes=how.max_bytes,
            decode=how.decode,
        )

    async def _template(self, server: str, room_id: str, user_id: str, membership: str) -> Template:
        answer = await self._transport.request(
            server,
            "GET",
            path_to(f"/_matrix/federation/v1/make_{membership}", room_id, user_id),
            query={"ver": list(ROOM_VERSIONS)} if membership in _NAMES_VERSIONS else None,
            timeout_s=_TEMPLATE_TIMEOUT_S,
            max_bytes=_MAX_TEMPLATE_BYTES,
        )
        event = answer.get("event") if isinstance(answer, dict) else None
        if not isinstance(event, dict):
            raise Unanswered(f"{server} makes no template")
        # Without a version, it is one of those in which rooms had none.
        version = ROOM_VERSIONS.get(str(answer.get("room_version", "1")))
        if version is None:
            raise Unanswered(f"{server} makes a template of a version that we don't know")
        if version.room_id_is_hash != is_hash_room_id(room_id):
            raise Unanswered(f"{server} tells another version than that of the room")
        expected = {
            "type": EventTypes.MEMBER,
            "room_id": room_id,
            "sender": user_id,
            "state_key": user_id,
        }
        content = event.get("content")
        wrong = [name for name, value in expected.items() if event.get(name) != value]
        if not isinstance(content, dict) or content.get("membership") != membership:
            wrong.append("membership")
        if wrong:
            raise Unanswered(f"{server} makes a template with another {wrong[0]}")
        return Template(version, event)
