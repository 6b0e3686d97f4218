"""Making an account, whoever asked for it."""

from collections.abc import Callable, Container
from dataclasses import dataclass

import orjson

from synapse.handlers.usernames import random_user_id
from synapse.storage.stores.users import NewUser, UserStore
from synapse.util.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountWish:
    """What the new account is to be like."""

    user_id: str | None  # None: any
    password_hash: str | None  # None: nobody can log in with a password
    displayname: str | None = None  # None: the localpart
    is_guest: bool = False
    is_admin: bool = False
    user_type: str | None = None
    ui_auth_session: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account that was just made."""

    user_id: str
    user_nid: int


class NewAccounts:
    """Makes accounts."""

    def __init__(
        self,
        server_name: str,
        users: UserStore,
        clock: Clock,
        registered: Callable[[str, bool], object],
        *,
        reserved: Container[str] = (),
    ) -> None:
        """`registered(user_id, is_guest)` is called for each new account.

        `reserved` are user ids that nobody gets.
        """
        self._server_name = server_name
        self._users = users
        self._clock = clock
        self._registered = registered
        self._reserved = reserved

    async def is_free(self, user_id: str) -> bool:
        """Whether an account of that name could be made."""
        return user_id not in self._reserved and await self._users.user(user_id) is None

    async def create(self, wish: AccountWish) -> Account | None:
        """None if the name is taken. Of two who want it at once, one gets it."""
        while True:
            user_id = wish.user_id or random_user_id(self._server_name)
            user_nid = None
            if user_id not in self._reserved:
                user_nid = await self._users.register(self._row(user_id, wish))
            if user_nid is not None:
                self._registered(user_id, wish.is_guest)
                return Account(user_id, user_nid)
            if wish.user_id is not None:
                return None

    def _row(self, user_id: str, wish: AccountWish) -> NewUser:
        # Guests have no name until they choose one.
        displayname = wish.displayname
        if displayname is None and not wish.is_guest:
            displayname = user_id[1:].partition(":")[0]
        return NewUser(
            user_id=user_id,
            password_hash=wish.password_hash,
            created_ms=self._clock.now_ms(),
            displayname_json=orjson.dumps(displayname).decode() if displayname else None,
            is_admin=wish.is_admin,
            is_guest=wish.is_guest,
            user_type=wish.user_type,
            ui_auth_session=wish.ui_auth_session,
        )
