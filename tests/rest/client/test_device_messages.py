"""Client API: messages to devices, and how syncs deliver them."""

import random
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred, gatherResults

from synapse.storage.stores import device_messages, inbox
from synapse.storage.stores.boxes import BoxTable
from synapse.streams import inboxes
from tests.http.client import Connection
from tests.rest.base import PASSWORD
from tests.rest.client.sliding import SlidingTestCase, sliding_path
from tests.rest.client.test_account import password_stage
from tests.rest.rooms import V3, sync_path

ALICE, BOB, CAROL = "@alice:test", "@bob:test", "@carol:test"


def texts(answer: Any) -> list[str]:
    """What the messages of a sync's answer say."""
    events = answer.get("to_device", {"events": []})["events"]
    return [event["content"]["text"] for event in events]


class DeviceMessageTestCase(SlidingTestCase):
    async def arrange(self) -> None:
        """Alice, and Bob with two devices."""
        self.count = 0
        self.alice = await self.register("alice", device_id="A")
        self.bob = await self.register("bob", device_id="B1")
        self.bobs_other = await self.another("B2")

    async def another(self, device_id: str, user: str = "bob") -> str:
        return str((await self.login(user, device_id=device_id)).json["access_token"])

    async def tell(
        self,
        text: str = "hello",
        device_id: str = "B1",
        *,
        user_id: str = BOB,
        txn_id: str | None = None,
        token: str | None = None,
    ) -> None:
        await self.put_messages(
            {user_id: {device_id: {"text": text}}}, txn_id=txn_id, token=token or self.alice
        )

    async def put_messages(
        self, messages: Any, *, txn_id: str | None = None, token: str | None = None
    ) -> None:
        self.count += 1
        path = to_device_path(txn_id or f"t{self.count}")
        await self.ok("PUT", path, {"messages": messages}, token=token or self.alice)

    def body(self, **config: Any) -> Any:
        return {"extensions": {"to_device": {"enabled": True, **config}}}

    async def slide(self, token: str, pos: str | None = None, **config: Any) -> tuple[str, Any]:
        """The `pos` and the extension's part of an answer."""
        answer = await self.sliding(token, pos, **self.body(**config))
        return answer["pos"], answer["extensions"]["to_device"]

    async def stored(self) -> int:
        ((count,),) = await self.database.fetch("SELECT count(*) FROM inbox")
        return int(count)


def to_device_path(txn_id: str, type: str = "org.example.hello") -> str:
    return f"{V3}/sendToDevice/{type}/{txn_id}"


class SendingTests(DeviceMessageTestCase):
    async def test_a_message_reaches_the_device_it_is_for(self) -> None:
        await self.arrange()
        await self.put_messages({BOB: {"B1": {"text": "hello"}}, ALICE: {"A": {"text": "self"}}})
        answer = await self.sync(self.bob)
        event = {"content": {"text": "hello"}, "sender": ALICE, "type": "org.example.hello"}
        self.assertEqual(answer["to_device"], {"events": [event]})
        self.assertEqual(texts(await self.sync(self.alice)), ["self"])
        self.assertNotIn("to_device", await self.sync(self.bobs_other))

    async def test_all_devices(self) -> None:
        await self.arrange()
        await self.put_messages({BOB: {"*": {"text": "all"}, "B2": {"text": "but you"}}})
        await self.tell("mine", "*", user_id=ALICE)
        self.assertEqual(texts(await self.sync(self.bob)), ["all"])
        self.assertEqual(texts(await self.sync(self.bobs_other)), ["but you"])
        self.assertEqual(texts(await self.sync(self.alice)), ["mine"])

    async def test_who_does_not_exist_is_ignored(self) -> None:
        await self.arrange()
        messages: Any = {BOB: {"B9": {}, "\0": {}, "": {}}, CAROL: {"*": {}, "C": {}}, ALICE: {}}
        await self.put_messages(messages)
        self.assertEqual(await self.stored(), 0)
        self.assertNotIn("to_device", await self.sync(self.bob))

    async def test_a_repeated_transaction_sends_nothing(self) -> None:
        await self.arrange()
        for restarts in (False, True):
            if restarts:
                self.start(self.config)
            await self.tell("once", txn_id="same")
        # Whatever it holds: the endpoint and the device are the scope.
        path = to_device_path("same", type="org.example.other")
        await self.ok("PUT", path, {"messages": {BOB: {"B1": {}}}}, token=self.alice)
        self.assertEqual(texts(await self.sync(self.bob)), ["once"])
        # Another device's is another one.
        await self.tell("also", txn_id="same", token=self.bobs_other)
        self.assertEqual(texts(await self.sync(self.bob)), ["once", "also"])

    async def test_repeated_while_it_is_under_way(self) -> None:
        await self.arrange()
        tries = [Deferred.fromCoroutine(self.tell("once", txn_id="same")) for _ in range(5)]
        await gatherResults(tries)
        self.assertEqual(texts(await self.sync(self.bob)), ["once"])

    async def test_ids_are_forgotten_after_a_while(self) -> None:
        await self.arrange()
        await self.tell("once", txn_id="same")
        store = self.server.streams.device_message_store
        await store.forget_ids(self.clock.now_ms())
        await self.tell("once", txn_id="same")
        self.assertEqual(len(texts(await self.sync(self.bob))), 1)
        await store.forget_ids(self.clock.now_ms() + 1)
        await self.tell("once", txn_id="same")
        self.assertEqual(len(texts(await self.sync(self.bob))), 2)

    async def test_guests_may_send(self) -> None:
        await self.arrange()
        await self.tell("from a guest", token=(await self.guest())[1])
        self.assertEqual(texts(await self.sync(self.bob)), ["from a guest"])

    async def test_what_is_refused(self) -> None:
        await self.arrange()
        large = {"text": "x" * 64 * 1024}
        refused: list[tuple[int, str, Any]] = [
            (400, "M_MISSING_PARAM", {}),
            (400, "M_BAD_JSON", {"messages": []}),
            (400, "M_BAD_JSON", {"messages": {BOB: []}}),
            (400, "M_BAD_JSON", {"messages": {BOB: {"B1": "text"}}}),
            (400, "M_INVALID_PARAM", {"messages": {"bob": {"B1": {}}}}),
            (400, "M_INVALID_PARAM", {"messages": {"@bob": {"B1": {}}}}),
            (400, "M_BAD_JSON", {"messages": {"@x:elsewhere": {"X": {"a": 1.5}}}}),
            (413, "M_TOO_LARGE", {"messages": {BOB: {"B1": large}}}),
            (413, "M_TOO_LARGE", {"messages": {"@x:elsewhere": {"X": large}}}),
            (413, "M_TOO_LARGE", {"messages": {BOB: {f"D{n}": {} for n in range(2_000)}}}),
            (413, "M_TOO_LARGE", {"messages": {f"@u{n}:test": {} for n in range(2_001)}}),
        ]
        for status, errcode, body in refused:
            await self.refused(status, errcode, "PUT", to_device_path("t"), body, token=self.alice)
        for path in (to_device_path("t" * 256), to_device_path("t", "x" * 256)):
            body = {"messages": {BOB: {"B1": {}}}}
            await self.refused(400, "M_INVALID_PARAM", "PUT", path, body, token=self.alice)
        self.assertEqual(await self.stored(), 0)
        # Here, numbers may be what JSON lets them be.
        await self.put_messages({BOB: {"B1": {"text": 1.5}}})

    async def test_too_many_at_once(self) -> None:
        await self.arrange()
        for name, limit in (("_MOST_MESSAGES", 1), ("_MOST_BYTES", 150)):
            with patch.object(device_messages, name, limit):
                body = {"messages": {BOB: {"*": {"text": "hello"}}}}
                path = to_device_path("t")
                await self.refused(413, "M_TOO_LARGE", "PUT", path, body, token=self.alice)
                await self.tell("few")
        # The transaction id counts as not used.
        await self.ok("PUT", path, body, token=self.alice)
        self.assertEqual(texts(await self.sync(self.bob)), ["few", "few", "hello"])

    async def test_many_recipients(self) -> None:
        await self.arrange()
        devices = [await self.another(f"D{number}") for number in range(30)]
        messages = {f"D{number}": {"text": str(number)} for number in range(400)}
        await self.put_messages({BOB: messages})
        for number, token in enumerate(devices):
            self.assertEqual(texts(await self.sync(token)), [str(number)])


class DeliveryTests(DeviceMessageTestCase):
    async def test_what_is_confirmed_is_told_no_more(self) -> None:
        await self.arrange()
        before = (await self.sync(self.bob))["next_batch"]
        await self.tell("one")
        first = await self.sync(self.bob, since=before)
        self.assertEqual(texts(first), ["one"])
        await self.tell("two")
        # The answer may have been lost.
        self.assertEqual(texts(await self.sync(self.bob, since=before)), ["one", "two"])
        second = await self.sync(self.bob, since=first["next_batch"])
        self.assertEqual(texts(second), ["two"])
        self.assertEqual(await self.stored(), 1)
        # What was confirmed is gone for whatever token, also after a restart.
        for restarts in (False, True):
            if restarts:
                self.start(self.config)
            for query in ({}, {"since": before}, {"since": first["next_batch"]}):
                self.assertEqual(texts(await self.sync(self.bob, **query)), ["two"])
        third = await self.sync(self.bob, since=second["next_batch"])
        self.assertNotIn("to_device", third)
        self.assertEqual(await self.stored(), 0)
        self.assertNotIn("to_device", await self.sync(self.bob))

    async def test_a_hundred_at_a_time(self) -> None:
        await self.arrange()
        expected = [str(number) for number in range(250)]
        for text in expected:
            await self.tell(text)
        found: list[str] = []
        query: dict[str, Any] = {}
        for more in (100, 100, 50):
            # Also one that waits is answered at once.
            answer = await self.site.start(
                "GET", sync_path(timeout=30_000, **query), token=self.bob
            ).answered()
            self.assertEqual(len(texts(answer.json)), more)
            found += texts(answer.json)
            if more == 100:
                self.assertIn("_d", answer.json["next_batch"])
                await self.tell("late" + str(len(found)), "B2")
            query = {"since": answer.json["next_batch"]}
        self.assertEqual(found, expected)
        self.assertNotIn("to_device", await self.sync(self.bob, **query))
        self.assertEqual(await self.stored(), 2)

    async def test_other_news_come_beside_a_long_queue(self) -> None:
        await self.arrange()
        for number in range(101):
            await self.tell(str(number))
        room_id = await self.create_public(self.alice)
        await self.join(self.bob, room_id)
        first = await self.sync(self.bob)
        self.assertIn(room_id, first["rooms"]["join"])
        second = await self.sync(self.bob, since=first["next_batch"])
        self.assertEqual(texts(second), ["100"])
        self.assertNotIn("rooms", second)
        sent = await self.send(self.alice, room_id)
        third = await self.sync(self.bob, since=first["next_batch"])
        timeline = third["rooms"]["join"][room_id]["timeline"]["events"]
        self.assertEqual([event["event_id"] for event in timeline], [sent])

    async def test_what_is_deleted_with_a_device(self) -> None:
        await self.arrange()
        paths = {"B1": f"{V3}/logout", "B2": f"{V3}/logout/all"}
        for device_id, path in paths.items():
            token = await self.another(device_id)
            await self.tell("for the old one", device_id)
            await self.tell("sent", "A", user_id=ALICE, txn_id="same", token=token)
            await self.ok("POST", path, {}, token=token)
            token = await self.another(device_id)
            self.assertNotIn("to_device", await self.sync(token))
            await self.tell("sent again", "A", user_id=ALICE, txn_id="same", token=token)
        answer = await self.sync(self.alice)
        self.assertEqual(texts(answer), ["sent", "sent again"] * 2)
        await self.sync(self.alice, since=answer["next_batch"])
        self.assertEqual(await self.stored(), 0)

    async def test_what_is_deleted_with_an_account(self) -> None:
        await self.arrange()
        await self.tell(device_id="*")
        stage = {"auth": password_stage("bob", PASSWORD)}
        await self.ok("POST", f"{V3}/account/deactivate", stage, token=self.bob)
        self.assertEqual(await self.stored(), 0)

    async def test_an_inbox_that_nobody_empties_is_bounded(self) -> None:
        await self.arrange()
        for most, most_bytes, expected in ((3, 10_000, ["7", "8", "9"]), (9, 150, ["8", "9"])):
            small = BoxTable("inbox", "device_nid", "event", most, most_bytes)
            with patch.object(inbox, "INBOX", small), patch.object(inboxes, "_TRIM_CHANCE", 1):
                for number in range(10):
                    await self.tell(str(number))
                await self.finish_background()
            self.assertEqual(texts(await self.sync(self.bob)), expected)

    async def test_a_device_without_messages_costs_no_sql(self) -> None:
        await self.arrange()
        since = (await self.sync(self.bob))["next_batch"]
        await self.tell(device_id="B2")
        before = sum(timing.count for timing in self.database.timings.values())
        for _ in range(3):
            await self.sync(self.bob, since=since)
        after = sum(timing.count for timing in self.database.timings.values())
        self.assertEqual(after, before)

    async def test_tokens_from_the_future_confirm_nothing(self) -> None:
        """Clients have them after a backup was restored."""
        await self.arrange()
        await self.tell("one")
        answer = await self.sync(self.bob, since="s999999999999999999_0")
        self.assertEqual(texts(answer), ["one"])
        _, part = await self.slide(self.bob, since="s999999999999999999_0")
        self.assertEqual(texts({"to_device": part}), ["one"])
        await self.tell("two")
        answer = await self.sync(self.bob, since=answer["next_batch"])
        self.assertEqual(texts(answer), ["two"])
        await self.sync(self.bob, since=answer["next_batch"])
        self.assertEqual(await self.stored(), 0)

    async def test_whoever_sends_and_syncs_at_random_gets_each_message_once(self) -> None:
        """Two syncs of a device run at once, answers are lost, and the server restarts."""
        for seed in range(5):
            await self.play(random.Random(seed), f"user{seed}")

    async def play(self, rng: random.Random, name: str) -> None:
        self.count = 0
        token = await self.register(name, device_id="D")
        sender = await self.register(name + "s", device_id="S")
        sent: list[str] = []
        heard: list[str] = []
        since: str | None = None
        for step in range(60):
            action = rng.choice(
                ["send", "send", "burst", "sync", "sync", "lost", "both", "restart"]
            )
            query: dict[str, Any] = {} if since is None else {"since": since}
            if action == "restart":
                self.start(self.config)
            elif action in ("send", "burst"):
                for number in range(1 if action == "send" else rng.randint(1, 70)):
                    sent.append(f"{step}-{number}")
                    user_id = f"@{name}:test"
                    await self.tell(sent[-1], "D", user_id=user_id, token=sender)
            elif action == "both":
                asked = [Deferred.fromCoroutine(self.sync(token, **query)) for _ in range(2)]
                answers = await gatherResults(asked)
                heard += texts(answers[0])
                since = answers[0]["next_batch"]
            else:
                answer = await self.sync(token, **query)
                if action == "sync":
                    heard += texts(answer)
                    since = answer["next_batch"]
        for _ in range(20):
            answer = await self.sync(token, **({} if since is None else {"since": since}))
            heard += texts(answer)
            since = answer["next_batch"]
        self.assertEqual(heard, sent)
        self.assertEqual(await self.stored(), 0)


class WakingTests(DeviceMessageTestCase):
    async def poll(self, token: str) -> Connection:
        since = (await self.sync(token))["next_batch"]
        return self.site.start("GET", sync_path(since=since, timeout=30_000), token=token)

    async def test_only_the_device_that_it_is_for_is_woken(self) -> None:
        await self.arrange()
        waiting, other = await self.poll(self.bob), await self.poll(self.bobs_other)
        await self.tell()
        self.assertEqual(texts((await waiting.answered()).json), ["hello"])
        self.assertEqual(other.sent, b"")
        await self.tell("hello you", "*")
        self.assertEqual(texts((await other.answered()).json), ["hello you"])

    async def test_two_syncs_of_one_device(self) -> None:
        await self.arrange()
        waiting = [await self.poll(self.bob), await self.poll(self.bob)]
        await self.tell()
        answers = [(await one.answered()).json for one in waiting]
        self.assertEqual([texts(answer) for answer in answers], [["hello"]] * 2)
        for answer in answers:
            again = await self.sync(self.bob, since=answer["next_batch"])
            self.assertNotIn("to_device", again)
        self.assertNotIn("to_device", await self.sync(self.bob))

    async def test_what_was_deleted_does_not_wake(self) -> None:
        await self.arrange()
        waiting = await self.poll(self.bob)
        await self.tell(device_id="B9")
        self.assertEqual(waiting.sent, b"")
        self.advance(31)
        self.assertNotIn("to_device", (await waiting.answered()).json)


class SlidingSyncTests(DeviceMessageTestCase):
    async def test_messages_are_confirmed_by_a_token_of_their_own(self) -> None:
        await self.arrange()
        await self.tell("one")
        pos, first = await self.slide(self.bob)
        self.assertEqual(texts({"to_device": first}), ["one"])
        # Without it, nothing is confirmed.
        for again in (pos, None):
            _, part = await self.slide(self.bob, again)
            self.assertEqual(texts({"to_device": part}), ["one"])
        await self.tell("two")
        pos, second = await self.slide(self.bob, since=first["next_batch"])
        self.assertEqual(texts({"to_device": second}), ["two"])
        self.assertEqual(await self.stored(), 1)
        _, third = await self.slide(self.bob, pos, since=second["next_batch"])
        self.assertEqual(third["events"], [])
        self.assertEqual(await self.stored(), 0)
        # What was confirmed is gone for whatever token.
        for since in (None, first["next_batch"]):
            _, part = await self.slide(self.bob, since=since)
            self.assertEqual(part["events"], [])

    async def test_the_client_says_how_many(self) -> None:
        await self.arrange()
        for number in range(105):
            await self.tell(str(number))
        since: str | None = None
        found: list[str] = []
        for limit, expected in ((2, 2), (1_000, 100), (1, 1), (5, 2), (5, 0)):
            _, part = await self.slide(self.bob, since=since, limit=limit)
            self.assertEqual(len(part["events"]), expected)
            found += texts({"to_device": part})
            since = part["next_batch"]
        self.assertEqual(found, [str(number) for number in range(105)])

    async def test_it_wakes_who_wants_messages(self) -> None:
        await self.arrange()
        pos, part = await self.slide(self.bob)
        plain = (await self.sliding(self.bob, conn_id="x"))["pos"]
        path, body = sliding_path(pos, 30_000), self.body(since=part["next_batch"])
        waiting = self.site.start("POST", path, body, token=self.bob)
        other = self.site.start(
            "POST", sliding_path(plain, 30_000), {"conn_id": "x"}, token=self.bob
        )
        await self.tell()
        answer = (await waiting.answered()).json
        self.assertEqual(texts(answer["extensions"]), ["hello"])
        self.assertEqual(other.sent, b"")
        self.advance(31)
        await other.answered()

    async def test_tokens_that_are_none(self) -> None:
        await self.arrange()
        for config in ({"since": "x"}, {"since": "t1"}, {"limit": 0}):
            path, body = sliding_path(), self.body(**config)
            await self.refused(400, "M_INVALID_PARAM", "POST", path, body, token=self.bob)
        _, part = await self.slide(self.bob, since="")
        self.assertEqual(part["events"], [])
