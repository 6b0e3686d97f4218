"""Accounts of this server: who exists, with which password, and in which condition."""

from collections.abc import Sequence
from dataclasses import dataclass

from synapse.storage.database import Database
from synapse.storage.stores.directory_changes import tell_directory
from synapse.storage.stores.inbox import forget_inboxes
from synapse.storage.stores.members import Membership
from synapse.storage.stores.names import Names
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class User:
    """A row of `users`."""

    user_nid: int
    user_id: str
    password_hash: str | None
    created_ms: int
    is_admin: bool
    is_guest: bool
    is_deactivated: bool
    is_locked: bool


@dataclass(frozen=True, slots=True)
class NewUser:
    """An account to make."""

    user_id: str
    password_hash: str | None
    created_ms: int
    displayname_json: str | None = None
    is_admin: bool = False
    is_guest: bool = False
    user_type: str | None = None
    # The UI auth session that must know, at the same moment, what came of it.
    ui_auth_session: str | None = None


@dataclass(frozen=True, slots=True)
class Deactivation:
    """An account to close for good."""

    user_nid: int
    erase: bool  # take away what others may see, too


_USER = """
    SELECT user_nid, name, password_hash, created_ms, admin, guest, deactivated, locked
    FROM users WHERE name = ?
"""
_INSERT = """
    INSERT INTO users (user_nid, name, password_hash, created_ms, admin, guest, user_type)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (name) DO NOTHING RETURNING user_nid
"""
_DEACTIVATE = """
    UPDATE users SET deactivated = 1, password_hash = NULL,
        erased = CASE WHEN ? = 1 THEN 1 ELSE erased END
    WHERE user_nid = ?
"""
_DEVICES = "SELECT device_nid FROM devices WHERE user_nid = ?"
# What a closed account no longer needs, in tables that are keyed by user.
_PRIVATE = (
    "access_tokens",
    "refresh_tokens",
    "devices",
    "filters",
    "account_data",
    "push_rules",
    "openid_tokens",
    "delayed_events",
)
_UNFINISHED = """
    SELECT d.user_nid, n.name FROM unfinished_deactivations d JOIN names n ON n.nid = d.user_nid
"""
_UNFINISHED_FROM_NOW = """
    INSERT INTO unfinished_deactivations (user_nid) VALUES (?) ON CONFLICT (user_nid) DO NOTHING
"""
_FINISHED = """
    DELETE FROM unfinished_deactivations WHERE user_nid = ? AND NOT EXISTS (
        SELECT 1 FROM members WHERE user_nid = ? AND membership = ANY(?))
"""
# What a user has to leave.
_PRESENT = [int(Membership.JOIN), int(Membership.INVITE), int(Membership.KNOCK)]


@dataclass(frozen=True, slots=True)
class GuestUpgrade:
    """A guest who registers."""

    user_nid: int
    user_id: str
    password_hash: str
    ui_auth_session: str | None


class UserStore:
    """Remembers accounts."""

    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._names = names

    async def user(self, user_id: str) -> User | None:
        row = await self._database.fetch_one(_USER, user_id)
        if row is None:
            return None
        nid, name, password_hash, created_ms, *conditions = row
        return User(nid, name, password_hash, created_ms, *map(bool, conditions))

    async def register(self, user: NewUser) -> int | None:
        """The new account's number, or None if the name is taken."""
        return await self._database.write(self._register, user)

    async def set_password_hash(self, user_nid: int, password_hash: str) -> None:
        await self._database.write(self._set_password_hashes, (user_nid, password_hash))

    async def deactivate(self, deactivation: Deactivation) -> None:
        """Close the account and forget its secrets, sessions and private data.

        Until it has left its rooms, the deactivation is `unfinished`.
        """
        await self._database.write(self._deactivate, deactivation)

    async def unfinished_deactivations(self) -> list[tuple[int, str]]:
        """Closed accounts (number and id) that may still be in rooms."""
        rows = await self._database.fetch(_UNFINISHED)
        return [(user_nid, name) for user_nid, name in rows]

    async def left_rooms(self, user_nid: int) -> None:
        """The deactivation is finished, unless there is still a room to leave."""
        await self._database.write(_finish_deactivations, user_nid)

    def _register(self, txn: Transaction, users: list[NewUser]) -> list[int | None]:
        first = txn.stream(len(users))
        nids = self._names.intern(txn, [user.user_id for user in users])
        tell_directory(txn, list(nids.values()), first)
        return [self._register_one(txn, nids[user.user_id], user) for user in users]

    async def upgrade_guest(self, upgrade: "GuestUpgrade") -> None:
        """The guest's account becomes an ordinary one, if it still is a guest's."""
        await self._database.write(self._upgrade_guests, upgrade)

    def _upgrade_guests(self, txn: Transaction, upgrades: list["GuestUpgrade"]) -> None:
        for upgrade in upgrades:
            txn.execute(
                "UPDATE users SET guest = 0, password_hash = ? WHERE user_nid = ? AND guest = 1",
                upgrade.password_hash,
                upgrade.user_nid,
            )
            if upgrade.ui_auth_session is not None:
                txn.execute(
                    "UPDATE ui_auth_sessions SET outcome = ? WHERE session_id = ?",
                    upgrade.user_id,
                    upgrade.ui_auth_session,
                )

    def _register_one(self, txn: Transaction, user_nid: int, user: NewUser) -> int | None:
        inserted = txn.execute(
            _INSERT,
            user_nid,
            user.user_id,
            user.password_hash,
            user.created_ms,
            int(user.is_admin),
            int(user.is_guest),
            user.user_type,
        )
        if not inserted:
            return None
        if user.displayname_json is not None:
            txn.execute(
                "INSERT INTO profiles (user_nid, field, value) VALUES (?, 'displayname', ?)",
                user_nid,
                user.displayname_json,
            )
        if user.ui_auth_session is not None:
            txn.execute(
                "UPDATE ui_auth_sessions SET outcome = ? WHERE session_id = ?",
                user.user_id,
                user.ui_auth_session,
            )
        return user_nid

    def _set_password_hashes(self, txn: Transaction, items: Sequence[tuple[int, str]]) -> None:
        for user_nid, password_hash in items:
            txn.execute(
                "UPDATE users SET password_hash = ? WHERE user_nid = ?", password_hash, user_nid
            )

    def _deactivate(self, txn: Transaction, items: list[Deactivation]) -> None:
        tell_directory(txn, [item.user_nid for item in items], txn.stream(len(items)))
        for item in items:
            txn.execute(_DEACTIVATE, int(item.erase), item.user_nid)
            txn.execute(_UNFINISHED_FROM_NOW, item.user_nid)
            devices = txn.execute(_DEVICES, item.user_nid)
            forget_inboxes(txn, [device_nid for (device_nid,) in devices])
            for table in (*_PRIVATE, "profiles") if item.erase else _PRIVATE:
                txn.execute(f"DELETE FROM {table} WHERE user_nid = ?", item.user_nid)


def _finish_deactivations(txn: Transaction, user_nids: list[int]) -> None:
    for user_nid in user_nids:
        txn.execute(_FINISHED, user_nid, user_nid, _PRESENT)
