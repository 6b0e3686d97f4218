"""Who may act as whom: access tokens, passwords, and being asked again."""

from synapse.app.parts.ground import Ground
from synapse.app.parts.stores import Stores
from synapse.handlers.auth import Auth
from synapse.handlers.credentials import Credentials
from synapse.handlers.notices_user import NoticesUser
from synapse.handlers.passwords import Passwords, Workers
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.sessions import Sessions
from synapse.handlers.ui_auth import UiAuth
from synapse.storage.stores.ui_auth import UiAuthStore


class Access:
    """What every resource asks first (`auth`), and what gives access and takes it."""

    def __init__(self, ground: Ground, workers: Workers, stores: Stores) -> None:
        config, clock = ground.config, ground.clock
        self.notices_user = NoticesUser(
            stores.server_notices,
            stores.names,
            config.server_notices,
            server_name=ground.server_name,
        )
        barred = self.notices_user.user_ids
        self.auth = Auth(stores.tokens, stores.devices, clock, ground.background, barred=barred)
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
            ground.server_name,
            stores.users,
            self.passwords,
            RateLimiter(clock, config.rate_limits.rc_login.failed_attempts),
            barred=barred,
        )
        self.ui_auth = UiAuth(
            UiAuthStore(ground.database), stores.tokens, self.credentials, clock, config.ui_auth
        )
