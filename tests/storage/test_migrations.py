"""Making a database ready, or refusing it."""

import threading

from synapse.storage.engines.base import Connection
from synapse.storage.errors import DatabaseRefused
from synapse.storage.migrations import Migration, known_migrations, migrate
from tests.storage.base import StoreTestCase

ONE = Migration(1, "one", "CREATE TABLE one (a SERIAL_KEY, b BYTEA); -- first;\n")
TWO = Migration(2, "two", "CREATE TABLE two (c BIGINT PRIMARY KEY); INSERT INTO two VALUES (7);")
BROKEN = Migration(2, "two", "CREATE TABLE two (c BIGINT PRIMARY KEY); SELECT nonsense;")


class MigrationTests(StoreTestCase):
    migrated = False

    def setUp(self) -> None:
        super().setUp()
        self.connection = self.engine.connect()
        self.addCleanup(self.connection.close)

    def migrate(self, *migrations: Migration, server_name: str = "test") -> None:
        migrate(self.engine, self.connection, server_name, migrations)

    def tables(self) -> set[str]:
        return self.engine.tables(self.connection)

    def applied(self) -> list[object]:
        rows = self.connection.fetch("SELECT number FROM migrations ORDER BY number", ())
        return [number for (number,) in rows]

    def refusal(self, *migrations: Migration, server_name: str = "test") -> str:
        with self.assertRaises(DatabaseRefused) as caught:
            self.migrate(*migrations, server_name=server_name)
        return str(caught.exception)

    def test_each_migration_is_applied_once_and_in_order(self) -> None:
        self.migrate(ONE)
        self.migrate(ONE, TWO)
        self.migrate(ONE, TWO)
        self.assertEqual(self.applied(), [1, 2])
        self.assertEqual(self.connection.fetch("SELECT c FROM two", ()), [(7,)])

    def test_a_failing_migration_leaves_nothing_behind(self) -> None:
        self.migrate(ONE)
        with self.assertRaises(Exception):  # noqa: B017 (each driver has its own)
            self.migrate(ONE, BROKEN)
        self.assertEqual(self.applied(), [1])
        self.assertNotIn("two", self.tables())
        self.migrate(ONE, TWO)
        self.assertEqual(self.applied(), [1, 2])

    def test_a_newer_database_is_refused_untouched(self) -> None:
        self.migrate(TWO)
        refusal = self.refusal(ONE)
        self.assertIn("0002_two", refusal)
        self.assertIn("0001", refusal)
        self.assertNotIn("one", self.tables())

    def test_another_servers_database_is_refused(self) -> None:
        self.migrate(ONE, server_name="a.example")
        refusal = self.refusal(ONE, server_name="b.example")
        self.assertIn("'a.example'", refusal)
        self.assertIn("'b.example'", refusal)

    def test_a_database_of_synapses_is_refused_untouched(self) -> None:
        self.connection.fetch("CREATE TABLE schema_compat_version (compat_version INTEGER)", ())
        self.connection.fetch("CREATE TABLE background_updates (update_name TEXT)", ())
        self.assertIn("Synapse", self.refusal(ONE))
        self.assertEqual(self.tables(), {"schema_compat_version", "background_updates"})

    def test_another_programs_database_is_refused(self) -> None:
        self.connection.fetch("CREATE TABLE wp_posts (id INTEGER)", ())
        self.assertIn("wp_posts", self.refusal(ONE))

    def test_processes_that_start_at_once_migrate_once(self) -> None:
        errors: list[Exception] = []

        def start(connection: Connection) -> None:
            try:
                migrate(self.engine, connection, "test", [ONE, TWO])
            except Exception as error:
                errors.append(error)
            connection.close()

        threads = [threading.Thread(target=start, args=(self.engine.connect(),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(errors, [])
        self.assertEqual(self.applied(), [1, 2])
        self.assertEqual(self.connection.fetch("SELECT c FROM two", ()), [(7,)])


class OwnMigrationsTests(StoreTestCase):
    async def test_numbers_are_consecutive(self) -> None:
        numbers = [migration.number for migration in known_migrations()]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    async def test_the_foundation_has_the_stream_position(self) -> None:
        self.assertEqual(await self.database.fetch("SELECT pos FROM stream"), [(0,)])
