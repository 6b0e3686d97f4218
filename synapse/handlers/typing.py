"""Typing notices of this server's users."""

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import Forbidden
from synapse.handlers.auth import Requester
from synapse.handlers.presence import Presence
from synapse.handlers.room_access import not_in_room, room_of_member
from synapse.rooms.cache import RoomCache
from synapse.streams.typing import Typing


class TypingNotices:
    """Lets users say that they type, in rooms that they are in."""

    def __init__(self, rooms: RoomCache, typing: Typing, presence: Presence) -> None:
        self._rooms = rooms
        self._typing = typing
        self._presence = presence

    async def set(
        self, requester: Requester, room_id: str, user_id: str, *, typing: bool, timeout_ms: int
    ) -> None:
        """`typing` holds for `timeout_ms`. Raises `Forbidden`."""
        if user_id != requester.user_id:
            raise Forbidden("You can't type for somebody else")
        room = await room_of_member(self._rooms, room_id)
        member = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        if member is None or member.membership != Membership.JOIN:
            raise not_in_room(room_id)
        if typing:
            self._presence.acted(requester)
            self._typing.start(room.nid, user_id, timeout_ms)
        else:
            self._typing.stop(room.nid, user_id)
