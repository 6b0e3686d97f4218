"""The outbox: EDUs that other servers must not miss, each until its server has it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.stores.boxes import BoxTable, Trim, trim
from synapse.storage.stores.names import Names
from synapse.storage.transaction import Transaction

# Of what waits for one server: whoever was away for so long has missed more than these.
OUTBOX = BoxTable("outbox", "server_nid", "edu", most=10_000, most_bytes=64 * 1024 * 1024)


class Letter(NamedTuple):
    """An EDU that waits."""

    position: int
    edu: bytes  # canonical JSON


class NewLetter(NamedTuple):
    """One that is to wait."""

    server: str
    position: int
    edu: bytes


_SERVERS = """
    WITH RECURSIVE waiting (server_nid) AS (
        SELECT min(server_nid) FROM outbox
        UNION ALL
        SELECT (SELECT min(o.server_nid) FROM outbox o WHERE o.server_nid > w.server_nid)
        FROM waiting w WHERE w.server_nid IS NOT NULL)
    SELECT w.server_nid, (SELECT max(o.stream) FROM outbox o WHERE o.server_nid = w.server_nid)
    FROM waiting w WHERE w.server_nid IS NOT NULL
"""
_PAGE = "SELECT stream, edu FROM outbox WHERE server_nid = ? ORDER BY stream LIMIT ?"
_PUT = "INSERT INTO outbox (server_nid, stream, edu) VALUES (?, ?, ?)"
_SENT = "DELETE FROM outbox WHERE server_nid = ? AND stream <= ?"


class OutboxStore:
    """Reads and writes it."""

    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._names = names
        self._listeners: list[Callable[[str, int], object]] = []

    def listen(self, posted: Callable[[str, int], object]) -> None:
        """`posted(server, position)` is told after the commit that something waits for a server."""
        self._listeners.append(posted)

    def put(self, txn: Transaction, letters: Sequence[NewLetter]) -> None:
        """Let EDUs wait, each at a position of its own that the transaction has allotted."""
        nids = self._names.intern(txn, [letter.server for letter in letters])
        txn.execute_many(_PUT, [(nids[server], *rest) for server, *rest in letters])
        newest = {letter.server: letter.position for letter in letters}
        txn.after_commit(lambda: self._tell(newest))

    async def page(self, server: str, limit: int, most_bytes: int) -> list[Letter]:
        """The next EDUs for a server, in order, within these bounds; but one at least."""
        nid = await self._names.nid(server)
        letters: list[Letter] = []
        size = 0
        for position, edu in await self._database.fetch(_PAGE, nid, limit):
            size += len(edu)
            if letters and size > most_bytes:
                break
            letters.append(Letter(position, bytes(edu)))
        return letters

    async def sent(self, server: str, position: int) -> None:
        """The server has all up to a position."""
        await self._database.write(_forget, (await self._names.nid(server), position))

    async def servers(self) -> dict[str, int]:
        """For whom something waits, up to which position."""
        rows = await self._database.fetch(_SERVERS)
        names = await self._names.texts(nid for nid, _ in rows)
        return {names[nid]: newest for nid, newest in rows}

    async def trim(self, server: str) -> None:
        """Drop what is oldest if too much waits for a server."""
        nid = await self._names.nid(server)
        if nid is not None:
            await self._database.write(trim, Trim(OUTBOX, nid))

    def _tell(self, newest: dict[str, int]) -> None:
        for listener in self._listeners:
            for server, position in newest.items():
                listener(server, position)


def _forget(txn: Transaction, sent: list[tuple[int | None, int]]) -> None:
    for nid, position in sent:
        txn.execute(_SENT, nid, position)
