"""The homeservers that are in a room."""

from collections.abc import Sequence
from dataclasses import dataclass

from synapse.rooms.room import Room
from synapse.storage.stores.room_servers import RoomServerStore
from synapse.util.caches import Cache


@dataclass(frozen=True, slots=True)
class _Known:
    view_nid: int  # the state of which this is true
    others: Sequence[str]


class RoomServers:
    """Knows them, and asks the database when a room has changed."""

    def __init__(self, store: RoomServerStore, *, server_name: str) -> None:
        self._store = store
        self._server_name = server_name
        self._known: Cache[int, _Known] = Cache(500, "room_servers")

    async def is_in(self, room: Room, server: str) -> bool:
        """Whether a user of the server is in the room."""
        if server == self._server_name:
            return room.local_joined > 0
        return await self._store.is_in(room.nid, server)

    async def others(self, room: Room) -> Sequence[str]:
        """The servers that are in the room besides ours, those with the most users first."""
        known = self._known.get(room.nid)
        if known is None or known.view_nid != room.view_nid:
            # The room may move on meanwhile: what is read is at least as new as this.
            view_nid = room.view_nid
            known = _Known(view_nid, await self._store.others(room.nid))
            self._known[room.nid] = known
        return known.others

    async def all(self, room: Room) -> list[str]:
        """Ours, if it is in the room, and `others`."""
        ours = [self._server_name] if room.local_joined else []
        return [*ours, *await self.others(room)]
