"""What changes beside events, and who waits for it."""

from synapse.app.parts.ground import Ground
from synapse.app.parts.stores import Stores
from synapse.handlers.ignored_users import IgnoredUsers
from synapse.handlers.presence import Presence
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.sync.to_device import ToDevice
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.device_messages import DeviceMessageStore
from synapse.storage.stores.inbox import InboxStore
from synapse.storage.stores.receipts import ReceiptStore
from synapse.storage.stores.thread_subscriptions import ThreadSubscriptionStore
from synapse.streams.followers import Followers
from synapse.streams.inboxes import Inboxes
from synapse.streams.presence_changes import PresenceChanges
from synapse.streams.receipts import RecentReceipts
from synapse.streams.serials import Serials
from synapse.streams.typing import Typing


class Streams:
    """The followers, what lives in memory only, and the stores that tell followers what moved."""

    def __init__(self, ground: Ground, stores: Stores) -> None:
        config, database = ground.config, ground.database
        clock, background = ground.clock, ground.background
        self.followers = Followers(stores.members, clock, position=lambda: database.position)
        self.serials = Serials(clock)
        self.typing = Typing(self.followers, self.serials, clock)
        self.presence_changes = PresenceChanges(self.followers, self.serials, clock, background)
        self.presence = Presence(
            stores.presence,
            stores.names,
            self.presence_changes,
            clock,
            background,
            config.presence,
            server_name=ground.server_name,
            limit=RateLimiter(clock, config.rate_limits.rc_presence.per_user),
        )
        self.recent_receipts = RecentReceipts(self.followers, position=database.position)
        self.receipt_store = ReceiptStore(database, moved=self.recent_receipts.committed)
        self.account_data_store = AccountDataStore(database, self._account_data_moved)
        self.ignored_users = IgnoredUsers(self.account_data_store, stores.names)
        self.thread_subscription_store = ThreadSubscriptionStore(
            database, self.followers.user_moved
        )
        self.inboxes = Inboxes(InboxStore(database), self.followers, background)
        self.device_message_store = DeviceMessageStore(
            database, stores.outbox, delivered=self.inboxes.delivered
        )
        self.to_device = ToDevice(self.inboxes)
        # Not before all of a commit is told: its position covers what was not told yet, too.
        database.on_commit(lambda position: self.followers.wake())

    def _account_data_moved(self, user_nid: int, position: int) -> None:
        self.ignored_users.changed(user_nid)
        self.followers.user_moved(user_nid, position)
