"""Encryption in the life of a server: keys that are published, asked for and kept."""

from typing import Any

from synapse.storage.stores.remote_devices import RemoteDevice, Update
from tests.rest.client.key_owners import DeviceOwner, KeyOwner
from tests.rest.client.test_account import password_stage
from tests.rest.remote import ROB, RemoteRoom
from tests.rest.rooms import V3
from tests.storage.plans.room_life import ALICE, BOB, RoomLifeTestCase


class KeyLifeTestCase(RoomLifeTestCase):
    async def _encrypt(self) -> None:
        await self._publish_keys()
        await self._keep_remote_devices()
        await self._ask_what_changed()

    async def _publish_keys(self) -> None:
        alice, auth = self.alice, {"auth": password_stage()}
        for device_id in ("KEYS", "GONE"):
            token = (await self.login("alice", device_id=device_id)).json["access_token"]
            device = DeviceOwner(ALICE, device_id)
            keys = device.one_time_keys("1", "2")
            fallback = device.one_time_keys("f", fallback=True)
            body = {"device_keys": device.identity(), "one_time_keys": keys}
            await self.post(token, f"{V3}/keys/upload", {**body, "fallback_keys": fallback})
            await self.sync(token)
        again = {"device_keys": device.identity(more=1)}
        await self.post(token, f"{V3}/keys/upload", again)
        await self.put(alice, f"{V3}/devices/KEYS", {"display_name": "with keys"})
        alices, bobs = KeyOwner(ALICE), KeyOwner(BOB)
        upload, sign = f"{V3}/keys/device_signing/upload", f"{V3}/keys/signatures/upload"
        await self.post(alice, upload, KeyOwner(ALICE, "old").keys())
        await self.post(alice, upload, {**alices.keys(), **auth})
        await self.post(self.bob, upload, bobs.keys())
        device = DeviceOwner(ALICE, "KEYS")
        signatures = {
            ALICE: {"KEYS": alices.self_signing.signed(device.identity(), ALICE)},
            BOB: {bobs.master.public: alices.user_signing.signed(bobs.keys()["master_key"], ALICE)},
        }
        await self.post(alice, sign, signatures)
        await self.post(self.bob, f"{V3}/keys/query", {"device_keys": {ALICE: [], BOB: []}})
        for _ in range(3):
            claims = {"one_time_keys": {ALICE: {"KEYS": "signed_curve25519"}}}
            await self.post(self.bob, f"{V3}/keys/claim", claims)
        await self.post(alice, f"{V3}/delete_devices", {"devices": ["GONE"], **auth})

    async def _keep_remote_devices(self) -> None:
        server, store = self.server, self.server.stores.remote_devices
        room_id = await self.create_public(self.alice)
        remote = await RemoteRoom.of(server, room_id)
        await remote.deliver(server, remote.model.join(ROB))
        device = DeviceOwner(ROB, "R")
        keys = {"device_id": "R", "keys": device.identity()}
        told = {"user_id": ROB, "stream_id": 5, "devices": [keys], **KeyOwner(ROB).keys()}
        self.network.answers["elsewhere"] = told
        body: dict[str, Any] = {"device_keys": {ROB: []}}
        await self.post(self.bob, f"{V3}/keys/query", body)
        rob = (await server.stores.names.nids([ROB]))[ROB]
        changed = RemoteDevice("R", None, "name")
        for update in (
            Update(ROB, 6, [5], changed),
            Update(ROB, 7, [6], changed, is_deleted=True),
            Update(ROB, keys=[]),
            Update(ROB, 9, [8], changed),
        ):
            await store.update(update)
        await store.stale(0, 10)
        await store.page(0, 10)
        await self.post(self.bob, f"{V3}/keys/query", body)
        room = await server.rooms.cache.get(room_id)
        await store.kept_in(room.nid)
        await server.stores.device_changes.latest(rob)
        await server.stores.device_changes.newest(rob)
        await server.stores.device_changes.outgoing(0, 2**60, 10)
        await server.stores.destinations.shared_with("elsewhere", [rob])
        await server.stores.destinations.servers_of_user(rob)
        leave = remote.model.must_send("m.room.member", ROB, {"membership": "leave"}, ROB)
        await remote.deliver(server, leave)
        await self.finish_background()

    async def _ask_what_changed(self) -> None:
        """By who was away while others came and went."""
        since = (await self.sync(self.bob))["next_batch"]
        room_id = await self.create_public(self.bob)
        await self.join(self.alice, room_id)
        await self.leave(self.bob, room_id)
        followers = self.server.streams.followers
        followers._by_user.clear()
        followers._by_room.clear()
        await self.get(self.bob, f"{V3}/keys/changes", **{"from": since, "to": since})
