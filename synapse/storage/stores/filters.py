"""Filters that clients have uploaded, numbered for each user; the same filter has one number."""

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction

_KNOWN = "SELECT filter_id FROM filters WHERE user_nid = ? AND json = ?"
_INSERT = """
    INSERT INTO filters (user_nid, filter_id, json)
    SELECT ?, COALESCE(MAX(filter_id), 0) + 1, ? FROM filters WHERE user_nid = ?
    RETURNING filter_id
"""


class FilterStore:
    """Remembers filters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def filter(self, user_nid: int, filter_id: int) -> bytes | None:
        """The filter's canonical JSON."""
        row = await self._database.fetch_one(
            "SELECT json FROM filters WHERE user_nid = ? AND filter_id = ?", user_nid, filter_id
        )
        return None if row is None else row[0]

    async def add(self, user_nid: int, canonical: bytes) -> int:
        """The filter's number."""
        known = await self._database.fetch_one(_KNOWN, user_nid, canonical)
        if known is not None:
            return int(known[0])
        return await self._database.write(self._add, (user_nid, canonical))

    def _add(self, txn: Transaction, items: list[tuple[int, bytes]]) -> list[int]:
        return [_add_one(txn, user_nid, canonical) for user_nid, canonical in items]


def _add_one(txn: Transaction, user_nid: int, canonical: bytes) -> int:
    rows = txn.execute(_KNOWN, user_nid, canonical)
    if not rows:
        rows = txn.execute(_INSERT, user_nid, canonical, user_nid)
    return int(rows[0][0])
