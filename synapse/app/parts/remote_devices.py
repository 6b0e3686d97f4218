"""Devices and keys of other servers' users."""

from collections.abc import Mapping

from synapse.app.parts.ground import Ground
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.federation.backoff import Backoffs
from synapse.federation.edus import TakeUp
from synapse.federation.heard_devices import DevicesHeard, ListsDropped
from synapse.federation.remote_keys import RemoteKeys
from synapse.federation.remote_lists import RemoteLists
from synapse.federation.wire import Transport
from synapse.rooms.cache import RoomCache


class RemoteDevices:
    """Asked for, kept as long as changes are told, and dropped."""

    def __init__(
        self,
        ground: Ground,
        transport: Transport,
        stores: Stores,
        rooms: Rooms,
        backoffs: Backoffs,
    ) -> None:
        clock, background = ground.clock, ground.background
        store = stores.remote_devices
        self.lists = RemoteLists(transport, store, backoffs, background, clock)
        self.keys = RemoteKeys(
            transport, self.lists, store, stores.cross_signing, stores.names, background, clock
        )
        heard = DevicesHeard(store, stores.cross_signing, self.lists, stores.names)
        self.taken_up: Mapping[str, TakeUp] = {
            "m.device_list_update": heard.take_up_device,
            "m.signing_key_update": heard.take_up_keys,
        }
        self._dropped = ListsDropped(store, stores.names, background)
        self._rooms: RoomCache = rooms.cache
        self._domain = ":" + ground.server_name
        rooms.announcer.listen_to_members(self._member_moved)

    def _member_moved(self, room_nid: int, user_id: str, is_gone: bool) -> None:
        if not is_gone:
            return
        if not user_id.endswith(self._domain):
            self._dropped.user_left(user_id)
            return
        room = self._rooms.peek(room_nid)
        if room is None or room.local_joined == 0:
            self._dropped.room_left(room_nid)
