"""What users turn to: that they type, what they have read, what they were notified about."""

from synapse.app.parts.ground import Ground
from synapse.app.parts.room_news import RoomNews
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.handlers.notifications import Notifications
from synapse.handlers.receipts import Receipts
from synapse.handlers.typing import TypingNotices
from synapse.storage.stores.notifications import NotificationStore


class Attention:
    """None of it is an event."""

    def __init__(
        self, ground: Ground, stores: Stores, streams: Streams, rooms: Rooms, news: RoomNews
    ) -> None:
        clock = ground.clock
        self.typing = TypingNotices(rooms.cache, streams.typing, streams.presence)
        self.receipts = Receipts(
            rooms.cache,
            stores.events,
            streams.receipt_store,
            streams.account_data_store,
            streams.presence,
            news.unread,
            clock,
        )
        self.notifications = Notifications(
            NotificationStore(ground.database),
            stores.unread,
            stores.rooms,
            stores.members,
            stores.events,
            stores.states,
            rooms.listeners,
            rooms.visibility,
            streams.ignored_users,
            streams.thread_subscription_store,
            clock,
        )
