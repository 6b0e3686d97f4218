"""UI auth sessions, filters and account data as they are remembered."""

from twisted.internet.defer import Deferred, gatherResults

from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.filters import FilterStore
from synapse.storage.stores.ui_auth import SESSION_LIFETIME_MS, CompletedStage, UiAuthStore
from tests.storage.base import StoreTestCase


class UiAuthStoreTests(StoreTestCase):
    async def test_stages_add_up_and_sessions_are_forgotten_after_a_day(self) -> None:
        store = UiAuthStore(self.database)
        for stage in ("one", "two"):
            await store.complete(CompletedStage("s", "op", b"\x00hash", 1_000, stage, True))
        session = await store.session("s", 1_000 + SESSION_LIFETIME_MS)
        assert session is not None
        self.assertEqual(session.completed, {"one": True, "two": True})
        self.assertEqual((session.operation, session.request_hash), ("op", b"\x00hash"))
        late_ms = 1_001 + SESSION_LIFETIME_MS
        self.assertIsNone(await store.session("s", late_ms))
        await store.complete(CompletedStage("new", "op", b"", late_ms, "one", True))
        rows = await self.database.fetch("SELECT session_id FROM ui_auth_sessions")
        self.assertEqual(rows, [("new",)])


class FilterStoreTests(StoreTestCase):
    async def test_filters_are_numbered_for_each_user_also_within_a_batch(self) -> None:
        store = FilterStore(self.database)
        added = [(1, b"{}"), (1, b'{"a":1}'), (2, b'{"a":1}'), (1, b"{}")]
        numbers = await gatherResults(
            [Deferred.fromCoroutine(store.add(user_nid, json)) for user_nid, json in added]
        )
        self.assertEqual(sorted(numbers[:2]), [1, 2])
        self.assertEqual(numbers[2:], [1, numbers[0]])
        self.assertEqual(await store.filter(1, numbers[1]), b'{"a":1}')
        self.assertIsNone(await store.filter(2, 2))


class AccountDataStoreTests(StoreTestCase):
    async def test_a_batch_of_many_users_keeps_the_last_of_each(self) -> None:
        moved: list[tuple[int, int]] = []
        store = AccountDataStore(self.database, lambda *move: moved.append(move))
        puts = [(1, b"1"), (2, b"2"), (1, b"3"), (3, b"4")]
        positions = await gatherResults(
            [
                Deferred.fromCoroutine(store.put(user_nid, None, "type", content))
                for user_nid, content in puts
            ]
        )
        self.assertEqual(positions, sorted(set(positions)))
        for user_nid, content in ((1, b"3"), (2, b"2"), (3, b"4")):
            self.assertEqual(await store.content(user_nid, None, "type"), content)
        # Whichever commits carried them: each user's last move is its last position.
        self.assertEqual(dict(moved), {1: positions[2], 2: positions[1], 3: positions[3]})

    async def test_unknown_room_moves_nobody(self) -> None:
        moved: list[tuple[int, int]] = []
        store = AccountDataStore(self.database, lambda *move: moved.append(move))
        self.assertIsNone(await store.put(1, "!unknown:test", "type", b"{}"))
        self.assertEqual(moved, [])
        self.assertEqual(await store.changes_since(1, 0), [])
