"""The engines: SQLite and PostgreSQL, each with all that only it does."""

from synapse.config.database import DatabaseConfig
from synapse.storage.engines.base import Engine


def engine_for(config: DatabaseConfig) -> Engine:
    """The engine that is configured. Loads only the driver it needs."""
    if config.name == "sqlite3":
        from synapse.storage.engines.sqlite import SqliteEngine

        return SqliteEngine(config.sqlite_path)
    from synapse.storage.engines.postgres import PostgresEngine

    return PostgresEngine(
        config.args,
        reader_threads=max(1, config.cp_max),
        allow_unsafe_locale=config.allow_unsafe_locale,
    )
