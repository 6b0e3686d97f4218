"""The rooms in memory: how events are written to them, who hears those, and who may see what."""

from collections.abc import Sequence

from synapse.app.parts.ground import Ground
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.config.retention import RetentionConfig
from synapse.events.retention import RetentionRules
from synapse.federation.policy_servers import PolicyServers
from synapse.federation.wire import Transport
from synapse.handlers.listeners import Listeners
from synapse.handlers.own_memberships import OwnMemberships
from synapse.handlers.retention import Retention
from synapse.handlers.room_servers import RoomServers
from synapse.handlers.states import States
from synapse.handlers.visibility import Visibility
from synapse.rooms.announce import Announcer
from synapse.rooms.asides import Asides
from synapse.rooms.cache import RoomCache
from synapse.rooms.commits import Commits
from synapse.rooms.completion import Completion
from synapse.rooms.doorstep import Doorstep
from synapse.rooms.entrances import Entrances
from synapse.rooms.fork_merging import ForkMerging, MergingRules
from synapse.rooms.history import History
from synapse.rooms.persister import Persister
from synapse.rooms.purging import Purging
from synapse.rooms.receiver import Receiver
from synapse.rooms.removals import Removals
from synapse.rooms.sender_redactions import SenderRedactions
from synapse.rooms.standing import Standings
from synapse.rooms.txns import Transactions
from synapse.rooms.wholeness import Wholeness
from synapse.rooms.writer import RoomWriter
from synapse.storage.stores.early_redactions import EarlyRedactions
from synapse.storage.stores.forks import ForkStore
from synapse.storage.stores.gaps import GapStore
from synapse.storage.stores.partial_rooms import PartialRoomStore
from synapse.storage.stores.purging import PurgeStore
from synapse.storage.stores.push_rules import PushRuleStore
from synapse.storage.stores.room_servers import RoomServerStore

_ROOMS_KEPT = 5_000


class Rooms:
    """From the writer of a room to what its readers are shown."""

    def __init__(
        self, ground: Ground, stores: Stores, streams: Streams, transport: Transport
    ) -> None:
        self.cache = RoomCache(stores.rooms, stores.events, stores.states, cache_size=_ROOMS_KEPT)
        self._followers = streams.followers
        self._announce(ground, stores, streams)
        self._write(ground, stores, transport)
        self._receive(ground, stores)
        self._enter(ground, stores)
        self._show(ground, stores)

    def _announce(self, ground: Ground, stores: Stores, streams: Streams) -> None:
        """Whom events reach, and how they are committed and made known."""
        self.push_rule_store = PushRuleStore(ground.database, self._push_rules_moved)
        self.listeners = Listeners(
            self.cache,
            stores.events,
            stores.members,
            stores.names,
            self.push_rule_store,
            server_name=ground.server_name,
        )
        self.announcer = Announcer(
            self.cache,
            streams.followers,
            streams.typing,
            streams.presence_changes,
            stores.names,
            server_name=ground.server_name,
            membership_changed=self.listeners.membership_changed,
        )
        self.persister = Persister(
            ground.database,
            stores.names,
            stores.slots,
            stores.events,
            stores.states,
            committed=self.announcer.committed,
        )
        self._commits = Commits(self.cache, self.persister)

    def _write(self, ground: Ground, stores: Stores, transport: Transport) -> None:
        """Events of ours."""
        database, clock, rules = ground.database, ground.clock, ground.config.rooms
        self._forks = ForkStore(database)
        self.standings = Standings(
            self.cache,
            stores.events,
            stores.states,
            stores.slots,
            self._forks,
            GapStore(database),
            server_name=ground.server_name,
        )
        self.server_store = RoomServerStore(database)
        self.servers = RoomServers(self.server_store, server_name=ground.server_name)
        self.policy_servers = PolicyServers(transport, self.cache, self.servers, clock)
        self.writer = RoomWriter(
            self.cache,
            stores.events,
            self.standings,
            self._commits,
            self.policy_servers,
            clock,
            server_name=ground.server_name,
            key=ground.key,
            weigh=self.listeners.weigh,
        )
        self.fork_merging = ForkMerging(
            self.cache,
            self.writer,
            stores.members,
            ground.background,
            clock,
            MergingRules(
                enabled=rules.cleanup_extremities_with_dummy_events,
                threshold=rules.dummy_events_threshold,
            ),
        )
        self.transactions = Transactions(stores.events)

    def _receive(self, ground: Ground, stores: Stores) -> None:
        """Events of other servers, of now and of the past."""
        database, clock = ground.database, ground.clock
        self.asides = Asides(database, stores.names, stores.slots, stores.events, stores.states)
        self.early_redactions = EarlyRedactions(database, stores.events)
        self.removals = Removals(self.cache, stores.events)
        self.sender_redactions = SenderRedactions(
            database, self.cache, stores.events, clock, forget=stores.search_feed.forget
        )
        self.receiver = Receiver(
            self.cache,
            stores.events,
            self.standings,
            self.asides,
            self.early_redactions,
            self.removals,
            self.sender_redactions,
            self._commits,
            self.policy_servers,
            clock,
            weigh=self.listeners.weigh,
            forked=self.fork_merging.forked,
        )
        self.history = History(database, stores.names, stores.events, self.cache)

    def _enter(self, ground: Ground, stores: Stores) -> None:
        """How this server comes into rooms of others."""
        database, clock = ground.database, ground.clock
        self.doorstep = Doorstep(database, stores.names, stores.slots, self.asides, self.announcer)
        self.entrances = Entrances(
            database,
            self.cache,
            stores.events,
            stores.states,
            stores.slots,
            self._commits,
            clock,
            server_name=ground.server_name,
        )
        self.partial_store = PartialRoomStore(database)
        self.wholeness = Wholeness(self.cache, clock)
        self.completion = Completion(
            database,
            self.cache,
            self.partial_store,
            stores.events,
            stores.states,
            stores.names,
            stores.slots,
            self._forks,
            self.announcer,
            self.wholeness,
            clock,
            server_name=ground.server_name,
            forget=stores.search_feed.forget,
        )

    def _show(self, ground: Ground, stores: Stores) -> None:
        """What is kept, and who may see it."""
        retention = ground.config.retention
        rules = _retention_rules(retention)
        self.retention = Retention(self.cache, stores.states, ground.clock, rules)
        self.purging = Purging(
            PurgeStore(ground.database, forget=stores.search_feed.forget),
            self.cache,
            stores.events,
            stores.states,
            ground.clock,
            rules,
            retention.purge_jobs,
        )
        self.states = States(self.cache, stores.states)
        self.visibility = Visibility(
            self.cache, stores.members, stores.events, stores.states, stores.flips, self.retention
        )
        self.own_memberships = OwnMemberships(self.cache, stores.members, stores.events)

    def _push_rules_moved(self, user_nid: int, position: int, room_nids: Sequence[int]) -> None:
        self.listeners.rules_changed(user_nid, room_nids)
        self._followers.user_moved(user_nid, position)


def _retention_rules(config: RetentionConfig) -> RetentionRules | None:
    if not config.enabled:
        return None
    return RetentionRules(
        default_max_ms=config.default_policy.max_lifetime_ms,
        allowed_min_ms=config.allowed_lifetime_min_ms,
        allowed_max_ms=config.allowed_lifetime_max_ms,
    )
