"""Encryption between users, as far as the server helps with it."""

from synapse.app.parts.access import Access
from synapse.app.parts.device_keys import DeviceKeys
from synapse.app.parts.federation import Federation
from synapse.app.parts.ground import Ground
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.handlers.key_changes import KeyChanges
from synapse.handlers.keys.cross_signing import CrossSigning
from synapse.handlers.keys.queries import KeyQueries
from synapse.handlers.keys.signatures import KeySignatures
from synapse.handlers.keys.uploads import KeyUploads


class Encryption:
    """Publishing keys, asking for them, vouching for them."""

    def __init__(
        self,
        ground: Ground,
        stores: Stores,
        streams: Streams,
        device_keys: DeviceKeys,
        federation: Federation,
        access: Access,
    ) -> None:
        self.uploads = KeyUploads(device_keys.store)
        self.queries = KeyQueries(
            device_keys.local,
            device_keys.store,
            federation.remote_devices.keys,
            stores.names,
            server_name=ground.server_name,
        )
        self.changes = KeyChanges(ground.database, streams.followers, device_keys.lists)
        self.cross_signing = CrossSigning(stores.cross_signing, stores.devices, access.ui_auth)
        self.signatures = KeySignatures(stores.cross_signing, self.queries, stores.names)
