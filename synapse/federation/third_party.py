"""Third-party invites between servers: `exchange_third_party_invite` and `3pid/onbind`.

Server-server API, "Third-party invites". Somebody has shown the identity server that an invited
address is theirs. Whichever server of the room hears of it makes an invite of that; the keys in the
room say whether it is true, so it doesn't matter who tells us.
"""

import logging
from typing import Any

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import BadJson, Forbidden, InvalidParam, MatrixError, NotFound
from synapse.api.identifiers import domain_of, is_room_id, is_user_id
from synapse.federation.residence import Residence
from synapse.handlers.elsewhere import Elsewhere, is_here
from synapse.handlers.third_party_joins import ThirdPartyJoins
from synapse.http.json_body import JsonObject
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.users import UserStore

logger = logging.getLogger(__name__)

# Of one notification. Anybody can send one, and each invite may be a request to another server.
_MOST_INVITES = 20


class ThirdParty:
    """Makes invites of what identity servers have signed."""

    def __init__(
        self,
        residence: Residence,
        rooms: RoomCache,
        users: UserStore,
        joins: ThirdPartyJoins,
        elsewhere: Elsewhere,
        *,
        server_name: str,
    ) -> None:
        self._residence = residence
        self._rooms = rooms
        self._users = users
        self._joins = joins
        self._elsewhere = elsewhere
        self._server_name = server_name

    async def exchange(self, origin: str, room_id: str, body: JsonObject) -> None:
        """Invite a user of `origin`. Raises `NotFound`, `BadJson`, `InvalidParam`, `Forbidden`."""
        user_id, sender = body.string("state_key"), body.string("sender")
        content = body.object("content")
        signed = content.object("third_party_invite").object("signed")
        if body.string("room_id") != room_id:
            raise InvalidParam("room_id is not that of the path")
        is_invite = content.string("membership") == Membership.INVITE
        if body.string("type") != EventTypes.MEMBER or not is_invite:
            raise InvalidParam("Not an invite")
        if not is_user_id(user_id) or domain_of(user_id) != origin:
            raise Forbidden(f"{user_id[:255]} is not a user of {origin}")
        room = await self._residence.room(origin, room_id)
        await self._joins.exchange(user_id, room, signed.raw, sender=sender)

    async def bound(self, user_id: str, invites: list[JsonObject]) -> None:
        """An address of a user of ours was invited into rooms. Raises `BadJson`, `NotFound`."""
        if len(invites) > _MOST_INVITES:
            raise BadJson(f"At most {_MOST_INVITES} invites can be told at once")
        if not is_user_id(user_id) or domain_of(user_id) != self._server_name:
            raise NotFound(f"There is no user {user_id[:255]} on this server")
        user = await self._users.user(user_id)
        if user is None or user.is_deactivated:
            raise NotFound(f"There is no user {user_id}")
        wishes = [
            (invite.string("room_id"), invite.string("sender"), invite.object("signed").raw)
            for invite in invites
        ]
        for room_id, sender, signed in wishes:
            try:
                await self._invite(user_id, room_id, sender, signed)
            except MatrixError as error:
                logger.info("%s is not invited into %s: %s", user_id, room_id[:255], error)

    async def _invite(
        self, user_id: str, room_id: str, sender: str, signed: dict[str, Any]
    ) -> None:
        if not is_room_id(room_id):
            raise NotFound(f"Unknown room: {room_id[:255]}")
        try:
            room = await self._rooms.get(room_id)
        except NotFound:
            room = None
        if room is not None and is_here(room):
            await self._joins.exchange(user_id, room, signed, sender=sender)
        else:
            await self._elsewhere.exchange(user_id, room_id, sender, signed)
