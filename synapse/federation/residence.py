"""The rooms that this server is in, as far as another server may ask about them."""

from synapse.api.errors import NotFound
from synapse.federation.partial_rooms import PATIENCE_S, check_whole
from synapse.federation.server_acls import ServerAcls
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.wholeness import Wholeness


class Residence:
    """Finds rooms for other servers."""

    def __init__(self, rooms: RoomCache, acls: ServerAcls, wholeness: Wholeness) -> None:
        self._rooms = rooms
        self._acls = acls
        self._wholeness = wholeness

    async def room(self, origin: str, room_id: str) -> Room:
        """The room, whose members are known. Raises `NotFound` unless we are in it, `Forbidden` if
        `origin` isn't admitted to it, and `UnableDueToPartialState`."""
        room = await self._wholeness.within(await self._rooms.get(room_id), PATIENCE_S)
        if not room.local_joined:
            # Of what we know of a room that we left, nobody needs to hear from us.
            raise NotFound(f"Unknown room: {room_id}")
        await self._acls.check(room, origin)
        check_whole(room)
        return room
