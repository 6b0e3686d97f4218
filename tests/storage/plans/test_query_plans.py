"""No statement of the server walks through a table that grows: proof for each of them.

The server lives through a day (`life`). Each statement that it made is then explained: by SQLite,
which decides by the schema alone, and by PostgreSQL, after its tables were filled (`crowd`).
"""

from typing import NamedTuple
from unittest.mock import patch

from synapse.storage.database import Database
from synapse.storage.engines.base import Connection, Engine
from synapse.storage.migrations import migrate
from tests.storage.fresh import SERVER_NAME, create_postgres, drop_postgres, postgres_engine
from tests.storage.plans.crowd import QUEUES, fill
from tests.storage.plans.explaining import walks_of_postgres, walks_of_sqlite
from tests.storage.plans.life import LifeTestCase
from tests.storage.plans.recording import Asked, Recorder, RecordingConnection

# Tables of one row, or of some for the server as a whole.
_SMALL = {
    "background_updates",
    "migrations",
    "purge_jobs",
    "server_info",
    "stream",
    "stream_readers",
}


class Allowed(NamedTuple):
    """A statement that rightly walks through tables."""

    part: str  # of the statement, its blanks as one
    tables: set[str]
    reason: str


_ALLOWED = (
    Allowed(
        "SELECT count(*) FROM (SELECT 1 FROM rooms WHERE published = 1 LIMIT ?)",
        {"rooms"},
        "the directory's size; bounded by its LIMIT, on the index of what is published",
    ),
    Allowed(
        "FROM presence p JOIN names n ON n.nid = p.user_nid ORDER BY p.serial DESC LIMIT ?",
        {"presence", "names"},
        "at the start, in a reader's thread; bounded by its LIMIT",
    ),
    Allowed(
        "UPDATE delayed_events SET sending = 0 WHERE sending = 1 AND finalised_ms IS NULL",
        {"delayed_events"},
        "at the start, or after an accident; on the index of what is scheduled",
    ),
    Allowed(
        "(SELECT server_nid FROM room_servers UNION SELECT server_nid FROM destinations)",
        {"room_servers", "destinations", "names"},
        "an administrator's list of all servers, in a reader's thread",
    ),
    Allowed(
        "SELECT DISTINCT room_nid FROM staged_events",
        {"staged_events"},
        "at the start: what waits is little",
    ),
    Allowed(
        "(SELECT received_ms FROM staged_events ORDER BY stage_nid LIMIT ?)",
        {"staged_events"},
        "once a minute, for the metrics; bounded by its LIMIT",
    ),
    Allowed(
        "ORDER BY f.membership, f.event_nid LIMIT 1 OFFSET 5",
        {"members"},
        "the sixth in an index",
    ),
    Allowed(
        "SELECT m.room_nid, m.event_nid FROM members m WHERE m.room_nid = ANY(?)",
        {"members"},
        "a first sync without lazy loading tells of all members",
    ),
    Allowed(
        "FROM members m WHERE m.room_nid = ? AND m.membership = ANY(?)",
        {"members"},
        "a list of members",
    ),
    Allowed(
        "FROM members m JOIN push_rules p ON p.user_nid = m.user_nid JOIN names n",
        {"members"},
        "who has push rules of their own in a room: once, in a reader's thread",
    ),
    Allowed(
        "WHERE m.room_nid = ? AND m.membership = 1 AND u.guest = 1",
        {"members"},
        "the guests of a room, when it closes to them; in a reader's thread",
    ),
    Allowed(
        "SELECT m.user_nid, n.name, m.membership, m.event_nid FROM members m JOIN names n",
        {"members", "names"},
        "the servers of a room: when it has changed and one is asked for; in a reader's thread",
    ),
    Allowed(
        "WHERE m.room_nid = ? AND m.membership = 1 AND m.user_nid <> ?",
        {"members"},
        "whose devices concern a user who joins a room or leaves it; in a reader's thread",
    ),
    Allowed(
        "FROM members m JOIN remote_device_lists l ON l.user_nid = m.user_nid WHERE m.room_nid = ?",
        {"members", "remote_device_lists"},
        "when the last user of ours leaves a room; in a reader's thread",
    ),
    Allowed(
        "SELECT user_nid, event_nid FROM members WHERE room_nid = ?",
        {"members"},
        "a room becomes whole, once; in a reader's thread",
    ),
    Allowed(
        "SELECT count(*) FROM members WHERE room_nid = ? AND membership = 1",
        {"members"},
        "who is in a room, when it opens or closes to everybody",
    ),
    Allowed(
        "row_number() OVER () FROM members m WHERE m.room_nid = ? AND m.membership = 1",
        {"members"},
        "who is in a room, when it opens or closes to everybody",
    ),
    Allowed(
        "FROM members WHERE room_nid = ANY(?) AND membership = ANY(?)",
        {"members"},
        "lists of members",
    ),
    Allowed(
        "WHERE m.room_nid = ? AND m.membership = 1 ORDER BY m.event_nid LIMIT ?",
        {"members"},
        "some members of a room; bounded by its LIMIT",
    ),
    Allowed(
        "WHERE s.user_nid = ? AND s.membership = 1 LIMIT ?",
        {"members"},
        "some who share rooms with a user; bounded by its LIMIT",
    ),
    Allowed(
        "WHERE o.user_nid = ? AND o.membership = 1 LIMIT ?",
        {"members"},
        "some who share rooms with a user; bounded by its LIMIT",
    ),
    Allowed(
        "WHERE r.room_nid = ANY(?) AND r.stream > ?",
        {"receipts"},
        "a first sync tells of all receipts",
    ),
)
# Positions in the stream before that are the crowd's: what tests do comes last, as in real life.
_BEFORE = 1_000_000


class QueryPlanTests(LifeTestCase):
    def setUp(self) -> None:
        self.recorder = Recorder()
        self.asked = Asked(self.replace)
        super().setUp()
        self.recorder.statements.clear()  # those that open a database, once

    async def test_no_statement_walks_through_a_table(self) -> None:
        await self.live()
        connection = self.connect()
        self.addCleanup(connection.close)
        tables = self.engine.tables(connection)
        if self.on_postgres:
            fill(connection, sorted(tables - _SMALL))
        explain = walks_of_postgres if self.on_postgres else walks_of_sqlite
        growing = tables - _SMALL - QUEUES.keys()
        wrong, unused = [], list(_ALLOWED)
        for sql, params in self.recorder.statements.items():
            text = " ".join(sql.split())
            allowed = [one for one in _ALLOWED if one.part in text]
            unused = [one for one in unused if one not in allowed]
            checked = growing.difference(*(one.tables for one in allowed))
            for walk in explain(connection, sql, params, checked):
                wrong.append(f"{walk.how}: {text}")
        self.assertEqual(wrong, [], "\n\n".join(wrong))
        self.assertEqual(unused, [], "statements that are no longer made")
        self.assertEqual(self.asked.unasked, set(), "these questions belong to the life, too")

    def open_unmanaged(self, server_name: str = SERVER_NAME) -> Database:
        self.connect = self.engine.connect
        self._begin_late()
        self.replace(self.engine, "connect", self._connect_and_record)
        return super().open_unmanaged(server_name)

    def _begin_late(self) -> None:
        connection = self.connect()
        migrate(self.engine, connection, SERVER_NAME)
        connection.fetch("UPDATE stream SET pos = ?", (_BEFORE,))
        connection.fetch("UPDATE stream_readers SET position = ?", (_BEFORE,))
        connection.close()

    def _connect_and_record(self, *, read_only: bool = False) -> Connection:
        return RecordingConnection(self.connect(read_only=read_only), self.recorder)

    def replace(self, owner: object, name: str, value: object) -> None:
        """For as long as the test runs."""
        patcher = patch.object(owner, name, value)
        patcher.start()
        self.addCleanup(patcher.stop)

    def _postgres(self) -> Engine:
        """A database of its own: others must not plan with the crowd's statistics."""
        name = create_postgres()
        self.addCleanup(drop_postgres, name)
        return postgres_engine(name)
