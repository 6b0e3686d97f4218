"""Accounts and profiles as they are remembered."""

from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from synapse.storage.stores.names import Names
from synapse.storage.stores.profiles import ProfileStore
from synapse.storage.stores.users import Deactivation, NewUser, UserStore
from synapse.storage.transaction import Transaction
from tests.storage.base import StoreTestCase

ALICE = NewUser("@alice:test", "hash", 1_000, displayname_json='"alice"')


class UserStoreTests(StoreTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.names = Names(self.database)
        self.users = UserStore(self.database, self.names)
        self.profiles = ProfileStore(self.database, self.names)

    async def test_account_comes_back(self) -> None:
        user_nid = await self.users.register(ALICE)
        user = await self.users.user("@alice:test")
        assert user is not None
        self.assertEqual((user.user_nid, user.password_hash), (user_nid, "hash"))
        self.assertEqual(user.user_nid, await self.names.nid("@alice:test"))
        self.assertFalse(user.is_admin or user.is_guest or user.is_deactivated or user.is_locked)
        self.assertIsNone(await self.users.user("@bob:test"))

    async def test_a_name_is_given_out_once_in_one_batch_and_over_time(self) -> None:
        both = [Deferred.fromCoroutine(self.users.register(ALICE)) for _ in range(2)]
        self.assertEqual([nid is None for nid in await gatherResults(both)], [False, True])
        self.assertIsNone(await self.users.register(ALICE))

    async def test_password_by_the_statement_that_administrators_know(self) -> None:
        def apply(txn: Transaction, names: list[str]) -> None:
            for name in names:
                txn.execute("UPDATE users SET password_hash='new' WHERE name=?", name)

        await self.users.register(ALICE)
        await self.database.write(apply, "@alice:test")
        user = await self.users.user("@alice:test")
        assert user is not None
        self.assertEqual(user.password_hash, "new")

    async def test_deactivation_takes_the_password_and_remembers_to_erase(self) -> None:
        user_nid = await self.users.register(ALICE)
        assert user_nid is not None
        for erase in (True, False):
            await self.users.deactivate(Deactivation(user_nid, erase))
            ((erased,),) = await self.database.fetch("SELECT erased FROM users")
            self.assertEqual(erased, 1)
        user = await self.users.user("@alice:test")
        assert user is not None
        self.assertTrue(user.is_deactivated)
        self.assertIsNone(user.password_hash)

    async def test_interrupted_leaving_is_found_again(self) -> None:
        def apply(txn: Transaction, memberships: list[int]) -> None:
            txn.execute_many(
                "INSERT INTO members (user_nid, room_nid, membership, event_nid, since)"
                " VALUES (?, ?, ?, 1, 1)",
                [(user_nid, room_nid, code) for room_nid, code in enumerate(memberships, 1)],
            )

        def leave(txn: Transaction, user_nids: list[int]) -> None:
            txn.execute("UPDATE members SET membership = 4 WHERE user_nid = ANY(?)", user_nids)

        user_nid = await self.users.register(ALICE)
        assert user_nid is not None
        await self.database.write(apply, 1)  # joined
        self.assertEqual(await self.users.unfinished_deactivations(), [])
        for _ in range(2):
            await self.users.deactivate(Deactivation(user_nid, erase=False))
        unfinished = [(user_nid, "@alice:test")]
        self.assertEqual(await self.users.unfinished_deactivations(), unfinished)
        await self.users.left_rooms(user_nid)  # one could not be left
        self.assertEqual(await self.users.unfinished_deactivations(), unfinished)
        await self.database.write(leave, user_nid)
        await self.users.left_rooms(user_nid)
        self.assertEqual(await self.users.unfinished_deactivations(), [])

    async def test_profile_changes_in_one_batch_keep_their_order(self) -> None:
        changes: list[dict[str, Any]] = [
            {"displayname": "A", "avatar_url": "mxc://a/b"},
            {"displayname": "B", "org.example": {"n": [1, "\0"]}},
            {"avatar_url": None},
        ]
        await gatherResults(
            [
                Deferred.fromCoroutine(self.profiles.change("@alice:test", fields))
                for fields in changes
            ]
        )
        expected = {"displayname": "B", "org.example": {"n": [1, "\0"]}}
        self.assertEqual(await self.profiles.profile("@alice:test"), expected)
        self.assertEqual(await self.profiles.profile("@nobody:test"), {})
