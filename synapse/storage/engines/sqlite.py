"""SQLite: one file, one writer, readers that never wait for it (WAL)."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from synapse.storage.engines.base import Connection, Failure
from synapse.storage.errors import ConstraintViolated, DatabaseRefused, Unavailable
from synapse.storage.sql import Params, Row, for_sqlite, lists_as_json, schema_for_sqlite

_OLDEST = (3, 35, 0)  # RETURNING

# The kernel caches the file too, so a small cache per connection does; mmap measured no gain.
# LIKE as in PostgreSQL, where it tells upper from lower case.
_SETTINGS = """
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = OFF;
    PRAGMA cache_size = -8000;
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = MEMORY;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA case_sensitive_like = ON;
"""
# For an administrator's `sqlite3` that holds the lock.
_WRITER_PATIENCE_S = 20.0
# A reader shares the reactor's thread; in WAL mode it waits only while another process recovers
# the file.
_READER_PATIENCE_MS = 2_000
_MAX_REMEMBERED = 2_000


class SqliteEngine:
    """The engine for `database: {name: sqlite3, args: {database: PATH}}`."""

    name = "sqlite3"
    reader_threads = 1
    in_process = True

    def __init__(self, path: str) -> None:
        self.path = path
        self.single_connection = path in (":memory:", "")

    def connect(self, *, read_only: bool = False) -> "SqliteConnection":
        try:
            if not self.single_connection:
                _create_private(self.path)
            raw = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, cached_statements=512
            )
            raw.execute(f"PRAGMA busy_timeout = {_READER_PATIENCE_MS}")
            raw.executescript(_SETTINGS)
            if read_only:
                raw.execute("PRAGMA query_only = ON")
            else:
                raw.execute("PRAGMA journal_mode = WAL")
                # `begin` waits by itself, where it may.
                raw.execute("PRAGMA busy_timeout = 0")
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"The SQLite database {self.path} can't be opened: {error}") from None
        return SqliteConnection(raw)

    def check(self, connection: Connection) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise DatabaseRefused(
                f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed"
            )
        if not connection.fetch("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'", ()):
            raise DatabaseRefused("This SQLite was built without FTS5, its full-text search")

    def tables(self, connection: Connection) -> set[str]:
        rows = connection.fetch(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", ()
        )
        return {name for (name,) in rows}

    def schema(self, sql: str) -> str:
        return schema_for_sqlite(sql)

    @contextmanager
    def only_one_migrates(self, connection: Connection) -> Iterator[None]:
        # Each migration looks at what is done inside BEGIN IMMEDIATE, which is lock enough.
        yield

    def failure(self, error: Exception) -> Failure:
        return Failure.STATEMENT


class SqliteConnection:
    """One SQLite connection in the contract's dialect."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self._spelled: dict[str, tuple[str, tuple[int, ...]]] = {}

    def _spell(self, sql: str) -> tuple[str, tuple[int, ...]]:
        if len(self._spelled) >= _MAX_REMEMBERED:
            self._spelled.clear()
        spelled = self._spelled[sql] = for_sqlite(sql)
        return spelled

    def fetch(self, sql: str, params: Params) -> list[Row]:
        text, arrays = self._spelled.get(sql) or self._spell(sql)
        if arrays:
            params = lists_as_json(params, arrays)
        try:
            return self._raw.execute(text, params).fetchall()
        except sqlite3.IntegrityError as error:
            raise ConstraintViolated(str(error)) from error

    def fetch_one(self, sql: str, params: Params) -> Row | None:
        text, arrays = self._spelled.get(sql) or self._spell(sql)
        if arrays:
            params = lists_as_json(params, arrays)
        # The cursor dies here, and with it the statement's hold on its snapshot.
        row: Row | None = self._raw.execute(text, params).fetchone()
        return row

    def execute_many(self, sql: str, rows: Iterable[Params]) -> int:
        text, arrays = self._spelled.get(sql) or self._spell(sql)
        if arrays:
            rows = [lists_as_json(row, arrays) for row in rows]
        # `rowcount` is -1 for statements that begin with WITH.
        before = self._raw.total_changes
        try:
            self._raw.executemany(text, rows)
            return self._raw.total_changes - before
        except sqlite3.IntegrityError as error:
            raise ConstraintViolated(str(error)) from error

    def begin(self) -> None:
        give_up = time.monotonic() + _WRITER_PATIENCE_S
        while not self.begin_at_once():
            if time.monotonic() > give_up:
                raise Unavailable("Another program has locked the SQLite database")
            time.sleep(0.01)

    def begin_at_once(self) -> bool:
        try:
            self._raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            # The low byte is the error, the others its flavour (SQLITE_BUSY_RECOVERY, …).
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return False
        return True

    def begin_snapshot(self) -> None:
        self._raw.execute("BEGIN")

    def commit(self) -> None:
        self._raw.execute("COMMIT")

    def rollback(self) -> None:
        # Some errors (a full disk) have rolled back already.
        if self._raw.in_transaction:
            self._raw.execute("ROLLBACK")

    def close(self) -> None:
        self._raw.close()


def _create_private(path: str) -> None:
    """Make a missing file that nobody else can read: it will hold password hashes.

    SQLite gives its companions (`-wal`, `-shm`) the mode of the file itself.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
