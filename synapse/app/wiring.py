"""The server's parts and who needs whom, in dependency order: the tour of the house.

Nothing looks anything up: what an object works with is handed to it here, once. Tests build the
same `Server` over a database and a clock of their own.
"""

from collections.abc import Sequence

from synapse.config.homeserver import HomeserverConfig
from synapse.config.retention import RetentionConfig
from synapse.crypto.signing import SigningKey
from synapse.events.retention import RetentionRules
from synapse.handlers.account_data import AccountData
from synapse.handlers.accounts import Accounts
from synapse.handlers.aggregations import Aggregations
from synapse.handlers.aliases import Aliases
from synapse.handlers.auth import Auth
from synapse.handlers.auto_join import AutoJoin
from synapse.handlers.client_events import ClientEvents
from synapse.handlers.credentials import Credentials
from synapse.handlers.delayed_events import DelayedEvents
from synapse.handlers.delayed_sending import DelayedSending
from synapse.handlers.devices import Devices
from synapse.handlers.directory_rules import DirectoryRules
from synapse.handlers.event_by_time import EventByTime
from synapse.handlers.event_stream import EventStream
from synapse.handlers.filters import Filters
from synapse.handlers.guest_access import GuestAccess
from synapse.handlers.guest_upgrade import GuestUpgrades
from synapse.handlers.ignored_users import IgnoredUsers
from synapse.handlers.invite_permission import InvitePermission
from synapse.handlers.listeners import Listeners
from synapse.handlers.login import Login
from synapse.handlers.membership import Memberships
from synapse.handlers.membership_limits import MembershipLimits
from synapse.handlers.messages import Messages
from synapse.handlers.mutual_rooms import MutualRooms
from synapse.handlers.new_accounts import NewAccounts
from synapse.handlers.notifications import Notifications
from synapse.handlers.openid import OpenId
from synapse.handlers.own_memberships import OwnMemberships
from synapse.handlers.passwords import Passwords, Workers
from synapse.handlers.presence import Presence
from synapse.handlers.profiles import Profiles
from synapse.handlers.public_rooms import PublicRooms
from synapse.handlers.push_rules import PushRules
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.receipts import Receipts
from synapse.handlers.registration import Registration
from synapse.handlers.relation_rules import RelationRules
from synapse.handlers.relations import Relations
from synapse.handlers.reports import Reports
from synapse.handlers.restricted_joins import RestrictedJoins
from synapse.handlers.retention import Retention
from synapse.handlers.room_closing import RoomClosing
from synapse.handlers.room_creation import RoomCreation
from synapse.handlers.room_previews import RoomPreviews
from synapse.handlers.room_state import RoomState
from synapse.handlers.room_succession import RoomSuccession
from synapse.handlers.room_summaries import RoomSummaries
from synapse.handlers.room_upgrades import RoomUpgrades
from synapse.handlers.search import Search
from synapse.handlers.search_pages import SearchPages
from synapse.handlers.search_scope import SearchScope
from synapse.handlers.sessions import Sessions
from synapse.handlers.shared_secret import SharedSecretRegistration
from synapse.handlers.sliding_sync.connections import Connections
from synapse.handlers.sliding_sync.drafts import Drafts
from synapse.handlers.sliding_sync.extensions import Extensions
from synapse.handlers.sliding_sync.handler import SlidingSync
from synapse.handlers.sliding_sync.joined import JoinedViews
from synapse.handlers.sliding_sync.outside import OutsideViews
from synapse.handlers.sliding_sync.room_list import RoomLists
from synapse.handlers.sliding_sync.room_state import RequiredStates
from synapse.handlers.sliding_sync.windows import WindowFinder
from synapse.handlers.snapshots import Snapshots
from synapse.handlers.space_hierarchy import SpaceHierarchy
from synapse.handlers.state_events import StateEvents
from synapse.handlers.states import States
from synapse.handlers.sync.deltas import RoomDeltas
from synapse.handlers.sync.elsewhere import RoomsElsewhere
from synapse.handlers.sync.ephemeral import Ephemeral
from synapse.handlers.sync.handler import Sync
from synapse.handlers.sync.joined import JoinedRooms
from synapse.handlers.sync.lazy_members import LazyMembers
from synapse.handlers.sync.own_timelines import OwnTimelines
from synapse.handlers.sync.presence import PresenceInSync
from synapse.handlers.sync.unread import Unread
from synapse.handlers.sync.whole_rooms import WholeRooms
from synapse.handlers.tags import Tags
from synapse.handlers.thread_subscriptions import ThreadSubscriptions
from synapse.handlers.timelines import Timelines
from synapse.handlers.typing import TypingNotices
from synapse.handlers.ui_auth import UiAuth
from synapse.handlers.user_directory import UserDirectory
from synapse.handlers.visibility import Visibility
from synapse.rooms.announce import Announcer
from synapse.rooms.cache import RoomCache
from synapse.rooms.persister import Persister
from synapse.rooms.purging import Purging
from synapse.rooms.txns import Transactions
from synapse.rooms.writer import RoomWriter
from synapse.storage.database import Database
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.delayed_events import DelayedEventStore
from synapse.storage.stores.devices import DeviceStore
from synapse.storage.stores.directory import DirectoryStore
from synapse.storage.stores.directory_feed import DirectoryFeed
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.filters import FilterStore
from synapse.storage.stores.members import MemberStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.notifications import NotificationStore
from synapse.storage.stores.openid import OpenIdStore
from synapse.storage.stores.presence import PresenceStore
from synapse.storage.stores.profiles import ProfileStore
from synapse.storage.stores.purging import PurgeStore
from synapse.storage.stores.push_rules import PushRuleStore
from synapse.storage.stores.receipts import ReceiptStore
from synapse.storage.stores.relations import RelationStore
from synapse.storage.stores.reports import ReportStore
from synapse.storage.stores.rooms import RoomStore
from synapse.storage.stores.search_feed import SearchFeed
from synapse.storage.stores.search_index import search_index
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore
from synapse.storage.stores.thread_subscriptions import ThreadSubscriptionStore
from synapse.storage.stores.tokens import TokenStore
from synapse.storage.stores.ui_auth import UiAuthStore
from synapse.storage.stores.unread import UnreadStore
from synapse.storage.stores.users import UserStore
from synapse.storage.stream_readers import StreamReader
from synapse.streams.followers import Followers
from synapse.streams.presence_changes import PresenceChanges
from synapse.streams.receipts import RecentReceipts
from synapse.streams.serials import Serials
from synapse.streams.typing import Typing
from synapse.util.background import Background
from synapse.util.clock import Clock

_ROOMS_KEPT = 5_000


class Server:
    """A homeserver without its sockets."""

    def __init__(
        self,
        config: HomeserverConfig,
        database: Database,
        clock: Clock,
        workers: Workers,
        key: SigningKey,
    ) -> None:
        """`workers` run what takes long, such as hashing passwords."""
        self.config = config
        self.database = database
        self.clock = clock
        self.background = Background()
        self._server_name = config.server.server_name
        self._build_stores()
        self._build_streams()
        self._build_rooms(key)
        self._build_sessions(workers)
        self._build_presence()
        self._build_membership()
        self._build_messages()
        self._build_accounts()
        self._build_sync()
        self._build_search()

    def _build_stores(self) -> None:
        database = self.database
        self.names = Names(database)
        self.slots = Slots(database, self.names)
        self.events = EventStore(database, cache_size=self.config.caches.event_cache_size)
        self.relation_store = RelationStore(database)
        self.states = StateStore(database, self.names, self.slots, self.events)
        self.room_store = RoomStore(database)
        self.members = MemberStore(database)
        self.users = UserStore(database, self.names)
        self.profiles = ProfileStore(database, self.names)
        self.device_store = DeviceStore(database)
        self.tokens = TokenStore(database)
        self.search_index = search_index(database)
        self.search_feed = SearchFeed(self.search_index)

    def _build_streams(self) -> None:
        database = self.database
        self.followers = Followers(self.members, self.clock, position=lambda: database.position)
        self.serials = Serials(self.clock)
        self.typing = Typing(self.followers, self.serials, self.clock)
        self.presence_changes = PresenceChanges(
            self.followers, self.serials, self.clock, self.background
        )
        self.recent_receipts = RecentReceipts(self.followers, position=database.position)
        self.receipt_store = ReceiptStore(database, moved=self.recent_receipts.committed)
        self.account_data_store = AccountDataStore(database, self._account_data_moved)
        self.ignored_users = IgnoredUsers(self.account_data_store, self.names)
        self.thread_subscription_store = ThreadSubscriptionStore(
            database, self.followers.user_moved
        )
        # Not before all of a commit is told: its position covers what was not told yet, too.
        database.on_commit(lambda position: self.followers.wake())

    def _account_data_moved(self, user_nid: int, position: int) -> None:
        self.ignored_users.changed(user_nid)
        self.followers.user_moved(user_nid, position)

    def _build_rooms(self, key: SigningKey) -> None:
        self.rooms = RoomCache(self.room_store, self.events, self.states, cache_size=_ROOMS_KEPT)
        self.push_rule_store = PushRuleStore(self.database, self._push_rules_moved)
        self.listeners = Listeners(
            self.rooms,
            self.events,
            self.members,
            self.names,
            self.push_rule_store,
            server_name=self._server_name,
        )
        announcer = Announcer(
            self.rooms,
            self.followers,
            self.typing,
            self.presence_changes,
            self.names,
            server_name=self._server_name,
            membership_changed=self.listeners.membership_changed,
        )
        self.persister = Persister(
            self.database,
            self.names,
            self.slots,
            self.events,
            self.states,
            committed=announcer.committed,
        )
        self.writer = RoomWriter(
            self.rooms,
            self.events,
            self.persister,
            self.clock,
            server_name=self._server_name,
            key=key,
            weigh=self.listeners.weigh,
        )
        self.transactions = Transactions(self.events)
        rules = _retention_rules(self.config.retention)
        self.retention = Retention(self.rooms, self.states, self.clock, rules)
        self.purging = Purging(
            PurgeStore(self.database, forget=self.search_feed.forget),
            self.rooms,
            self.events,
            self.states,
            self.clock,
            rules,
            self.config.retention.purge_jobs,
        )
        self.visibility = Visibility(
            self.rooms, self.members, self.events, self.states, self.retention
        )
        self.own_memberships = OwnMemberships(self.rooms, self.members, self.events)

    def _push_rules_moved(self, user_nid: int, position: int, room_nids: Sequence[int]) -> None:
        self.listeners.rules_changed(user_nid, room_nids)
        self.followers.user_moved(user_nid, position)

    def _build_sessions(self, workers: Workers) -> None:
        config, clock, limits = self.config, self.clock, self.config.rate_limits
        self.auth = Auth(self.tokens, self.device_store, clock, self.background)
        self.passwords = Passwords(workers, config.passwords, config.registration.bcrypt_rounds)
        self.sessions = Sessions(
            self.tokens, self.device_store, self.auth, clock, config.registration
        )
        self.credentials = Credentials(
            self._server_name,
            self.users,
            self.passwords,
            RateLimiter(clock, limits.rc_login.failed_attempts),
        )
        self.ui_auth = UiAuth(
            UiAuthStore(self.database), self.tokens, self.credentials, clock, config.ui_auth
        )

    def _build_presence(self) -> None:
        self.presence_store = PresenceStore(self.database)
        self.presence = Presence(
            self.presence_store,
            self.names,
            self.presence_changes,
            self.clock,
            self.background,
            self.config.presence,
            limit=RateLimiter(self.clock, self.config.rate_limits.rc_presence.per_user),
        )

    def _build_membership(self) -> None:
        config, clock, limits = self.config, self.clock, self.config.rate_limits
        directory_rules = DirectoryRules(config.rooms)
        self.aliases = Aliases(
            self.rooms,
            self.room_store,
            self.writer,
            self.visibility,
            directory_rules,
            limit=RateLimiter(clock, limits.rc_message),
            server_name=self._server_name,
            require_membership=config.rooms.require_membership_for_aliases,
        )
        membership_limits = MembershipLimits(clock, limits)
        self.invite_permission = InvitePermission(
            self.account_data_store, self.events, self.names, server_name=self._server_name
        )
        restricted = RestrictedJoins(self.rooms, self.members, server_name=self._server_name)
        succession = RoomSuccession(self.rooms, self.account_data_store, self.push_rule_store)
        self.memberships = Memberships(
            self.rooms,
            self.writer,
            self.members,
            self.names,
            self.profiles,
            restricted,
            self.invite_permission,
            succession,
            membership_limits,
            config.rooms,
            server_name=self._server_name,
        )
        creation_limit = RateLimiter(clock, limits.rc_room_creation)
        self.room_creation = RoomCreation(
            self.writer,
            self.room_store,
            self.profiles,
            self.memberships,
            membership_limits,
            directory_rules,
            config.rooms,
            limit=creation_limit,
            server_name=self._server_name,
        )
        closing = RoomClosing(
            self.rooms,
            self.room_store,
            self.states,
            self.writer,
            self.background,
            server_name=self._server_name,
        )
        self.room_upgrades = RoomUpgrades(
            self.rooms,
            self.room_store,
            self.states,
            self.profiles,
            self.writer,
            succession,
            closing,
            limit=creation_limit,
            server_name=self._server_name,
        )
        self.profile_changes = Profiles(
            self.profiles,
            self.users,
            self.members,
            self.memberships,
            self.background,
            config.registration,
            limit=RateLimiter(clock, limits.rc_profile),
            server_name=self._server_name,
            only_in_common_rooms=config.server.limit_profile_requests_to_users_who_share_rooms,
        )

    def _build_messages(self) -> None:
        clock, limits = self.clock, self.config.rate_limits
        messages_limit = RateLimiter(clock, limits.rc_message)
        redactions = limits.rc_admin_redaction
        self.messages = Messages(
            self.rooms,
            self.events,
            self.writer,
            self.transactions,
            self.presence,
            RelationRules(self.relation_store, self.events, self.rooms),
            messages_limit=messages_limit,
            moderation_limit=None if redactions is None else RateLimiter(clock, redactions),
            server_name=self._server_name,
        )
        self.state_events = StateEvents(
            self.rooms,
            self.writer,
            self.memberships,
            self.aliases,
            GuestAccess(self.members, self.writer, self.background),
            limit=messages_limit,
            server_name=self._server_name,
        )
        delayed_event_store = DelayedEventStore(self.database)
        self.delayed_sending = DelayedSending(
            delayed_event_store,
            self.rooms,
            self.users,
            self.messages,
            self.state_events,
            self.transactions,
            self.background,
            clock,
        )
        self.delayed_events = DelayedEvents(
            delayed_event_store,
            self.rooms,
            self.delayed_sending,
            clock,
            max_delay_ms=self.config.rooms.max_event_delay_duration_ms,
            schedule_limit=messages_limit,
            manage_limit=RateLimiter(clock, limits.rc_delayed_event_mgmt),
        )
        states = States(self.rooms, self.states)
        self.timelines = Timelines(
            self.rooms,
            self.events,
            self.relation_store,
            states,
            self.visibility,
            self.ignored_users,
        )
        self.thread_subscriptions = ThreadSubscriptions(
            self.thread_subscription_store, self.rooms, self.timelines
        )
        self.event_by_time = EventByTime(self.rooms, self.events, self.visibility)
        self.room_state = RoomState(
            self.rooms, self.room_store, self.members, states, self.timelines, self.visibility
        )
        self.reports = Reports(
            ReportStore(self.database),
            self.rooms,
            self.timelines,
            self.visibility,
            clock,
            limit=RateLimiter(clock, limits.rc_reports),
        )
        self.aggregations = Aggregations(
            self.relation_store, self.events, self.rooms, self.visibility, self.ignored_users, clock
        )
        self.client_events = ClientEvents(
            self.events, self.aggregations, self.own_memberships, clock
        )
        self.relations = Relations(
            self.timelines,
            self.relation_store,
            self.events,
            self.rooms,
            self.visibility,
            self.ignored_users,
        )
        summaries = RoomSummaries(self.states, self.events)
        self.public_rooms = PublicRooms(
            self.room_store, summaries, enabled=self.config.rooms.enable_room_list_search
        )
        self.room_previews = RoomPreviews(self.room_store, self.members, summaries, self.aliases)
        self.space_hierarchy = SpaceHierarchy(self.room_previews)
        self.mutual_rooms = MutualRooms(self.members, self.room_store, self.names)

    def _build_accounts(self) -> None:
        config, clock, limits = self.config, self.clock, self.config.rate_limits
        auto_join = AutoJoin(
            self.users,
            self.rooms,
            self.aliases,
            self.memberships,
            self.room_creation,
            self.background,
            config.registration,
            server_name=self._server_name,
        )
        self.new_accounts = NewAccounts(self._server_name, self.users, clock, auto_join.registered)
        self.registration = Registration(
            self._server_name,
            config.registration,
            self.users,
            self.new_accounts,
            self.passwords,
            self.sessions,
            self.ui_auth,
            GuestUpgrades(self.tokens, self.users, self.auth, server_name=self._server_name),
            clock,
            per_address=RateLimiter(clock, limits.rc_registration),
        )
        self.shared_secret = SharedSecretRegistration(
            self._server_name,
            config.registration.registration_shared_secret,
            self.new_accounts,
            self.passwords,
            self.sessions,
            clock,
        )
        self.login = Login(
            self.credentials,
            self.sessions,
            config.passwords,
            per_address=RateLimiter(clock, limits.rc_login.address),
            per_account=RateLimiter(clock, limits.rc_login.account),
        )
        self.accounts = Accounts(
            self.users,
            self.passwords,
            self.sessions,
            self.ui_auth,
            self.memberships,
            self.background,
            config.passwords,
        )
        self.devices = Devices(self.device_store, self.ui_auth, self.auth)
        self.push_rules = PushRules(self.push_rule_store)
        self.account_data = AccountData(self.account_data_store, self.push_rules)
        self.tags = Tags(self.account_data_store)
        self.openid_store = OpenIdStore(self.database)
        self.openid = OpenId(self.openid_store, clock)
        self.filters = Filters(FilterStore(self.database))

    def _build_sync(self) -> None:
        deltas = RoomDeltas(self.events, self.states, self.retention, self.clock)
        whole = WholeRooms(
            self.rooms,
            self.events,
            self.states,
            self.members,
            self.names,
            deltas,
            self.visibility,
            self.own_memberships,
            self.retention,
            self.clock,
        )
        timelines = OwnTimelines(self.events, self.aggregations, self.ignored_users, self.clock)
        ephemeral = Ephemeral(self.receipt_store, self.recent_receipts, self.typing)
        unread_store = UnreadStore(self.database)
        unread = Unread(self.listeners, unread_store)
        joined = JoinedRooms(
            self.rooms,
            self.room_store,
            self.members,
            deltas,
            whole,
            timelines,
            ephemeral,
            unread,
            LazyMembers(),
            self.own_memberships,
            self.clock,
        )
        elsewhere = RoomsElsewhere(
            self.rooms,
            self.events,
            self.states,
            deltas,
            self.visibility,
            timelines,
            self.ignored_users,
            self.own_memberships,
            self.config.rooms.room_prejoin_state,
        )
        self.sync = Sync(
            self.database,
            self.rooms,
            self.room_store,
            self.members,
            self.account_data_store,
            self.push_rules,
            self.invite_permission,
            self.followers,
            self.typing,
            joined,
            elsewhere,
            PresenceInSync(
                self.presence_changes,
                self.presence_store,
                self.followers,
                self.serials,
                self.clock,
                self.config.presence,
            ),
            self.clock,
            excluded_rooms=self.config.rooms.exclude_rooms_from_sync,
        )
        self._build_sliding_sync(deltas, whole, timelines, ephemeral, unread, elsewhere)
        self.typing_notices = TypingNotices(self.rooms, self.typing, self.presence)
        self.snapshots = Snapshots(
            self.database,
            self.rooms,
            self.room_store,
            self.members,
            self.events,
            self.states,
            self.timelines,
            self.room_state,
            self.visibility,
            self.account_data_store,
            self.push_rules,
            self.typing,
        )
        self.event_stream = EventStream(
            self.database,
            self.rooms,
            self.room_store,
            self.members,
            self.events,
            self.timelines,
            self.followers,
            self.typing,
            self.clock,
        )
        self.notifications = Notifications(
            NotificationStore(self.database),
            unread_store,
            self.room_store,
            self.members,
            self.events,
            self.states,
            self.listeners,
            self.visibility,
            self.ignored_users,
            self.clock,
        )
        self.receipts = Receipts(
            self.rooms,
            self.events,
            self.receipt_store,
            self.account_data_store,
            self.presence,
            unread,
            self.clock,
        )

    def _build_sliding_sync(
        self,
        deltas: RoomDeltas,
        whole: WholeRooms,
        timelines: OwnTimelines,
        ephemeral: Ephemeral,
        unread: Unread,
        elsewhere: RoomsElsewhere,
    ) -> None:
        states = RequiredStates(self.rooms, self.states)
        joined = JoinedViews(
            self.rooms,
            self.members,
            states,
            deltas,
            whole,
            unread,
            self.own_memberships,
            self.clock,
        )
        self.sliding_sync = SlidingSync(
            self.database,
            self.followers,
            self.typing,
            Connections(),
            RoomLists(
                self.rooms,
                self.members,
                self.account_data_store,
                self.invite_permission,
                excluded_rooms=self.config.rooms.exclude_rooms_from_sync,
            ),
            WindowFinder(self.states),
            joined,
            OutsideViews(
                self.rooms,
                self.events,
                states,
                deltas,
                elsewhere,
                self.visibility,
                self.retention,
                joined,
            ),
            Drafts(timelines),
            ephemeral,
            Extensions(self.account_data_store, self.push_rules, self.receipt_store, ephemeral),
            self.clock,
        )

    def _build_search(self) -> None:
        index = self.search_index
        scope = SearchScope(
            index, self.rooms, self.room_store, self.members, self.names, self.slots
        )
        pages = SearchPages(index, scope, self.events, self.visibility)
        self.search = Search(
            pages,
            self.rooms,
            self.timelines,
            States(self.rooms, self.states),
            self.room_state,
            enabled=self.config.search.enable_search,
        )
        self.search_reader = StreamReader(
            "search", self.search_feed, self.database, self.clock, self.background
        )
        self.user_directory = UserDirectory(
            DirectoryStore(self.database),
            self.config.search.user_directory,
            limit=RateLimiter(self.clock, self.config.rate_limits.rc_user_directory),
        )
        self.directory_reader = StreamReader(
            "user_directory", DirectoryFeed(), self.database, self.clock, self.background
        )


def _retention_rules(config: RetentionConfig) -> RetentionRules | None:
    if not config.enabled:
        return None
    return RetentionRules(
        default_max_ms=config.default_policy.max_lifetime_ms,
        allowed_min_ms=config.allowed_lifetime_min_ms,
        allowed_max_ms=config.allowed_lifetime_max_ms,
    )
