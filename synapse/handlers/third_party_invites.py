"""Inviting by e-mail address or phone number (client-server API, "Third-party Invites").

Who has an account that the identity server knows is invited as any other. For everybody else, the
identity server keeps (and sends) the invitation, and the room gets an `m.room.third_party_invite`
with the keys by which the invitee will be known: see `third_party_joins`.

Nothing leaves this server before it is sure that the inviter may invite into the room. If the
server dies between asking the identity server and sending the event, the invitee has a mail whose
invitation doesn't work; the inviter, who got no answer, repeats it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import Forbidden, InvalidParam, MatrixError
from synapse.api.third_party_ids import EMAIL, ThirdPartyId
from synapse.events.event import StateMap
from synapse.events.power_levels import PowerLevels
from synapse.handlers.auth import Requester
from synapse.handlers.identity_server import IdentityClient, IdentityServer, IdentityServerFailed
from synapse.handlers.membership import Memberships
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.room_access import not_in_room, room_of_member
from synapse.http.json_body import JsonObject
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores.profiles import ProfileStore

# One request asks identity servers no more often than so.
_MAX_AT_ONCE = 20
# What the identity server is told of the room: member of its request → (event type, property).
_ABOUT_ROOM = {
    "room_name": (EventTypes.NAME, "name"),
    "room_avatar_url": (EventTypes.AVATAR, "url"),
    "room_alias": (EventTypes.CANONICAL_ALIAS, "alias"),
    "room_join_rules": (EventTypes.JOIN_RULES, "join_rule"),
    "room_type": (EventTypes.CREATE, "type"),
}


@dataclass(frozen=True, slots=True)
class ThirdPartyWish:
    """Whom a client wants to invite, and which identity server is to know them."""

    id_server: str
    id_access_token: str
    identifier: ThirdPartyId

    @classmethod
    def of(cls, body: JsonObject) -> "ThirdPartyWish":
        return cls(
            body.string("id_server"),
            body.string("id_access_token"),
            ThirdPartyId.of(body.string("medium"), body.string("address")),
        )


class ThirdPartyInvites:
    """Invites people whose Matrix user id nobody has said."""

    def __init__(
        self,
        rooms: RoomCache,
        writer: RoomWriter,
        memberships: Memberships,
        profiles: ProfileStore,
        client: IdentityClient | None,
        *,
        limit: RateLimiter,
    ) -> None:
        """Without a `client`, no identity server is asked, and nobody is invited so."""
        self._rooms = rooms
        self._writer = writer
        self._memberships = memberships
        self._profiles = profiles
        self._client = client
        self._limit = limit

    async def invite(self, requester: Requester, room_id: str, wish: ThirdPartyWish) -> None:
        """Invite somebody into a room. Raises `Forbidden`, and 403 `M_THREEPID_DENIED`."""
        server = self._server(wish)
        self._memberships.check_may_invite_anybody(requester)
        await self._check_may_invite_into(requester, room_id)
        self._limit.check(requester.user_id)
        user_id = await server.user_of(wish.identifier)
        if user_id is None:
            user_id = await self._offer(requester, room_id, server, wish.identifier)
        if user_id is not None:
            await self._memberships.invite(requester, room_id, user_id)

    async def known_users(
        self, requester: Requester, wishes: Sequence[ThirdPartyWish]
    ) -> tuple[list[str], list[ThirdPartyWish]]:
        """For a room that is about to be created: users to invite, and who is not known yet."""
        if not wishes:
            return [], []
        if len(wishes) > _MAX_AT_ONCE:
            raise InvalidParam(f"At most {_MAX_AT_ONCE} people can be invited so at once")
        servers = [self._server(wish) for wish in wishes]
        self._memberships.check_may_invite_anybody(requester)
        self._limit.check(requester.user_id, len(wishes))
        users, unknown = [], []
        for server, wish in zip(servers, wishes, strict=True):
            user_id = await server.user_of(wish.identifier)
            if user_id is None:
                _check_can_be_offered(wish.identifier)
                unknown.append(wish)
            else:
                users.append(user_id)
        return users, unknown

    async def offer(self, requester: Requester, room_id: str, wish: ThirdPartyWish) -> None:
        """Invite somebody of whom the identity server didn't know (`known_users`)."""
        server = self._server(wish)
        user_id = await self._offer(requester, room_id, server, wish.identifier)
        if user_id is not None:
            await self._memberships.invite(requester, room_id, user_id)

    async def _offer(
        self, requester: Requester, room_id: str, server: IdentityServer, identifier: ThirdPartyId
    ) -> str | None:
        """Let the identity server invite, and tell the room; or the user id, if by now the
        identity server knows one."""
        _check_can_be_offered(identifier)
        room = await self._rooms.get(room_id)
        try:
            stored = await server.store_invite(identifier, await self._about(requester, room))
        except IdentityServerFailed as error:
            if error.their_errcode != "M_THREEPID_IN_USE":
                raise
            user_id = await server.user_of(identifier)
            if user_id is None:
                raise
            return user_id
        if await self._rooms.current(room, EventTypes.THIRD_PARTY_INVITE, stored.token):
            # One identity server must not be able to replace the invitations of another.
            raise MatrixError(
                403, "M_THREEPID_DENIED", "The identity server gave a token that is in use"
            )
        draft = Draft(
            EventTypes.THIRD_PARTY_INVITE, requester.user_id, stored.content(), stored.token
        )
        await self._writer.send(room_id, draft)
        return None

    def _server(self, wish: ThirdPartyWish) -> IdentityServer:
        if self._client is None:
            raise MatrixError(
                403, "M_THREEPID_DENIED", "This server does not invite by e-mail or phone"
            )
        return IdentityServer(self._client(), wish.id_server, wish.id_access_token)

    async def _check_may_invite_into(self, requester: Requester, room_id: str) -> None:
        """The auth rules say it again when the event is sent; then the address has been told."""
        room = await room_of_member(self._rooms, room_id)
        own = (EventTypes.MEMBER, requester.user_id)
        slots = [own, (EventTypes.CREATE, ""), (EventTypes.POWER_LEVELS, "")]
        state = await self._rooms.state(room, slots)
        if own not in state or state[own].membership != Membership.JOIN:
            raise not_in_room(room_id)
        levels = PowerLevels.of(state)
        if levels.of_user(requester.user_id) < levels.named("invite"):
            raise Forbidden("You don't have permission to invite users")

    async def _about(self, requester: Requester, room: Room) -> dict[str, Any]:
        """What the identity server may write into the mail."""
        state = await self._rooms.state(room, [(type, "") for type, _ in _ABOUT_ROOM.values()])
        profile = await self._profiles.profile(requester.user_id)
        about: dict[str, Any] = {"room_id": room.room_id, "sender": requester.user_id}
        for name, (type, key) in _ABOUT_ROOM.items():
            about[name] = _said(state, type, key)
        about["sender_display_name"] = profile.get("displayname")
        about["sender_avatar_url"] = profile.get("avatar_url")
        return {name: value for name, value in about.items() if isinstance(value, str) and value}


def _check_can_be_offered(identifier: ThirdPartyId) -> None:
    if identifier.medium != EMAIL:
        raise MatrixError(
            403, "M_THREEPID_DENIED", "Nobody with this phone number is known, and so none invited"
        )


def _said(state: StateMap, type: str, key: str) -> Any:
    event = state.get((type, ""))
    return None if event is None else event.content.get(key)
