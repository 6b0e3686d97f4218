"""Who makes a request: from its access token to a `Requester`.

A token that was seen lately is one dictionary look-up and no SQL. All cached tokens of a user share
one `_Account`; whatever ends or changes the user's sessions (log-out, a lock, …) calls
`forget`, which marks it stale, and the next request with any of these tokens asks the database.
"""

from collections.abc import Container
from dataclasses import dataclass
from weakref import WeakValueDictionary

from synapse.api.errors import Forbidden, MatrixError, MissingToken, UnknownToken
from synapse.handlers.token_format import token_hash
from synapse.http.request import Request
from synapse.storage.stores.devices import DeviceStore, Sighting
from synapse.storage.stores.tokens import Session, TokenStore
from synapse.util.background import Background
from synapse.util.caches import Cache
from synapse.util.clock import Clock

# How exact "last seen" is: a write for every request would cost more than it tells.
_SEEN_EVERY_MS = 5 * 60 * 1000
# Longer ones were never given out; they need not be hashed.
_MAX_TOKEN_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Requester:
    """The user and device that a request acts for."""

    user_id: str
    user_nid: int
    device_id: str | None
    # The scope of transaction ids: the device or, for a token without one, minus the token.
    device_nid: int
    token_id: int
    is_guest: bool
    is_admin: bool


class Auth:
    """Finds out who makes a request."""

    def __init__(
        self,
        tokens: TokenStore,
        devices: DeviceStore,
        clock: Clock,
        background: Background,
        *,
        barred: Container[str] = (),
    ) -> None:
        """`barred` are user ids for whom nobody may act, whatever token they have."""
        self._tokens = tokens
        self._devices = devices
        self._clock = clock
        self._background = background
        self._barred = barred
        self._known: Cache[str, _Known] = Cache(50_000, "tokens")
        self._accounts: WeakValueDictionary[int, _Account] = WeakValueDictionary()
        # Counts the calls of `forget`: what was read before one must not be cached after it.
        self._epoch = 0

    async def requester(
        self, request: Request, *, allow_guest: bool = False, allow_locked: bool = False
    ) -> Requester:
        """Raises 401 if there is no valid token, 403 for guests where they may not go."""
        token = _token_of(request)
        known = self._known.get(token)
        if known is None or not known.account.is_current:
            known = await self._look_up(token)
        now_ms = self._clock.now_ms()
        if known.expires_ms is not None and known.expires_ms <= now_ms:
            raise UnknownToken("The access token has expired", soft_logout=True)
        requester = known.requester
        if known.is_locked and not allow_locked:
            raise UserLocked()
        if requester.is_guest and not allow_guest:
            raise GuestForbidden()
        if known.seen_ms + _SEEN_EVERY_MS <= now_ms:
            self._note_seen(known, request, now_ms)
        request.requester_label = requester.user_id
        return requester

    async def requester_if_any(self, request: Request) -> Requester | None:
        """The same where a token is optional: None without one, but a wrong one is refused."""
        if not has_token(request):
            return None
        return await self.requester(request, allow_guest=True)

    async def admin(self, request: Request) -> Requester:
        """The same for what is the server's administrators' only. Raises `Forbidden`."""
        requester = await self.requester(request)
        if not requester.is_admin:
            raise Forbidden("You are not a server admin")
        return requester

    def forget(self, user_nid: int) -> None:
        """The user's sessions changed: look them up again. Call it after the commit."""
        self._epoch += 1
        account = self._accounts.pop(user_nid, None)
        if account is not None:
            account.is_current = False

    async def _look_up(self, token: str) -> "_Known":
        if len(token) > _MAX_TOKEN_LENGTH:
            raise UnknownToken()
        epoch = self._epoch
        hashed = token_hash(token)
        session = await self._tokens.session(hashed)
        if session is None or session.user_id in self._barred:
            raise UnknownToken()
        if not session.is_used:
            await self._tokens.first_used(hashed)
            self.forget(session.user_nid)
            return await self._look_up(token)
        if epoch != self._epoch:
            return _Known(session, _Account())
        return self._remember(token, session)

    def _remember(self, token: str, session: Session) -> "_Known":
        account = self._accounts.get(session.user_nid)
        if account is None:
            account = self._accounts[session.user_nid] = _Account()
        known = self._known[token] = _Known(session, account)
        return known

    def _note_seen(self, known: "_Known", request: Request, now_ms: int) -> None:
        known.seen_ms = now_ms
        if known.requester.device_nid > 0:
            # Text columns can't hold NUL, which a header can.
            user_agent = request.user_agent.replace("\0", "")[:500]
            sighting = Sighting(known.requester.device_nid, now_ms, request.client_ip, user_agent)
            self._background.spawn("note when a device was seen", self._devices.seen(sighting))


class UserLocked(MatrixError):
    """401 `M_USER_LOCKED`: an administrator has locked the account, for now."""

    def __init__(self) -> None:
        super().__init__(401, "M_USER_LOCKED", "This account has been locked", soft_logout=True)


class GuestForbidden(MatrixError):
    """403 `M_GUEST_ACCESS_FORBIDDEN`."""

    def __init__(self, message: str = "Guests can't do this: register an account") -> None:
        super().__init__(403, "M_GUEST_ACCESS_FORBIDDEN", message)


class _Account:
    """Shared by a user's cached tokens."""

    __slots__ = ("__weakref__", "is_current")

    def __init__(self) -> None:
        self.is_current = True


class _Known:
    """A cached token."""

    __slots__ = ("account", "expires_ms", "is_locked", "requester", "seen_ms")

    def __init__(self, session: Session, account: _Account) -> None:
        self.requester = Requester(
            user_id=session.user_id,
            user_nid=session.user_nid,
            device_id=session.device_id,
            device_nid=-session.token_nid if session.device_nid is None else session.device_nid,
            token_id=session.token_nid,
            is_guest=session.is_guest,
            is_admin=session.is_admin,
        )
        self.account = account
        self.expires_ms = session.expires_ms
        self.is_locked = session.is_locked
        self.seen_ms = session.last_seen_ms or 0


def has_token(request: Request) -> bool:
    return request.header("authorization") is not None or "access_token" in request.query


def _token_of(request: Request) -> str:
    header = request.header("authorization")
    if header is not None and header[:7].lower() == "bearer ":
        token = header[7:].strip()
    else:
        token = request.query.string("access_token") or ""
    if not token:
        raise MissingToken()
    return token
