"""PostgreSQL through psycopg2: for production, and for several processes on one database."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import psycopg2
from psycopg2 import errors as pg_errors
from psycopg2 import extensions
from psycopg2.extras import execute_values

from synapse.storage.engines.base import Connection, Failure
from synapse.storage.errors import (
    ConstraintViolated,
    DatabaseRefused,
    Unavailable,
    in_one_line,
)
from synapse.storage.sql import Params, Row, for_psycopg2, schema_for_postgres, values_template

_OLDEST = 130000
_ROWS_PER_STATEMENT = 1_000
_MAX_REMEMBERED = 2_000
# Any number that no other program is likely to use for an advisory lock.
_MIGRATION_LOCK = 0x4D617472

# What `args` may overrule. A partner that is silently gone is noticed within half a minute, and no
# statement or lock holds a thread for ever.
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "synapse",
}
_SETTINGS = (
    "SET statement_timeout = 60000; SET lock_timeout = 10000; "
    "SET idle_in_transaction_session_timeout = 60000; SET bytea_output = hex; "
    "SET default_transaction_isolation = 'read committed'; SET standard_conforming_strings = on"
)


class PostgresEngine:
    """The engine for `database: {name: psycopg2, args: {…}}`; args are libpq's."""

    name = "psycopg2"
    in_process = False
    single_connection = False

    def __init__(
        self, args: Mapping[str, Any], *, reader_threads: int, allow_unsafe_locale: bool = False
    ) -> None:
        self._args = {**_DEFAULTS, **args, "client_encoding": "UTF8"}
        self.reader_threads = reader_threads
        self._allow_unsafe_locale = allow_unsafe_locale
        _register_types()

    def connect(self, *, read_only: bool = False) -> "PostgresConnection":
        try:
            raw = psycopg2.connect(**self._args)
            raw.autocommit = True
            with raw.cursor() as cursor:
                cursor.execute(_SETTINGS)
                if read_only:
                    cursor.execute("SET default_transaction_read_only = on")
        except psycopg2.Error as error:
            raise Unavailable(f"PostgreSQL can't be reached: {in_one_line(error)}") from None
        return PostgresConnection(raw)

    def check(self, connection: Connection) -> None:
        ((version, encoding, collate, ctype, name),) = connection.fetch(
            "SELECT current_setting('server_version_num')::int, pg_encoding_to_char(encoding), "
            "datcollate, datctype, datname FROM pg_database WHERE datname = current_database()",
            (),
        )
        if version < _OLDEST:
            raise DatabaseRefused("PostgreSQL 13 or newer is needed")
        recipe = (
            f"Create the database like this: createdb --encoding=UTF8 --locale=C "
            f"--template=template0 {name}"
        )
        if encoding != "UTF8":
            raise DatabaseRefused(
                f"The database {name!r} has the encoding {encoding}, it must be UTF8. {recipe}"
            )
        if not {collate, ctype} <= {"C", "POSIX"} and not self._allow_unsafe_locale:
            raise DatabaseRefused(
                f"The database {name!r} has the collation {collate!r} and the character type "
                f"{ctype!r}, both must be 'C': with others, an upgrade of the operating system can "
                f"corrupt indexes. {recipe}"
            )

    def tables(self, connection: Connection) -> set[str]:
        rows = connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()", ()
        )
        return {name for (name,) in rows}

    def schema(self, sql: str) -> str:
        return schema_for_postgres(sql)

    @contextmanager
    def only_one_migrates(self, connection: Connection) -> Iterator[None]:
        # Another process's migration, and our own, may take longer than requests would wait.
        connection.fetch("SET statement_timeout = 0", ())
        connection.fetch("SET lock_timeout = 0", ())
        connection.fetch("SELECT pg_advisory_lock(?)", (_MIGRATION_LOCK,))
        try:
            yield
        finally:
            connection.fetch("SELECT pg_advisory_unlock(?)", (_MIGRATION_LOCK,))
            connection.fetch(_SETTINGS, ())

    def failure(self, error: Exception) -> Failure:
        if isinstance(
            error,
            (
                pg_errors.SerializationFailure,
                pg_errors.DeadlockDetected,
                pg_errors.LockNotAvailable,
            ),
        ):
            return Failure.CONFLICT
        # libpq gives no code when the connection breaks under a statement; a server that shuts
        # down, is starting or ends the session gives one of class 57P.
        if isinstance(error, Unavailable | psycopg2.InterfaceError) or (
            isinstance(error, psycopg2.OperationalError)
            and (error.pgcode is None or error.pgcode.startswith(("57P", "08")))
        ):
            return Failure.LOST
        return Failure.STATEMENT


class PostgresConnection:
    """One PostgreSQL connection in the contract's dialect."""

    def __init__(self, raw: extensions.connection) -> None:
        self._raw = raw
        self._cursor = raw.cursor()
        self._spelled: dict[str, str] = {}
        self._templates: dict[str, tuple[str, str] | None] = {}

    def _spell(self, sql: str) -> str:
        if len(self._spelled) >= _MAX_REMEMBERED:
            self._spelled.clear()
        spelled = self._spelled[sql] = for_psycopg2(sql)
        return spelled

    def fetch(self, sql: str, params: Params) -> list[Row]:
        cursor = self._cursor
        try:
            cursor.execute(self._spelled.get(sql) or self._spell(sql), params)
        except psycopg2.IntegrityError as error:
            raise ConstraintViolated(str(error).strip()) from error
        return [] if cursor.description is None else cursor.fetchall()

    def fetch_one(self, sql: str, params: Params) -> Row | None:
        self._cursor.execute(self._spelled.get(sql) or self._spell(sql), params)
        return self._cursor.fetchone()

    def execute_many(self, sql: str, rows: Iterable[Params]) -> int:
        try:
            found = self._template(sql)
            if found is None:
                return sum(self._execute(sql, row) for row in rows)
            text, template = found
            remaining = iter(rows)
            touched = 0
            while page := list(islice(remaining, _ROWS_PER_STATEMENT)):
                execute_values(self._cursor, text, page, template, page_size=len(page))
                touched += self._cursor.rowcount
            return touched
        except psycopg2.IntegrityError as error:
            raise ConstraintViolated(str(error).strip()) from error

    def _template(self, sql: str) -> tuple[str, str] | None:
        if sql not in self._templates:
            if len(self._templates) >= _MAX_REMEMBERED:
                self._templates.clear()
            self._templates[sql] = values_template(sql)
        return self._templates[sql]

    def _execute(self, sql: str, params: Params) -> int:
        self._cursor.execute(self._spelled.get(sql) or self._spell(sql), params)
        return self._cursor.rowcount

    def begin(self) -> None:
        self._cursor.execute("BEGIN")

    def begin_at_once(self) -> bool:
        return False  # it waits for the network

    def begin_snapshot(self) -> None:
        self._cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def commit(self) -> None:
        self._cursor.execute("COMMIT")

    def rollback(self) -> None:
        self._cursor.execute("ROLLBACK")

    def close(self) -> None:
        self._raw.close()


def _register_types() -> None:
    """bytes, numbers and booleans as SQLite has them; for the whole process, as psycopg2 does."""
    extensions.register_type(extensions.new_type((17,), "BYTES", _bytes_of))
    extensions.register_type(extensions.new_type((1700,), "NUMBER", _number_of))
    extensions.register_adapter(bool, lambda value: extensions.AsIs(int(value)))


def _bytes_of(value: Any, cursor: Any) -> bytes | None:
    # bytea_output is hex: \x0123…
    return None if value is None else bytes.fromhex(value[2:])


def _number_of(value: Any, cursor: Any) -> int | float | None:
    """A sum of BIGINTs is NUMERIC, and an integer all the same."""
    if value is None:
        return None
    return float(value) if "." in value else int(value)
