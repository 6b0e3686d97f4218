"""matrix-nio with encryption: people on two servers encrypt for each other."""

import asyncio
import shutil
from typing import Any

from nio import AsyncClient, AsyncClientConfig, RoomMessageText

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

    def test_an_encrypted_conversation(self) -> None:
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
        # Both read what the other one says, and new devices read it, too.
        await self._talk(alice, bob, room_id)
        await self._talk(bob, alice, room_id)
        second = await self._person(self.two, "bob", "SECOND")
        await _until(alice, lambda: "SECOND" in alice.device_store[bob.user_id])
        await self._talk(alice, second, room_id)
        ok(await second.logout())
        await _until(alice, lambda: alice.device_store[bob.user_id]["SECOND"].deleted)

    async def _talk(self, speaker: AsyncClient, listener: AsyncClient, room_id: str) -> None:
        """What one says in an encrypted room, the other one can read."""
        read: list[str] = []
        listener.add_event_callback(lambda room, event: read.append(event.body), RoomMessageText)
        await _until(speaker, lambda: _is_encrypted_for(speaker, room_id, listener.user_id))
        said = f"{speaker.device_id} says hello to {listener.device_id}"
        ok(
            await speaker.room_send(
                room_id,
                "m.room.message",
                {"msgtype": "m.text", "body": said},
                ignore_unverified_devices=True,
            )
        )
        await _until(listener, lambda: said in read)

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
