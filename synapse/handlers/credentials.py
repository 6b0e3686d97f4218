"""Checking a user's name and password, for log-in and for user-interactive authentication."""

from collections.abc import Container

from synapse.api.errors import Forbidden, InvalidParam, MatrixError, MissingParam
from synapse.api.identifiers import is_user_id
from synapse.handlers.auth import UserLocked
from synapse.handlers.passwords import Passwords
from synapse.handlers.ratelimits import RateLimiter
from synapse.http.json_body import JsonObject
from synapse.storage.stores.users import User, UserStore


class UserDeactivated(MatrixError):
    """403 `M_USER_DEACTIVATED`."""

    def __init__(self) -> None:
        super().__init__(403, "M_USER_DEACTIVATED", "This account has been deactivated")


class Credentials:
    """Checks passwords, without telling apart a wrong name and a wrong password."""

    def __init__(
        self,
        server_name: str,
        users: UserStore,
        passwords: Passwords,
        failed_attempts: RateLimiter,
        *,
        barred: Container[str] = (),
    ) -> None:
        """`barred` are user ids that no password opens."""
        self._server_name = server_name
        self._users = users
        self._passwords = passwords
        self._failed_attempts = failed_attempts
        self._barred = barred

    async def verify(self, stage: JsonObject) -> User:
        """The user whose name and password an `m.login.password` object holds.

        Raises `Forbidden`, and `LimitExceeded` after too many failures for one name.
        """
        name = named_user(stage)
        password = stage.string("password")
        user_id = self._user_id(name)
        self._failed_attempts.peek(user_id.lower())
        user = await self._find(user_id)
        is_open = user is not None and user.user_id not in self._barred
        password_hash = user.password_hash if user is not None and is_open else None
        matches = await self._passwords.matches(password, password_hash)
        if user is not None and user.is_deactivated:
            raise UserDeactivated()
        if user is None or not matches:
            self._failed_attempts.count(user_id.lower())
            raise Forbidden("Invalid username or password")
        if user.is_locked:
            raise UserLocked()
        return user

    def _user_id(self, name: str) -> str:
        return name if name.startswith("@") else f"@{name}:{self._server_name}"

    async def _find(self, user_id: str) -> User | None:
        """By the exact id or, as people type names as they like, by its lower case."""
        if not is_user_id(user_id):
            return None
        local, _, domain = user_id.partition(":")
        if domain != self._server_name:
            return None
        user = await self._users.user(user_id)
        if user is None and local != local.lower():
            user = await self._users.user(f"{local.lower()}:{domain}")
        return user


def named_user(stage: JsonObject) -> str:
    """The localpart or user id that a log-in names, in today's or the old form."""
    identifier = stage.optional_object("identifier")
    if identifier is None:
        if (old := stage.optional_string("user")) is not None:
            return old
        if stage.optional_string("medium") is None:
            raise MissingParam("identifier")
        stage.string("address")
        raise _unknown_third_party()
    kind = identifier.string("type")
    if kind == "m.id.user":
        return identifier.string("user")
    if kind == "m.id.thirdparty":
        identifier.string("medium")
        identifier.string("address")
        raise _unknown_third_party()
    if kind == "m.id.phone":
        identifier.string("country")
        if identifier.optional_string("phone") is None:
            identifier.string("number")
        raise _unknown_third_party()
    raise InvalidParam(f"Unknown identifier type: {kind[:100]}")


def _unknown_third_party() -> Forbidden:
    # No account of this server has an e-mail address or a phone number.
    return Forbidden("Invalid username or password")
