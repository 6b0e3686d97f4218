"""Other servers' keys as they are remembered."""

from twisted.internet.defer import Deferred, gatherResults

from synapse.crypto.server_keys import KeyDocument, read_document
from synapse.storage.stores.server_keys import ServerKeyStore
from tests.crypto.key_documents import DAY_MS, NOW_MS, document_of, key_of
from tests.storage.base import StoreTestCase


def document(server: str, *versions: str, at_ms: int = NOW_MS) -> KeyDocument:
    keys = [key_of(server, version) for version in versions]
    value = document_of(server, *keys, until_ms=at_ms + DAY_MS)
    return read_document(value, server, fetched_ms=at_ms, is_direct=True)


class ServerKeyStoreTests(StoreTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.store = ServerKeyStore(self.database)

    async def versions(self, server: str) -> list[str]:
        keys = (await self.store.known([server])).get(server, {})
        return sorted(key_id.removeprefix("ed25519:") for key_id in keys)

    async def test_what_was_added_is_known(self) -> None:
        added = [document("a.example", "a", "b"), document("b.example", "c")]
        learned = await self.store.add(added)
        self.assertEqual(learned, {one.server: one.keys for one in added})
        known = await self.store.known(["a.example", "b.example", "c.example"])
        self.assertEqual(known, learned)
        documents = await self.store.documents(["b.example", "c.example"])
        self.assertEqual(documents, {("b.example", NOW_MS): added[1].json})

    async def test_a_later_document_of_the_same_keys_replaces_the_first(self) -> None:
        await self.store.add([document("a.example", "a")])
        later = document("a.example", "a", at_ms=NOW_MS + 1)
        self.assertEqual(await self.store.add([later]), {"a.example": later.keys})
        documents = await self.store.documents(["a.example"])
        self.assertEqual(documents, {("a.example", NOW_MS + 1): later.json})

    async def test_a_document_is_kept_for_keys_that_later_ones_lack(self) -> None:
        await self.store.add([document("a.example", "a")])
        await self.store.add([document("a.example", "b", at_ms=NOW_MS + 1)])
        self.assertEqual(await self.versions("a.example"), ["a", "b"])
        self.assertEqual(len(await self.store.documents(["a.example"])), 2)

    async def test_a_server_that_always_has_new_keys_takes_no_more_room(self) -> None:
        for n in range(15):
            await self.store.add([document("a.example", f"k{n:02}", at_ms=NOW_MS + n)])
        self.assertEqual(await self.versions("a.example"), [f"k{n:02}" for n in range(5, 15)])
        self.assertEqual(len(await self.store.documents(["a.example"])), 10)

    async def test_documents_in_one_commit_come_one_after_the_other(self) -> None:
        added = [document("a.example", f"k{n}", at_ms=NOW_MS + n) for n in range(5)]
        await gatherResults([Deferred.fromCoroutine(self.store.add([one])) for one in added])
        self.assertEqual(await self.versions("a.example"), [f"k{n}" for n in range(5)])
        known = (await self.store.known(["a.example"]))["a.example"]
        self.assertIsNone(known["ed25519:k4"].expired_ms)
        self.assertEqual(known["ed25519:k3"].expired_ms, NOW_MS + 4)
