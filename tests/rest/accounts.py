"""The parts of the server that are about accounts, put together."""

from collections.abc import Callable
from typing import TypeVar

from synapse.api.room_versions import DEFAULT_ROOM_VERSION
from synapse.config.homeserver import HomeserverConfig
from synapse.handlers.account_data import AccountData
from synapse.handlers.accounts import Accounts
from synapse.handlers.auth import Auth
from synapse.handlers.credentials import Credentials
from synapse.handlers.devices import Devices
from synapse.handlers.filters import Filters
from synapse.handlers.login import Login
from synapse.handlers.new_accounts import NewAccounts
from synapse.handlers.passwords import Passwords
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.registration import Registration
from synapse.handlers.sessions import Sessions
from synapse.handlers.shared_secret import SharedSecretRegistration
from synapse.handlers.ui_auth import UiAuth
from synapse.http.resource import Resource
from synapse.rest.admin.register import AdminRegister
from synapse.rest.admin.server_version import ServerVersion
from synapse.rest.client.account import Deactivate, Password, WhoAmI
from synapse.rest.client.account_data import GlobalAccountData, RoomAccountData
from synapse.rest.client.capabilities import Capabilities
from synapse.rest.client.devices import DeleteDevices, DeviceList, OneDevice
from synapse.rest.client.filters import OneFilter, UploadFilter
from synapse.rest.client.login import LoginResource, Refresh
from synapse.rest.client.logout import Logout, LogoutAll
from synapse.rest.client.register import Register, RegisterAvailable
from synapse.rest.client.versions import Versions
from synapse.rest.web import Welcome
from synapse.rest.well_known import WellKnownClient, WellKnownServer, WellKnownSupport
from synapse.storage.database import Database
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.devices import DeviceStore
from synapse.storage.stores.filters import FilterStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.profiles import ProfileStore
from synapse.storage.stores.tokens import TokenStore
from synapse.storage.stores.ui_auth import UiAuthStore
from synapse.storage.stores.users import UserStore
from synapse.util.background import Background
from synapse.util.clock import Clock

T = TypeVar("T")


class AtOnce:
    """Does the work of the password threads where it is asked for."""

    async def run(self, work: Callable[[], T]) -> T:
        return work()


class RecordingLeaver:
    """Notes who was to leave their rooms."""

    def __init__(self) -> None:
        self.left: list[str] = []

    async def leave_all_rooms(self, user_id: str) -> None:
        self.left.append(user_id)


class AccountParts:
    """Stores and handlers of accounts, over a database."""

    def __init__(
        self, config: HomeserverConfig, database: Database, clock: Clock, background: Background
    ) -> None:
        self.config = config
        server_name, limits = config.server.server_name, config.rate_limits
        self.moved: list[tuple[int, int]] = []
        self.new_users: list[tuple[str, bool]] = []
        self.leaver = RecordingLeaver()

        self.names = Names(database)
        self.users = UserStore(database, self.names)
        self.profiles = ProfileStore(database, self.names)
        self.device_store = DeviceStore(database)
        self.tokens = TokenStore(database)
        self.account_data_store = AccountDataStore(
            database, lambda user_nid, stream: self.moved.append((user_nid, stream))
        )

        self.auth = Auth(self.tokens, self.device_store, clock, background)
        self.passwords = Passwords(AtOnce(), config.passwords, config.registration.bcrypt_rounds)
        self.sessions = Sessions(
            self.tokens, self.device_store, self.auth, clock, config.registration
        )
        self.credentials = Credentials(
            server_name,
            self.users,
            self.passwords,
            RateLimiter(clock, limits.rc_login.failed_attempts),
        )
        self.ui_auth = UiAuth(
            UiAuthStore(database), self.tokens, self.credentials, clock, config.ui_auth
        )
        self.new_accounts = NewAccounts(
            server_name,
            self.users,
            clock,
            lambda user_id, is_guest: self.new_users.append((user_id, is_guest)),
        )
        self.registration = Registration(
            server_name,
            config.registration,
            self.users,
            self.new_accounts,
            self.passwords,
            self.sessions,
            self.ui_auth,
            clock,
            per_address=RateLimiter(clock, limits.rc_registration),
        )
        self.shared_secret = SharedSecretRegistration(
            server_name,
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
            self.leaver,
            background,
            config.passwords,
        )
        self.devices = Devices(self.device_store, self.ui_auth, self.auth)
        self.account_data = AccountData(self.account_data_store)
        self.filters = Filters(FilterStore(database))

    def resources(self) -> list[Resource]:
        auth, server = self.auth, self.config.server
        return [
            Register(self.registration),
            RegisterAvailable(self.registration),
            LoginResource(self.login),
            Refresh(self.sessions),
            Logout(auth, self.sessions),
            LogoutAll(auth, self.sessions),
            WhoAmI(auth),
            Password(auth, self.accounts),
            Deactivate(auth, self.accounts),
            DeviceList(auth, self.devices),
            OneDevice(auth, self.devices),
            DeleteDevices(auth, self.devices),
            GlobalAccountData(auth, self.account_data),
            RoomAccountData(auth, self.account_data),
            UploadFilter(auth, self.filters),
            OneFilter(auth, self.filters),
            Capabilities(
                auth, self.accounts, self.config.registration, DEFAULT_ROOM_VERSION.identifier
            ),
            Versions(),
            AdminRegister(self.shared_secret),
            ServerVersion(),
            WellKnownClient(server),
            WellKnownServer(server),
            WellKnownSupport(server),
            Welcome(server),
        ]
