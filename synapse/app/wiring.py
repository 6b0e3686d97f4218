"""The server's parts and who needs whom, in dependency order: the tour of the house.

Nothing looks anything up: what an object works with is handed to it here, once. Tests build the
same `Server` over a database and a clock of their own.
"""

from synapse.config.homeserver import HomeserverConfig
from synapse.crypto.signing import SigningKey
from synapse.handlers.account_data import AccountData
from synapse.handlers.accounts import Accounts
from synapse.handlers.aliases import Aliases
from synapse.handlers.auth import Auth
from synapse.handlers.auto_join import AutoJoin
from synapse.handlers.client_events import ClientEvents
from synapse.handlers.credentials import Credentials
from synapse.handlers.devices import Devices
from synapse.handlers.filters import Filters
from synapse.handlers.guest_access import GuestAccess
from synapse.handlers.guest_upgrade import GuestUpgrades
from synapse.handlers.login import Login
from synapse.handlers.membership import Memberships
from synapse.handlers.membership_limits import MembershipLimits
from synapse.handlers.messages import Messages
from synapse.handlers.new_accounts import NewAccounts
from synapse.handlers.passwords import Passwords, Workers
from synapse.handlers.profiles import Profiles
from synapse.handlers.public_rooms import PublicRooms
from synapse.handlers.push_rules import PushRules
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.receipts import Receipts
from synapse.handlers.registration import Registration
from synapse.handlers.restricted_joins import RestrictedJoins
from synapse.handlers.room_creation import RoomCreation
from synapse.handlers.room_state import RoomState
from synapse.handlers.sessions import Sessions
from synapse.handlers.shared_secret import SharedSecretRegistration
from synapse.handlers.sliding_sync.connections import Connections
from synapse.handlers.sliding_sync.extensions import Extensions
from synapse.handlers.sliding_sync.handler import SlidingSync
from synapse.handlers.sliding_sync.joined import JoinedViews
from synapse.handlers.sliding_sync.outside import OutsideViews
from synapse.handlers.sliding_sync.room_list import RoomLists
from synapse.handlers.sliding_sync.room_state import RequiredStates
from synapse.handlers.sliding_sync.windows import WindowFinder
from synapse.handlers.state_events import StateEvents
from synapse.handlers.states import States
from synapse.handlers.sync.deltas import RoomDeltas
from synapse.handlers.sync.elsewhere import RoomsElsewhere
from synapse.handlers.sync.ephemeral import Ephemeral
from synapse.handlers.sync.handler import Sync
from synapse.handlers.sync.joined import JoinedRooms
from synapse.handlers.sync.whole_rooms import WholeRooms
from synapse.handlers.timelines import Timelines
from synapse.handlers.typing import TypingNotices
from synapse.handlers.ui_auth import UiAuth
from synapse.handlers.visibility import Visibility
from synapse.rooms.announce import Announcer
from synapse.rooms.cache import RoomCache
from synapse.rooms.persister import Persister
from synapse.rooms.txns import Transactions
from synapse.rooms.writer import RoomWriter
from synapse.storage.database import Database
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.devices import DeviceStore
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.filters import FilterStore
from synapse.storage.stores.members import MemberStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.profiles import ProfileStore
from synapse.storage.stores.push_rules import PushRuleStore
from synapse.storage.stores.receipts import ReceiptStore
from synapse.storage.stores.rooms import RoomStore
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore
from synapse.storage.stores.tokens import TokenStore
from synapse.storage.stores.ui_auth import UiAuthStore
from synapse.storage.stores.users import UserStore
from synapse.streams.followers import Followers
from synapse.streams.receipts import RecentReceipts
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
        self._build_membership()
        self._build_messages()
        self._build_accounts()
        self._build_sync()

    def _build_stores(self) -> None:
        database = self.database
        self.names = Names(database)
        self.slots = Slots(database, self.names)
        self.events = EventStore(database, cache_size=self.config.caches.event_cache_size)
        self.states = StateStore(database, self.names, self.slots, self.events)
        self.room_store = RoomStore(database)
        self.members = MemberStore(database)
        self.users = UserStore(database, self.names)
        self.profiles = ProfileStore(database, self.names)
        self.device_store = DeviceStore(database)
        self.tokens = TokenStore(database)

    def _build_streams(self) -> None:
        database = self.database
        self.followers = Followers(self.members, self.clock, position=lambda: database.position)
        self.typing = Typing(self.followers, self.clock)
        self.recent_receipts = RecentReceipts(self.followers, position=database.position)
        self.receipt_store = ReceiptStore(database, moved=self.recent_receipts.committed)
        self.account_data_store = AccountDataStore(database, self.followers.user_moved)
        # Not before all of a commit is told: its position covers what was not told yet, too.
        database.on_commit(lambda position: self.followers.wake())

    def _build_rooms(self, key: SigningKey) -> None:
        self.rooms = RoomCache(self.room_store, self.events, self.states, cache_size=_ROOMS_KEPT)
        announcer = Announcer(
            self.rooms, self.followers, self.typing, self.names, server_name=self._server_name
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
        )
        self.transactions = Transactions(self.events)
        self.visibility = Visibility(self.rooms, self.members, self.events, self.states)

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

    def _build_membership(self) -> None:
        config, clock, limits = self.config, self.clock, self.config.rate_limits
        self.aliases = Aliases(
            self.rooms,
            self.room_store,
            self.writer,
            self.visibility,
            limit=RateLimiter(clock, limits.rc_message),
            server_name=self._server_name,
            require_membership=config.rooms.require_membership_for_aliases,
        )
        membership_limits = MembershipLimits(clock, limits)
        restricted = RestrictedJoins(
            self.rooms, self.members, self.names, server_name=self._server_name
        )
        self.memberships = Memberships(
            self.rooms,
            self.writer,
            self.members,
            self.names,
            self.profiles,
            restricted,
            membership_limits,
            config.rooms,
            server_name=self._server_name,
        )
        self.room_creation = RoomCreation(
            self.writer,
            self.room_store,
            self.profiles,
            self.memberships,
            membership_limits,
            config.rooms,
            limit=RateLimiter(clock, limits.rc_room_creation),
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
        )
        states = States(self.rooms, self.states)
        self.timelines = Timelines(self.rooms, self.events, states, self.visibility)
        self.room_state = RoomState(
            self.rooms, self.room_store, self.members, states, self.timelines, self.visibility
        )
        self.client_events = ClientEvents(self.events, clock)
        self.public_rooms = PublicRooms(
            self.room_store, self.states, enabled=self.config.rooms.enable_room_list_search
        )

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
        self.push_rules = PushRules(PushRuleStore(self.database, self.followers.user_moved))
        self.account_data = AccountData(self.account_data_store, self.push_rules)
        self.filters = Filters(FilterStore(self.database))

    def _build_sync(self) -> None:
        deltas = RoomDeltas(self.events, self.states, self.clock)
        whole = WholeRooms(
            self.rooms,
            self.events,
            self.states,
            self.members,
            self.names,
            deltas,
            self.visibility,
        )
        ephemeral = Ephemeral(self.receipt_store, self.recent_receipts, self.typing)
        joined = JoinedRooms(
            self.rooms,
            self.room_store,
            self.events,
            self.members,
            deltas,
            whole,
            ephemeral,
            self.clock,
        )
        elsewhere = RoomsElsewhere(
            self.rooms,
            self.events,
            self.states,
            deltas,
            self.visibility,
            self.config.rooms.room_prejoin_state,
        )
        self.sync = Sync(
            self.database,
            self.rooms,
            self.room_store,
            self.members,
            self.account_data_store,
            self.push_rules,
            self.followers,
            self.typing,
            joined,
            elsewhere,
            self.clock,
            excluded_rooms=self.config.rooms.exclude_rooms_from_sync,
        )
        self._build_sliding_sync(deltas, whole, ephemeral, elsewhere)
        self.typing_notices = TypingNotices(self.rooms, self.typing)
        self.receipts = Receipts(
            self.rooms,
            self.events,
            self.receipt_store,
            self.account_data_store,
            self.clock,
        )

    def _build_sliding_sync(
        self,
        deltas: RoomDeltas,
        whole: WholeRooms,
        ephemeral: Ephemeral,
        elsewhere: RoomsElsewhere,
    ) -> None:
        states = RequiredStates(self.rooms, self.states)
        joined = JoinedViews(
            self.rooms, self.events, self.members, states, deltas, whole, self.clock
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
                joined,
            ),
            Extensions(self.account_data_store, self.push_rules, self.receipt_store, ephemeral),
            self.clock,
        )
