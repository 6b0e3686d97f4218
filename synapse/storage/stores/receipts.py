"""Read receipts: for each user, room, type and thread the last event that was read."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.stores.unread import ReadPoint, write_read_points
from synapse.storage.transaction import Transaction


class Receipt(NamedTuple):
    """That a user has read a room up to an event."""

    room_nid: int
    user_nid: int
    user_id: str
    receipt_type: str  # "m.read", "m.read.private"
    thread_id: str  # "": unthreaded
    event_nid: int
    event_id: str
    ts_ms: int
    stream: int


_UPSERT = """
    INSERT INTO receipts
        (room_nid, user_nid, receipt_type, thread_id, event_nid, event_id, ts_ms, stream)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (room_nid, user_nid, receipt_type, thread_id) DO UPDATE SET
        event_nid = excluded.event_nid, event_id = excluded.event_id,
        ts_ms = excluded.ts_ms, stream = excluded.stream
"""
_COLUMNS = """
    r.room_nid, r.user_nid, n.name, r.receipt_type, r.thread_id, r.event_nid, r.event_id,
    r.ts_ms, r.stream FROM receipts r JOIN names n ON n.nid = r.user_nid"""


class ReceiptStore:
    """Reads and writes receipts."""

    def __init__(self, database: Database, *, moved: Callable[[list[Receipt]], object]) -> None:
        """`moved` is told of new receipts after their commit, in order."""
        self._database = database
        self._moved = moved
        self._write = self._put

    async def put(self, receipt: Receipt) -> None:
        """Remember a receipt; its `stream` is given out here."""
        await self._database.write(self._write, receipt)

    async def get(
        self, room_nid: int, user_nid: int, receipt_type: str, thread_id: str
    ) -> Receipt | None:
        row = await self._database.fetch_one(
            f"""SELECT {_COLUMNS} WHERE r.room_nid = ? AND r.user_nid = ?
                AND r.receipt_type = ? AND r.thread_id = ?""",
            room_nid,
            user_nid,
            receipt_type,
            thread_id,
        )
        return None if row is None else Receipt(*row)

    async def since(self, room_nids: Sequence[int], position: int) -> list[Receipt]:
        """The receipts of these rooms that came after a position."""
        rows = await self._database.fetch(
            f"SELECT {_COLUMNS} WHERE r.room_nid = ANY(?) AND r.stream > ?",
            list(room_nids),
            position,
        )
        return [Receipt(*row) for row in rows]

    async def rooms_with_receipts_since(self, room_nids: Sequence[int], position: int) -> list[int]:
        """Those of the rooms in which receipts came after a position."""
        rows = await self._database.fetch(
            "SELECT DISTINCT room_nid FROM receipts WHERE room_nid = ANY(?) AND stream > ?",
            list(room_nids),
            position,
        )
        return [room_nid for (room_nid,) in rows]

    def _put(self, txn: Transaction, receipts: list[Receipt]) -> None:
        first = txn.stream(len(receipts))
        numbered = [
            receipt._replace(stream=stream) for stream, receipt in enumerate(receipts, first)
        ]
        # Of several receipts for one place the last one counts: an upsert may not meet it twice.
        rows = {(r.room_nid, r.user_nid, r.receipt_type, r.thread_id): r for r in numbered}
        txn.execute_many(
            _UPSERT,
            [(*key, r.event_nid, r.event_id, r.ts_ms, r.stream) for key, r in rows.items()],
        )
        self._move_read_points(txn, list(rows.values()))
        txn.after_commit(lambda: self._moved(numbered))

    def _move_read_points(self, txn: Transaction, receipts: list[Receipt]) -> None:
        numbers = {
            nid: (loud, shouts)
            for nid, loud, shouts in txn.execute(
                "SELECT event_nid, loud, shouts FROM events WHERE event_nid = ANY(?)",
                list({receipt.event_nid for receipt in receipts}),
            )
        }
        write_read_points(
            txn,
            [
                ReadPoint(r.user_nid, r.room_nid, r.thread_id, r.event_nid, *numbers[r.event_nid])
                for r in receipts
                if r.event_nid in numbers
            ],
        )
