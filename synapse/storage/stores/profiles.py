"""Profiles of this server's users: display name, avatar and further fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from synapse.api.errors import MatrixError
from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.stores.directory_changes import tell_directory
from synapse.storage.stores.names import Names
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """Fields to set in one profile; a value of None removes the field."""

    user_id: str
    fields: Mapping[str, Any]
    to_spread: bool


class ProfileTooLarge(MatrixError):
    """400 `M_PROFILE_TOO_LARGE`: with this change, the profile would have over 64 KiB."""

    def __init__(self) -> None:
        super().__init__(
            400, "M_PROFILE_TOO_LARGE", f"A profile has at most {_MAX_PROFILE_BYTES} bytes"
        )


# As canonical JSON.
_MAX_PROFILE_BYTES = 65_536

_PROFILE = """
    SELECT p.field, p.value FROM names n JOIN profiles p ON p.user_nid = n.nid WHERE n.name = ?
"""
_UPSERT = """
    INSERT INTO profiles (user_nid, field, value) VALUES (?, ?, ?)
    ON CONFLICT (user_nid, field) DO UPDATE SET value = excluded.value
"""


class ProfileStore:
    """Remembers profiles, field by field."""

    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._names = names
        # One object, since the database gathers the items of one and the same function.
        self._write = self._change

    async def profile(self, user_id: str) -> dict[str, Any]:
        """All fields; empty also if there is no such user."""
        rows = await self._database.fetch(_PROFILE, user_id)
        return {field: orjson.loads(value) for field, value in rows}

    async def change(
        self, user_id: str, fields: Mapping[str, Any], *, to_spread: bool = True
    ) -> None:
        """Set fields; a value of None removes the field. Raises `ProfileTooLarge`.

        With `to_spread`, the user is `unspread` from now on.
        """
        change = ProfileChange(user_id, fields, to_spread)
        if not await self._database.write(self._write, change):
            raise ProfileTooLarge()

    async def unspread(self) -> list[tuple[int, str]]:
        """Users (number and id) of whose changes not all rooms have been told."""
        rows = await self._database.fetch(
            "SELECT u.user_nid, n.name FROM unspread_profiles u JOIN names n ON n.nid = u.user_nid"
        )
        return [(user_nid, name) for user_nid, name in rows]

    async def spread(self, user_nid: int) -> None:
        """All rooms have been told."""
        await self._database.write(_spread, (user_nid,))

    def _change(self, txn: Transaction, changes: list[ProfileChange]) -> list[bool]:
        first = txn.stream(len(changes))
        nids = self._names.intern(txn, [change.user_id for change in changes])
        before: dict[int, dict[str, str]] = {nid: {} for nid in nids.values()}
        for nid, field, value in txn.execute(
            "SELECT user_nid, field, value FROM profiles WHERE user_nid = ANY(?)", list(before)
        ):
            before[nid][field] = value
        after = {nid: dict(profile) for nid, profile in before.items()}
        fits = []
        for change in changes:
            nid = nids[change.user_id]
            changed = _changed(after[nid], change.fields)
            fits.append(_size(changed) <= max(_MAX_PROFILE_BYTES, _size(after[nid])))
            if fits[-1]:
                after[nid] = changed
        _save(txn, before, after)
        to_spread = list({nids[change.user_id] for change in changes if change.to_spread})
        txn.execute_many(
            "INSERT INTO unspread_profiles (user_nid) VALUES (?) ON CONFLICT (user_nid) DO NOTHING",
            [(nid,) for nid in to_spread],
        )
        tell_directory(txn, to_spread, first)
        return fits


def _changed(profile: dict[str, str], fields: Mapping[str, Any]) -> dict[str, str]:
    """The fields, as JSON, after a change."""
    changed = {**profile, **{name: orjson.dumps(value).decode() for name, value in fields.items()}}
    return {name: json for name, json in changed.items() if fields.get(name, ...) is not None}


def _size(profile: dict[str, str]) -> int:
    """The length of the canonical JSON: `{"name":value,"name":value}`."""
    members = sum(len(name) + 3 + len(json.encode()) for name, json in profile.items())
    return 2 + members + max(0, len(profile) - 1)


def _save(
    txn: Transaction, before: dict[int, dict[str, str]], after: dict[int, dict[str, str]]
) -> None:
    removed: list[Row] = []
    changed: list[Row] = []
    for nid, profile in after.items():
        removed += [(nid, name) for name in before[nid].keys() - profile.keys()]
        changed += [
            (nid, name, json) for name, json in profile.items() if before[nid].get(name) != json
        ]
    txn.execute_many("DELETE FROM profiles WHERE user_nid = ? AND field = ?", removed)
    txn.execute_many(_UPSERT, changed)


def _spread(txn: Transaction, items: list[tuple[int]]) -> None:
    txn.execute_many("DELETE FROM unspread_profiles WHERE user_nid = ?", items)
