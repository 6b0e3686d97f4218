"""Brings a database's tables to what this version of the server needs, or refuses it.

A migration is a file `schema/NNNN_name.sql` in the dialect of `synapse.storage.sql`. They run in
the order of their numbers, each in one transaction together with its row in `migrations`, so a
crash leaves none half done. They are additive. What would take long on a large database is a
background update, which a migration starts by inserting its row into `background_updates`.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources

from synapse.storage.engines.base import Connection, Engine
from synapse.storage.errors import DatabaseRefused
from synapse.storage.sql import statements

logger = logging.getLogger(__name__)

# The tables that exist before the first migration.
_BOOKKEEPING = """
    CREATE TABLE migrations (
        number BIGINT PRIMARY KEY,
        name TEXT NOT NULL
    );
    CREATE TABLE server_info (
        server_name TEXT NOT NULL    -- whose database this is; one row
    );
    CREATE TABLE background_updates (
        name TEXT PRIMARY KEY,
        position TEXT NOT NULL DEFAULT '{}',  -- JSON: where to go on
        items BIGINT NOT NULL DEFAULT 0,      -- how many are done
        ordering BIGINT NOT NULL DEFAULT 0    -- the lowest runs first
    );
"""
_OURS = {"migrations", "server_info", "background_updates"}
_SYNAPSES = {"schema_compat_version", "applied_schema_deltas"}


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema."""

    number: int
    name: str
    sql: str

    def __str__(self) -> str:
        return f"{self.number:04d}_{self.name}"


def known_migrations(package: str = "synapse.storage.schema") -> list[Migration]:
    """The migrations that this version brings along, by number."""
    found = []
    for file in resources.files(package).iterdir():
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name)
        if match is not None:
            found.append(Migration(int(match[1]), match[2], file.read_text("utf-8")))
    return sorted(found, key=lambda migration: migration.number)


def migrate(
    engine: Engine,
    connection: Connection,
    server_name: str,
    migrations: Sequence[Migration] | None = None,
) -> None:
    """Make the database ready for `server_name`. Raises `DatabaseRefused`."""
    known = known_migrations() if migrations is None else migrations
    engine.check(connection)
    with engine.only_one_migrates(connection):
        _transact(connection, partial(_claim, engine, connection, server_name))
        _refuse_newer(connection, known)
        for migration in known:
            _transact(connection, partial(_apply, engine, connection, migration))


def _transact(connection: Connection, work: Callable[[], None]) -> None:
    connection.begin()
    try:
        work()
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _claim(engine: Engine, connection: Connection, server_name: str) -> None:
    """Create the bookkeeping in an empty database; refuse one that isn't this server's."""
    tables = engine.tables(connection)
    if not tables:
        _run(engine, connection, _BOOKKEEPING)
        connection.fetch("INSERT INTO server_info (server_name) VALUES (?)", (server_name,))
        return
    if tables & _SYNAPSES:
        raise DatabaseRefused(
            "This is a database of Synapse's, which can't be used directly. Configure an empty "
            "database; it has not been touched."
        )
    if not tables >= _OURS:
        raise DatabaseRefused(
            f"The database already holds tables of another program ({', '.join(sorted(tables)[:3])}"
            ", …). Configure an empty database."
        )
    ((owner,),) = connection.fetch("SELECT server_name FROM server_info", ())
    if owner != server_name:
        raise DatabaseRefused(
            f"The database belongs to the server {owner!r}, but server_name is {server_name!r}. "
            "A server can't be renamed: correct server_name, or configure an empty database."
        )


def _apply(engine: Engine, connection: Connection, migration: Migration) -> None:
    done = connection.fetch("SELECT 1 FROM migrations WHERE number = ?", (migration.number,))
    if done:
        return
    logger.info("Applying migration %s", migration)
    _run(engine, connection, migration.sql)
    connection.fetch(
        "INSERT INTO migrations (number, name) VALUES (?, ?)", (migration.number, migration.name)
    )


def _run(engine: Engine, connection: Connection, script: str) -> None:
    for statement in statements(engine.schema(script)):
        connection.fetch(statement, ())


def _refuse_newer(connection: Connection, known: Sequence[Migration]) -> None:
    newest = max((migration.number for migration in known), default=0)
    newer = connection.fetch(
        "SELECT number, name FROM migrations WHERE number > ? ORDER BY number DESC LIMIT 1",
        (newest,),
    )
    for number, name in newer:
        raise DatabaseRefused(
            f"The database was made by a newer version of this server (its schema is at "
            f"{number:04d}_{name}, this version knows it up to {newest:04d}). Install that version "
            "again, or restore the backup made before the upgrade."
        )
