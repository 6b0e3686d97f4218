"""Registration by who knows `registration_shared_secret`, such as `register_new_matrix_user`.

The caller fetches a nonce and signs it together with the account's data:

    HMAC-SHA1(secret, nonce NUL user NUL password NUL ("admin" | "notadmin") [NUL user_type])

A nonce is good for a minute. It isn't stored: it carries the time and our own signature, so that
any process can check one that another gave out. Using it twice would only register a name twice.
"""

import hashlib
import hmac
import secrets
from typing import Any

from synapse.api.errors import BadJson, InvalidParam, MatrixError
from synapse.handlers.new_accounts import AccountWish, NewAccounts
from synapse.handlers.passwords import Passwords
from synapse.handlers.sessions import Sessions
from synapse.handlers.usernames import UserInUse, user_id_for
from synapse.http.json_body import JsonObject
from synapse.util.clock import Clock

_NONCE_LIFETIME_MS = 60_000
_USER_TYPES = ("support", "bot")
_MAX_DISPLAYNAME_LENGTH = 256


class SharedSecretRegistration:
    """Makes accounts, also when registration is closed."""

    def __init__(
        self,
        server_name: str,
        secret: str | None,
        new_accounts: NewAccounts,
        passwords: Passwords,
        sessions: Sessions,
        clock: Clock,
    ) -> None:
        self._server_name = server_name
        self._secret = secret
        self._new_accounts = new_accounts
        self._passwords = passwords
        self._sessions = sessions
        self._clock = clock

    def nonce(self) -> str:
        payload = f"{self._clock.now_ms():016x}{secrets.token_hex(24)}"
        return payload + self._seal(payload)

    async def register(self, body: JsonObject) -> dict[str, Any]:
        """The response, with an access token."""
        secret = self._required_secret()
        signed = _Signed(body)
        self._check_nonce(signed.nonce)
        if not hmac.compare_digest(signed.mac(secret), body.string("mac").encode()):
            raise MatrixError(403, "M_UNKNOWN", "The HMAC is incorrect")
        self._passwords.require_acceptable(signed.password)
        wish = AccountWish(
            user_id=user_id_for(
                signed.username, self._server_name, allow_underscore=True, allow_digits_only=True
            ),
            password_hash=await self._passwords.hash(signed.password),
            displayname=_displayname(body),
            is_admin=signed.is_admin,
            user_type=signed.user_type,
        )
        account = await self._new_accounts.create(wish)
        if account is None:
            raise UserInUse()
        session = await self._sessions.start(
            account.user_id, account.user_nid, device_id=None, display_name=None, refreshable=False
        )
        return {"user_id": account.user_id, "home_server": self._server_name, **session}

    def _check_nonce(self, nonce: str) -> None:
        payload, seal = nonce[:64], nonce[64:]
        if hmac.compare_digest(seal.encode(), self._seal(payload).encode()):
            age_ms = self._clock.now_ms() - int(payload[:16], 16)
            if 0 <= age_ms < _NONCE_LIFETIME_MS:
                return
        raise MatrixError(400, "M_UNKNOWN", "Unrecognised nonce: it is good for one minute")

    def _seal(self, payload: str) -> str:
        message = b"nonce\0" + payload.encode()
        return hmac.new(self._required_secret().encode(), message, hashlib.sha256).hexdigest()

    def _required_secret(self) -> str:
        if not self._secret:
            raise MatrixError(400, "M_UNKNOWN", "Shared secret registration is not enabled")
        return self._secret


class _Signed:
    """What the HMAC is about."""

    def __init__(self, body: JsonObject) -> None:
        self.nonce = body.string("nonce")
        self.username = body.string("username")
        self.password = body.string("password")
        self.is_admin = body.optional_boolean("admin")
        self.user_type = body.optional_string("user_type")
        if "\0" in self.username or "\0" in self.password:
            raise BadJson("A user name or password may not contain NUL")
        if self.user_type not in (None, *_USER_TYPES):
            raise InvalidParam(f"'user_type' must be one of: {', '.join(_USER_TYPES)}")

    def mac(self, secret: str) -> bytes:
        parts = [self.nonce, self.username, self.password, "admin" if self.is_admin else "notadmin"]
        if self.user_type is not None:
            parts.append(self.user_type)
        message = "\0".join(parts).encode()
        return hmac.new(secret.encode(), message, hashlib.sha1).hexdigest().encode()


def _displayname(body: JsonObject) -> str | None:
    displayname = body.optional_string("displayname")
    if displayname is not None and len(displayname) > _MAX_DISPLAYNAME_LENGTH:
        raise InvalidParam(f"'displayname' may have at most {_MAX_DISPLAYNAME_LENGTH} characters")
    return displayname
