"""UI auth sessions: which stages a client has completed, for which request."""

from dataclasses import dataclass
from typing import Any

import orjson

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class UiAuthSession:
    """A session with at least one completed stage."""

    operation: str
    request_hash: bytes
    completed: dict[str, Any]  # stage -> what it found out, such as the user
    outcome: str | None


@dataclass(frozen=True, slots=True)
class CompletedStage:
    """A stage that a client has just completed."""

    session_id: str
    operation: str
    request_hash: bytes
    now_ms: int
    stage: str
    result: Any


_SESSION = """
    SELECT operation, request_hash, completed, outcome FROM ui_auth_sessions
    WHERE session_id = ? AND created_ms >= ?
"""
_INSERT = """
    INSERT INTO ui_auth_sessions (session_id, created_ms, operation, request_hash, completed)
    VALUES (?, ?, ?, ?, ?)
"""
# A session that nobody finishes is forgotten after this time.
SESSION_LIFETIME_MS = 24 * 60 * 60 * 1000


class UiAuthStore:
    """Remembers the sessions for a day."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def session(self, session_id: str, now_ms: int) -> UiAuthSession | None:
        row = await self._database.fetch_one(_SESSION, session_id, now_ms - SESSION_LIFETIME_MS)
        if row is None:
            return None
        operation, request_hash, completed, outcome = row
        return UiAuthSession(operation, request_hash, orjson.loads(completed), outcome)

    async def complete(self, stage: CompletedStage) -> dict[str, Any]:
        """Note a completed stage; all that the session has completed."""
        return await self._database.write(self._complete, stage)

    def _complete(self, txn: Transaction, stages: list[CompletedStage]) -> list[dict[str, Any]]:
        oldest = max(stage.now_ms for stage in stages) - SESSION_LIFETIME_MS
        txn.execute("DELETE FROM ui_auth_sessions WHERE created_ms < ?", oldest)
        return [_complete_one(txn, stage) for stage in stages]


def _complete_one(txn: Transaction, stage: CompletedStage) -> dict[str, Any]:
    found = txn.execute(
        "SELECT completed FROM ui_auth_sessions WHERE session_id = ?", stage.session_id
    )
    completed: dict[str, Any] = orjson.loads(found[0][0]) if found else {}
    completed[stage.stage] = stage.result
    text = orjson.dumps(completed).decode()
    if found:
        txn.execute(
            "UPDATE ui_auth_sessions SET completed = ? WHERE session_id = ?", text, stage.session_id
        )
    else:
        txn.execute(
            _INSERT, stage.session_id, stage.now_ms, stage.operation, stage.request_hash, text
        )
    return completed
