"""Transaction ids."""

from synapse.api.constants import EventTypes
from synapse.api.errors import Forbidden
from synapse.app.wiring import Server
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft
from tests.rooms.base import ALICE, RoomsTestCase, together


class TransactionTests(RoomsTestCase):
    async def send(
        self, room: Room, txn_id: str, *, sender: str = ALICE, server: Server | None = None
    ) -> str:
        server = server or self.server
        draft = Draft(EventTypes.MESSAGE, sender, {"body": "x"}, txn=(7, txn_id))

        async def send() -> str:
            return (await server.rooms.writer.send(room.room_id, draft)).event_id

        return await server.rooms.transactions.once(7, room.nid, txn_id, send)

    async def test_the_same_id_gives_the_same_event(self) -> None:
        room = await self.create_room()
        first = await self.send(room, "a")
        self.assertEqual(await self.send(room, "a"), first)
        self.assertNotEqual(await self.send(room, "b"), first)
        self.assertEqual(len(await self.timeline(room.room_id)), 6)

    async def test_while_the_first_try_is_under_way(self) -> None:
        room = await self.create_room()
        ids = await together(*(self.send(room, "a") for _ in range(10)))
        self.assertEqual(len(set(ids)), 1)

    async def test_after_a_restart(self) -> None:
        room = await self.create_room()
        first = await self.send(room, "a")
        self.assertEqual(await self.send(room, "a", server=self.another_process()), first)

    async def test_a_failed_try_can_be_repeated(self) -> None:
        room = await self.create_room()
        for _ in range(2):
            with self.assertRaises(Forbidden):
                await self.send(room, "a", sender="@bob:test")
        await self.change_membership(room.room_id, "@bob:test", "join")
        await self.send(room, "a", sender="@bob:test")

    async def test_two_processes_at_once(self) -> None:
        room = await self.create_room()
        other = self.another_process()
        for number in range(5):
            ids = await together(
                self.send(room, f"{number}"), self.send(room, f"{number}", server=other)
            )
            self.assertEqual(len(set(ids)), 1)
