"""Logging in and out: giving out, exchanging and ending tokens."""

from typing import Any

from synapse.api.errors import Forbidden, InvalidParam, UnknownToken
from synapse.config.registration import RegistrationConfig
from synapse.handlers.auth import Auth, Requester, UserLocked
from synapse.handlers.token_format import (
    new_access_token,
    new_device_id,
    new_refresh_token,
    token_hash,
)
from synapse.storage.stores.cross_signing import CrossSigningStore
from synapse.storage.stores.devices import DeviceStore, Removal
from synapse.storage.stores.tokens import Exchange, NewSession, NewTokens, TokenStore
from synapse.util.clock import Clock

MAX_DEVICE_ID_LENGTH = 512
MAX_DISPLAY_NAME_LENGTH = 100


class Sessions:
    """Starts and ends the sessions of users."""

    def __init__(
        self,
        tokens: TokenStore,
        devices: DeviceStore,
        cross_signing: CrossSigningStore,
        auth: Auth,
        clock: Clock,
        config: RegistrationConfig,
    ) -> None:
        self._tokens = tokens
        self._devices = devices
        self._cross_signing = cross_signing
        self._auth = auth
        self._clock = clock
        self._config = config

    async def start(
        self,
        user_id: str,
        user_nid: int,
        *,
        device_id: str | None,
        display_name: str | None,
        refreshable: bool,
    ) -> dict[str, Any]:
        """Log in on a device, new or not: the members of the response that are about tokens.

        Tokens that the device had before end.
        """
        device_id = device_id or new_device_id()
        require_device_id(device_id)
        if await self._cross_signing.is_key(user_nid, device_id):
            raise Forbidden("A cross-signing key has this id already")
        if display_name is not None:
            display_name = display_name.replace("\0", "")[:MAX_DISPLAY_NAME_LENGTH]
        now_ms = self._clock.now_ms()
        session_expires_ms = _after(now_ms, self._config.session_lifetime_ms)
        answer, tokens = self._new_tokens(user_id, session_expires_ms, refreshable=refreshable)
        await self._tokens.start(NewSession(user_nid, device_id, display_name, now_ms, tokens))
        self._auth.forget(user_nid)
        return {"device_id": device_id, **answer}

    async def refresh(self, refresh_token: str) -> dict[str, Any]:
        """New tokens for a refresh token. Raises `UnknownToken`."""
        old_hash = token_hash(refresh_token)
        found = await self._tokens.refresh_token(old_hash)
        if found is None:
            raise UnknownToken("Unknown refresh token")
        now_ms = self._clock.now_ms()
        for expires_ms in (found.expires_ms, found.session_expires_ms):
            if expires_ms is not None and expires_ms <= now_ms:
                raise UnknownToken("The refresh token has expired", soft_logout=True)
        if found.is_locked:
            raise UserLocked()
        answer, tokens = self._new_tokens(found.user_id, found.session_expires_ms, refreshable=True)
        exchanged = await self._tokens.exchange(Exchange(old_hash, now_ms, tokens))
        if not exchanged:
            raise UnknownToken("Unknown refresh token")
        self._auth.forget(found.user_nid)
        return answer

    async def end(self, requester: Requester) -> None:
        """Log out: the token, and the device that it belongs to."""
        if requester.device_id is None:
            await self._tokens.revoke(requester.user_nid, requester.token_id)
        else:
            await self._devices.remove(Removal(requester.user_nid, [requester.device_id]))
        self._auth.forget(requester.user_nid)

    async def end_all(self, user_nid: int, *, but: Requester | None = None) -> None:
        """Log the user out everywhere, or everywhere else."""
        keep = 0 if but is None else but.device_nid
        await self._devices.remove(Removal(user_nid, None, keep))
        self._auth.forget(user_nid)

    def _new_tokens(
        self, user_id: str, session_expires_ms: int | None, *, refreshable: bool
    ) -> tuple[dict[str, Any], NewTokens]:
        """Fresh tokens: as the client gets them, and as they are stored."""
        now_ms = self._clock.now_ms()
        localpart = user_id[1:].partition(":")[0]
        access_token = new_access_token(localpart)
        answer: dict[str, Any] = {"access_token": access_token}
        lifetime_ms = self._config.nonrefreshable_access_token_lifetime_ms
        refresh_hash = None
        if refreshable:
            lifetime_ms = self._config.refreshable_access_token_lifetime_ms
            answer["refresh_token"] = new_refresh_token(localpart)
            refresh_hash = token_hash(answer["refresh_token"])
        expires_ms = _earlier(_after(now_ms, lifetime_ms), session_expires_ms)
        if expires_ms is not None:
            answer["expires_in_ms"] = expires_ms - now_ms
        return answer, NewTokens(
            access_hash=token_hash(access_token),
            access_expires_ms=expires_ms,
            refresh_hash=refresh_hash,
            refresh_expires_ms=_after(now_ms, self._config.refresh_token_lifetime_ms),
            session_expires_ms=session_expires_ms,
        )


def require_device_id(device_id: str) -> None:
    """Raises `InvalidParam` if no device may be called so."""
    if len(device_id) > MAX_DEVICE_ID_LENGTH or "\0" in device_id:
        raise InvalidParam(f"A device id has at most {MAX_DEVICE_ID_LENGTH} characters, and no NUL")


def _after(now_ms: int, lifetime_ms: int | None) -> int | None:
    return None if lifetime_ms is None else now_ms + lifetime_ms


def _earlier(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
