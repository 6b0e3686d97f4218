"""Leaves of which other servers are yet to hear."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction


class UntoldLeave(NamedTuple):
    """A user of ours doesn't want what they were invited to, or knocked at, any more."""

    room_nid: int
    user_nid: int
    left_id: str  # the event that this ended
    leave_id: str  # the event that ended it, here
    servers: Sequence[str]  # who may be told
    tries: int
    next_ms: int


class UntoldLeaveStore:
    """Reads and writes them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, leave: UntoldLeave) -> None:
        """Remember that others are yet to hear of it; at most one for each user in a room."""
        await self._database.write(_save, leave)

    async def done(self, leave: UntoldLeave) -> None:
        """Nobody needs to hear of it any more."""
        await self._database.write(_done, leave)

    async def due(self, now_ms: int, limit: int) -> list[UntoldLeave]:
        """Those whose time has come, the oldest first."""
        rows = await self._database.fetch(
            """SELECT room_nid, user_nid, left_id, leave_id, servers, tries, next_ms
               FROM untold_leaves WHERE next_ms <= ? ORDER BY next_ms LIMIT ?""",
            now_ms,
            limit,
        )
        return [
            UntoldLeave(room_nid, user_nid, left_id, leave_id, orjson.loads(servers), *times)
            for room_nid, user_nid, left_id, leave_id, servers, *times in rows
        ]


def _save(txn: Transaction, leaves: list[UntoldLeave]) -> None:
    newest = {(leave.room_nid, leave.user_nid): leave for leave in leaves}
    txn.execute_many(
        """INSERT INTO untold_leaves
               (room_nid, user_nid, left_id, leave_id, servers, tries, next_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (room_nid, user_nid) DO UPDATE SET
               left_id = excluded.left_id, leave_id = excluded.leave_id,
               servers = excluded.servers, tries = excluded.tries, next_ms = excluded.next_ms""",
        [
            leave._replace(servers=orjson.dumps(list(leave.servers)).decode())
            for leave in newest.values()
        ],
    )


def _done(txn: Transaction, leaves: list[UntoldLeave]) -> None:
    txn.execute_many(
        "DELETE FROM untold_leaves WHERE room_nid = ? AND user_nid = ? AND leave_id = ?",
        [(leave.room_nid, leave.user_nid, leave.leave_id) for leave in leaves],
    )
