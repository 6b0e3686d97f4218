"""Which servers a room admits: `m.room.server_acl`.

Server-server API, "Server access control lists (ACLs)".
"""

from synapse.api.constants import EventTypes
from synapse.api.errors import Forbidden
from synapse.events.policy import POLICY_SLOT
from synapse.events.server_acl import admits_server
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room

_ACL_SLOT = (EventTypes.SERVER_ACL, "")


class ServerAcls:
    """Asks a room's current list."""

    def __init__(self, rooms: RoomCache) -> None:
        self._rooms = rooms

    async def admit(self, room: Room, server: str) -> bool:
        """Whether the room lets a server take part."""
        if not room.knows(_ACL_SLOT):
            # What comes into the room is asked about its policy next.
            await self._rooms.state(room, [_ACL_SLOT, POLICY_SLOT])
        acl = room.current(_ACL_SLOT)
        return acl is None or admits_server(acl.content, server)

    async def check(self, room: Room, server: str) -> None:
        """Raises `Forbidden` unless the room admits the server."""
        if not await self.admit(room, server):
            raise Forbidden(f"The server {server} is not admitted to the room")
