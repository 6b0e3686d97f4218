"""Tombstones of other servers' users that come later than those whom they lead to the new room.

Who enters a room takes along what they have set for the one that it replaces; but which one that
is, is believed only once that one says so, too (`synapse.handlers.room_succession`).
"""

from synapse.api.constants import EventTypes
from synapse.api.errors import NotFound
from synapse.api.identifiers import domain_of, is_room_id
from synapse.events.event import Event
from synapse.handlers.room_succession import RoomSuccession
from synapse.rooms.cache import RoomCache
from synapse.rooms.chunks import Chunk
from synapse.storage.stores.members import MemberStore
from synapse.storage.stores.names import Names
from synapse.util.background import Background

_MOST_USERS = 1_000


class LateTombstones:
    """Listens to what is committed."""

    def __init__(
        self,
        rooms: RoomCache,
        members: MemberStore,
        names: Names,
        succession: RoomSuccession,
        background: Background,
        *,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._members = members
        self._names = names
        self._succession = succession
        self._background = background
        self._server_name = server_name
        self._under_way: set[str] = set()

    def committed(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            for entry in chunk.entries:
                if entry.event.type == EventTypes.TOMBSTONE:
                    self._found(entry.event)

    def _found(self, tombstone: Event) -> None:
        new_id = tombstone.content.get("replacement_room")
        if (
            tombstone.state_key == ""
            and domain_of(tombstone.sender) != self._server_name
            and is_room_id(new_id)
            and new_id not in self._under_way
        ):
            self._under_way.add(new_id)
            self._background.spawn("take settings to a new room", self._follow(new_id))

    async def _follow(self, new_id: str) -> None:
        try:
            room = await self._rooms.get(new_id)
            if not room.local_joined or await self._succession.predecessor(room) is None:
                return
            for user_id in await self._members.some_of_ours(room.nid, _MOST_USERS):
                user_nid = await self._names.nid(user_id)
                if user_nid is not None:
                    await self._succession.joined(user_id, user_nid, room)
        except NotFound:
            return
        finally:
            self._under_way.discard(new_id)
