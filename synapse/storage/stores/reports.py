"""What users report to the server's administrators: events, rooms and users."""

from dataclasses import dataclass

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class EventReport:
    """A user's complaint about an event."""

    received_ms: int
    reporter_nid: int
    room_nid: int
    event_id: str
    reason: str | None
    score: int | None


@dataclass(frozen=True, slots=True)
class RoomReport:
    """A user's complaint about a room."""

    received_ms: int
    reporter_nid: int
    room_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class UserReport:
    """A user's complaint about a user."""

    received_ms: int
    reporter_nid: int
    user_id: str
    reason: str


_INSERT_EVENT = """
    INSERT INTO event_reports (received_ms, reporter_nid, room_nid, event_id, reason, score)
    VALUES (?, ?, ?, ?, ?, ?)
"""
# What this server doesn't know makes no row.
_INSERT_ROOM = """
    INSERT INTO room_reports (received_ms, reporter_nid, room_nid, reason)
    SELECT ?, ?, room_nid, ? FROM rooms WHERE room_id = ?
"""
_INSERT_USER = """
    INSERT INTO user_reports (received_ms, reporter_nid, user_nid, reason)
    SELECT ?, ?, nid, ? FROM names WHERE name = ?
"""


class ReportStore:
    """Keeps reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_event_report(self, report: EventReport) -> None:
        await self._database.write(_add_event_reports, report)

    async def add_room_report(self, report: RoomReport) -> None:
        """Keep the report, if there is such a room."""
        await self._database.write(_add_room_reports, report)

    async def add_user_report(self, report: UserReport) -> None:
        """Keep the report, if this server has ever met such a user."""
        await self._database.write(_add_user_reports, report)


def _add_event_reports(txn: Transaction, reports: list[EventReport]) -> None:
    txn.execute_many(
        _INSERT_EVENT,
        [
            (r.received_ms, r.reporter_nid, r.room_nid, r.event_id, r.reason, r.score)
            for r in reports
        ],
    )


def _add_room_reports(txn: Transaction, reports: list[RoomReport]) -> None:
    for r in reports:
        txn.execute(_INSERT_ROOM, r.received_ms, r.reporter_nid, r.reason, r.room_id)


def _add_user_reports(txn: Transaction, reports: list[UserReport]) -> None:
    for r in reports:
        txn.execute(_INSERT_USER, r.received_ms, r.reporter_nid, r.reason, r.user_id)
