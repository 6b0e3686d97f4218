"""Presence as it is remembered, and with whom rooms are shared."""

from synapse.storage.stores.names import Names
from synapse.storage.stores.presence import PresenceRow, PresenceStore
from synapse.storage.transaction import Transaction
from tests.storage.base import StoreTestCase

JOIN, LEAVE = 1, 4


class PresenceStoreTests(StoreTestCase):
    async def arrange(self, count: int = 5) -> None:
        """Users 1, 2, …, whose numbers are those of their names."""
        self.store = PresenceStore(self.database)
        names = Names(self.database)

        def intern(txn: Transaction, items: list[int]) -> None:
            for nid in range(1, items[0] + 1):
                self.assertEqual(names.intern(txn, [f"@user{nid}:test"]), {f"@user{nid}:test": nid})

        await self.database.write(intern, count)

    async def put_members(self, *members: tuple[int, int, int]) -> None:
        """(user_nid, room_nid, membership)"""

        def put(txn: Transaction, items: list[tuple[tuple[int, int, int], ...]]) -> None:
            txn.execute_many(
                "INSERT INTO members (user_nid, room_nid, membership, event_nid, since)"
                " VALUES (?, ?, ?, 1, 1)",
                items[0],
            )

        await self.database.write(put, members)

    def row(self, nid: int, serial: int, status_msg: str | None = None) -> PresenceRow:
        return PresenceRow(nid, f"@user{nid}:test", 2, status_msg, 1_000, serial)

    async def test_the_last_of_several_counts(self) -> None:
        await self.arrange()
        await self.store.put([self.row(1, 10), self.row(2, 11), self.row(1, 12, "here")])
        self.assertEqual(await self.store.get(1), self.row(1, 12, "here"))
        await self.store.put([self.row(1, 13)])
        self.assertEqual(await self.store.get(1), self.row(1, 13))
        self.assertIsNone(await self.store.get(3))

    async def test_the_newest_come_first(self) -> None:
        await self.arrange()
        await self.store.put([self.row(nid, serial) for nid, serial in ((1, 7), (2, 9), (3, 8))])
        self.assertEqual([row.user_nid for row in await self.store.newest(2)], [2, 3])

    async def test_who_shares_rooms(self) -> None:
        await self.arrange()
        await self.put_members((1, 10, JOIN), (1, 20, JOIN), (1, 30, LEAVE), (2, 10, JOIN))
        await self.put_members((2, 20, JOIN), (3, 20, LEAVE), (4, 30, JOIN), (5, 40, JOIN))
        for others in ([2, 3, 4, 5], list(range(2, 1_000))):
            self.assertEqual(await self.store.share_rooms(1, others), {2})
        self.assertEqual(await self.store.share_rooms(1, []), set())

    async def test_all_who_share_rooms(self) -> None:
        await self.arrange()
        await self.put_members((1, 10, JOIN), (1, 20, JOIN), (2, 10, JOIN), (2, 20, JOIN))
        await self.put_members((3, 20, JOIN), (4, 20, LEAVE), (5, 40, JOIN))
        await self.store.put([self.row(2, 7, "here")])
        rows = {row.user_nid: row for row in await self.store.of_all_who_share_rooms(1, 10)}
        self.assertEqual(set(rows), {1, 2, 3})
        self.assertEqual(rows[2], self.row(2, 7, "here"))
        self.assertEqual(rows[3], PresenceRow(3, "@user3:test", 0, None, 0, 0))
        self.assertEqual(len(await self.store.of_all_who_share_rooms(1, 2)), 2)
