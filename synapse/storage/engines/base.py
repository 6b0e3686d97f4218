"""What an engine is to the rest of the storage: connections, and the meaning of its errors."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from enum import Enum
from typing import Protocol

from synapse.storage.sql import Params, Row


class Failure(Enum):
    """What a failed statement means for the one who tries it again."""

    STATEMENT = "the statement or its values are wrong: it will fail again"
    CONFLICT = "another transaction came in between: try the same again"
    LOST = "the connection is gone"


class Connection(Protocol):
    """One connection; used by one thread at a time. Outside begin/commit it is in autocommit."""

    def fetch(self, sql: str, params: Params) -> list[Row]:
        """Run one statement; its rows, or none. Raises `ConstraintViolated`, driver errors."""
        ...

    def fetch_one(self, sql: str, params: Params) -> Row | None: ...

    def execute_many(self, sql: str, rows: Iterable[Params]) -> int:
        """Run the statement for every row; how many rows of the table that touched."""
        ...

    def begin(self) -> None:
        """Begin a transaction that writes."""
        ...

    def begin_at_once(self) -> bool:
        """The same, unless it would have to wait for somebody."""
        ...

    def begin_snapshot(self) -> None:
        """Begin a transaction whose reads all see the same state."""
        ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


class Engine(Protocol):
    """SQLite or PostgreSQL."""

    name: str
    # How many threads answer reads that may take long.
    reader_threads: int
    # Statements run in our own process: short ones at once in the reactor's thread, because a hop
    # to another costs more than they do.
    in_process: bool
    # The database lives in one connection; everything happens there, in the reactor's thread.
    single_connection: bool

    def connect(self, *, read_only: bool = False) -> Connection:
        """Raises `Unavailable`."""
        ...

    def check(self, connection: Connection) -> None:
        """Raises `DatabaseRefused` if the database cannot hold what Matrix needs."""
        ...

    def tables(self, connection: Connection) -> set[str]: ...

    def schema(self, sql: str) -> str:
        """A migration's text in this engine's spelling."""
        ...

    def only_one_migrates(self, connection: Connection) -> AbstractContextManager[None]:
        """Other processes that want to migrate the same database wait meanwhile."""
        ...

    def failure(self, error: Exception) -> Failure: ...
