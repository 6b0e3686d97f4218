"""OpenID: tokens by which other services learn who a user is, and nothing else."""

from synapse.api.errors import Forbidden, UnknownToken
from synapse.handlers.auth import Requester
from synapse.handlers.token_format import random_letters, token_hash
from synapse.storage.stores.openid import OpenIdStore, OpenIdToken
from synapse.util.clock import Clock

LIFETIME_MS = 3600 * 1000


class OpenId:
    """Makes tokens. Services redeem them at the federation API, without an account."""

    def __init__(self, store: OpenIdStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def new_token(self, requester: Requester, user_id: str) -> str:
        """A token that proves who the requester is for `LIFETIME_MS`."""
        if user_id != requester.user_id:
            raise Forbidden("A token can be requested for oneself only")
        token = random_letters(24)
        expires_ms = self._clock.now_ms() + LIFETIME_MS
        await self._store.add(OpenIdToken(token_hash(token), requester.user_nid, expires_ms))
        return token

    async def user_of(self, token: str) -> str:
        """The user whom a token proves. Raises `UnknownToken`."""
        user_id = await self._store.user_of(token_hash(token), self._clock.now_ms())
        if user_id is None:
            raise UnknownToken("Access token unknown or expired")
        return user_id
