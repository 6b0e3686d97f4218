"""Account data: what clients keep for their user, globally or for a room.

Writes of many users ride in one multi-row statement. A row holds the stream position of its last
change, so what is new for a user's sync is a range of one index.
"""

from collections.abc import Callable
from dataclasses import dataclass

from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.transaction import Transaction

GLOBAL = 0  # `room_nid` of what belongs to no room


@dataclass(frozen=True, slots=True)
class AccountDataEntry:
    """One piece of account data, as it is now."""

    room_nid: int  # GLOBAL: of no room
    type: str
    content: bytes  # JSON
    stream: int


@dataclass(frozen=True, slots=True)
class _Put:
    user_nid: int
    room_id: str | None
    type: str
    content: bytes


_GLOBAL_CONTENT = """
    SELECT content FROM account_data WHERE user_nid = ? AND room_nid = 0 AND type = ?
"""
_ROOM_CONTENT = """
    SELECT a.content FROM rooms r JOIN account_data a ON a.room_nid = r.room_nid
    WHERE r.room_id = ? AND a.user_nid = ? AND a.type = ?
"""
_CHANGES = """
    SELECT room_nid, type, content, stream FROM account_data
    WHERE user_nid = ? AND stream > ? ORDER BY stream
"""
_OF_ROOM = """
    SELECT room_nid, type, content, stream FROM account_data WHERE user_nid = ? AND room_nid = ?
"""
_UPSERT = """
    INSERT INTO account_data (user_nid, room_nid, type, content, stream) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (user_nid, room_nid, type)
    DO UPDATE SET content = excluded.content, stream = excluded.stream
"""


class AccountDataStore:
    """Remembers account data."""

    def __init__(self, database: Database, moved: Callable[[int, int], object]) -> None:
        """`moved(user_nid, stream)` is told of each change, after its commit."""
        self._database = database
        self._moved = moved

    async def content(self, user_nid: int, room_id: str | None, type: str) -> bytes | None:
        """The JSON that was put last; `room_id` None means global."""
        if room_id is None:
            row = await self._database.fetch_one(_GLOBAL_CONTENT, user_nid, type)
        else:
            row = await self._database.fetch_one(_ROOM_CONTENT, room_id, user_nid, type)
        return None if row is None else row[0]

    async def of_room(self, user_nid: int, room_nid: int) -> list[AccountDataEntry]:
        """All that the user keeps for a room."""
        rows = await self._database.fetch(_OF_ROOM, user_nid, room_nid)
        return [AccountDataEntry(*row) for row in rows]

    async def put(
        self, user_nid: int, room_id: str | None, type: str, content: bytes
    ) -> int | None:
        """The position of the change, or None if there is no such room."""
        return await self._database.write(self._put, _Put(user_nid, room_id, type, content))

    async def changes_since(self, user_nid: int, stream: int) -> list[AccountDataEntry]:
        """What changed after a position, in order; after 0: everything."""
        rows = await self._database.fetch(_CHANGES, user_nid, stream)
        return [AccountDataEntry(*row) for row in rows]

    def _put(self, txn: Transaction, puts: list[_Put]) -> list[int | None]:
        first = txn.stream(len(puts))
        room_nids = _room_nids(txn, puts)
        # Of several writes to one key the last one counts; an upsert may not meet it twice.
        rows: dict[tuple[int, int, str], Row] = {}
        moved: dict[int, int] = {}
        results: list[int | None] = []
        for stream, put in enumerate(puts, first):
            room_nid = GLOBAL if put.room_id is None else room_nids.get(put.room_id)
            if room_nid is None:
                results.append(None)
                continue
            key = (put.user_nid, room_nid, put.type)
            rows[key] = (*key, put.content, stream)
            moved[put.user_nid] = stream
            results.append(stream)
        txn.execute_many(_UPSERT, list(rows.values()))
        txn.after_commit(lambda: self._announce(moved))
        return results

    def _announce(self, moved: dict[int, int]) -> None:
        for user_nid, stream in moved.items():
            self._moved(user_nid, stream)


def _room_nids(txn: Transaction, puts: list[_Put]) -> dict[str, int]:
    room_ids = list({put.room_id for put in puts if put.room_id is not None})
    if not room_ids:
        return {}
    rows = txn.execute("SELECT room_id, room_nid FROM rooms WHERE room_id = ANY(?)", room_ids)
    return dict(rows)
