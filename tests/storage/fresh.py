"""Databases for tests, quickly: migrated once in a run, then copied (SQLite) or emptied and used
again (PostgreSQL, where creating and dropping one takes a third of a second).
"""

import atexit
import functools
import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from synapse.storage.engines.base import Connection, Engine
from synapse.storage.engines.sqlite import SqliteEngine
from synapse.storage.migrations import migrate
from tests.postgres import VARIABLE

SERVER_NAME = "test"
POSTGRES = os.environ.get(VARIABLE)

_numbers = itertools.count(1)


@functools.cache
def sqlite_template() -> Path:
    """A migrated file to copy."""
    directory = Path(tempfile.mkdtemp(prefix="store-template-"))
    atexit.register(shutil.rmtree, directory)
    path = directory / "template.db"
    _migrate(SqliteEngine(str(path)))
    return path


def postgres_engine(database: str) -> Engine:
    from synapse.storage.engines.postgres import PostgresEngine

    return PostgresEngine(postgres_arguments(database), reader_threads=2)


def postgres_arguments(database: str) -> dict[str, str]:
    """What libpq needs to connect to a database of the test's PostgreSQL."""
    from psycopg2.extensions import parse_dsn

    assert POSTGRES is not None, "only classes made for PostgreSQL ask"
    return {**parse_dsn(POSTGRES), "dbname": database}


def create_postgres(options: str = "ENCODING 'UTF8' LOCALE 'C'") -> str:
    """A new, empty database's name."""
    name = f"synapse_test_{os.getpid()}_{next(_numbers)}"
    administer(f"CREATE DATABASE {name} TEMPLATE template0 {options}")
    return name


def drop_postgres(name: str) -> None:
    administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@functools.cache
def migrated_postgres() -> "MigratedPostgres":
    return MigratedPostgres()


class MigratedPostgres:
    """The database that all tests of this process use in turn."""

    def __init__(self) -> None:
        self.name = create_postgres()
        atexit.register(drop_postgres, self.name)
        self.engine = postgres_engine(self.name)
        _migrate(self.engine)
        connection = self.engine.connect()
        self._tables = sorted(self.engine.tables(connection))
        # What the migrations put into the tables.
        self._rows = {table: _rows(connection, table) for table in self._with_rows(connection)}
        connection.close()

    def empty(self) -> None:
        """Make it as it was after the migrations; ends other connections to it."""
        disconnect_all(self.name)
        connection = self.engine.connect()
        tables = self._with_rows(connection)
        connection.fetch(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY", ())
        for table, rows in self._rows.items():
            marks = ", ".join("?" for _ in rows[0])
            connection.execute_many(f"INSERT INTO {table} VALUES ({marks})", rows)
        connection.close()

    def _with_rows(self, connection: Connection) -> list[str]:
        looks = [f"SELECT '{table}' WHERE EXISTS (TABLE {table})" for table in self._tables]
        return [table for (table,) in connection.fetch(" UNION ALL ".join(looks), ())]


def disconnect_all(database: str) -> None:
    """Cut every connection to the database, as a restart of the server would."""
    administer(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'"
    )


def administer(sql: str, database: str | None = None) -> None:
    """Run a statement as the server's administrator: outside of any test's database, or in one."""
    import psycopg2
    from psycopg2.extensions import make_dsn

    assert POSTGRES is not None, "only classes made for PostgreSQL ask"
    dsn = POSTGRES if database is None else make_dsn(POSTGRES, dbname=database)
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()


def _migrate(engine: Engine) -> None:
    connection = engine.connect()
    migrate(engine, connection, SERVER_NAME)
    connection.close()


def _rows(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    return connection.fetch(f"SELECT * FROM {table}", ())
