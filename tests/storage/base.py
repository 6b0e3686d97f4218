"""Tests on both engines: `class MyTests(StoreTestCase)` runs on SQLite, and on PostgreSQL too
when the environment variable SYNAPSE_TEST_POSTGRES says where one is (see `tests.postgres`).

Every test has a database of its own, a copy of one that was migrated once per run.
"""

import atexit
import functools
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from synapse.storage.database import Database, open_database
from synapse.storage.engines.base import Engine
from synapse.storage.engines.sqlite import SqliteEngine
from tests.postgres import VARIABLE

SERVER_NAME = "test"
POSTGRES = os.environ.get(VARIABLE)


class StoreTestCase(TestCase):
    """`self.database` is open, migrated and empty; `self.engine` makes further connections."""

    # trial's own is without types, which mypy would report for each call.
    assertEqual = unittest.TestCase.assertEqual

    on_postgres = False
    # False: `setUp` leaves the database alone, without tables.
    migrated = True
    engine: Engine
    database: Database

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put a twin that runs on PostgreSQL beside each class, where trial finds it."""
        super().__init_subclass__(**kwargs)
        if POSTGRES is None or cls.on_postgres:
            return
        name = f"{cls.__name__}OnPostgres"
        members = {"on_postgres": True, "__module__": cls.__module__, "__qualname__": name}
        setattr(sys.modules[cls.__module__], name, type(name, (cls,), members))

    def setUp(self) -> None:
        self.engine = self._postgres() if self.on_postgres else self._sqlite()
        if self.migrated:
            self.database = self.open()

    def open(self, server_name: str = SERVER_NAME) -> Database:
        """One more `Database`, as another process would have it; closed after the test."""
        database = open_database(self.engine, server_name, reactor)
        self.addCleanup(database.close)
        return database

    def _sqlite(self) -> Engine:
        path = Path(tempfile.mkdtemp(prefix="store-test-")) / "homeserver.db"
        self.addCleanup(shutil.rmtree, path.parent)
        if self.migrated:
            shutil.copyfile(_sqlite_template(), path)
        return SqliteEngine(str(path))

    def _postgres(self) -> Engine:
        from synapse.storage.engines.postgres import PostgresEngine

        name = f"synapse_test_{os.getpid()}_{next(_numbers)}"
        template = _postgres_template() if self.migrated else "template0"
        _administer(f"CREATE DATABASE {name} TEMPLATE {template}")
        self.addCleanup(_administer, f"DROP DATABASE {name} WITH (FORCE)")
        return PostgresEngine(_arguments(name), reader_threads=2)


_numbers = iter(range(1, sys.maxsize))


@functools.cache
def _sqlite_template() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="store-template-"))
    atexit.register(shutil.rmtree, directory)
    path = directory / "template.db"
    _migrate(SqliteEngine(str(path)))
    return path


@functools.cache
def _postgres_template() -> str:
    from synapse.storage.engines.postgres import PostgresEngine

    name = f"synapse_template_{os.getpid()}"
    _administer(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
    atexit.register(_administer, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    _migrate(PostgresEngine(_arguments(name), reader_threads=1))
    return name


def _migrate(engine: Engine) -> None:
    from synapse.storage.migrations import migrate

    connection = engine.connect()
    migrate(engine, connection, SERVER_NAME)
    connection.close()


def _arguments(database: str) -> dict[str, str]:
    from psycopg2.extensions import parse_dsn

    assert POSTGRES is not None, "only classes made for PostgreSQL ask"
    return {**parse_dsn(POSTGRES), "dbname": database}


def _administer(sql: str) -> None:
    import psycopg2

    connection = psycopg2.connect(POSTGRES)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()
