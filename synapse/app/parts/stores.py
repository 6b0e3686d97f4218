"""What is remembered: a store for each domain, and what memory keeps of it."""

from synapse.app.parts.ground import Ground
from synapse.storage.stores.cross_signing import CrossSigningStore
from synapse.storage.stores.destinations import DestinationStore
from synapse.storage.stores.device_changes import DeviceChanges
from synapse.storage.stores.devices import DeviceStore
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.flips import FlipStore
from synapse.storage.stores.members import MemberStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.openid import OpenIdStore
from synapse.storage.stores.outbox import OutboxStore
from synapse.storage.stores.presence import PresenceStore
from synapse.storage.stores.profiles import ProfileStore
from synapse.storage.stores.relations import RelationStore
from synapse.storage.stores.remote_devices import RemoteDeviceStore
from synapse.storage.stores.rooms import RoomStore
from synapse.storage.stores.search_feed import SearchFeed
from synapse.storage.stores.search_index import search_index
from synapse.storage.stores.server_notices import ServerNoticeStore
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore
from synapse.storage.stores.tokens import TokenStore
from synapse.storage.stores.unread import UnreadStore
from synapse.storage.stores.untold_leaves import UntoldLeaveStore
from synapse.storage.stores.users import UserStore


class Stores:
    """Those that several parts read. A store whose changes must be told is made where they are."""

    def __init__(self, ground: Ground) -> None:
        database = ground.database
        self.names = Names(database)
        self.slots = Slots(database, self.names)
        self.events = EventStore(
            database, ground.clock, cache_size=ground.config.caches.event_cache_size
        )
        self.relations = RelationStore(database)
        self.states = StateStore(database, self.names, self.slots, self.events)
        self.flips = FlipStore(database, self.slots, self.events)
        self.rooms = RoomStore(database)
        self.members = MemberStore(database)
        self.users = UserStore(database, self.names)
        self.profiles = ProfileStore(database, self.names)
        self.device_changes = DeviceChanges(database)
        self.devices = DeviceStore(database, self.device_changes)
        self.cross_signing = CrossSigningStore(database, self.device_changes)
        self.remote_devices = RemoteDeviceStore(database, self.names, self.device_changes)
        self.destinations = DestinationStore(database, self.names)
        self.outbox = OutboxStore(database, self.names)
        self.untold_leaves = UntoldLeaveStore(database)
        self.tokens = TokenStore(database)
        self.openid = OpenIdStore(database)
        self.presence = PresenceStore(database)
        self.unread = UnreadStore(database)
        self.server_notices = ServerNoticeStore(database)
        self.search_index = search_index(database)
        self.search_feed = SearchFeed(self.search_index)
