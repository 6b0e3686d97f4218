"""The users of this server: how they come, log in, present themselves, and go."""

from synapse.app.parts.access import Access
from synapse.app.parts.asking import Asking
from synapse.app.parts.entering import Entering
from synapse.app.parts.ground import Ground
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.handlers.accounts import Accounts
from synapse.handlers.auto_join import AutoJoin
from synapse.handlers.devices import Devices
from synapse.handlers.guest_upgrade import GuestUpgrades
from synapse.handlers.login import Login
from synapse.handlers.new_accounts import NewAccounts
from synapse.handlers.openid import OpenId
from synapse.handlers.profiles import Profiles
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.registration import Registration
from synapse.handlers.shared_secret import SharedSecretRegistration


class Users:
    """Accounts touch rooms: a new one joins some, a profile shows in all, closing leaves them."""

    def __init__(
        self,
        ground: Ground,
        stores: Stores,
        rooms: Rooms,
        access: Access,
        entering: Entering,
        asking: Asking,
    ) -> None:
        config, clock, background = ground.config, ground.clock, ground.background
        limits, server_name = config.rate_limits, ground.server_name
        auto_join = AutoJoin(
            stores.users,
            rooms.cache,
            entering.aliases,
            entering.memberships,
            entering.creation,
            background,
            config.registration,
            server_name=server_name,
        )
        new_accounts = NewAccounts(
            server_name,
            stores.users,
            clock,
            auto_join.registered,
            reserved=access.notices_user.user_ids,
        )
        self.registration = Registration(
            server_name,
            config.registration,
            stores.users,
            new_accounts,
            access.passwords,
            access.sessions,
            access.ui_auth,
            GuestUpgrades(stores.tokens, stores.users, access.auth, server_name=server_name),
            clock,
            per_address=RateLimiter(clock, limits.rc_registration),
        )
        self.shared_secret = SharedSecretRegistration(
            server_name,
            config.registration.registration_shared_secret,
            new_accounts,
            access.passwords,
            access.sessions,
            clock,
        )
        self.login = Login(
            access.credentials,
            access.sessions,
            config.passwords,
            per_address=RateLimiter(clock, limits.rc_login.address),
            per_account=RateLimiter(clock, limits.rc_login.account),
        )
        self.accounts = Accounts(
            stores.users,
            access.passwords,
            access.sessions,
            access.ui_auth,
            stores.cross_signing,
            entering.memberships,
            background,
            config.passwords,
        )
        self.devices = Devices(stores.devices, access.ui_auth, access.auth)
        self.openid = OpenId(stores.openid, clock)
        self.profiles = Profiles(
            stores.profiles,
            stores.users,
            stores.members,
            entering.memberships,
            background,
            config.registration,
            asking.profiles,
            limit=RateLimiter(clock, limits.rc_profile),
            server_name=server_name,
            only_in_common_rooms=config.server.limit_profile_requests_to_users_who_share_rooms,
        )
