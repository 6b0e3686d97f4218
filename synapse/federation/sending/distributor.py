"""The distributor: which servers an event is for.

Server-server API, "PDUs" and "Sending": an event goes to the servers that were in its room before
it. For each room that is active here the servers are known by name, read once and then moved on
with each commit, so an event costs one step for each server, whatever the number of members. A
change of a user's devices is for the servers that share rooms with the user, and takes the same
way.

Everything goes through here in the order of the stream. Whatever was before the place to which that
has come (`Sender.position`) is in a destination's queue, or was sent, or the destination is behind.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from synapse.api.identifiers import domain_of
from synapse.events.event import Event
from synapse.federation.sending.destination import MAX_QUEUED, Destination, Item
from synapse.federation.sending.device_updates import DeviceUpdates
from synapse.federation.sending.sender import Sender
from synapse.rooms.chunks import Chunk, Entry
from synapse.rooms.moves import Move
from synapse.storage.database import Database
from synapse.storage.stores.destinations import DestinationStore, OutgoingEvent, Stay
from synapse.storage.stores.device_changes import DeviceChange, DeviceChanges, OutgoingChange
from synapse.storage.stores.events import EventStore
from synapse.util.background import Background
from synapse.util.breaks import Breaks
from synapse.util.caches import Cache
from synapse.util.clock import Clock

_ROOMS_KEPT = 5_000
_AT_ONCE = 200


class _Audience:
    """The servers of a room, at a position and ever after."""

    def __init__(self, stays: dict[str, Stay], position: int) -> None:
        self.stays = stays
        self.position = position
        self.settled = max((max(stay.since, stay.until) for stay in stays.values()), default=0)
        self._now: list[str] | None = None

    def now(self) -> list[str]:
        if self._now is None:
            self._now = [server for server, stay in self.stays.items() if stay.joined > 0]
        return self._now

    def before(self, position: int) -> list[str]:
        """The servers that the event at a position is for."""
        if position > self.settled:
            return self.now()
        return [server for server, stay in self.stays.items() if stay.hears(position)]

    def move(self, moves: Sequence[Move], position: int) -> list[str]:
        """Take up what an event changes; the servers that came with it."""
        if moves and position > self.position:  # else it was read with that
            for server, joined in moves:
                before = self.stays.get(server, Stay(0, position, position))
                since = before.since
                if not before.joined:
                    since = position if joined else position - 1
                self.stays[server] = Stay(before.joined + joined, since, position)
            self.settled = position
            self._now = None
        return [
            server for server, joined in moves if joined and self.stays[server].since == position
        ]


class _Outgoing(NamedTuple):
    room_nid: int
    position: int
    event: Event
    is_outgoing: bool
    moves: Sequence[Move]


class Distributor:
    """Puts events into the queues of destinations."""

    def __init__(
        self,
        database: Database,
        store: DestinationStore,
        events: EventStore,
        clock: Clock,
        background: Background,
        sender: Sender,
        changes: DeviceChanges,
        updates: DeviceUpdates,
    ) -> None:
        self._database = database
        self._changes = changes
        self._updates = updates
        self._store = store
        self._events = events
        self._clock = clock
        self._background = background
        self._sender = sender
        self._arrivals: list[Callable[[int, str], object]] = []
        self._audiences: Cache[int, _Audience] = Cache(_ROOMS_KEPT)
        self._loads = 0
        self._overtaken: set[int] = set()
        self._committed: list[Chunk | DeviceChange] = []  # by the commit that is being told
        self._waiting: deque[Chunk | DeviceChange] = deque()
        self._touched: dict[str, Destination] = {}
        self._is_started = False
        self._is_running = False
        changes.listen(self._devices_changed)
        database.on_commit(self._commit_told)

    def listen(self, arrived: Callable[[int, str], object]) -> None:
        """Tell of servers that are new in a room."""
        self._arrivals.append(arrived)

    async def resume(self) -> None:
        """Go on where the last process has stopped, with the sender, which has resumed."""
        position, breaks = self._sender.position, Breaks(self._clock)
        # What is committed from here on comes by `committed`, and waits.
        head = self._database.position
        self._is_started = self._is_running = True
        while position < head:
            outgoing = await self._store.outgoing(position, head, _AT_ONCE)
            end = outgoing[-1].event_nid if len(outgoing) == _AT_ONCE else head
            changes = await self._changes.outgoing(position, end, _AT_ONCE)
            if len(changes) == _AT_ONCE:
                end = changes[-1].position
            await self._distribute_missed([o for o in outgoing if o.event_nid <= end], changes)
            position = end
            self._sender.distributed(position)
            await self._wake_touched(breaks)
        self._sender.distributed(head)
        await self._run()

    def committed(self, chunks: list[Chunk]) -> None:
        """Take up what was committed."""
        if self._is_started:
            self._committed += chunks

    def _devices_changed(self, change: DeviceChange) -> None:
        if self._is_started and change.is_local:
            self._committed.append(change)

    def _commit_told(self, position: int) -> None:
        """All of a commit has been told; not necessarily in its order."""
        if not self._committed:
            return
        self._waiting.extend(sorted(self._committed, key=_position))
        self._committed.clear()
        if not self._is_running:
            self._is_running = True
            self._background.spawn("distribute events to other servers", self._run())

    def recounted(self, room_nid: int) -> None:
        """Which servers are in a room is to be read anew."""
        self._audiences.pop(room_nid)
        self._overtake(room_nid)

    async def servers(self, room_nid: int) -> list[str]:
        """The servers that are in a room now."""
        await self._load({room_nid})
        audience = self._audiences.get(room_nid)
        return [] if audience is None else audience.now()

    async def _run(self) -> None:
        breaks = Breaks(self._clock)
        try:
            while self._waiting:
                first = self._waiting[0]
                if isinstance(first, DeviceChange):
                    await self._take_up_change(first)
                    self._waiting.popleft()
                else:
                    await self._load_lacking()
                    self._take_up(first)
                    self._waiting.popleft()
                if len(self._touched) >= _AT_ONCE or not self._waiting:
                    await self._wake_touched(breaks)
        finally:
            self._is_running = False

    async def _load_lacking(self) -> None:
        """Read the servers of rooms for what waits, if they are lacking for the first of it."""
        if self._lacks(self._waiting[0]):
            some = islice(self._waiting, _AT_ONCE)
            await self._load(
                {one.room.nid for one in some if isinstance(one, Chunk) and self._lacks(one)}
            )

    def _lacks(self, chunk: Chunk | DeviceChange) -> bool:
        """Whether a room's servers have to be read: for whom an event is, or who is new there."""
        if isinstance(chunk, DeviceChange) or chunk.room.nid in self._audiences:
            return False
        return any(
            entry.is_outgoing or any(move.joined > 0 for move in entry.moves)
            for entry in chunk.entries
        )

    async def _wake_touched(self, breaks: Breaks) -> None:
        """Send what was put into queues: events that were committed together go together."""
        while self._touched:
            self._sender.wake(self._touched.pop(next(iter(self._touched))))
            await breaks.take()

    async def _load(self, room_nids: set[int]) -> None:
        while missing := [nid for nid in room_nids if nid not in self._audiences]:
            self._loads += 1
            try:
                rooms, position = await self._store.servers_of(missing)
            finally:
                self._loads -= 1
            for room_nid, stays in rooms.items():
                if room_nid not in self._audiences and room_nid not in self._overtaken:
                    self._audiences[room_nid] = _Audience(stays, position)
            if not self._loads:
                self._overtaken.clear()

    def _take_up(self, chunk: Chunk) -> None:
        room_nid = chunk.room.nid
        if chunk.servers is not None:
            self._audiences.pop(room_nid)
            self._overtake(room_nid)
        for entry in chunk.entries:
            if entry.is_outgoing or entry.moves:
                self._distribute(_outgoing(room_nid, entry))
        self._sender.distributed(chunk.entries[-1].position)

    async def _take_up_change(self, change: DeviceChange) -> None:
        # None, if the device has changed again: that one is yet to come.
        await self._distribute_changes(
            await self._changes.outgoing(change.position - 1, change.position, 1)
        )
        self._sender.distributed(change.position)

    async def _distribute_missed(
        self, outgoing: Sequence[OutgoingEvent], changes: Sequence[OutgoingChange]
    ) -> None:
        """What was committed before this process, in order."""
        events = await self._events.by_nids([one.event_nid for one in outgoing])
        await self._load({one.room_nid for one in outgoing})
        left = deque(changes)
        for nid, room_nid in outgoing:
            while left and left[0].position < nid:
                await self._distribute_changes([left.popleft()])
            if nid in events:
                self._distribute(_Outgoing(room_nid, nid, events[nid], True, ()))
        for change in left:
            await self._distribute_changes([change])

    async def _distribute_changes(self, changes: Sequence[OutgoingChange]) -> None:
        if not changes:
            return
        servers = await self._store.servers_of_user(changes[0].user_nid)
        if servers:
            (item,) = await self._updates.items(changes)
            for server in servers:
                self._put(self._sender.destination(server), item)

    def _distribute(self, one: _Outgoing) -> None:
        audience = self._audiences.get(one.room_nid)
        if audience is None:
            assert not one.is_outgoing, "its room's servers were read before"
            self._overtake(one.room_nid)
            return
        if one.is_outgoing:
            servers = audience.before(one.position)
            told = [move.server for move in one.moves if move.joined == 0]
            if told:
                servers = [*servers, *(server for server in told if server not in servers)]
            item, origin = Item(one.position, one.event.json), domain_of(one.event.sender)
            for server in servers:
                if server != origin:
                    self._put(self._sender.destination(server), item)
        for server in audience.move(one.moves, one.position):
            for arrived in self._arrivals:
                arrived(one.room_nid, server)

    def _overtake(self, room_nid: int) -> None:
        """Who is reading the servers of a room may have read too early."""
        if self._loads:
            self._overtaken.add(room_nid)

    def _put(self, destination: Destination, item: Item) -> None:
        if not destination.is_open:
            return  # it is behind, and will read the event from the database
        if len(destination.queue) >= MAX_QUEUED:
            destination.fall_behind(item.position - 1)
        else:
            destination.queue.append(item)
        if not destination.working:
            self._touched[destination.server] = destination


def _position(one: Chunk | DeviceChange) -> int:
    return one.position if isinstance(one, DeviceChange) else one.entries[-1].position


def _outgoing(room_nid: int, entry: Entry) -> _Outgoing:
    return _Outgoing(room_nid, entry.position, entry.event, entry.is_outgoing, entry.moves)
