"""Guest access: which rooms guests may enter, and how they are shown out.

Client-server API, "Guest Access": a room admits guests only while its `m.room.guest_access` says
`can_join`; when that ends, the server makes its guests leave.
"""

import logging
from typing import Any

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import MatrixError
from synapse.events.event import Event
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores.members import MemberStore
from synapse.util.background import Background

logger = logging.getLogger(__name__)

_CAN_JOIN = "can_join"


class GuestAccess:
    """Shows guests out of rooms."""

    def __init__(self, members: MemberStore, writer: RoomWriter, background: Background) -> None:
        self._members = members
        self._writer = writer
        self._background = background

    def changed(self, room: Room, content: dict[str, Any]) -> None:
        """The room's guest access was set to this."""
        if content.get("guest_access") != _CAN_JOIN:
            self._background.spawn("show guests out of a room", self._show_out(room))

    async def _show_out(self, room: Room) -> None:
        for user_id in await self._members.joined_guests(room.nid):
            content = {"membership": Membership.LEAVE}
            try:
                await self._writer.send(
                    room.room_id, Draft(EventTypes.MEMBER, user_id, content, state_key=user_id)
                )
            except MatrixError as error:
                logger.warning("Guest %s could not leave %s: %s", user_id, room.room_id, error)


def admits_guests(guest_access: Event | None) -> bool:
    """Whether guests may join, by the room's `m.room.guest_access`."""
    return guest_access is not None and guest_access.content.get("guest_access") == _CAN_JOIN
