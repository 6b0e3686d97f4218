"""Joining, inviting, leaving, kicking, banning, knocking, forgetting."""

from collections.abc import Sequence
from typing import Any

from synapse.handlers.aliases import Aliases
from synapse.handlers.auth import Auth, Requester
from synapse.handlers.membership import Memberships
from synapse.handlers.third_party_invites import ThirdPartyInvites, ThirdPartyWish
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.rooms.removals import REDACT_EVENTS


class _MembershipResource(Resource):
    def __init__(self, auth: Auth, memberships: Memberships) -> None:
        self._auth = auth
        self._memberships = memberships


class JoinRoom(_MembershipResource):
    """`POST /rooms/{room_id}/join`"""

    PATHS = client_paths("/rooms/{room_id}/join", api_v1=True)

    async def post(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        await _join(self._memberships, requester, room_id, request)
        return {"room_id": room_id}


class JoinRoomOrAlias(Resource):
    """`POST /join/{room_id_or_alias}`"""

    PATHS = client_paths("/join/{room_id_or_alias}", api_v1=True)

    def __init__(self, auth: Auth, memberships: Memberships, aliases: Aliases) -> None:
        self._auth = auth
        self._memberships = memberships
        self._aliases = aliases

    async def post(self, request: Request, room_id_or_alias: str) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        found = await self._aliases.resolve(room_id_or_alias)
        servers = [*_servers(request), *found.servers]
        await _join(self._memberships, requester, found.room_id, request, servers)
        return {"room_id": found.room_id}


class Knock(Resource):
    """`POST /knock/{room_id_or_alias}`"""

    PATHS = client_paths("/knock/{room_id_or_alias}")

    def __init__(self, auth: Auth, memberships: Memberships, aliases: Aliases) -> None:
        self._auth = auth
        self._memberships = memberships
        self._aliases = aliases

    async def post(self, request: Request, room_id_or_alias: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        content = _reason_content(request)
        found = await self._aliases.resolve(room_id_or_alias)
        servers = [*_servers(request), *found.servers]
        await self._memberships.knock(requester, found.room_id, content, servers=servers)
        return {"room_id": found.room_id}


class Invite(Resource):
    """`POST /rooms/{room_id}/invite`: a user, or whoever has an e-mail address or phone number"""

    PATHS = client_paths("/rooms/{room_id}/invite", api_v1=True)

    def __init__(
        self, auth: Auth, memberships: Memberships, third_party: ThirdPartyInvites
    ) -> None:
        self._auth = auth
        self._memberships = memberships
        self._third_party = third_party

    async def post(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        body = request.json
        if "user_id" not in body and "medium" in body:
            await self._third_party.invite(requester, room_id, ThirdPartyWish.of(body))
            return {}
        user_id, reason = body.string("user_id"), body.optional_string("reason")
        await self._memberships.invite(requester, room_id, user_id, reason)
        return {}


class Leave(_MembershipResource):
    """`POST /rooms/{room_id}/leave`"""

    PATHS = client_paths("/rooms/{room_id}/leave", api_v1=True)

    async def post(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        reason = request.json_or_empty.optional_string("reason")
        await self._memberships.leave(requester, room_id, reason)
        return {}


class Kick(_MembershipResource):
    """`POST /rooms/{room_id}/kick`"""

    PATHS = client_paths("/rooms/{room_id}/kick", api_v1=True)

    async def post(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        user_id = request.json.string("user_id")
        reason = request.json.optional_string("reason")
        redact_events = request.json.optional_boolean(REDACT_EVENTS)
        await self._memberships.kick(
            requester, room_id, user_id, reason, redact_events=redact_events
        )
        return {}


class Ban(_MembershipResource):
    """`POST /rooms/{room_id}/ban`"""

    PATHS = client_paths("/rooms/{room_id}/ban", api_v1=True)

    async def post(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        user_id = request.json.string("user_id")
        reason = request.json.optional_string("reason")
        redact_events = request.json.optional_boolean(REDACT_EVENTS)
        await self._memberships.ban(
            requester, room_id, user_id, reason, redact_events=redact_events
        )
        return {}


class Unban(_MembershipResource):
    """`POST /rooms/{room_id}/unban`"""

    PATHS = client_paths("/rooms/{room_id}/unban", api_v1=True)

    async def post(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        user_id = request.json.string("user_id")
        reason = request.json.optional_string("reason")
        await self._memberships.unban(requester, room_id, user_id, reason)
        return {}


class Forget(_MembershipResource):
    """`POST /rooms/{room_id}/forget`"""

    PATHS = client_paths("/rooms/{room_id}/forget", api_v1=True)

    async def post(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        await self._memberships.forget(requester, room_id)
        return {}


async def _join(
    memberships: Memberships,
    requester: Requester,
    room_id: str,
    request: Request,
    servers: Sequence[str] = (),
) -> None:
    signed = request.json_or_empty.optional_object("third_party_signed")
    await memberships.join(
        requester,
        room_id,
        _reason_content(request),
        third_party_signed=None if signed is None else signed.raw,
        servers=servers,
    )


def _servers(request: Request) -> list[str]:
    """The servers that a client says are in the room."""
    # `server_name` is what `via` was called before version 1.12 of the specification.
    return [*request.query.strings("via"), *request.query.strings("server_name")]


def _reason_content(request: Request) -> dict[str, Any]:
    reason = request.json_or_empty.optional_string("reason")
    return {} if reason is None else {"reason": reason}
