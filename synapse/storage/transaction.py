"""What a store's functions get: a `Reader` to read with, a `Transaction` to write with."""

from collections.abc import Callable, Sequence

from synapse.storage.engines.base import Connection
from synapse.storage.sql import Params, Row

_ALLOT = "UPDATE stream SET pos = pos + ? RETURNING pos"


class Reader:
    """Reads of one snapshot; valid only inside the function it was given to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fetch(self, sql: str, *params: object) -> list[Row]:
        return self._connection.fetch(sql, params)

    def fetch_one(self, sql: str, *params: object) -> Row | None:
        return self._connection.fetch_one(sql, params)


class Transaction:
    """The one transaction that a batch of writes shares; valid only inside `apply`.

    It may be rolled back and everything tried again, so `apply` keeps no other effects than its
    statements and `after_commit`.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.position: int | None = None
        self.callbacks: list[Callable[[], object]] = []

    def execute(self, sql: str, *params: object) -> list[Row]:
        """Run one statement; the rows of a SELECT or RETURNING."""
        return self._connection.fetch(sql, params)

    def execute_many(self, sql: str, rows: Sequence[Params]) -> int:
        """Run a statement for many rows; how many rows of the table it touched.

        `INSERT … VALUES (…)`, and whatever else has one `VALUES (…)` with all its placeholders,
        becomes a multi-row statement on PostgreSQL. So no row may meet the same conflict target
        twice, and any other statement costs a round trip for each row.
        """
        return self._connection.execute_many(sql, rows) if rows else 0

    def stream(self, n: int = 1) -> int:
        """Allot `n` stream positions, and return the first.

        The row stays locked until the commit, which makes positions visible in order, among
        processes too. Call it before locking anything else: then writers can't deadlock.
        """
        ((last,),) = self._connection.fetch(_ALLOT, (n,))
        self.position = int(last)
        return self.position - n + 1

    def after_commit(self, callback: Callable[[], object]) -> None:
        """Call in the reactor's thread after the commit, before the writes' results arrive."""
        self.callbacks.append(callback)
