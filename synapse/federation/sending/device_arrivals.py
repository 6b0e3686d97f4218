"""Users of ours who come into a room: its other servers may know their devices as they were.

Server-server API, "Device Management": a server is told when a user joins a room with it. Most
servers forget lists of which they are told no changes any more, and ask again; the newest change
shows the others that theirs is old. Who knows it already leaves it out.
"""

from functools import partial

from synapse.federation.sending.device_updates import DeviceUpdates
from synapse.federation.sending.distributor import Distributor
from synapse.federation.sending.pending_edus import PendingEdus
from synapse.federation.sending.sender import Sender
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.device_changes import DeviceChanges
from synapse.storage.stores.names import Names
from synapse.util.background import Background
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock


class DeviceArrivals:
    """Tells of their newest change."""

    def __init__(
        self,
        sender: Sender,
        distributor: Distributor,
        rooms: RoomCache,
        changes: DeviceChanges,
        updates: DeviceUpdates,
        names: Names,
        clock: Clock,
        background: Background,
        *,
        server_name: str,
    ) -> None:
        self._sender = sender
        self._distributor = distributor
        self._rooms = rooms
        self._changes = changes
        self._updates = updates
        self._names = names
        self._clock = clock
        self._background = background
        self._domain = ":" + server_name

    def member_moved(self, room_nid: int, user_id: str, is_gone: bool) -> None:
        """A user came into a room, or left it."""
        room = self._rooms.peek(room_nid)
        if is_gone or not user_id.endswith(self._domain):
            return
        if room is not None and room.joined > room.local_joined:
            self._background.spawn("tell of devices", self._tell(room_nid, user_id))

    async def _tell(self, room_nid: int, user_id: str) -> None:
        user_nid = await self._names.nid(user_id)
        newest = None if user_nid is None else await self._changes.newest(user_nid)
        if newest is None:
            return
        (item,) = await self._updates.items([newest])
        breaks = Breaks(self._clock)
        for server in await self._distributor.servers(room_nid):
            self._sender.tell(server, partial(_add, user_id, item.json))
            await breaks.take()


def _add(user_id: str, edu: bytes, edus: PendingEdus) -> None:
    edus.add_devices(user_id, edu)
