"""EDUs between two servers: typing, receipts, presence."""

from typing import Any
from urllib.parse import quote

from tests.federation.servers import Link, key_of
from tests.federation.test_sending import ALICE, BOB, ONE, TWO, SendingTestCase

V3 = "/_matrix/client/v3"


class EduTestCase(SendingTestCase):
    """What Alice's server tells Bob's, and what Bob's clients see of it."""

    def edus(self, name: str = TWO) -> list[tuple[str, dict[str, Any]]]:
        """The EDUs that a server got, and forget them."""
        found = [
            (edu["edu_type"], edu["content"])
            for _, destination, transaction in self.network.transactions
            if destination == name
            for edu in transaction.get("edus", [])
        ]
        self.network.transactions.clear()
        return found

    def edus_of(self, edu_type: str) -> list[dict[str, Any]]:
        return [content for type_, content in self.edus() if type_ == edu_type]

    async def type(self, typing: bool) -> None:
        await self.client(
            ONE,
            "PUT",
            f"{V3}/rooms/{self.room_id}/typing/{ALICE}",
            {"typing": typing, **({"timeout": 90_000} if typing else {})},
            token=self.alice,
        )

    async def read(self, event_id: str, kind: str = "m.read", **body: Any) -> None:
        path = f"{V3}/rooms/{self.room_id}/receipt/{kind}/{quote(event_id)}"
        await self.client(ONE, "POST", path, body, token=self.alice)

    async def ephemeral(self) -> list[dict[str, Any]]:
        """What Bob's client sees in the room."""
        answer = await self.client(TWO, "GET", f"{V3}/sync", token=self.bob)
        events: list[dict[str, Any]] = answer["rooms"]["join"][self.room_id]["ephemeral"]["events"]
        return events

    async def tell(self, edu_type: str, content: Any, origin: str = TWO) -> None:
        """Send an EDU to Alice's server."""
        self.told = getattr(self, "told", 0) + 1
        await Link(self.network, origin, key_of(origin)).request(
            ONE,
            "PUT",
            f"/_matrix/federation/v1/send/edu{self.told}",
            json={
                "origin": origin,
                "origin_server_ts": self.clock.now_ms(),
                "pdus": [],
                "edus": [{"edu_type": edu_type, "content": content}],
            },
        )
        await self.settle()


class TypingTests(EduTestCase):
    async def test_it_is_seen_on_the_other_server(self) -> None:
        await self.arrange()
        await self.type(True)
        await self.settle()
        (typing,) = await self.ephemeral()
        self.assertEqual(typing["content"], {"user_ids": [ALICE]})
        await self.type(False)
        await self.settle()
        self.assertEqual(await self.ephemeral(), [])

    async def test_it_is_told_again_before_it_is_forgotten(self) -> None:
        await self.arrange()
        for _ in range(4):
            await self.type(True)
            await self.settle(20)
        self.assertEqual(len(self.edus_of("m.typing")), 2)
        (typing,) = await self.ephemeral()
        self.assertEqual(typing["content"], {"user_ids": [ALICE]})
        await self.go_on(2)
        self.assertEqual([edu["typing"] for edu in self.edus_of("m.typing")], [False])

    async def test_only_the_newest_state_waits(self) -> None:
        await self.arrange()
        self.network.cut_off(TWO)
        for typing in (True, False, True, False):
            await self.type(typing)
        await self.settle()
        self.network.heal()
        await self.settle(1)
        self.assertEqual([edu["typing"] for edu in self.edus_of("m.typing")], [True, False])

    async def test_who_may_say_so(self) -> None:
        await self.arrange()
        typing = self.servers[ONE].streams.typing
        room = await self.servers[ONE].rooms.cache.get(self.room_id)
        good = {"room_id": self.room_id, "user_id": BOB, "typing": True}
        refused: tuple[Any, ...] = (
            {**good, "user_id": ALICE},
            {**good, "user_id": f"@nobody:{TWO}"},
            {**good, "user_id": 7},
            {**good, "room_id": "!other:room"},
            {**good, "room_id": None},
            [],
        )
        for content in refused:
            await self.tell("m.typing", content)
            self.assertEqual(typing.users(room.nid), [])
        await self.tell("m.typing", good)
        self.assertEqual(typing.users(room.nid), [BOB])
        await self.client(
            ONE,
            "PUT",
            f"{V3}/rooms/{self.room_id}/state/m.room.server_acl",
            {"allow": ["*"], "deny": [TWO]},
            token=self.alice,
        )
        await self.tell("m.typing", {**good, "typing": False})
        self.assertEqual(typing.users(room.nid), [BOB])


class ReceiptTests(EduTestCase):
    async def test_it_is_seen_on_the_other_server(self) -> None:
        await self.arrange()
        event_id = await self.say("read me")
        await self.read(event_id)
        await self.settle()
        (receipts,) = await self.ephemeral()
        self.assertEqual(list(receipts["content"][event_id]["m.read"]), [ALICE])

    async def test_private_ones_stay(self) -> None:
        await self.arrange()
        await self.read(await self.say("read me"), "m.read.private")
        await self.settle(10)
        self.assertEqual(self.edus_of("m.receipt"), [])

    async def test_the_newest_of_each_thread_waits(self) -> None:
        await self.arrange()
        self.network.cut_off(TWO)
        events = [await self.say(str(number)) for number in range(4)]
        await self.settle()
        await self.read(events[0])
        await self.read(events[1])
        await self.settle(0.02)
        await self.read(events[2], thread_id="main")
        await self.read(events[3])
        await self.settle(0.02)
        self.network.heal()
        await self.settle(1)
        told = [
            (content[self.room_id]["m.read"][ALICE]["event_ids"], data.get("thread_id"))
            for content in self.edus_of("m.receipt")
            for data in [content[self.room_id]["m.read"][ALICE]["data"]]
        ]
        self.assertEqual(told, [([events[3]], None), ([events[2]], "main")])

    async def test_a_room_is_told_so_often(self) -> None:
        await self.arrange()
        events = [await self.say(str(number)) for number in range(5)]
        await self.settle()
        self.edus()
        for event_id in events:
            await self.read(event_id)
            await self.settle()
        self.assertEqual(len(self.edus_of("m.receipt")), 1)
        await self.settle(0.02)  # one server, at 50 in a second
        (content,) = self.edus_of("m.receipt")
        self.assertEqual(content[self.room_id]["m.read"][ALICE]["event_ids"], [events[-1]])

    async def test_who_may_say_so(self) -> None:
        await self.arrange()
        event_id = await self.say("read me")

        def receipt(user_id: Any = BOB, **changes: Any) -> dict[str, Any]:
            said = {"event_ids": [event_id], "data": {"ts": 5}, **changes}
            return {self.room_id: {"m.read": {user_id: said}}}

        refused: tuple[dict[str, Any], ...] = (
            receipt(ALICE),
            receipt(f"@nobody:{TWO}"),
            receipt(event_ids=["$unknown"]),
            receipt(event_ids=event_id),
            receipt(event_ids=[{}]),
            receipt(data=[]),
            receipt(data={"ts": 5, "thread_id": "nonsense"}),
            receipt(data={"ts": 5, "thread_id": ["main"]}),
            {self.room_id: {"m.read.private": receipt()[self.room_id]["m.read"]}},
            {self.room_id: {"m.read": []}},
            {self.room_id: []},
            {"!other:room": receipt()[self.room_id]},
        )
        for content in refused:
            await self.tell("m.receipt", content)
            self.assertEqual(await self.receipts(), [])
        await self.tell("m.receipt", {"!other:room": {}, **receipt(data={"ts": "late"})})
        self.assertEqual(await self.receipts(), [(event_id, self.clock.now_ms())])

    async def receipts(self) -> list[Any]:
        """Bob's, on Alice's server."""
        return await self.servers[ONE].database.fetch(
            "SELECT r.event_id, r.ts_ms FROM receipts r JOIN names n ON n.nid = r.user_nid"
            " WHERE n.name = ?",
            BOB,
        )


class PresenceTests(EduTestCase):
    async def set(self, presence: str, status_msg: str = "") -> None:
        await self.client(
            ONE,
            "PUT",
            f"{V3}/presence/{ALICE}/status",
            {"presence": presence, "status_msg": status_msg},
            token=self.alice,
        )

    async def seen(self) -> dict[str, Any]:
        path = f"{V3}/presence/{ALICE}/status"
        answer: dict[str, Any] = await self.client(TWO, "GET", path, token=self.bob)
        return answer

    async def test_it_is_seen_on_the_other_server(self) -> None:
        await self.arrange()
        await self.set("online", "here")
        await self.settle(1)
        seen = await self.seen()
        self.assertEqual((seen["presence"], seen["status_msg"]), ("online", "here"))
        answer = await self.client(TWO, "GET", f"{V3}/sync", token=self.bob)
        senders = [event["sender"] for event in answer["presence"]["events"]]
        self.assertIn(ALICE, senders)

    async def test_many_rooms_and_changes_are_one(self) -> None:
        await self.arrange(rooms=3)
        await self.settle(2)
        self.edus()
        for number in range(3):
            await self.set("online", str(number))
        await self.settle(1)
        (content,) = self.edus_of("m.presence")
        (told,) = content["push"]
        self.assertEqual((told["user_id"], told["status_msg"]), (ALICE, "2"))

    async def test_it_is_repeated_or_else_forgotten(self) -> None:
        await self.arrange()
        await self.set("unavailable")
        await self.settle(1)
        sync = f"{V3}/sync?set_presence=unavailable"
        for _ in range(120):
            await self.client(ONE, "GET", sync, token=self.alice)
            await self.settle(20)
        self.assertEqual((await self.seen())["presence"], "unavailable")
        self.network.cut_off(TWO)
        for _ in range(190):
            await self.settle(10)
        self.assertEqual((await self.seen())["presence"], "offline")

    async def test_a_server_that_is_new_in_a_room_is_told(self) -> None:
        await self.arrange()
        await self.client(ONE, "GET", f"{V3}/sync", token=self.alice)
        await self.settle(2)
        self.edus()
        await self.join(TWO, BOB, await self.create_room())
        await self.settle()
        (content,) = self.edus_of("m.presence")
        self.assertEqual([told["user_id"] for told in content["push"]], [ALICE])

    async def test_who_may_say_so(self) -> None:
        await self.arrange()
        await self.set("online", "me")
        good = {"user_id": BOB, "presence": "online", "last_active_ago": 5}
        refused: tuple[Any, ...] = (
            {**good, "user_id": ALICE, "status_msg": "not me"},
            {**good, "user_id": f"@nobody:{TWO}"},
            {**good, "presence": "dancing"},
            {**good, "presence": None},
            {**good, "user_id": []},
            "nonsense",
        )
        await self.tell("m.presence", {"push": list(refused)})
        await self.tell("m.presence", {"push": {}})
        path = f"{V3}/presence/{{}}/status"
        bob = await self.client(ONE, "GET", path.format(BOB), token=self.alice)
        self.assertEqual(bob, {"presence": "offline"})
        strange = {**good, "last_active_ago": -1, "status_msg": {}, "currently_active": "yes"}
        await self.tell("m.presence", {"push": [*refused, strange]})
        bob = await self.client(ONE, "GET", path.format(BOB), token=self.alice)
        self.assertEqual(bob, {"presence": "online", "currently_active": False})
        alice = await self.client(ONE, "GET", path.format(ALICE), token=self.alice)
        self.assertEqual(alice["status_msg"], "me")
