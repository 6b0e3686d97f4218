"""Visitors: servers that ask about a room, and how far they may see.

Who has a user in the room may ask. Who had one may ask about what was before the last of them left.
All others may not, and learn no more than that, whether the room exists or not.
"""

from dataclasses import dataclass

from synapse.api.errors import Forbidden, NotFound
from synapse.api.identifiers import is_room_id
from synapse.events.event import Event
from synapse.federation.partial_rooms import PATIENCE_S, check_whole
from synapse.federation.server_acls import ServerAcls
from synapse.handlers.room_servers import RoomServers
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.wholeness import Wholeness
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import Membership
from synapse.storage.stores.room_servers import RoomServerStore

# How many who have left are looked at, and how far back each: those who left last come first.
_MAX_LEFT = 100
_MAX_WALK = 10


@dataclass(frozen=True, slots=True)
class Visitor:
    """A server as one that asks about a room."""

    server: str
    room: Room
    is_inside: bool
    # Where the last of its users left, of a server that is not in the room any more.
    left_pos: int | None = None

    def joined_after(self, pos: int) -> bool:
        """Whether a user of the server was in the room at some point after this place."""
        return self.is_inside or (self.left_pos is not None and pos < self.left_pos)


class Visitors:
    """Tells who may ask."""

    def __init__(
        self,
        rooms: RoomCache,
        acls: ServerAcls,
        servers: RoomServers,
        store: RoomServerStore,
        events: EventStore,
        wholeness: Wholeness,
    ) -> None:
        self._rooms = rooms
        self._acls = acls
        self._servers = servers
        self._store = store
        self._events = events
        self._wholeness = wholeness

    async def visitor(self, server: str, room_id: str) -> Visitor:
        """The server as a visitor of the room. Raises `Forbidden`, and `UnableDueToPartialState`
        where it can't be said."""
        if not is_room_id(room_id):
            raise _forbidden(server)
        try:
            room = await self._rooms.get(room_id)
        except NotFound:
            raise _forbidden(server) from None
        await self._acls.check(room, server)
        if not await self._servers.is_in(room, server) and room.is_partial:
            # It may be inside for all we know.
            room = await self._wholeness.within(room, PATIENCE_S)
            check_whole(room)
        if await self._servers.is_in(room, server):
            return Visitor(server, room, True)
        left_pos = await self._left_pos(room, server)
        if left_pos is None:
            raise _forbidden(server)
        return Visitor(server, room, False, left_pos)

    async def _left_pos(self, room: Room, server: str) -> int | None:
        gone = await self._store.users(room.nid, server, (Membership.LEAVE, Membership.BAN))
        gone.sort(key=lambda user: user.event_nid, reverse=True)
        places = []
        current = await self._events.by_nids([user.event_nid for user in gone[:_MAX_LEFT]])
        for _ in range(_MAX_WALK):
            events = [event for event in current.values() if event.replaces_nid]
            before = await self._events.by_nids([event.replaces_nid for event in events])
            places += [
                event.pos
                for event in events
                if event.pos is not None and _is_join(before.get(event.replaces_nid))
            ]
            current = {nid: event for nid, event in before.items() if not _is_join(event)}
            if not current:
                break
        return max(places, default=None)


def _is_join(event: Event | None) -> bool:
    return event is not None and event.membership == Membership.JOIN.text


def _forbidden(server: str) -> Forbidden:
    return Forbidden(f"The server {server} is not in the room")
