"""The engines: SQLite and PostgreSQL, each with all that only it does."""

from collections.abc import Mapping
from typing import Any

from synapse.storage.engines.base import Engine


def engine_for(name: str, args: Mapping[str, Any], *, allow_unsafe_locale: bool = False) -> Engine:
    """The engine for the configuration's `database` section. Loads only the driver it needs."""
    if name == "sqlite3":
        from synapse.storage.engines.sqlite import SqliteEngine

        return SqliteEngine.from_args(args)
    if name == "psycopg2":
        from synapse.storage.engines.postgres import PostgresEngine

        return PostgresEngine.from_args(args, allow_unsafe_locale=allow_unsafe_locale)
    raise ValueError(f"database.name is {name!r}; it must be sqlite3 or psycopg2")
