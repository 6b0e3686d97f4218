"""Devices and tokens as they are remembered."""

from synapse.storage.stores.device_changes import DeviceChanges
from synapse.storage.stores.devices import DeviceStore, Removal, Sighting
from synapse.storage.stores.names import Names
from synapse.storage.stores.tokens import Exchange, NewSession, NewTokens, TokenStore
from synapse.storage.stores.users import NewUser, UserStore
from tests.storage.base import StoreTestCase


class TokenStoreTests(StoreTestCase):
    async def start(self, device_id: str, access: bytes, refresh: bytes | None = None) -> None:
        self.tokens = TokenStore(self.database)
        self.devices = DeviceStore(self.database, DeviceChanges(self.database))
        users = UserStore(self.database, Names(self.database))
        await users.register(NewUser("@alice:test", None, 0))
        user = await users.user("@alice:test")
        assert user is not None
        self.user_nid = user.user_nid
        tokens = NewTokens(access, None, refresh)
        await self.tokens.start(NewSession(self.user_nid, device_id, "Phone", 1_000, tokens))

    async def exchange(self, old: bytes, access: bytes, refresh: bytes) -> bool:
        return await self.tokens.exchange(Exchange(old, 2_000, NewTokens(access, None, refresh)))

    async def good(self, *hashes: bytes) -> list[bool]:
        return [await self.tokens.session(access) is not None for access in hashes]

    async def test_session_knows_its_user_and_device(self) -> None:
        await self.start("A", b"\x00\xff")
        session = await self.tokens.session(b"\x00\xff")
        assert session is not None
        self.assertEqual((session.user_id, session.device_id), ("@alice:test", "A"))
        self.assertTrue(session.is_used)
        self.assertIsNone(await self.tokens.session(b"\x00"))
        self.assertEqual(await self.tokens.validated_ms(self.user_nid, session.token_nid), 1_000)

    async def test_exchanged_token_is_good_until_its_successor_is_used(self) -> None:
        await self.start("A", b"a1", b"r1")
        self.assertTrue(await self.exchange(b"r1", b"a2", b"r2"))
        self.assertEqual(await self.good(b"a1", b"a2"), [True, True])
        await self.tokens.first_used(b"a2")
        self.assertEqual(await self.good(b"a1", b"a2"), [False, True])
        self.assertFalse(await self.exchange(b"r1", b"a3", b"r3"))
        self.assertTrue(await self.exchange(b"r2", b"a3", b"r3"))

    async def test_second_exchange_replaces_the_first(self) -> None:
        await self.start("A", b"a1", b"r1")
        await self.exchange(b"r1", b"a2", b"r2")
        await self.exchange(b"r1", b"a3", b"r3")
        self.assertEqual(await self.good(b"a1", b"a2", b"a3"), [True, False, True])
        self.assertFalse(await self.exchange(b"r2", b"a4", b"r4"))

    async def test_exchange_keeps_when_the_user_was_validated(self) -> None:
        await self.start("A", b"a1", b"r1")
        for old, access, new in ((b"r1", b"a2", b"r2"), (b"r2", b"a3", b"r3")):
            await self.exchange(old, access, new)
        session = await self.tokens.session(b"a3")
        assert session is not None
        self.assertEqual(await self.tokens.validated_ms(self.user_nid, session.token_nid), 1_000)

    async def test_nothing_of_exchanged_tokens_is_left_behind(self) -> None:
        await self.start("A", b"a0", b"r0")
        for n in range(1, 6):
            await self.exchange(b"r%d" % (n - 1), b"a%d" % n, b"r%d" % n)
            await self.tokens.first_used(b"a%d" % n)
        for table in ("access_tokens", "refresh_tokens"):
            rows = await self.database.fetch(f"SELECT token_hash FROM {table}")
            self.assertEqual(len(rows), 1, table)

    async def test_removing_devices_takes_their_tokens(self) -> None:
        await self.start("A", b"a", b"ra")
        await self.start("B", b"b", b"rb")
        await self.start("C", b"c")
        removed = await self.devices.remove(Removal(self.user_nid, ["A", "unknown"]))
        self.assertEqual(len(removed), 1)
        self.assertEqual(await self.good(b"a", b"b", b"c"), [False, True, True])
        keep = await self.devices.device(self.user_nid, "C")
        assert keep is not None
        await self.devices.remove(Removal(self.user_nid, None, keep.device_nid))
        self.assertEqual(await self.good(b"b", b"c"), [False, True])
        self.assertEqual(await self.devices.devices(self.user_nid), [keep])
        self.assertIsNone(await self.tokens.refresh_token(b"rb"))

    async def test_last_seen(self) -> None:
        await self.start("A", b"a")
        (device,) = await self.devices.devices(self.user_nid)
        await self.devices.seen(Sighting(device.device_nid, 5_000, "::1", "agent"))
        (device,) = await self.devices.devices(self.user_nid)
        self.assertEqual((device.last_seen_ms, device.last_seen_ip), (5_000, "::1"))
