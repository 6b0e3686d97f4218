"""State slots as integers: (event type, state key) pairs, made of interned names."""

from collections.abc import Iterable, Sequence

from synapse.storage.database import Database
from synapse.storage.stores.names import Names
from synapse.storage.transaction import Transaction
from synapse.util.caches import Cache

Slot = tuple[str, str]

_BY_NUMBERS = """
    SELECT type_nid, key_nid, slot_nid FROM slots WHERE type_nid = ANY(?) AND key_nid = ANY(?)
"""


class Slots:
    """Turns state slots into numbers and back. The caches work as those of `Names` do."""

    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._names = names
        self._nids: Cache[Slot, int] = Cache(100_000, "slot_numbers")
        self._slots: Cache[int, Slot] = Cache(100_000, "slots")

    async def nids(self, slots: Sequence[Slot]) -> dict[Slot, int]:
        """The numbers of those slots that were ever filled in any room."""
        known = {slot: nid for slot in slots if (nid := self._nids.get(slot)) is not None}
        missing = [slot for slot in slots if slot not in known]
        if missing:
            # By number: with joins to `names`, SQLite reads all slots of a type.
            names = await self._names.nids(list({name for slot in missing for name in slot}))
            numbers = {slot: (names.get(slot[0]), names.get(slot[1])) for slot in missing}
            rows = await self._database.fetch(
                _BY_NUMBERS,
                list({type_nid for type_nid, _ in numbers.values() if type_nid is not None}),
                list({key_nid for _, key_nid in numbers.values() if key_nid is not None}),
            )
            nids = {(type_nid, key_nid): nid for type_nid, key_nid, nid in rows}
            found = {slot: nids[pair] for slot, pair in numbers.items() if pair in nids}
            self._learn(found)
            known.update(found)
        return known

    async def slots(self, nids: Iterable[int]) -> dict[int, Slot]:
        """The slots behind numbers."""
        wanted = set(nids)
        known = {nid: slot for nid in wanted if (slot := self._slots.get(nid)) is not None}
        if missing := [nid for nid in wanted if nid not in known]:
            rows = await self._database.fetch(
                """SELECT s.slot_nid, t.name, k.name FROM slots s
                   JOIN names t ON t.nid = s.type_nid JOIN names k ON k.nid = s.key_nid
                   WHERE s.slot_nid = ANY(?)""",
                missing,
            )
            for nid, type_, key in rows:
                known[nid] = (type_, key)
                self._learn({(type_, key): nid})
        return known

    def intern(self, txn: Transaction, slots: Iterable[Slot]) -> dict[Slot, int]:
        """The numbers of all these slots, making those that are missing."""
        nids: dict[Slot, int] = {}
        missing: list[Slot] = []
        for slot in dict.fromkeys(slots):
            nid = self._nids.get(slot)
            if nid is None:
                missing.append(slot)
            else:
                nids[slot] = nid
        if missing:
            nids.update(self._intern_missing(txn, missing))
        return nids

    def _intern_missing(self, txn: Transaction, slots: list[Slot]) -> dict[Slot, int]:
        names = self._names.intern(txn, [name for slot in slots for name in slot])
        pairs = sorted((names[type_], names[key]) for type_, key in slots)
        txn.execute_many(
            "INSERT INTO slots (type_nid, key_nid) VALUES (?, ?)"
            " ON CONFLICT (type_nid, key_nid) DO NOTHING",
            pairs,
        )
        rows = txn.execute(
            _BY_NUMBERS,
            list({type_nid for type_nid, _ in pairs}),
            list({key_nid for _, key_nid in pairs}),
        )
        by_names = {(type_nid, key_nid): nid for type_nid, key_nid, nid in rows}
        found = {slot: by_names[names[slot[0]], names[slot[1]]] for slot in slots}
        txn.after_commit(lambda: self._learn(found))
        return found

    def _learn(self, found: dict[Slot, int]) -> None:
        for slot, nid in found.items():
            self._nids[slot] = nid
            self._slots[nid] = slot
