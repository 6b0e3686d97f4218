"""Tests on both engines: `class MyTests(StoreTestCase)` runs on SQLite, and on PostgreSQL too
when the environment variable SYNAPSE_TEST_POSTGRES says where one is (see `tests.postgres`).
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor

from synapse.storage.database import Database, open_database
from synapse.storage.engines.base import Engine
from synapse.storage.engines.sqlite import SqliteEngine
from tests.case import TestCase
from tests.postgres import VARIABLE
from tests.storage.fresh import (
    POSTGRES,
    SERVER_NAME,
    create_postgres,
    drop_postgres,
    migrated_postgres,
    postgres_engine,
    sqlite_template,
)


class StoreTestCase(TestCase):
    """`self.database` is open, migrated and empty; each test has its own."""

    on_postgres = False
    only_sqlite = False
    # False: an empty database without tables, and `self.database` isn't opened.
    migrated = True
    engine: Engine
    database: Database

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put a twin that runs on PostgreSQL beside each class, where trial finds it."""
        super().__init_subclass__(**kwargs)
        if POSTGRES is None or cls.on_postgres or cls.only_sqlite:
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
        database = self.open_unmanaged(server_name)
        self.addCleanup(database.close)
        return database

    def open_unmanaged(self, server_name: str = SERVER_NAME) -> Database:
        """The same, for a test that closes it."""
        return open_database(self.engine, server_name, reactor)

    def _sqlite(self) -> Engine:
        path = Path(tempfile.mkdtemp(prefix="store-test-")) / "homeserver.db"
        self.addCleanup(shutil.rmtree, path.parent)
        if self.migrated:
            shutil.copyfile(sqlite_template(), path)
        return SqliteEngine(str(path))

    def _postgres(self) -> Engine:
        if self.migrated:
            database = migrated_postgres()
            self.addCleanup(database.empty)
            return database.engine
        name = create_postgres()
        self.addCleanup(drop_postgres, name)
        return postgres_engine(name)


class SqliteTestCase(StoreTestCase):
    """For what only SQLite does."""

    only_sqlite = True


class PostgresTestCase(StoreTestCase):
    """For what only PostgreSQL does; skipped where there is none."""

    on_postgres = True
    skip = None if POSTGRES else f"{VARIABLE} isn't set"
