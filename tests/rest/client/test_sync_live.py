"""Client API: /sync that waits, and what it tells of the moment: receipts, typing, account data."""

from typing import Any

from twisted.internet import reactor

from synapse.app.wiring import Server
from synapse.rooms.writer import Draft
from synapse.util.clock import Clock
from tests.http.client import Connection
from tests.rest.base import KEY, AtOnce
from tests.rest.client.test_sync import ALICE, ALWAYS, BOB, SyncTestCase, joined, timeline
from tests.rest.rooms import V3, ids, room_path, sync_path


class LongPollTests(SyncTestCase):
    def poll(self, token: str, since: str, timeout: int = 30_000, **query: Any) -> Connection:
        path = sync_path(since=since, timeout=timeout, **query)
        return self.site.start("GET", path, token=token)

    async def arrange(self) -> tuple[str, str]:
        """The room, and bob's newest token."""
        await self.people()
        room_id = await self.shared_room()
        return room_id, (await self.sync(self.bob))["next_batch"]

    async def test_answers_as_soon_as_there_is_news(self) -> None:
        room_id, since = await self.arrange()
        waiting = self.poll(self.bob, since)
        self.assertEqual(waiting.sent, b"")
        sent = await self.send(self.alice, room_id)
        answer = await waiting.answered()
        self.assertEqual(ids(timeline(answer.json, room_id)), [sent])

    async def test_what_is_committed_with_what_wakes_is_not_missed(self) -> None:
        """An answer that was made between the two would have a token that covers both."""
        room_id, since = await self.arrange()
        waiting = self.poll(self.bob, since)
        path = f"{V3}/user/{BOB}/account_data/x"
        self.site.start("PUT", path, {}, token=self.bob)
        sent = await self.send(self.alice, room_id)
        answer = (await waiting.answered()).json
        if "rooms" not in answer:  # what wakes was committed before, or it covers too much
            answer = await self.sync(self.bob, since=answer["next_batch"])
        self.assertEqual(ids(timeline(answer, room_id)), [sent])

    async def test_what_another_process_did_is_not_waited_for_without_end(self) -> None:
        room_id, _ = await self.arrange()
        other = Server(self.config, self.open(), self.clock, AtOnce(), KEY)
        for membership in ("leave", "join"):
            content = {"membership": membership}
            await other.rooms.writer.send(room_id, Draft("m.room.member", BOB, content, BOB))
        waiting = self.site.start("GET", sync_path(full_state="true"), token=self.bob)
        for _ in range(20):
            await Clock(reactor).sleep(0.01)
            self.advance(1)
        self.assertNotEqual(waiting.sent, b"")

    async def test_answers_when_time_is_up(self) -> None:
        _, since = await self.arrange()
        waiting = self.poll(self.bob, since, 5_000)
        self.advance(4.9)
        self.assertEqual(waiting.sent, b"")
        self.advance(0.2)
        answer = await waiting.answered()
        self.assertEqual((answer.status, set(answer.json)), (200, ALWAYS))

    async def test_answers_at_once_if_there_is_news_already(self) -> None:
        room_id, since = await self.arrange()
        await self.send(self.alice, room_id)
        answer = await self.poll(self.bob, since).answered()
        self.assertEqual(len(timeline(answer.json, room_id)), 1)

    async def test_first_sync_does_not_wait(self) -> None:
        token = await self.register("alice")
        nothing = '{"account_data": {"types": []}, "presence": {"types": []}}'
        answer = await self.sync(token, timeout=30_000, filter=nothing)
        self.assertEqual(set(answer), ALWAYS)

    async def test_full_state_does_not_wait(self) -> None:
        room_id, since = await self.arrange()
        answer = await self.poll(self.bob, since, full_state="true").answered()
        self.assertIn(room_id, answer.json["rooms"]["join"])

    async def test_everything_that_wakes(self) -> None:
        room_id, since = await self.arrange()
        event_id = await self.send(self.alice, room_id)
        invited = await self.create(self.alice)
        joinable = await self.create_public(self.alice)
        news: list[tuple[str, str, str, Any]] = [
            (self.alice, "POST", room_path(invited, "/invite"), {"user_id": BOB}),
            (self.bob, "POST", room_path(invited, "/leave"), {}),
            (self.bob, "POST", room_path(joinable, "/join"), {}),
            (self.alice, "PUT", room_path(room_id, f"/typing/{ALICE}"), {"typing": True}),
            (self.alice, "POST", room_path(room_id, f"/receipt/m.read/{event_id}"), {}),
            (self.bob, "POST", room_path(room_id, "/read_markers"), {"m.fully_read": event_id}),
            (self.bob, "PUT", f"{V3}/user/{BOB}/account_data/x", {}),
            (self.bob, "PUT", f"{V3}/user/{BOB}/rooms/{room_id}/account_data/x", {}),
            (self.alice, "POST", room_path(joinable, "/kick"), {"user_id": BOB}),
        ]
        since = (await self.sync(self.bob, since=since))["next_batch"]
        for token, method, path, body in news:
            waiting = self.poll(self.bob, since)
            self.assertEqual(waiting.sent, b"", path)
            await self.ok(method, path, body, token=token)
            answer = (await waiting.answered()).json
            self.assertGreater(len(answer), 1, path)
            since = answer["next_batch"]

    async def test_others_news_do_not_wake(self) -> None:
        room_id, since = await self.arrange()
        event_id = await self.send(self.alice, room_id)
        elsewhere = await self.create(self.alice)
        since = (await self.sync(self.bob, since=since))["next_batch"]
        waiting = self.poll(self.bob, since)
        await self.send(self.alice, elsewhere)
        await self.ok("PUT", f"{V3}/user/{ALICE}/account_data/x", {}, token=self.alice)
        path = room_path(room_id, f"/receipt/m.read.private/{event_id}")
        await self.ok("POST", path, {}, token=self.alice)
        await self.ok(
            "PUT", room_path(elsewhere, f"/typing/{ALICE}"), {"typing": True}, token=self.alice
        )
        self.assertEqual(waiting.sent, b"")
        self.advance(31)
        self.assertEqual(set((await waiting.answered()).json), ALWAYS)

    async def test_waits_on_when_the_filter_lets_nothing_through(self) -> None:
        room_id, since = await self.arrange()
        filter = '{"room":{"timeline":{"types":["x"]},"state":{"types":[]}}}'
        waiting = self.poll(self.bob, since, filter=filter)
        await self.send(self.alice, room_id)
        self.assertEqual(waiting.sent, b"")
        await self.send_event(self.alice, room_id, "x", {})
        answer = (await waiting.answered()).json
        self.assertEqual([e["type"] for e in timeline(answer, room_id)], ["x"])

    async def test_a_client_that_went_away_is_not_waited_for(self) -> None:
        room_id, since = await self.arrange()
        waiting = self.poll(self.bob, since)
        waiting.hang_up()
        await self.send(self.alice, room_id)
        answer = await self.sync(self.bob, since=since)
        self.assertEqual(len(timeline(answer, room_id)), 1)

    async def test_many_waiting_clients_are_told_the_same(self) -> None:
        room_id, since = await self.arrange()
        waiting = [self.poll(self.bob, since) for _ in range(5)]
        sent = await self.send(self.alice, room_id)
        for connection in waiting:
            answer = (await connection.answered()).json
            self.assertEqual(ids(timeline(answer, room_id)), [sent])


class TypingInSyncTests(SyncTestCase):
    async def type(self, token: str, room_id: str, user: str, **body: Any) -> None:
        await self.ok("PUT", room_path(room_id, f"/typing/{user}"), body, token=token)

    async def typing_now(self, token: str, room_id: str, since: str) -> tuple[Any, str]:
        """Who types, or None if a sync does not tell; and the next token."""
        answer = await self.sync(token, since=since)
        room = answer.get("rooms", {}).get("join", {}).get(room_id)
        if room is None:
            return None, answer["next_batch"]
        (event,) = room["ephemeral"]["events"]
        self.assertEqual(event["type"], "m.typing")
        return event["content"]["user_ids"], answer["next_batch"]

    async def test_start_stop_and_time_out(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        since = (await self.sync(self.bob))["next_batch"]
        await self.type(self.alice, room_id, ALICE, typing=True, timeout=10_000)
        users, since = await self.typing_now(self.bob, room_id, since)
        self.assertEqual(users, [ALICE])
        await self.type(self.alice, room_id, ALICE, typing=True, timeout=10_000)
        users, since = await self.typing_now(self.bob, room_id, since)
        self.assertIsNone(users)
        await self.type(self.alice, room_id, ALICE, typing=False)
        users, since = await self.typing_now(self.bob, room_id, since)
        self.assertEqual(users, [])
        await self.type(self.alice, room_id, ALICE, typing=True, timeout=10_000)
        await self.type(self.bob, room_id, BOB, typing=True, timeout=20_000)
        users, since = await self.typing_now(self.bob, room_id, since)
        self.assertEqual(users, [ALICE, BOB])
        self.advance(11)
        users, since = await self.typing_now(self.bob, room_id, since)
        self.assertEqual(users, [BOB])

    async def test_first_sync_tells_who_types(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.type(self.alice, room_id, ALICE, typing=True)
        (event,) = joined(await self.sync(self.bob), room_id)["ephemeral"]["events"]
        self.assertEqual(event, {"type": "m.typing", "content": {"user_ids": [ALICE]}})


class ReceiptsInSyncTests(SyncTestCase):
    async def receipts(self, token: str, room_id: str, **query: Any) -> Any:
        """event id → type → user → data"""
        answer = await self.sync(token, **query)
        room = answer.get("rooms", {}).get("join", {}).get(room_id, {"ephemeral": {"events": []}})
        events = [e for e in room["ephemeral"]["events"] if e["type"] == "m.receipt"]
        return events[0]["content"] if events else {}

    async def read(self, token: str, room_id: str, type: str, event_id: str, **body: Any) -> None:
        await self.ok("POST", room_path(room_id, f"/receipt/{type}/{event_id}"), body, token=token)

    async def test_public_and_private(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        event_id = await self.send(self.alice, room_id)
        since = (await self.sync(self.alice))["next_batch"]
        bobs = (await self.sync(self.bob))["next_batch"]
        await self.read(self.bob, room_id, "m.read", event_id)
        await self.read(self.bob, room_id, "m.read.private", event_id)
        for query in ({"since": since}, {}):
            receipts = await self.receipts(self.alice, room_id, **query)
            self.assertEqual(list(receipts[event_id]), ["m.read"])
            self.assertIn("ts", receipts[event_id]["m.read"][BOB])
        for query in ({"since": bobs}, {}):
            receipts = await self.receipts(self.bob, room_id, **query)
            self.assertEqual(set(receipts[event_id]), {"m.read", "m.read.private"})

    async def test_only_the_newest_of_a_user(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        first, second = await self.send(self.alice, room_id), await self.send(self.alice, room_id)
        since = (await self.sync(self.alice))["next_batch"]
        await self.read(self.bob, room_id, "m.read", first)
        await self.read(self.bob, room_id, "m.read", second)
        await self.read(self.bob, room_id, "m.read", first)  # backwards: has no effect
        for query in ({"since": since}, {}):
            receipts = await self.receipts(self.alice, room_id, **query)
            self.assertEqual(list(receipts), [second])

    async def test_threads_apart(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        events = [await self.send(self.alice, room_id) for _ in range(3)]
        for event_id, thread in zip(events, ("main", events[1], None), strict=True):
            body = {} if thread is None else {"thread_id": thread}
            await self.read(self.bob, room_id, "m.read", event_id, **body)
        receipts = await self.receipts(self.alice, room_id)
        threads = [receipts[e]["m.read"][BOB].get("thread_id") for e in events]
        self.assertEqual(threads, ["main", events[1], None])

    async def test_after_a_restart(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        event_id = await self.send(self.alice, room_id)
        since = (await self.sync(self.alice))["next_batch"]
        await self.read(self.bob, room_id, "m.read", event_id)
        self.start(self.config)
        receipts = await self.receipts(self.alice, room_id, since=since)
        self.assertEqual(list(receipts), [event_id])


class AccountDataInSyncTests(SyncTestCase):
    async def test_global_and_of_rooms(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        since = (await self.sync(self.bob))["next_batch"]
        await self.ok("PUT", f"{V3}/user/{BOB}/account_data/x", {"n": 1}, token=self.bob)
        path = f"{V3}/user/{BOB}/rooms/{room_id}/account_data/y"
        await self.ok("PUT", path, {"n": 2}, token=self.bob)
        for query in ({"since": since}, {}):
            answer = await self.sync(self.bob, **query)
            self.assertIn({"type": "x", "content": {"n": 1}}, answer["account_data"]["events"])
            room = joined(answer, room_id)
            self.assertEqual(room["account_data"]["events"], [{"type": "y", "content": {"n": 2}}])
        self.assertNotIn("rooms", await self.sync(self.alice, since=since))

    async def test_read_marker(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        event_id = await self.send(self.alice, room_id)
        path = room_path(room_id, "/read_markers")
        await self.ok("POST", path, {"m.fully_read": event_id}, token=self.bob)
        (event,) = joined(await self.sync(self.bob), room_id)["account_data"]["events"]
        self.assertEqual(event, {"type": "m.fully_read", "content": {"event_id": event_id}})

    async def test_of_a_room_that_is_joined_again(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        path = f"{V3}/user/{BOB}/rooms/{room_id}/account_data/y"
        await self.ok("PUT", path, {"n": 2}, token=self.bob)
        await self.leave(self.bob, room_id)
        since = (await self.sync(self.bob))["next_batch"]
        await self.join(self.bob, room_id)
        room = joined(await self.sync(self.bob, since=since), room_id)
        self.assertEqual(room["account_data"]["events"], [{"type": "y", "content": {"n": 2}}])
