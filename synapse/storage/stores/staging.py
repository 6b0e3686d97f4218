"""What came from other servers and is not done with: staged events, and answered transactions."""

from collections.abc import Sequence
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction


class StagedEvent(NamedTuple):
    """An event of another server that waits to be taken up."""

    stage_nid: int
    event_id: str
    origin: str
    json: bytes
    received_ms: int
    tries: int


class NewlyStaged(NamedTuple):
    """One that is to wait."""

    room_nid: int
    event_id: str
    origin: str
    json: bytes
    received_ms: int


class Waiting(NamedTuple):
    """How many events wait, and when the first of them was received."""

    number: int
    oldest_ms: int | None


class StagingStore:
    """Reads and writes them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Staged events.

    async def stage(self, events: Sequence[NewlyStaged]) -> None:
        """Let events wait. One that waits already keeps its place."""
        await self._database.write(_stage, events)

    async def next(self, room_nid: int, limit: int) -> list[StagedEvent]:
        """The events of a room whose turn it is: the least tried ones, as they came."""
        rows = await self._database.fetch(
            """SELECT stage_nid, event_id, origin, json, received_ms, tries FROM staged_events
               WHERE room_nid = ? ORDER BY tries, stage_nid LIMIT ?""",
            room_nid,
            limit,
        )
        return [StagedEvent(*row) for row in rows]

    async def count(self, room_nid: int, limit: int) -> int:
        """How many events of a room wait; it is counted up to a limit."""
        row = await self._database.fetch_one(
            "SELECT count(*) FROM (SELECT 1 FROM staged_events WHERE room_nid = ? LIMIT ?) AS few",
            room_nid,
            limit,
        )
        return 0 if row is None else row[0]

    async def waiting(self, limit: int) -> Waiting:
        """What waits, in all rooms; it is counted up to a limit."""
        row = await self._database.fetch_one(
            """SELECT count(*), min(received_ms) FROM
               (SELECT received_ms FROM staged_events ORDER BY stage_nid LIMIT ?) AS oldest""",
            limit,
        )
        return Waiting(0, None) if row is None else Waiting(*row)

    async def rooms(self) -> list[int]:
        """The rooms in which events wait."""
        rows = await self._database.fetch("SELECT DISTINCT room_nid FROM staged_events")
        return [room_nid for (room_nid,) in rows]

    async def done(self, stage_nids: Sequence[int]) -> None:
        """These don't wait any more."""
        await self._database.write(_done, stage_nids)

    async def tried(self, stage_nid: int) -> None:
        """Count a try that came to nothing."""
        await self._database.write(_tried, stage_nid)

    # Transactions.

    async def answer(self, origin: str, txn_id: str) -> bytes | None:
        """What a transaction was answered; None: it has not been here."""
        row = await self._database.fetch_one(
            "SELECT answer FROM received_transactions WHERE origin = ? AND txn_id = ?",
            origin,
            txn_id,
        )
        return None if row is None else bytes(row[0])

    async def answered(self, origin: str, txn_id: str, now_ms: int, answer: bytes) -> None:
        await self._database.write(_answered, (origin, txn_id, now_ms, answer))

    async def forget_answers(self, before_ms: int) -> None:
        """Let go of answers that nobody will ask for again."""
        await self._database.write(_forget, before_ms)


def _stage(txn: Transaction, batches: list[Sequence[NewlyStaged]]) -> None:
    events = {(e.room_nid, e.event_id): e for batch in reversed(batches) for e in reversed(batch)}
    txn.execute_many(
        """INSERT INTO staged_events (room_nid, event_id, origin, json, received_ms)
           VALUES (?, ?, ?, ?, ?) ON CONFLICT (room_nid, event_id) DO NOTHING""",
        list(reversed(events.values())),
    )


def _done(txn: Transaction, batches: list[Sequence[int]]) -> None:
    nids = [nid for batch in batches for nid in batch]
    txn.execute("DELETE FROM staged_events WHERE stage_nid = ANY(?)", nids)


def _tried(txn: Transaction, stage_nids: list[int]) -> None:
    txn.execute("UPDATE staged_events SET tries = tries + 1 WHERE stage_nid = ANY(?)", stage_nids)


def _answered(txn: Transaction, answers: list[tuple[str, str, int, bytes]]) -> None:
    rows = {(origin, txn_id): (origin, txn_id, *rest) for origin, txn_id, *rest in answers}
    txn.execute_many(
        "INSERT INTO received_transactions (origin, txn_id, received_ms, answer)"
        " VALUES (?, ?, ?, ?) ON CONFLICT (origin, txn_id) DO NOTHING",
        list(rows.values()),
    )


def _forget(txn: Transaction, times: list[int]) -> None:
    txn.execute("DELETE FROM received_transactions WHERE received_ms < ?", max(times))
