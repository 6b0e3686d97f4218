"""What only PostgreSQL does: connections break, transactions collide, databases are made wrong."""

import time

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from synapse.storage.database import Database
from synapse.storage.errors import DatabaseRefused, OutcomeUnknown, Unavailable
from synapse.storage.transaction import Transaction
from tests.storage import fresh
from tests.storage.base import PostgresTestCase
from tests.storage.test_database import add_names

NAMES = "SELECT name FROM names ORDER BY name"


class LostConnectionTests(PostgresTestCase):
    def cut(self) -> None:
        fresh.disconnect_all(fresh.migrated_postgres().name)

    async def test_reads_and_writes_go_on_after_a_restart_of_the_server(self) -> None:
        await self.database.write(add_names, "a")
        await self.database.fetch(NAMES)
        self.cut()
        with self.assertLogs("synapse.storage", "WARNING"):
            self.assertEqual(await self.database.fetch(NAMES), [("a",)])
            self.assertEqual(await self.database.write(add_names, "b"), 2)
        self.cut()
        self.assertEqual(await self.database.write(add_names, "c"), 3)
        self.assertEqual(await self.database.fetch(NAMES), [("a",), ("b",), ("c",)])

    async def test_a_loss_amid_a_transaction_writes_once(self) -> None:
        lost: list[int] = []

        def apply(tx: Transaction, names: list[str]) -> list[int]:
            tx.execute("SELECT 1")
            if not lost:
                lost.append(1)
                self.cut()
            return add_names(tx, names)

        self.assertEqual(await self.database.write(apply, "a"), 1)
        self.assertEqual(await self.database.fetch(NAMES), [("a",)])

    async def test_a_loss_during_commit_is_told_to_the_writer(self) -> None:
        from synapse.storage.engines.postgres import PostgresConnection

        class LosesCommit(PostgresConnection):
            def commit(connection) -> None:
                self.cut()
                super().commit()

        plain = self.engine.connect()
        assert isinstance(plain, PostgresConnection)
        database = Database(self.engine, reactor, connection=LosesCommit(plain._raw))
        self.addCleanup(database.close)
        with self.assertRaises(OutcomeUnknown):
            await database.write(add_names, "a")
        self.assertEqual(await database.write(add_names, "b"), 1)

    async def test_a_server_that_stays_away_is_an_error_for_each_caller(self) -> None:
        name = fresh.create_postgres()
        self.addCleanup(fresh.drop_postgres, name)
        from synapse.storage.database import open_database

        database = open_database(fresh.postgres_engine(name), "test", reactor)
        self.addCleanup(database.close)
        fresh.drop_postgres(name)
        with self.assertRaises(Unavailable) as caught:
            await database.fetch(NAMES)
        self.assertIn(name, str(caught.exception))
        self.assertNotIn(name, str(caught.exception.body()))
        with self.assertRaises(Unavailable):
            await database.write(add_names, "a")


class CollisionTests(PostgresTestCase):
    async def test_a_deadlock_is_tried_again(self) -> None:
        other = self.open()
        for name in ("a", "b"):
            await self.database.write(add_names, name)

        def in_order(*numbers: int) -> object:
            def apply(tx: Transaction, items: list[str]) -> None:
                for number in numbers:
                    sql = "UPDATE names SET name = name || '+' WHERE nid = ?"
                    tx.execute(sql, number)
                    time.sleep(0.1)

            return apply

        await gatherResults(
            [
                Deferred.fromCoroutine(self.database.write(in_order(1, 2), "")),  # type: ignore[call-overload]
                Deferred.fromCoroutine(other.write(in_order(2, 1), "")),  # type: ignore[call-overload]
            ]
        )
        self.assertEqual(await self.database.fetch(NAMES), [("a++",), ("b++",)])


class RefusalTests(PostgresTestCase):
    migrated = False

    def refusal(self, options: str) -> str:
        name = fresh.create_postgres(options)
        self.addCleanup(fresh.drop_postgres, name)
        engine = fresh.postgres_engine(name)
        connection = engine.connect()
        self.addCleanup(connection.close)
        with self.assertRaises(DatabaseRefused) as caught:
            engine.check(connection)
        return str(caught.exception)

    def test_a_wrong_encoding_is_refused_with_the_recipe(self) -> None:
        refusal = self.refusal("ENCODING 'SQL_ASCII' LOCALE 'C'")
        self.assertIn("SQL_ASCII", refusal)
        self.assertIn("createdb --encoding=UTF8 --locale=C --template=template0", refusal)

    def test_a_wrong_collation_is_refused_with_the_recipe(self) -> None:
        refusal = self.refusal("ENCODING 'UTF8' LOCALE 'C.UTF-8'")
        self.assertIn("C.UTF-8", refusal)
        self.assertIn("createdb", refusal)

    def test_a_wrong_collation_can_be_allowed(self) -> None:
        from psycopg2.extensions import parse_dsn

        from synapse.storage.engines.postgres import PostgresEngine

        name = fresh.create_postgres("ENCODING 'UTF8' LOCALE 'C.UTF-8'")
        self.addCleanup(fresh.drop_postgres, name)
        assert fresh.POSTGRES is not None, "skipped without"
        arguments = {**parse_dsn(fresh.POSTGRES), "dbname": name}
        engine = PostgresEngine(arguments, reader_threads=1, allow_unsafe_locale=True)
        connection = engine.connect()
        self.addCleanup(connection.close)
        engine.check(connection)
