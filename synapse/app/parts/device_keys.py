"""Keys of our users' devices, and who is to be told when they change."""

from synapse.app.parts.ground import Ground
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.handlers.device_lists import DeviceLists
from synapse.handlers.key_counts import KeyCounts
from synapse.handlers.keys.local import LocalKeys
from synapse.handlers.sync.encryption import EncryptionInSync
from synapse.storage.stores.device_changes import DeviceChange
from synapse.storage.stores.device_keys import DeviceKeyStore
from synapse.storage.stores.sharing import SharingStore


class DeviceKeys:
    """What clients publish with their keys and ask for, syncs tell of, and other servers want."""

    def __init__(self, ground: Ground, stores: Stores, streams: Streams, rooms: Rooms) -> None:
        database = ground.database
        self._followers = streams.followers
        counts = KeyCounts(streams.followers)
        self.store = DeviceKeyStore(database, stores.device_changes, counts.changed)
        self.local = LocalKeys(self.store, stores.cross_signing, stores.names)
        self.lists = DeviceLists(
            stores.device_changes,
            stores.cross_signing,
            SharingStore(database),
            stores.members,
            stores.events,
            rooms.cache,
        )
        self.in_sync = EncryptionInSync(self.lists, self.store, counts)
        stores.device_changes.listen(self._changed)

    def _changed(self, change: DeviceChange) -> None:
        self._followers.devices_changed(
            change.user_nid, change.user_id, change.rooms, change.position
        )
