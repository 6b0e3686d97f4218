"""The homeservers that are in a room."""

from dataclasses import dataclass

from synapse.rooms.room import Room
from synapse.storage.stores.members import MemberStore
from synapse.storage.stores.room_servers import RoomServerStore, ServerInRoom
from synapse.util.caches import Cache


@dataclass(frozen=True, slots=True)
class _Known:
    view_nid: int  # the state of which this is true
    servers: dict[str, ServerInRoom]


class RoomServers:
    """Knows them, and asks the database when a room has changed."""

    def __init__(self, store: RoomServerStore, members: MemberStore, *, server_name: str) -> None:
        self._store = store
        self._members = members
        self._server_name = server_name
        self._known: Cache[int, _Known] = Cache(500, "room_servers")

    async def is_in(self, room: Room, server: str) -> bool:
        """Whether a user of the server is in the room."""
        known = self._known.get(room.nid)
        # Usually the one who was seen there last is still there, whatever else has changed.
        if known is not None and server in known.servers:
            user_nid = known.servers[server].user_nid
            if await self._members.joined_among(room.nid, [user_nid]):
                return True
        return server in await self._servers(room)

    async def others(self, room: Room) -> list[str]:
        """The servers that are in the room besides ours, those with the most users first."""
        servers = await self._servers(room)
        names = [name for name in servers if name != self._server_name]
        return sorted(names, key=lambda name: (-servers[name].users, name))

    async def all(self, room: Room) -> list[str]:
        """Ours, if it is in the room, and `others`."""
        ours = [self._server_name] if self._server_name in await self._servers(room) else []
        return ours + await self.others(room)

    async def _servers(self, room: Room) -> dict[str, ServerInRoom]:
        known = self._known.get(room.nid)
        if known is None or known.view_nid != room.view_nid:
            # The room may move on meanwhile: what is read is at least as new as this.
            view_nid = room.view_nid
            known = _Known(view_nid, await self._store.servers(room.nid))
            if room.is_partial:
                # As we were told when we came.
                for server in await self._store.told_servers(room.nid):
                    known.servers.setdefault(server, ServerInRoom(1, 0))
            self._known[room.nid] = known
        return known.servers
