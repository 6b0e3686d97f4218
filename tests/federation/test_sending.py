"""Sending: what users of one server do reaches the others, once, in order, whatever happens."""

from typing import Any

from synapse.federation.sending.destination import MAX_QUEUED
from synapse.rooms.writer import Draft
from tests.federation.joining import join
from tests.federation.servers import FederationTestCase, key_of

ONE, TWO, THREE = "one.test", "two.test", "three.test"
ALICE = f"@alice:{ONE}"
BOB = f"@bob:{TWO}"
CAROL = f"@carol:{THREE}"
MINUTE_S = 60


def flat(transactions: list[list[str]]) -> list[str]:
    return [message for transaction in transactions for message in transaction]


class SendingTestCase(FederationTestCase):
    """Alice's rooms on one server, with Bob of another in them."""

    names: tuple[str, ...] = (ONE, TWO)

    async def arrange(self, rooms: int = 1) -> None:
        for name in self.names:
            self.add_server(name)
        await self.start_sending()
        self.alice = await self.register(ONE, "alice")
        self.bob = await self.register(TWO, "bob")
        self.room_ids = [await self.create_room() for _ in range(rooms)]
        for room_id in self.room_ids:
            await self.join(TWO, BOB, room_id)
        await self.settle()
        self.room_id = self.room_ids[0]
        self.network.transactions.clear()

    async def create_room(self, **more: Any) -> str:
        answer = await self.client(
            ONE,
            "POST",
            "/_matrix/client/v3/createRoom",
            {"preset": "public_chat", **more},
            token=self.alice,
        )
        return str(answer["room_id"])

    async def join(self, name: str, user_id: str, room_id: str) -> None:
        await join(self.servers[ONE], self.servers[name], key_of(name), room_id, user_id)

    async def set_membership(self, room_id: str, membership: str) -> None:
        """Alice says what Bob is in a room."""
        draft = Draft("m.room.member", ALICE, {"membership": membership}, BOB)
        await self.servers[ONE].rooms.writer.send(room_id, draft)

    async def say(self, body: str, room_id: str | None = None) -> str:
        self.said = getattr(self, "said", 0) + 1
        answer = await self.client(
            ONE,
            "PUT",
            f"/_matrix/client/v3/rooms/{room_id or self.room_id}/send/m.room.message/{self.said}",
            {"msgtype": "m.text", "body": body},
            token=self.alice,
        )
        return str(answer["event_id"])

    async def go_on(self, minutes: int) -> None:
        for _ in range(minutes * 6):
            await self.settle(10)

    async def heard(self, name: str = TWO, room_id: str | None = None) -> list[str]:
        """What messages a server has in a room, in their order there."""
        server = self.servers[name]
        room = await server.rooms.cache.get(room_id or self.room_id)
        events = await server.stores.events.after(room.nid, -(2**60), 1_000)
        return [e.content["body"] for e in events if e.type == "m.room.message"]

    def sent(self, name: str = TWO) -> list[list[str]]:
        """The messages in the transactions that a server got, and forget them."""
        found = [
            [pdu["content"].get("body", pdu["type"]) for pdu in transaction["pdus"]]
            for _, destination, transaction in self.network.transactions
            if destination == name
        ]
        self.network.transactions.clear()
        return found

    async def destination_rows(self) -> list[tuple[Any, ...]]:
        return await self.servers[ONE].database.fetch(
            "SELECT n.name, d.position IS NULL, d.retry_interval_ms FROM destinations d"
            " JOIN names n ON n.nid = d.server_nid ORDER BY n.name"
        )


class SendingTests(SendingTestCase):
    async def test_messages_arrive_in_order(self) -> None:
        await self.arrange()
        for number in range(5):
            await self.say(str(number))
        await self.settle()
        self.assertEqual(await self.heard(), ["0", "1", "2", "3", "4"])
        self.assertEqual(flat(self.sent()), ["0", "1", "2", "3", "4"])
        # An answer comes the other way.
        await self.client(
            TWO,
            "PUT",
            f"/_matrix/client/v3/rooms/{self.room_id}/send/m.room.message/1",
            {"msgtype": "m.text", "body": "hello"},
            token=self.bob,
        )
        await self.settle()
        self.assertEqual((await self.heard(ONE))[-1], "hello")

    async def test_what_gathers_while_a_server_is_away_goes_in_one_transaction(self) -> None:
        await self.arrange(rooms=3)
        self.network.cut_off(TWO)
        for number, room_id in enumerate(self.room_ids * 2):
            await self.say(str(number), room_id)
        await self.settle()
        self.network.heal()
        await self.settle(1)
        self.assertEqual(self.sent(), [["0"], ["1", "2", "3", "4", "5"]])
        self.assertEqual(await self.heard(room_id=self.room_ids[1]), ["1", "4"])

    async def test_a_server_that_is_away_for_long_is_left_alone_and_catches_up(self) -> None:
        await self.arrange(rooms=4)
        self.network.cut_off(TWO)
        await self.say("first")
        self.tries()
        await self.go_on(6)
        self.assertEqual(len(self.tries()), 10)
        for number in range(500):
            await self.say(str(number), self.room_ids[number % 4])
        await self.settle(2)
        self.assertEqual(self.tries(), [])
        self.network.heal()
        await self.go_on(10)
        sent = self.sent()
        self.assertEqual(flat(sent), ["first", *map(str, range(500))])
        self.assertEqual(max(map(len, sent)), 50)
        self.assertEqual(
            await self.heard(room_id=self.room_ids[1]), [str(n) for n in range(1, 500, 4)]
        )
        # From memory again.
        await self.say("last")
        await self.settle(5)
        self.assertEqual(self.sent(), [["last"]])
        await self.settle(5)
        self.assertEqual(await self.destination_rows(), [])

    def tries(self) -> list[tuple[str, str, str]]:
        """What servers tried to send, and forget it."""
        tries, self.network.log[:] = [*self.network.log], []
        return [one for one in tries if one[:2] == (ONE, TWO)]

    async def test_more_than_memory_holds(self) -> None:
        await self.arrange()
        self.network.cut_off(TWO)
        await self.say("first")
        for number in range(MAX_QUEUED + 10):
            await self.say(str(number))
        sender = self.servers[ONE].federation.sending.sender
        (destination,) = sender.destinations
        self.assertTrue(destination.is_behind)
        self.assertEqual(len(destination.queue), 0)
        self.network.heal()
        await self.settle(1)
        self.assertFalse(destination.is_behind)
        numbers = [str(number) for number in range(MAX_QUEUED + 10)]
        self.assertEqual(flat(self.sent()), ["first", *numbers])

    async def test_it_is_left_alone_longer_and_longer(self) -> None:
        await self.arrange()
        self.network.cut_off(TWO)
        self.network.log.clear()
        await self.say("first")
        await self.go_on(6)
        self.assertEqual(len(self.tries()), 11)
        self.assertEqual(await self.destination_rows(), [(TWO, 0, 600_000)])
        for minutes in (10, 20, 40, 80):
            await self.settle(minutes * MINUTE_S - MINUTE_S)
            self.assertEqual(self.tries(), [])
            await self.settle(MINUTE_S)
            self.assertEqual(len(self.tries()), 1)

    async def test_a_server_that_is_heard_from_is_tried_at_once(self) -> None:
        await self.arrange()
        self.network.cut_off(TWO)
        await self.say("missed")
        await self.go_on(7)
        self.network.heal()
        await self.settle(MINUTE_S)
        self.assertEqual(self.sent(), [])
        await self.client(
            TWO,
            "PUT",
            f"/_matrix/client/v3/rooms/{self.room_id}/send/m.room.message/1",
            {"msgtype": "m.text", "body": "back"},
            token=self.bob,
        )
        await self.settle()
        self.assertEqual(self.sent(), [["missed"]])

    async def test_a_restart_loses_nothing(self) -> None:
        for crash in (False, True):
            self.network.sites.clear()
            await self.arrange(rooms=2)
            await self.say("before")
            await self.settle()
            self.network.cut_off(TWO)
            await self.say("away")
            await self.stop_server(ONE, crash=crash)
            # The server is stopped for sending, and goes on for its clients.
            await self.say("after", self.room_ids[1])
            self.network.heal()
            self.network.transactions.clear()
            await self.start_server(ONE).federation.sending.start()
            await self.settle()
            sent = flat(self.sent())
            self.assertEqual(sent[-2:], ["away", "after"])
            if not crash:
                self.assertEqual(len(sent), 2)
            self.assertEqual(await self.heard(), ["before", "away"])
            self.assertEqual(await self.heard(room_id=self.room_ids[1]), ["after"])

    async def test_back_off_survives_a_restart(self) -> None:
        await self.arrange()
        self.network.cut_off(TWO)
        await self.say("first")
        await self.go_on(7)
        await self.stop_server(ONE)
        self.tries()
        await self.start_server(ONE).federation.sending.start()
        await self.say("second")
        await self.settle(8 * MINUTE_S)
        self.assertEqual(self.tries(), [])
        self.network.heal()
        await self.settle(2 * MINUTE_S)
        self.assertEqual(flat(self.sent()), ["first", "second"])

    async def test_a_kicked_server_hears_of_it_and_of_nothing_more(self) -> None:
        await self.arrange()
        for is_away in (False, True):
            if is_away:
                await self.join(TWO, BOB, await self.enter_new_room())
                await self.settle()
                self.network.transactions.clear()
                self.network.cut_off(TWO)
            await self.client(
                ONE,
                "POST",
                f"/_matrix/client/v3/rooms/{self.room_id}/kick",
                {"user_id": BOB},
                token=self.alice,
            )
            await self.say("among us")
            await self.go_on(7)
            self.network.heal()
            await self.settle(11 * MINUTE_S)
            self.assertEqual(self.sent(), [["m.room.member"]])

    async def enter_new_room(self) -> str:
        self.room_id = await self.create_room()
        return self.room_id

    async def test_an_invitation_that_is_taken_back(self) -> None:
        await self.arrange()
        room_id = await self.create_room()
        await self.set_membership(room_id, "invite")
        await self.say("not for Bob", room_id)
        await self.settle()
        self.assertEqual(self.sent(), [])
        await self.set_membership(room_id, "leave")
        await self.settle()
        self.assertEqual(self.sent(), [["m.room.member"]])

    async def test_rooms_that_are_not_federated(self) -> None:
        await self.arrange()
        room_id = await self.create_room(creation_content={"m.federate": False})
        await self.set_membership(room_id, "invite")
        await self.set_membership(room_id, "leave")
        await self.say("here only", room_id)
        await self.settle()
        self.assertEqual(self.sent(), [])

    async def test_a_fault_of_ours_loses_nothing(self) -> None:
        await self.arrange()
        self.network.faults.append(ZeroDivisionError("a fault"))
        with self.assertLogs("synapse.util.background", "ERROR"):
            await self.say("broken")
            await self.settle()
        await self.say("whole")
        await self.settle()
        self.assertEqual(self.sent(), [])
        await self.settle(MINUTE_S)
        self.assertEqual(flat(self.sent()), ["broken", "whole"])

    async def test_rooms_of_ours_only_cost_nothing(self) -> None:
        await self.arrange()
        room_id = await self.create_room()
        await self.say("to myself", room_id)
        rows = await self.servers[ONE].database.fetch(
            "SELECT count(*) FROM events WHERE (flags & 128) = 128 AND room_nid ="
            " (SELECT room_nid FROM rooms WHERE room_id = ?)",
            room_id,
        )
        self.assertEqual(rows, [(0,)])


class ThreeServersTests(SendingTestCase):
    names = (ONE, TWO, THREE)

    async def test_a_join_is_passed_on(self) -> None:
        await self.arrange()
        await self.join(THREE, CAROL, self.room_id)
        await self.settle()
        self.assertEqual(self.sent(TWO), [["m.room.member"]])
        await self.say("to both")
        await self.settle()
        for name in (TWO, THREE):
            self.assertEqual((await self.heard(name))[-1], "to both")
        self.assertEqual(len(self.network.transactions), 2)

    async def test_a_server_that_is_away_does_not_keep_the_others_waiting(self) -> None:
        await self.arrange()
        await self.join(THREE, CAROL, self.room_id)
        await self.settle()
        self.network.cut_off(TWO)
        for number in range(3):
            await self.say(str(number))
            await self.settle(MINUTE_S)
        self.assertEqual(await self.heard(THREE), ["0", "1", "2"])

    async def test_it_is_told_only_of_rooms_that_it_is_in(self) -> None:
        await self.arrange(rooms=2)
        await self.join(THREE, CAROL, self.room_ids[1])
        await self.settle()
        self.network.cut_off(TWO, THREE)
        await self.say("for two", self.room_ids[0])
        await self.say("for both", self.room_ids[1])
        await self.go_on(7)
        self.network.heal()
        self.network.transactions.clear()
        await self.settle(11 * MINUTE_S)
        transactions = [*self.network.transactions]
        self.assertEqual(flat(self.sent(THREE)), ["for both"])
        self.network.transactions[:] = transactions
        self.assertEqual(flat(self.sent(TWO)), ["for two", "for both"])
