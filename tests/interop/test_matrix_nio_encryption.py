"""matrix-nio with encryption: devices of two servers learn each other's keys."""

import asyncio
import shutil
from typing import Any

from nio import AsyncClient, AsyncClientConfig

from tests.interop.nio_people import ok
from tests.interop.pairs import PairTestCase
from tests.interop.server import ServerProcess, temporary_directory

PASSWORD = "correct horse"
_ENCRYPTION = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}


class EncryptionTests(PairTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clients: list[AsyncClient] = []

    def test_keys_are_exchanged(self) -> None:
        self.listen_with_tls()
        for server in (self.one, self.two):
            server.start()
        asyncio.run(self._with_clients())

    async def _with_clients(self) -> None:
        try:
            await asyncio.wait_for(self._exchange(), 60)
        finally:
            for client in self.clients:
                await client.close()

    async def _exchange(self) -> None:
        alice = await self._person(self.one, "alice")
        bob = await self._person(self.two, "bob")
        created = ok(await alice.room_create(initial_state=[_ENCRYPTION], invite=[bob.user_id]))
        room_id = created.room_id
        await _until(bob, lambda: room_id in bob.invited_rooms)
        ok(await bob.join(room_id))
        await _until(alice, lambda: _is_encrypted_for(alice, room_id, bob.user_id))
        # Whom alice encrypts for she asks for.
        await _until(alice, lambda: bob.device_id in alice.device_store[bob.user_id])
        device = alice.device_store[bob.user_id][bob.device_id]
        assert device.ed25519 == bob.olm.account.identity_keys["ed25519"]
        # A conversation begins with one of bob's one-time keys.
        before = await _one_time_keys(bob)
        ok(await alice.keys_claim({bob.user_id: [bob.device_id]}))
        assert alice.olm.session_store.get(device.curve25519) is not None
        await _until(bob, lambda: bob.olm.uploaded_key_count == before - 1, uploads=False)
        # A new device of bob's comes by itself.
        second = await self._person(self.two, "bob", "SECOND")
        await _until(alice, lambda: "SECOND" in alice.device_store[bob.user_id])
        ok(await second.logout())
        await _until(alice, lambda: alice.device_store[bob.user_id]["SECOND"].deleted)

    async def _person(self, server: ServerProcess, name: str, device_id: str = "") -> AsyncClient:
        """A client that has published its keys."""
        directory = temporary_directory()
        self.addCleanup(shutil.rmtree, directory)
        client = AsyncClient(
            server.url,
            f"@{name}:{server.server_name}",
            device_id=device_id,
            store_path=directory,
            config=AsyncClientConfig(encryption_enabled=True, request_timeout=30),
        )
        self.clients.append(client)
        if device_id:
            ok(await client.login(PASSWORD))
        else:
            ok(await client.register(name, PASSWORD))
        ok(await client.sync(timeout=0))
        ok(await client.keys_upload())
        return client


async def _until(client: AsyncClient, holds: Any, *, uploads: bool = True) -> None:
    """Sync on, as a client does that goes on by itself, until it is so."""
    while not holds():
        ok(await client.sync(timeout=3_000))
        if uploads and client.should_upload_keys:
            ok(await client.keys_upload())
        if client.should_query_keys:
            ok(await client.keys_query())


def _is_encrypted_for(client: AsyncClient, room_id: str, user_id: str) -> bool:
    room = client.rooms.get(room_id)
    return room is not None and room.encrypted and user_id in room.users


async def _one_time_keys(client: AsyncClient) -> int:
    """How many the server has."""
    answer = ok(await client.sync(timeout=0))
    return int(answer.device_key_count.signed_curve25519)
