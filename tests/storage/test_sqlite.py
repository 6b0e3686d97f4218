"""What only SQLite does: databases in memory, files that other programs use, failing disks."""

import sqlite3
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from synapse.storage.database import Database, open_database
from synapse.storage.engines.sqlite import SqliteConnection, SqliteEngine
from synapse.storage.errors import ConstraintViolated
from tests.storage.base import SqliteTestCase
from tests.storage.fresh import SERVER_NAME
from tests.storage.test_database import add_names

NAMES = "SELECT name FROM names ORDER BY name"


class MemoryTests(SqliteTestCase):
    migrated = False

    def setUp(self) -> None:
        super().setUp()
        self.database = open_database(SqliteEngine(":memory:"), SERVER_NAME, reactor)
        self.addCleanup(self.database.close)

    async def test_writes_are_readable_in_every_way(self) -> None:
        await gatherResults(
            [Deferred.fromCoroutine(self.database.write(add_names, name)) for name in ("a", "b")]
        )
        self.assertEqual(await self.database.fetch(NAMES), [("a",), ("b",)])
        self.assertEqual(await self.database.read(lambda r: r.fetch_one(NAMES)), ("a",))
        self.assertEqual(await self.database.scan(lambda r: r.fetch_one(NAMES)), ("a",))

    async def test_a_failing_write_leaves_nothing_behind(self) -> None:
        await self.database.write(add_names, "a")
        with self.assertRaises(ConstraintViolated):
            await self.database.write(add_names, "a")
        self.assertEqual(await self.database.write(add_names, "b"), 2)

    async def test_a_chain_of_writes_is_no_deep_stack(self) -> None:
        for number in range(2_000):
            await self.database.write(add_names, str(number))
        self.assertEqual(self.database.position, 2_000)


class SharedFileTests(SqliteTestCase):
    async def test_a_write_waits_for_another_program_that_holds_the_lock(self) -> None:
        assert isinstance(self.engine, SqliteEngine)
        administrator = sqlite3.connect(self.engine.path, isolation_level=None)
        self.addCleanup(administrator.close)
        administrator.execute("BEGIN IMMEDIATE")
        administrator.execute("INSERT INTO names (nid, name) VALUES (77, 'x')")
        writing = Deferred.fromCoroutine(self.database.write(add_names, "a"))
        # The reactor goes on meanwhile.
        deferLater(reactor, 0.05, administrator.execute, "COMMIT")
        self.assertEqual(await self.database.fetch(NAMES), [])
        self.assertEqual(await writing, 1)
        self.assertEqual(await self.database.fetch(NAMES), [("a",), ("x",)])


class FailingDiskTests(SqliteTestCase):
    def database_that_fails_at(self, statement: str) -> Database:
        """The next transaction fails there once; later ones work."""
        connection = self.engine.connect()
        assert isinstance(connection, SqliteConnection)
        with_faults: Any = FailsOnce(connection._raw, statement)
        database = Database(self.engine, reactor, connection=SqliteConnection(with_faults))
        self.addCleanup(database.close)
        return database

    async def test_no_write_hangs_or_is_lost_when_the_disk_fails_once(self) -> None:
        for number, statement in enumerate(["BEGIN IMMEDIATE", "UPDATE stream", "COMMIT"], 1):
            with self.subTest(statement=statement):
                database = self.database_that_fails_at(statement)
                self.assertEqual(await database.write(add_names, statement), number)
                found = await database.fetch("SELECT count(*) FROM names")
                self.assertEqual(found, [(number,)])


class FailsOnce:
    """A connection whose disk fails at the first statement that begins so."""

    def __init__(self, raw: sqlite3.Connection, statement: str) -> None:
        self._raw = raw
        self._statement: str | None = statement

    def execute(self, sql: str, params: Any = ()) -> sqlite3.Cursor:
        if self._statement is not None and sql.startswith(self._statement):
            self._statement = None
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return self._raw.execute(sql, params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)
