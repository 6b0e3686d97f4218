"""Test cases against a real server process: on SQLite, and on PostgreSQL where there is one."""

import shutil
import sys
from typing import Any
from unittest import TestCase

from tests.interop.server import ServerProcess, temporary_directory
from tests.storage.fresh import POSTGRES, create_postgres, drop_postgres, postgres_arguments


class InteropTestCase(TestCase):
    """`self.server` runs; each class has a twin on PostgreSQL, as store tests do."""

    on_postgres = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if POSTGRES is None or cls.on_postgres:
            return
        name = f"{cls.__name__}OnPostgres"
        members = {"on_postgres": True, "__module__": cls.__module__, "__qualname__": name}
        setattr(sys.modules[cls.__module__], name, type(name, (cls,), members))

    def setUp(self) -> None:
        directory = temporary_directory()
        self.addCleanup(shutil.rmtree, directory)
        database = None
        if self.on_postgres:
            name = create_postgres()
            self.addCleanup(drop_postgres, name)
            database = {"name": "psycopg2", "args": postgres_arguments(name)}
        self.server = ServerProcess(directory, database=database)
        self.addCleanup(self.server.kill)
        self.server.start()
