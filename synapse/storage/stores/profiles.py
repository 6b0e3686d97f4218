"""Profiles of this server's users: display name, avatar and further fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.stores.names import Names
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """Fields to set in one profile; a value of None removes the field."""

    user_id: str
    fields: Mapping[str, Any]


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

    async def profile(self, user_id: str) -> dict[str, Any]:
        """All fields; empty also if there is no such user."""
        rows = await self._database.fetch(_PROFILE, user_id)
        return {field: orjson.loads(value) for field, value in rows}

    async def change(self, user_id: str, fields: Mapping[str, Any]) -> None:
        """Set fields; a value of None removes the field. The change is `unspread` from now on."""
        await self._database.write(self._change, ProfileChange(user_id, fields))

    async def unspread(self) -> list[tuple[int, str]]:
        """Users (number and id) of whose changes not all rooms have been told."""
        rows = await self._database.fetch(
            "SELECT u.user_nid, n.name FROM unspread_profiles u JOIN names n ON n.nid = u.user_nid"
        )
        return [(user_nid, name) for user_nid, name in rows]

    async def spread(self, user_nid: int) -> None:
        """All rooms have been told."""
        await self._database.write(_spread, (user_nid,))

    def _change(self, txn: Transaction, changes: list[ProfileChange]) -> None:
        nids = self._names.intern(txn, [change.user_id for change in changes])
        # The last one wins, and a multi-row upsert may not meet the same key twice.
        values = {
            (nids[change.user_id], field): value
            for change in changes
            for field, value in change.fields.items()
        }
        upserts: list[Row] = []
        for (user_nid, field), value in values.items():
            if value is None:
                txn.execute(
                    "DELETE FROM profiles WHERE user_nid = ? AND field = ?", user_nid, field
                )
            else:
                upserts.append((user_nid, field, orjson.dumps(value).decode()))
        txn.execute_many(_UPSERT, upserts)
        txn.execute_many(
            "INSERT INTO unspread_profiles (user_nid) VALUES (?) ON CONFLICT (user_nid) DO NOTHING",
            [(nid,) for nid in nids.values()],
        )


def _spread(txn: Transaction, items: list[tuple[int]]) -> None:
    txn.execute_many("DELETE FROM unspread_profiles WHERE user_nid = ?", items)
