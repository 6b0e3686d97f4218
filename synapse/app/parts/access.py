"""Who may act as whom: access tokens, passwords, and being asked again."""

from synapse.app.parts.stores import Stores
from synapse.config.homeserver import HomeserverConfig
from synapse.handlers.auth import Auth
from synapse.handlers.credentials import Credentials
from synapse.handlers.notices_user import NoticesUser
from synapse.handlers.passwords import Passwords, Workers
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.sessions import Sessions
from synapse.handlers.ui_auth import UiAuth
from synapse.storage.database import Database
from synapse.storage.stores.ui_auth import UiAuthStore
from synapse.util.background import Background
from synapse.util.clock import Clock


class Access:
    """What every resource asks first (`auth`), and what gives access and takes it."""

    def __init__(
        self,
        config: HomeserverConfig,
        database: Database,
        clock: Clock,
        background: Background,
        workers: Workers,
        stores: Stores,
    ) -> None:
        self.notices_user = NoticesUser(
            stores.server_notices,
            stores.names,
            config.server_notices,
            server_name=config.server.server_name,
        )
        barred = self.notices_user.user_ids
        self.auth = Auth(stores.tokens, stores.devices, clock, background, barred=barred)
        self.passwords = Passwords(workers, config.passwords, config.registration.bcrypt_rounds)
        self.sessions = Sessions(
            stores.tokens,
            stores.devices,
            stores.cross_signing,
            self.auth,
            clock,
            config.registration,
        )
        self.credentials = Credentials(
            config.server.server_name,
            stores.users,
            self.passwords,
            RateLimiter(clock, config.rate_limits.rc_login.failed_attempts),
            barred=barred,
        )
        self.ui_auth = UiAuth(
            UiAuthStore(database), stores.tokens, self.credentials, clock, config.ui_auth
        )
