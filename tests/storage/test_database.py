"""Reads and writes, as the stores see them."""

from synapse.storage.transaction import Transaction
from tests.storage.base import StoreTestCase


def add_names(tx: Transaction, names: list[str]) -> list[int]:
    """Give each name a number, and say which."""
    first = tx.stream(len(names))
    numbers = list(range(first, first + len(names)))
    tx.execute_many(
        "INSERT INTO names (nid, name) VALUES (?, ?)", list(zip(numbers, names, strict=True))
    )
    return numbers


class ReadAndWriteTests(StoreTestCase):
    async def test_a_write_is_readable_when_it_has_been_awaited(self) -> None:
        nid = await self.database.write(add_names, "@a:test")
        found = await self.database.fetch_one("SELECT name FROM names WHERE nid = ?", nid)
        self.assertEqual(found, ("@a:test",))
