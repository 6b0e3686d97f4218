"""Account data: what clients keep for their user, globally or for a room.

Writes of many users ride in one multi-row statement. A row holds the stream position of its last
change, so what is new for a user's sync is a range of one index.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from synapse.api.errors import MatrixError
from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.transaction import Transaction

GLOBAL = 0  # `room_nid` of what belongs to no room
# Clients are told of what was deleted by this content, and may put it to delete (MSC3391).
DELETED = b"{}"

# From the content as it is (None: there is none) to the one to store (None: nothing to do). May
# raise `MatrixError`, and may be called again if the transaction has to be.
Edit = Callable[[bytes | None], bytes | None]


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


@dataclass(frozen=True, slots=True)
class _Edited:
    user_nid: int
    room_id: str | None
    type: str
    edit: Edit


@dataclass(frozen=True, slots=True)
class _Deleted:
    user_nid: int
    room_id: str | None
    type: str


_CONTENT = """
    SELECT content FROM account_data
    WHERE user_nid = ? AND room_nid = ? AND type = ? AND deleted = 0
"""
_GLOBAL_CONTENTS = """
    SELECT type, content FROM account_data
    WHERE user_nid = ? AND room_nid = 0 AND type = ANY(?) AND deleted = 0
"""
_ROOM_CONTENT = """
    SELECT a.content FROM rooms r JOIN account_data a ON a.room_nid = r.room_nid
    WHERE r.room_id = ? AND a.user_nid = ? AND a.type = ? AND a.deleted = 0
"""
_ALL = """
    SELECT room_nid, type, content, stream FROM account_data
    WHERE user_nid = ? AND deleted = 0 ORDER BY stream
"""
_CHANGES = """
    SELECT room_nid, type, content, stream FROM account_data
    WHERE user_nid = ? AND stream > ? ORDER BY stream
"""
_OF_ROOM = """
    SELECT room_nid, type, content, stream FROM account_data
    WHERE user_nid = ? AND room_nid = ? AND deleted = 0
"""
_UPSERT = """
    INSERT INTO account_data (user_nid, room_nid, type, content, stream, deleted)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user_nid, room_nid, type)
    DO UPDATE SET
        content = excluded.content, stream = excluded.stream, deleted = excluded.deleted
"""
_DELETE = """
    UPDATE account_data SET content = ?, stream = ?, deleted = 1
    WHERE user_nid = ? AND room_nid = ? AND type = ? AND deleted = 0 RETURNING stream
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
            row = await self._database.fetch_one(_CONTENT, user_nid, GLOBAL, type)
        else:
            row = await self._database.fetch_one(_ROOM_CONTENT, room_id, user_nid, type)
        return None if row is None else row[0]

    async def of_room(self, user_nid: int, room_nid: int) -> list[AccountDataEntry]:
        """All that the user keeps for a room."""
        rows = await self._database.fetch(_OF_ROOM, user_nid, room_nid)
        return [AccountDataEntry(*row) for row in rows]

    async def contents(self, user_nid: int, types: Sequence[str]) -> dict[str, bytes]:
        """The JSON of those of the global types that are there."""
        rows = await self._database.fetch(_GLOBAL_CONTENTS, user_nid, list(types))
        return dict(rows)

    async def put(
        self, user_nid: int, room_id: str | None, type: str, content: bytes
    ) -> int | None:
        """The position of the change, or None if there is no such room.

        `DELETED` deletes, and unlike `delete` tells clients so even if there was nothing: who put
        it waits to hear of it.
        """
        return await self._database.write(self._put, _Put(user_nid, room_id, type, content))

    async def edit(self, user_nid: int, room_id: str | None, type: str, edit: Edit) -> int | None:
        """Store what `edit` makes of the content; the position of the change.

        `room_id` None means global. The answer is None if there is no such room. Raises the
        `MatrixError` that `edit` raises.
        """
        result = await self._database.write(self._edit, _Edited(user_nid, room_id, type, edit))
        if isinstance(result, MatrixError):
            raise result
        return result

    async def delete(self, user_nid: int, room_id: str | None, type: str) -> None:
        """Delete it, if it is there. A change to `{}` tells the user's clients."""
        await self._database.write(self._delete, _Deleted(user_nid, room_id, type))

    async def changes_since(self, user_nid: int, stream: int) -> list[AccountDataEntry]:
        """What changed after a position, in order; after 0: everything that is there."""
        if stream == 0:
            rows = await self._database.fetch(_ALL, user_nid)
        else:
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
            room_nid = _room_nid(put, room_nids)
            if room_nid is None:
                results.append(None)
                continue
            key = (put.user_nid, room_nid, put.type)
            rows[key] = (*key, put.content, stream, int(put.content == DELETED))
            moved[put.user_nid] = stream
            results.append(stream)
        txn.execute_many(_UPSERT, list(rows.values()))
        txn.after_commit(lambda: self._announce(moved))
        return results

    def _edit(self, txn: Transaction, edits: list[_Edited]) -> list[int | MatrixError | None]:
        first = txn.stream(len(edits))
        room_nids = _room_nids(txn, edits)
        moved: dict[int, int] = {}
        results: list[int | MatrixError | None] = []
        for stream, edited in enumerate(edits, first):
            room_nid = _room_nid(edited, room_nids)
            if room_nid is None:
                results.append(None)
                continue
            key = (edited.user_nid, room_nid, edited.type)
            rows = txn.execute(_CONTENT, *key)
            before = rows[0][0] if rows else None
            try:
                content = edited.edit(before)
            except MatrixError as error:
                # Others' writes share the transaction: it must not fail.
                results.append(error)
                continue
            results.append(stream)
            if content is not None and content != before:
                txn.execute(_UPSERT, *key, content, stream, 0)
                moved[edited.user_nid] = stream
        txn.after_commit(lambda: self._announce(moved))
        return results

    def _delete(self, txn: Transaction, deleted: list[_Deleted]) -> None:
        first = txn.stream(len(deleted))
        room_nids = _room_nids(txn, deleted)
        moved: dict[int, int] = {}
        for stream, item in enumerate(deleted, first):
            room_nid = _room_nid(item, room_nids)
            if room_nid is not None and txn.execute(
                _DELETE, DELETED, stream, item.user_nid, room_nid, item.type
            ):
                moved[item.user_nid] = stream
        txn.after_commit(lambda: self._announce(moved))

    def _announce(self, moved: dict[int, int]) -> None:
        for user_nid, stream in moved.items():
            self._moved(user_nid, stream)


def put_account_data(
    txn: Transaction, user_nid: int, room_nid: int, type: str, content: bytes, stream: int
) -> None:
    """Put it within a transaction of others, who tell the user's clients."""
    txn.execute(_UPSERT, user_nid, room_nid, type, content, stream, 0)


def _room_nid(item: _Put | _Edited | _Deleted, room_nids: dict[str, int]) -> int | None:
    """None if there is no such room."""
    return GLOBAL if item.room_id is None else room_nids.get(item.room_id)


def _room_nids(txn: Transaction, items: Sequence[_Put | _Edited | _Deleted]) -> dict[str, int]:
    room_ids = list({item.room_id for item in items if item.room_id is not None})
    if not room_ids:
        return {}
    rows = txn.execute("SELECT room_id, room_nid FROM rooms WHERE room_id = ANY(?)", room_ids)
    return dict(rows)
