"""Presence as it was last written: memory knows better, while there is any."""

from collections.abc import Sequence
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.transaction import Reader, Transaction


class PresenceRow(NamedTuple):
    """The columns of `presence`, with the user's id."""

    user_nid: int
    user_id: str
    state: int
    status_msg: str | None
    last_active_ms: int
    serial: int


# From here on, to look for shared rooms takes long enough to be done elsewhere.
_MANY = 200

_COLUMNS = "p.user_nid, n.name, p.state, p.status_msg, p.last_active_ms, p.serial"
_UPSERT = """
    INSERT INTO presence (user_nid, state, status_msg, last_active_ms, serial)
    VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (user_nid) DO UPDATE SET
        state = excluded.state, status_msg = excluded.status_msg,
        last_active_ms = excluded.last_active_ms, serial = excluded.serial
"""
# For each of the others one look at their rooms.
_WITH_WHOM = """
    SELECT DISTINCT m.user_nid FROM members m
    WHERE m.user_nid = ANY(?) AND m.membership = 1 AND m.room_nid IN (
        SELECT o.room_nid FROM members o WHERE o.user_nid = ? AND o.membership = 1)
"""
_ALL_WITH_WHOM = """
    SELECT s.user_nid, n.name, coalesce(p.state, 0), p.status_msg, coalesce(p.last_active_ms, 0),
        coalesce(p.serial, 0)
    FROM (SELECT DISTINCT m.user_nid FROM members o
          JOIN members m ON m.room_nid = o.room_nid AND m.membership = 1
          WHERE o.user_nid = ? AND o.membership = 1 LIMIT ?) s
    JOIN names n ON n.nid = s.user_nid LEFT JOIN presence p ON p.user_nid = s.user_nid
"""


class PresenceStore:
    """Remembers presence, and says who shares rooms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_nid: int) -> PresenceRow | None:
        row = await self._database.fetch_one(
            f"SELECT {_COLUMNS} FROM presence p JOIN names n ON n.nid = p.user_nid"
            " WHERE p.user_nid = ?",
            user_nid,
        )
        return None if row is None else PresenceRow(*row)

    async def newest(self, limit: int) -> list[PresenceRow]:
        """Those that changed last, the newest first."""

        def read(reader: Reader) -> list[PresenceRow]:
            rows = reader.fetch(
                f"SELECT {_COLUMNS} FROM presence p JOIN names n ON n.nid = p.user_nid"
                " ORDER BY p.serial DESC LIMIT ?",
                limit,
            )
            return [PresenceRow(*row) for row in rows]

        return await self._database.scan(read)

    async def put(self, rows: Sequence[PresenceRow]) -> None:
        await self._database.write(_put, rows)

    async def share_rooms(self, user_nid: int, others: Sequence[int]) -> set[int]:
        """Those of the others who are in a room with the user."""
        if len(others) < _MANY:
            rows = await self._database.fetch(_WITH_WHOM, list(others), user_nid)
        else:
            rows = await self._database.scan(
                lambda reader: reader.fetch(_WITH_WHOM, list(others), user_nid)
            )
        return {nid for (nid,) in rows}

    async def of_all_who_share_rooms(self, user_nid: int, limit: int) -> list[PresenceRow]:
        """The presence of up to `limit` users who are in a room with the user; state 0 if none."""

        def read(reader: Reader) -> list[PresenceRow]:
            return [PresenceRow(*row) for row in reader.fetch(_ALL_WITH_WHOM, user_nid, limit)]

        return await self._database.scan(read)


def _put(txn: Transaction, items: list[Sequence[PresenceRow]]) -> None:
    # The last one of a user counts; an upsert may not meet them twice.
    rows = {row.user_nid: row for item in items for row in item}
    txn.execute_many(
        _UPSERT,
        [(r.user_nid, r.state, r.status_msg, r.last_active_ms, r.serial) for r in rows.values()],
    )
