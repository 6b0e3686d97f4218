"""Registering through a client, for users and guests."""

from dataclasses import dataclass
from typing import Any

from synapse.api.errors import Forbidden, MissingParam
from synapse.config.ratelimiting import RateLimit
from synapse.config.registration import RegistrationConfig
from synapse.handlers.guest_upgrade import GuestUpgrades
from synapse.handlers.new_accounts import Account, AccountWish, NewAccounts
from synapse.handlers.passwords import Passwords
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.sessions import Sessions, require_device_id
from synapse.handlers.ui_auth import DUMMY, UiAuth
from synapse.handlers.usernames import UserInUse, user_id_for
from synapse.http.json_body import JsonObject
from synapse.storage.stores.users import UserStore
from synapse.util.clock import Clock

_FLOWS = [[DUMMY]]
_OPERATION = "register"
# Enough for somebody who types a name letter by letter; too little to try out a dictionary.
_AVAILABILITY_LIMIT = RateLimit(per_second=1, burst_count=20)


class Registration:
    """Lets people in."""

    def __init__(
        self,
        server_name: str,
        config: RegistrationConfig,
        users: UserStore,
        new_accounts: NewAccounts,
        passwords: Passwords,
        sessions: Sessions,
        ui_auth: UiAuth,
        guests: GuestUpgrades,
        clock: Clock,
        *,
        per_address: RateLimiter,
    ) -> None:
        self._server_name = server_name
        self._config = config
        self._users = users
        self._new_accounts = new_accounts
        self._passwords = passwords
        self._sessions = sessions
        self._ui_auth = ui_auth
        self._guests = guests
        self._per_address = per_address
        self._availability = RateLimiter(clock, _AVAILABILITY_LIMIT)

    async def register(self, body: JsonObject, address: str) -> dict[str, Any]:
        """The response. Raises `AuthenticationNeeded` until the client has confirmed."""
        self._require_open()
        request = _Request.of(body)
        self._per_address.peek(address)
        account = await self._registered_before(body)
        if account is None:
            account = await self._register(request, body, address)
        if request.inhibit_login:
            return _identity(account)
        return await self._log_in(account, request)

    async def register_guest(self, body: JsonObject, address: str) -> dict[str, Any]:
        """The response; of the body, only the device's name counts."""
        if not self._config.allow_guest_access:
            raise Forbidden("Guest access is disabled on this server")
        display_name = body.optional_string("initial_device_display_name")
        self._per_address.check(address)
        wish = AccountWish(user_id=None, password_hash=None, is_guest=True)
        account = await self._new_accounts.create(wish)
        assert account is not None, "only a name that was asked for can be taken"
        return await self._log_in(account, _Request(display_name=display_name))

    async def require_available(self, username: str, address: str) -> None:
        """Raises `UserInUse` or `InvalidUsername` if nobody can register this name."""
        self._require_open()
        self._availability.check(address)
        user_id = self._user_id(username)
        if not self._config.inhibit_user_in_use_error:
            await self._require_free(user_id)

    async def _registered_before(self, body: JsonObject) -> Account | None:
        """The account, if this is the repetition of a request that succeeded."""
        user_id = await self._ui_auth.outcome(_OPERATION, body)
        user = None if user_id is None else await self._users.user(user_id)
        return None if user is None else Account(user.user_id, user.user_nid)

    async def _register(self, request: "_Request", body: JsonObject, address: str) -> Account:
        guest = None
        user_id = None
        if request.guest_token is not None:
            guest = await self._guests.guest(request.guest_token, request.username)
        elif request.username is not None:
            user_id = self._user_id(request.username)
            await self._require_free(user_id)
        if "auth" in body:
            # Before the stage is completed: from then on the body may not change.
            if request.password is None:
                raise MissingParam("password")
            self._passwords.require_acceptable(request.password)
        confirmation = await self._ui_auth.complete(_OPERATION, body, _FLOWS)
        assert request.password is not None, "nothing is complete without `auth`"
        self._per_address.check(address)
        password_hash = await self._passwords.hash(request.password)
        if guest is not None:
            await self._guests.upgrade(guest, password_hash, confirmation.session_id)
            return guest
        wish = AccountWish(
            user_id=user_id,
            password_hash=password_hash,
            ui_auth_session=confirmation.session_id,
        )
        account = await self._new_accounts.create(wish)
        # If somebody else was faster, it may have been the same request, sent twice.
        account = account or await self._registered_before(body)
        if account is None:
            raise UserInUse()
        return account

    async def _log_in(self, account: Account, request: "_Request") -> dict[str, Any]:
        session = await self._sessions.start(
            account.user_id,
            account.user_nid,
            device_id=request.device_id,
            display_name=request.display_name,
            refreshable=request.refreshable,
        )
        return {**_identity(account), **session}

    async def _require_free(self, user_id: str) -> None:
        if not await self._new_accounts.is_free(user_id):
            raise UserInUse()

    def _require_open(self) -> None:
        if not self._config.enable_registration:
            raise Forbidden("Registration is disabled on this server")

    def _user_id(self, username: str) -> str:
        allow_underscore = self._config.allow_underscore_prefixed_registration
        return user_id_for(username, self._server_name, allow_underscore=allow_underscore)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What a client asks for."""

    username: str | None = None
    password: str | None = None
    device_id: str | None = None
    display_name: str | None = None
    inhibit_login: bool = False
    refreshable: bool = False
    guest_token: str | None = None

    @classmethod
    def of(cls, body: JsonObject) -> "_Request":
        device_id = body.optional_string("device_id")
        if device_id is not None:
            require_device_id(device_id)
        return cls(
            username=body.optional_string("username"),
            password=body.optional_string("password"),
            device_id=device_id,
            display_name=body.optional_string("initial_device_display_name"),
            inhibit_login=body.optional_boolean("inhibit_login"),
            refreshable=body.optional_boolean("refresh_token"),
            guest_token=body.optional_string("guest_access_token"),
        )


def _identity(account: Account) -> dict[str, Any]:
    return {"user_id": account.user_id, "home_server": account.user_id.partition(":")[2]}
