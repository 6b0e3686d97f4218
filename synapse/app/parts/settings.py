"""What users keep on the server for their clients, and no other user sees."""

from synapse.app.parts.ground import Ground
from synapse.app.parts.reading import Reading
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.streams import Streams
from synapse.handlers.account_data import AccountData
from synapse.handlers.filters import Filters
from synapse.handlers.push_rules import PushRules
from synapse.handlers.tags import Tags
from synapse.handlers.thread_subscriptions import ThreadSubscriptions
from synapse.storage.stores.filters import FilterStore


class Settings:
    """Push rules, account data, tags, filters, threads that are followed."""

    def __init__(self, ground: Ground, streams: Streams, rooms: Rooms, reading: Reading) -> None:
        self.push_rules = PushRules(rooms.push_rule_store)
        self.account_data = AccountData(streams.account_data_store, self.push_rules)
        self.tags = Tags(streams.account_data_store)
        self.filters = Filters(FilterStore(ground.database))
        self.thread_subscriptions = ThreadSubscriptions(
            streams.thread_subscription_store, rooms.cache, reading.timelines, self.push_rules
        )
