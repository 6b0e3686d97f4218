"""Read receipts: for each user, room, type and thread the last event that was read."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.stores.unread import read_up_to
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
    WHERE NOT EXISTS (
        SELECT 1 FROM events a JOIN events b ON a.pos <= b.pos
        WHERE a.event_nid = excluded.event_nid AND b.event_nid = receipts.event_nid)
"""
_ACCEPTED = "SELECT stream FROM receipts WHERE room_nid = ANY(?) AND stream >= ?"
_Key = tuple[int, int, str, str]
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

    async def put(self, receipt: Receipt, pos: int) -> None:
        """Remember a receipt for the event at this `pos` of its room; `stream` is given out here.

        Receipts for one place only move forwards: nothing happens if there is one for the same
        event or a later one.
        """
        await self._database.write(self._write, (receipt, pos))

    async def since(self, room_nids: Sequence[int], position: int) -> list[Receipt]:
        """The receipts of these rooms that came after a position."""
        rows = await self._database.fetch(
            f"SELECT {_COLUMNS} WHERE r.room_nid = ANY(?) AND r.stream > ?",
            list(room_nids),
            position,
        )
        return [Receipt(*row) for row in rows]

    def _put(self, txn: Transaction, puts: list[tuple[Receipt, int]]) -> None:
        first = txn.stream(len(puts))
        # Of several receipts for one place the furthest counts: an upsert may not meet it twice.
        furthest: dict[_Key, tuple[Receipt, int]] = {}
        for stream, (receipt, pos) in enumerate(puts, first):
            key = (receipt.room_nid, receipt.user_nid, receipt.receipt_type, receipt.thread_id)
            if key not in furthest or furthest[key][1] < pos:
                furthest[key] = (receipt._replace(stream=stream), pos)
        wanted = [receipt for receipt, _ in furthest.values()]
        touched = txn.execute_many(
            _UPSERT,
            [
                (*key, r.event_nid, r.event_id, r.ts_ms, r.stream)
                for key, (r, _) in furthest.items()
            ],
        )
        moved = wanted if touched == len(wanted) else _accepted(txn, wanted, first)
        if moved:
            moved.sort(key=lambda receipt: receipt.stream)
            read_up_to(txn, [(r.user_nid, r.room_nid, r.thread_id, r.event_nid) for r in moved])
            txn.after_commit(lambda: self._moved(moved))


def _accepted(txn: Transaction, receipts: Sequence[Receipt], first: int) -> list[Receipt]:
    """Those that went forwards. Positions are locked, so whatever has one from `first` on is of
    this batch."""
    room_nids = list({receipt.room_nid for receipt in receipts})
    accepted = set(txn.execute(_ACCEPTED, room_nids, first))
    return [receipt for receipt in receipts if (receipt.stream,) in accepted]
