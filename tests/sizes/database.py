"""The database that is filled: SQLite's file, or one of `tests.postgres`'s server."""

from typing import Any

from tests.storage.fresh import POSTGRES, administer, postgres_arguments

_NAME = "sizes"


def database_config(*, create: bool) -> dict[str, Any] | None:
    """What `homeserver.yaml` says of it; None: SQLite, as it is generated."""
    if POSTGRES is None:
        return None
    if create:
        administer(f"CREATE DATABASE {_NAME} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
    return {"name": "psycopg2", "args": postgres_arguments(_NAME)}


def take_statistics() -> None:
    """What autovacuum would do by and by."""
    if POSTGRES is not None:
        administer("VACUUM ANALYZE", _NAME)
