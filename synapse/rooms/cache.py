"""The rooms that are active in this process, loaded from the database when they are asked for."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from twisted.internet.defer import CancelledError, Deferred

from synapse.api.errors import NotFound
from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.event import Event, StateMap
from synapse.rooms.room import TAIL_LENGTH, Room, Slot
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.rooms import RoomStore
from synapse.storage.stores.states import StateStore
from synapse.util.caches import Cache, LoadAbandoned

logger = logging.getLogger(__name__)


class RoomCache:
    """Gives out the one `Room` object for each active room."""

    def __init__(
        self, rooms: RoomStore, events: EventStore, states: StateStore, *, cache_size: int
    ) -> None:
        self._store = rooms
        self._events = events
        self._states = states
        self._rooms: Cache[str, Room] = Cache(cache_size, "rooms")
        self._by_nid: Cache[int, Room] = Cache(cache_size, "rooms_by_number")
        self._loading: dict[str, list[Deferred[Room]]] = {}
        # Rooms that are being loaded, and in which something was committed meanwhile.
        self._overtaken: set[str] = set()
        # Rooms with writes under way must not be forgotten and loaded a second time.
        self._busy: dict[str, Room] = {}

    async def get(self, room_id: str) -> Room:
        """The room. Raises `NotFound` if this server knows no such room."""
        room = self._rooms.get(room_id) or self._busy.get(room_id)
        if room is not None:
            return room
        waiting = self._loading.get(room_id)
        if waiting is not None:
            waiter: Deferred[Room] = Deferred()
            waiting.append(waiter)
            try:
                return await waiter
            except LoadAbandoned:
                return await self.get(room_id)
        self._loading[room_id] = []
        try:
            room = await self._load_newest(room_id)
        except BaseException as error:
            for waiter in self._loading.pop(room_id):
                waiter.errback(LoadAbandoned() if isinstance(error, CancelledError) else error)
            raise
        self.add(room)
        for waiter in self._loading.pop(room_id):
            waiter.callback(room)
        return room

    async def get_by_nid(self, room_nid: int) -> Room:
        room = self._by_nid.get(room_nid)
        if room is not None and not room.lost:
            return room
        return await self.get((await self._store.ids([room_nid]))[room_nid])

    def peek(self, room_nid: int) -> Room | None:
        """The room if it is in memory."""
        room = self._by_nid.get(room_nid)
        return None if room is None or room.lost else room

    def add(self, room: Room) -> None:
        self._rooms[room.room_id] = room
        self._by_nid[room.nid] = room

    def discard(self, room: Room) -> None:
        """Throw away a room whose write failed: it knows events that don't exist."""
        room.lost = True
        if self._rooms.get(room.room_id) is room:
            self._rooms.pop(room.room_id)
            self._by_nid.pop(room.nid)
        if self._busy.get(room.room_id) is room:
            del self._busy[room.room_id]

    @contextmanager
    def or_discarded(self, room: Room | None) -> Iterator[None]:
        """In the block, the room is told what is committed. Where that fails, it doesn't know what
        the database does, and is thrown away: who needs it next reads it from there."""
        try:
            yield
        except Exception:
            logger.exception("A room could not be told what is committed; it is loaded anew")
            if room is not None:
                self.discard(room)

    def busy(self, room: Room) -> None:
        """Keep the room until `idle`: it has writes under way."""
        self._busy[room.room_id] = room

    def idle(self, room: Room) -> None:
        """All of the room's writes are committed."""
        if self._busy.get(room.room_id) is room:
            del self._busy[room.room_id]
            if not self._rooms.get(room.room_id):
                self._rooms[room.room_id] = room

    def overtook(self, room_id: str) -> None:
        """Something was committed in the room: who is loading it may have read too early."""
        if room_id in self._loading:
            self._overtaken.add(room_id)

    async def _load_newest(self, room_id: str) -> Room:
        while True:
            self._overtaken.discard(room_id)
            room = await self._load(room_id)
            if room_id not in self._overtaken:
                return room

    async def _load(self, room_id: str) -> Room:
        row = await self._store.get(room_id)
        if row is None:
            raise NotFound(f"Unknown room: {room_id}")
        room = Room(room_id, ROOM_VERSIONS[row.version])
        room.nid = row.room_nid
        room.head, room.pos, room.depth = row.head, row.pos, row.depth
        room.joined, room.invited, room.local_joined = row.joined, row.invited, row.local_joined
        room.view_nid, room.flipped, room.last_nid = row.state_nid, row.flipped, row.last_nid
        room.whole_since = row.whole_since or 0
        if row.entrance_nid is not None:
            nid = row.entrance_nid
            room.entrance = (await self._events.by_nids([nid]))[nid]
        # One more than is kept tells whether there are more.
        newest = await self._events.before(row.room_nid, row.pos + 1, TAIL_LENGTH + 1)
        room.tail_is_all = len(newest) <= TAIL_LENGTH
        room.tail.extend(reversed(newest[:TAIL_LENGTH]))
        tips: list[int] = orjson.loads(row.tips)
        room.tips = list((await self._events.by_nids(tips)).values())
        return room

    async def state(self, room: Room, slots: list[Slot]) -> StateMap:
        """What fills these slots of the room's current state, events not yet committed included."""
        while missing := [slot for slot in slots if not room.knows(slot)]:
            changes = room.state_changes
            found = await self._states.current(room.nid, missing)
            # What was read may be outdated by a commit in between: then read again.
            if room.state_changes == changes:
                room.learn(missing, found)
                break
        return {slot: event for slot in slots if (event := room.current(slot)) is not None}

    async def current(self, room: Room, type_: str, state_key: str = "") -> Event | None:
        """What fills one slot of the room's current state."""
        slot = (type_, state_key)
        if room.knows(slot):
            return room.current(slot)
        return (await self.state(room, [slot])).get(slot)
