"""Guests who register: the account stays, with its rooms, and is nobody's guest any more.

Client-server API, "Guest Access": the client names its guest's token and localpart in `/register`.
"""

from synapse.api.errors import Forbidden
from synapse.handlers.auth import Auth
from synapse.handlers.new_accounts import Account
from synapse.handlers.token_format import token_hash
from synapse.storage.stores.tokens import TokenStore
from synapse.storage.stores.users import GuestUpgrade, UserStore


class GuestUpgrades:
    """Makes ordinary accounts of guests'."""

    def __init__(
        self, tokens: TokenStore, users: UserStore, auth: Auth, *, server_name: str
    ) -> None:
        self._tokens = tokens
        self._users = users
        self._auth = auth
        self._server_name = server_name

    async def guest(self, token: str, username: str | None) -> Account:
        """The guest behind a token. Raises `Forbidden` unless it is the one of that name."""
        session = await self._tokens.session(token_hash(token))
        if session is None or not session.is_guest:
            raise Forbidden("guest_access_token is not the token of a guest")
        if session.user_id not in (username, f"@{username}:{self._server_name}"):
            raise Forbidden("username must be the guest's")
        return Account(session.user_id, session.user_nid)

    async def upgrade(
        self, guest: Account, password_hash: str, ui_auth_session: str | None
    ) -> None:
        """The guest has registered. Once is enough: a repetition changes nothing."""
        await self._users.upgrade_guest(
            GuestUpgrade(guest.user_nid, guest.user_id, password_hash, ui_auth_session)
        )
        self._auth.forget(guest.user_nid)
