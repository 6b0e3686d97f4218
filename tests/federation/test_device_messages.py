"""Messages to devices between servers: each arrives once, whatever happens, and no others do."""

import random
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from synapse.federation.errors import RemoteError
from synapse.handlers.device_messages import MAX_MESSAGE_BYTES
from synapse.storage.errors import Unavailable
from synapse.storage.stores import device_messages
from tests.federation.servers import Link, key_of
from tests.federation.test_sending import ALICE, BOB, MINUTE_S, ONE, TWO, SendingTestCase
from tests.rest.base import PASSWORD

V3 = "/_matrix/client/v3"
EDU = "m.direct_to_device"


def texts(answer: Any) -> list[str]:
    """What the messages of a sync's answer say."""
    events = answer.get("to_device", {"events": []})["events"]
    return [event["content"]["text"] for event in events]


class DeviceMessageTestCase(SendingTestCase):
    """Alice writes to Bob's devices on another server."""

    async def arrange(self, rooms: int = 0) -> None:
        for name in self.names:
            self.add_server(name)
        await self.start_sending()
        self.alice = await self.register(ONE, "alice")
        await self.register(TWO, "bob")
        self.b1, self.b2 = await self.log_in("B1"), await self.log_in("B2")
        self.count = 0

    async def log_in(self, device_id: str) -> str:
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "bob"},
            "password": PASSWORD,
            "device_id": device_id,
        }
        return str((await self.client(TWO, "POST", f"{V3}/login", body))["access_token"])

    async def tell(self, *contents: str, device_id: str = "B1", txn_id: str = "") -> None:
        """Send a message for each of these."""
        for text in contents:
            await self.put_messages({BOB: {device_id: {"text": text}}}, txn_id)

    async def put_messages(self, messages: Any, txn_id: str = "") -> None:
        self.count += 1
        path = f"{V3}/sendToDevice/org.example.hello/{txn_id or self.count}"
        await self.client(ONE, "PUT", path, {"messages": messages}, token=self.alice)

    async def heard(self, *tokens: str) -> list[str]:  # type: ignore[override]
        """What a device of Bob's has been sent."""
        (token,) = tokens or (self.b1,)
        return texts(await self.client(TWO, "GET", f"{V3}/sync", token=token))

    def edus(self) -> list[dict[str, Any]]:
        """The EDUs that have arrived, and forget them."""
        found = [
            edu["content"]
            for _, _, transaction in self.network.transactions
            for edu in transaction.get("edus", ())
            if edu["edu_type"] == EDU
        ]
        self.network.transactions.clear()
        return found

    async def waiting(self) -> int:
        ((count,),) = await self.servers[ONE].database.fetch("SELECT count(*) FROM outbox")
        return int(count)


class SendingMessagesTests(DeviceMessageTestCase):
    async def test_they_arrive(self) -> None:
        await self.arrange()
        await self.put_messages({BOB: {"B1": {"text": "one"}, "*": {"text": "all"}}})
        await self.settle()
        self.assertEqual(await self.heard(), ["one"])
        self.assertEqual(await self.heard(self.b2), ["all"])
        answer = await self.client(TWO, "GET", f"{V3}/sync", token=self.b1)
        event = {"content": {"text": "one"}, "sender": ALICE, "type": "org.example.hello"}
        self.assertEqual(answer["to_device"]["events"], [event])
        (edu,) = self.edus()
        self.assertLessEqual(len(edu["message_id"]), 32)
        self.assertEqual(await self.waiting(), 0)

    async def test_they_wake_who_waits(self) -> None:
        await self.arrange()
        answer = await self.client(TWO, "GET", f"{V3}/sync", token=self.b1)
        path = f"{V3}/sync?since={answer['next_batch']}&timeout=30000"
        waiting = self.network.sites[TWO].start("GET", path, token=self.b1)
        await self.tell("hello")
        await self.settle()
        self.assertEqual(texts((await waiting.answered()).json), ["hello"])

    async def test_a_repeated_request_sends_nothing(self) -> None:
        await self.arrange()
        for _ in range(2):
            await self.tell("once", txn_id="same")
        await self.settle()
        self.assertEqual(await self.heard(), ["once"])
        self.assertEqual(len(self.edus()), 1)

    async def test_an_outage_and_restarts_lose_and_double_nothing(self) -> None:
        for crash in (False, True):
            self.network.sites.clear()
            self.network.transactions.clear()
            await self.arrange()
            await self.tell("before")
            await self.settle()
            self.network.cut_off(TWO)
            await self.tell("1", "2")
            await self.go_on(7)
            await self.tell("3")
            await self.stop_server(ONE, crash=crash)
            await self.tell("4")
            self.network.heal()
            await self.start_server(ONE).federation.sending.start()
            await self.settle(MINUTE_S)
            self.assertEqual(await self.heard(), ["before"])
            await self.settle(10 * MINUTE_S)
            self.assertEqual(await self.heard(), ["before", "1", "2", "3", "4"])
            self.assertEqual(await self.waiting(), 0)

    async def test_an_answer_that_is_lost_doubles_nothing(self) -> None:
        """Not even if the server that sends it again has been restarted."""
        await self.arrange()

        self.network.tampers["/send/"] = lose
        await self.tell("once")
        await self.settle()
        self.assertEqual(await self.heard(), ["once"])
        self.assertEqual(await self.waiting(), 1)
        await self.stop_server(ONE, crash=True)
        self.network.tampers.clear()
        await self.start_server(ONE).federation.sending.start()
        await self.settle()
        first, *again = self.edus()
        self.assertEqual({edu["message_id"] for edu in again}, {first["message_id"]})
        self.assertEqual(await self.heard(), ["once"])
        self.assertEqual(await self.waiting(), 0)

    async def test_what_does_not_fit_into_one_edu_goes_in_several(self) -> None:
        await self.arrange()
        devices = [f"D{number}" for number in range(10)]
        tokens = [await self.log_in(device_id) for device_id in devices]
        text = "x" * 20_000
        await self.put_messages({BOB: {device_id: {"text": text} for device_id in devices}})
        await self.put_messages({BOB: {"B1": {"text": "y" * (MAX_MESSAGE_BYTES - 100)}}})
        await self.settle()
        for token in tokens:
            self.assertEqual(await self.heard(token), [text])
        self.assertEqual(len(await self.heard()), 1)
        self.assertEqual(len(self.edus()), 6)

    async def test_servers_with_which_we_do_not_talk(self) -> None:
        sections: tuple[Any, ...] = (
            {"federation_domain_whitelist": ("three.test",)},
            {"federation_domain_blacklist": (TWO,)},
        )
        for section in sections:
            self.network.sites.clear()
            config = self.config(ONE)
            self.add_server(ONE, federation=replace(config.federation, **section))
            self.alice = await self.register(ONE, "alice")
            self.count = 0
            await self.tell("hello")
            self.assertEqual(await self.waiting(), 0)

    async def test_keys_come_before_the_events_that_need_them(self) -> None:
        await self.arrange()
        room_id = await self.create_room()
        await self.join(TWO, BOB, room_id)
        self.network.cut_off(TWO)
        await self.say("first", room_id)  # and will be tried again as it is
        await self.say("encrypted", room_id)
        await self.tell("key")
        await self.settle()
        self.network.heal()
        await self.settle(1)
        (_, _, last) = self.network.transactions[-1]
        self.assertEqual((len(last["pdus"]), len(last["edus"])), (1, 1))
        database = self.servers[TWO].database
        ((message,),) = await database.fetch("SELECT stream FROM inbox")
        ((event,),) = await database.fetch("SELECT max(event_nid) FROM events")
        self.assertLess(message, event)


class RandomWalkTests(DeviceMessageTestCase):
    """Links are cut, servers stop and crash, answers are lost."""

    async def test_each_message_arrives_once_and_in_order(self) -> None:
        for seed in range(4):
            self.network.sites.clear()
            await self.arrange()
            await self.walk(random.Random(seed))

    async def walk(self, rng: random.Random) -> None:
        since, heard, sent = "", list[str](), 0
        for _ in range(60):
            action = rng.choice([*["send"] * 4, "cut", "heal", "crash", "lose", "sync", "wait"])
            if action == "send":
                count = rng.choice([1, 2, 60])
                await self.tell(*map(str, range(sent, sent + count)))
                sent += count
            elif action == "cut":
                self.network.cut_off(TWO)
            elif action == "heal":
                self.network.heal()
                self.network.tampers.clear()
            elif action == "crash":
                name = rng.choice([ONE, TWO])
                await self.stop_server(name, crash=rng.random() < 0.5)
                await self.start_server(name).federation.sending.start()
            elif action == "lose":
                self.network.tampers["/send/"] = lose
            elif action == "sync":
                since = await self.sync_on(since, heard)
            await self.settle(rng.choice([0, 0, 1, MINUTE_S]))
        self.network.heal()
        self.network.tampers.clear()
        for _ in range(20):
            await self.settle(60 * MINUTE_S)
            since = await self.sync_on(since, heard)
        self.assertEqual(heard, list(map(str, range(sent))))
        self.assertEqual(await self.waiting(), 0)

    async def sync_on(self, since: str, heard: list[str]) -> str:
        path = f"{V3}/sync?since={since}" if since else f"{V3}/sync"
        answer = await self.client(TWO, "GET", path, token=self.b1)
        heard += texts(answer)
        return str(answer["next_batch"])


class HeardMessagesTests(DeviceMessageTestCase):
    """What a server says to Bob's."""

    async def say_edus(self, *contents: Any, origin: str = ONE, edu_type: Any = EDU) -> None:
        self.said = getattr(self, "said", 0) + 1
        await Link(self.network, origin, key_of(origin)).request(
            TWO,
            "PUT",
            f"/_matrix/federation/v1/send/txn{self.said}",
            json={
                "origin": origin,
                "origin_server_ts": self.clock.now_ms(),
                "pdus": [],
                "edus": [{"edu_type": edu_type, "content": content} for content in contents],
            },
        )

    def edu(self, text: str = "hello", **more: Any) -> dict[str, Any]:
        return {
            "sender": ALICE,
            "type": "org.example.hello",
            "message_id": text,
            "messages": {BOB: {"B1": {"text": text}}},
            **more,
        }

    async def test_each_is_taken_once(self) -> None:
        await self.arrange()
        await self.say_edus(self.edu("a"), self.edu("b"), self.edu("a"))
        await self.say_edus(self.edu("b"), self.edu("c"))
        # The answer says that they are there.
        self.assertEqual(await self.heard(), ["a", "b", "c"])
        self.add_server("three.test")
        other = self.edu("d", message_id="a", sender="@carol:three.test")
        await self.say_edus(other, origin="three.test")
        self.assertEqual(await self.heard(), ["a", "b", "c", "d"])
        await self.stop_server(TWO, crash=True)
        self.start_server(TWO)
        await self.say_edus(self.edu("a"))
        self.assertEqual(await self.heard(), ["a", "b", "c", "d"])

    async def test_what_makes_no_sense_is_left_out(self) -> None:
        await self.arrange()
        good = self.edu("good")
        bad: list[Any] = [
            *({**good, "message_id": f"m{n}", "sender": one} for n, one in enumerate(NO_TEXT)),
            *({**good, "message_id": f"n{n}", "type": one} for n, one in enumerate(NO_TEXT)),
            *({**good, "message_id": one} for one in NO_TEXT),
            *({**good, "message_id": f"o{n}", "messages": one} for n, one in enumerate(BAD)),
            *({**good, "message_id": f"p{n}", "messages": {BOB: one}} for n, one in enumerate(BAD)),
            *(
                {**good, "message_id": f"q{n}", "messages": {BOB: {"B1": one}}}
                for n, one in enumerate(NO_TEXT)
            ),
            {**good, "message_id": "l", "sender": "alice"},
            {**good, "message_id": "r", "sender": BOB},
            {**good, "message_id": "s", "sender": "@carol:three.test"},
            {**good, "message_id": "t", "messages": {f"@bob:{ONE}": {"B1": {"text": "no"}}}},
            {**good, "message_id": "u", "messages": {f"@nobody:{TWO}": {"*": {"text": "no"}}}},
            {**good, "message_id": "v", "messages": {BOB: {"B9": {"text": "no"}}}},
            {**good, "message_id": "w", "messages": {BOB: {"B1": {"text": "x" * 100_000}}}},
            {**good, "message_id": "x", "messages": {BOB: {f"D{n}": {} for n in range(2_000)}}},
            {},
            *BAD,
        ]
        for start in range(0, len(bad), 99):
            await self.say_edus(*bad[start : start + 99], self.edu(f"good {start}"))
        await self.say_edus(good, edu_type=None)
        await self.say_edus(good, edu_type=[EDU])
        self.assertEqual(await self.heard(), ["good 0"])

    async def test_one_bad_device_harms_no_other(self) -> None:
        await self.arrange()
        messages = {BOB: {"B1": "text", "B2": {"text": "fine"}}, "bob": {}, f"@x:{TWO}": []}
        await self.say_edus(self.edu(messages=messages))
        self.assertEqual(await self.heard(self.b2), ["fine"])

    async def test_too_many_at_once(self) -> None:
        await self.arrange()
        messages = {BOB: {"*": {"text": "all"}}}
        with patch.object(device_messages, "_MOST_MESSAGES", 1):
            await self.say_edus(self.edu("many", messages=messages), self.edu("one"))
        self.assertEqual(await self.heard(), ["one"])

    async def test_if_the_database_is_away_it_is_asked_to_come_again(self) -> None:
        await self.arrange()
        await self.say_edus(self.edu("early"))
        database, faults = self.servers[TWO].database, [Unavailable("away")]
        write = database.write

        async def fail_once(*args: Any) -> Any:
            if faults:
                raise faults.pop()
            return await write(*args)

        with (
            patch.object(database, "write", fail_once),
            self.assertRaises(RemoteError) as caught,
        ):
            await self.say_edus(self.edu("late"))
        self.assertEqual(caught.exception.status, 503)
        await self.say_edus(self.edu("late"))
        self.assertEqual(await self.heard(), ["early", "late"])


def lose(answer: Any) -> Any:
    raise RemoteError(TWO, 504, "M_UNKNOWN", "Too late")


NO_TEXT: tuple[Any, ...] = (None, True, 7, "\0", "x" * 300, [], ["x"])
BAD: tuple[Any, ...] = (*NO_TEXT, "text", {"x": 1}, {"": []})
