"""Deleting messages from rooms' timelines, a batch at a time, and how far the jobs have come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction

# Before the first event of every room.
BEGINNING = (-(2**60), -(2**60))


@dataclass(frozen=True, slots=True)
class PurgeBatch:
    """Which events of a room to look through, in the order of (`origin_server_ts`, `pos`)."""

    room_nid: int
    after: tuple[int, int]
    before_ms: int
    limit: int


@dataclass(frozen=True, slots=True)
class Purged:
    """What a batch came to."""

    event_nids: list[int]  # the events that are gone
    place: tuple[int, int] | None  # where the next batch begins; None: there is no further one


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is."""

    name: str
    started_ms: int
    room_nid: int | None  # None: the run is complete


_CANDIDATES = """
    SELECT event_nid, origin_server_ts, pos, slot_nid FROM events
    WHERE room_nid = ? AND pos IS NOT NULL AND (origin_server_ts, pos) > (?, ?)
        AND origin_server_ts < ?
    ORDER BY origin_server_ts, pos LIMIT ?
"""
# What is about single events, in tables that are keyed by them; the events themselves last. (Unread
# counts are differences of numbers that stay, so `marks`, which correct them, must stay as well.)
_DELETIONS = (
    "DELETE FROM redacted_events WHERE event_nid = ANY(?)",
    "DELETE FROM relations WHERE event_nid = ANY(?)",
    "DELETE FROM events WHERE event_nid = ANY(?)",
)
_SAVE_JOB = """
    INSERT INTO purge_jobs (name, started_ms, room_nid) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET started_ms = excluded.started_ms, room_nid = excluded.room_nid
"""


class PurgeStore:
    """Deletes messages."""

    def __init__(
        self, database: Database, *, forget: Callable[[Transaction, Sequence[int]], None]
    ) -> None:
        """`forget` takes away what is derived from events, before they are deleted."""
        self._database = database
        self._forget = forget
        # One object, since the database gathers the items of one and the same function.
        self._write = self._purge

    async def rooms_after(self, room_nid: int, limit: int) -> list[int]:
        """Numbers of rooms, in their order."""
        rows = await self._database.fetch(
            "SELECT room_nid FROM rooms WHERE room_nid > ? ORDER BY room_nid LIMIT ?",
            room_nid,
            limit,
        )
        return [nid for (nid,) in rows]

    async def purge(self, batch: PurgeBatch) -> Purged:
        """Delete the messages of a batch, but neither state nor what new events build on."""
        return await self._database.write(self._write, batch)

    async def progress(self, name: str) -> JobProgress | None:
        row = await self._database.fetch_one(
            "SELECT name, started_ms, room_nid FROM purge_jobs WHERE name = ?", name
        )
        return None if row is None else JobProgress(*row)

    async def save_progress(self, progress: JobProgress) -> None:
        await self._database.write(_save_progress, progress)

    def _purge(self, txn: Transaction, batches: Sequence[PurgeBatch]) -> list[Purged]:
        return [self._purge_one(txn, batch) for batch in batches]

    def _purge_one(self, txn: Transaction, batch: PurgeBatch) -> Purged:
        rows = txn.execute("SELECT pos, tips FROM rooms WHERE room_nid = ?", batch.room_nid)
        if not rows:
            return Purged([], None)
        ((newest_pos, tips),) = rows
        kept = set(orjson.loads(tips))
        candidates = txn.execute(
            _CANDIDATES, batch.room_nid, *batch.after, batch.before_ms, batch.limit
        )
        doomed = [
            nid
            for nid, _, pos, slot_nid in candidates
            if slot_nid is None and pos != newest_pos and nid not in kept
        ]
        if doomed:
            self._forget(txn, doomed)
            for deletion in _DELETIONS:
                txn.execute(deletion, doomed)
        if len(candidates) < batch.limit:
            return Purged(doomed, None)
        _, ts, pos, _ = candidates[-1]
        return Purged(doomed, (ts, pos))


def _save_progress(txn: Transaction, items: Sequence[JobProgress]) -> None:
    for item in items:
        txn.execute(_SAVE_JOB, item.name, item.started_ms, item.room_nid)
