"""Interned names: user ids, event types, state keys and servers as small integers.

A name's number never changes, so both directions are cached for good within the bounds. The caches
learn a new name only after its transaction was committed: a number given out by a transaction
that failed may be given to another name later.
"""

from collections.abc import Iterable, Sequence

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction
from synapse.util.caches import Cache


class Names:
    """Turns names into numbers and back."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._nids: Cache[str, int] = Cache(100_000, "name_numbers")
        self._names: Cache[int, str] = Cache(100_000, "names")

    async def nid(self, name: str) -> int | None:
        """The number of a name, or None if it was never interned."""
        nid = self._nids.get(name)
        if nid is None:
            row = await self._database.fetch_one("SELECT nid FROM names WHERE name = ?", name)
            if row is None:
                return None
            nid = row[0]
            self._learn(name, nid)
        return nid

    def peek(self, name: str) -> int | None:
        """The number of a name if it is in memory."""
        return self._nids.get(name)

    async def nids(self, names: Sequence[str]) -> dict[str, int]:
        """The numbers of those names that have one."""
        known = {name: nid for name in names if (nid := self._nids.get(name)) is not None}
        if missing := [name for name in names if name not in known]:
            rows = await self._database.fetch(
                "SELECT name, nid FROM names WHERE name = ANY(?)", missing
            )
            for name, nid in rows:
                self._learn(name, nid)
                known[name] = nid
        return known

    async def texts(self, nids: Iterable[int]) -> dict[int, str]:
        """The names behind numbers."""
        wanted = set(nids)
        known = {nid: name for nid in wanted if (name := self._names.get(nid)) is not None}
        if missing := [nid for nid in wanted if nid not in known]:
            rows = await self._database.fetch(
                "SELECT nid, name FROM names WHERE nid = ANY(?)", missing
            )
            for nid, name in rows:
                self._learn(name, nid)
                known[nid] = name
        return known

    def intern(self, txn: Transaction, names: Iterable[str]) -> dict[str, int]:
        """The numbers of all these names, making those that are missing."""
        nids: dict[str, int] = {}
        missing: list[str] = []
        for name in dict.fromkeys(names):
            nid = self._nids.get(name)
            if nid is None:
                missing.append(name)
            else:
                nids[name] = nid
        if missing:
            nids.update(self._intern_missing(txn, missing))
        return nids

    def _intern_missing(self, txn: Transaction, names: list[str]) -> dict[str, int]:
        txn.execute_many(
            "INSERT INTO names (name) VALUES (?) ON CONFLICT (name) DO NOTHING",
            [(name,) for name in sorted(names)],
        )
        rows = txn.execute("SELECT name, nid FROM names WHERE name = ANY(?)", names)
        found: dict[str, int] = dict(rows)
        txn.after_commit(lambda: self._learn_all(found))
        return found

    def _learn_all(self, found: dict[str, int]) -> None:
        for name, nid in found.items():
            self._learn(name, nid)

    def _learn(self, name: str, nid: int) -> None:
        self._nids[name] = nid
        self._names[nid] = name
