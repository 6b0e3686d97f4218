"""The database: SQLite or PostgreSQL."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synapse.config.composed import JsonObject
from synapse.config.kinds import BOOLEAN, Choice
from synapse.config.options import option

MEMORY = ":memory:"
DEFAULT_SQLITE_FILE = "homeserver.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseConfig:
    """The database"""

    name: str = option(
        Choice(("sqlite3", "psycopg2")), "sqlite3", "sqlite3, or psycopg2 for PostgreSQL."
    )
    args: Mapping[str, Any] = option(
        JsonObject("{database: /var/lib/matrix-synapse/homeserver.db}"),
        {},
        "For sqlite3: database, the file's path (unless given, homeserver.db in the directory "
        "where the server was started), or :memory:. For psycopg2: what libpq takes "
        "(host, port, user, password, dbname, sslmode, …), and cp_min and cp_max, the smallest "
        "and largest number of connections.",
        example="{database: /var/lib/matrix-synapse/homeserver.db}",
        has_secrets=True,
    )
    allow_unsafe_locale: bool = option(
        BOOLEAN, False, "Start on a PostgreSQL database whose locale isn't C. Indexes may break."
    )
    # Out of `args`, since they are for our pool and not for libpq.
    cp_min: int = field(default=5)
    cp_max: int = field(default=10)

    @property
    def sqlite_path(self) -> str:
        """The file's absolute path, or `:memory:`."""
        assert self.name == "sqlite3", "only SQLite keeps its database in a file"
        path = str(self.args.get("database", DEFAULT_SQLITE_FILE))
        return path if path == MEMORY else os.path.abspath(path)
