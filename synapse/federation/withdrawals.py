"""Invites that are taken back, and knocks that are not answered, in rooms that we are not in.

Such an event can't be judged, since nothing is known of the room. It counts if it comes from who
invited the user, or from somebody of whom the user was shown something of the room; whoever else
says it can't take anything from our users.
"""

import logging

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import BadJson
from synapse.federation.pdus import Verified
from synapse.rooms.cache import RoomCache
from synapse.rooms.doorstep import Doorstep
from synapse.rooms.room import Room
from synapse.storage.stores.names import Names

logger = logging.getLogger(__name__)

_ENDS = (Membership.LEAVE, Membership.BAN)
_BEGAN = (Membership.INVITE, Membership.KNOCK)


class Withdrawals:
    """Takes them up."""

    def __init__(
        self, rooms: RoomCache, doorstep: Doorstep, names: Names, *, server_name: str
    ) -> None:
        self._rooms = rooms
        self._doorstep = doorstep
        self._names = names
        self._domain = ":" + server_name

    async def take_up(self, room: Room, one: Verified) -> bool:
        """Whether the event ended what a user of ours had in a room that this server isn't in."""
        event = one.event
        user_id = event.state_key
        if event.type != EventTypes.MEMBER or user_id is None:
            return False
        if not user_id.endswith(self._domain) or event.membership not in _ENDS:
            return False
        current = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        if current is None or current.membership not in _BEGAN:
            return False
        user_nid = await self._names.nid(user_id)
        assert user_nid is not None, "who has a member event has a number"
        shown = await self._doorstep.shown(room.nid, user_nid)
        if event.sender not in {current.sender, *(shown_event["sender"] for shown_event in shown)}:
            return False
        try:
            await self._doorstep.stand(room.nid, event, [])
        except BadJson as error:
            logger.info("%s doesn't count: %s", event, error)
            return False
        return True
