"""Client API: delayed events (MSC4140)."""

from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from synapse.config.ratelimiting import RateLimit
from synapse.handlers import delayed_events
from synapse.storage.errors import Unavailable
from synapse.storage.stores.delayed_events import DelayedEventStore
from synapse.util.clock import Clock
from tests.rest.rooms import V3, RoomTestCase, bodies, room_path

ALICE = "@alice:test"
UNSTABLE = "/_matrix/client/unstable/org.matrix.msc4140"
DAY_MS = 24 * 3600 * 1000
DELAY = "org.matrix.msc4140.delay"


class DelayedEventTestCase(RoomTestCase):
    async def arrange(self) -> None:
        self.reconfigure(rooms={"max_event_delay_duration_ms": DAY_MS})
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create_public(self.alice)
        await self.join(self.bob, self.room_id)
        self.addCleanup(lambda: self.server.sending.delayed_sending.stop())

    def schedule_path(self, txn_id: str = "t", type: str = "m.room.message") -> str:
        return f"{UNSTABLE}/rooms/{quote(self.room_id)}/delayed_event/{type}/{txn_id}"

    async def schedule(
        self,
        body: str = "later",
        *,
        delay_ms: int = 10_000,
        token: str | None = None,
        txn_id: str | None = None,
    ) -> str:
        self._txns += 1
        content = {"msgtype": "m.text", "body": body}
        answer = await self.ok(
            "PUT",
            self.schedule_path(txn_id or f"delayed{self._txns}"),
            {"delay_ms": delay_ms, "content": content},
            token=token or self.alice,
        )
        self.assertEqual(set(answer), {"delay_id"})
        return str(answer["delay_id"])

    async def schedule_state(self, content: Any, *, delay_ms: int = 10_000) -> str:
        self._txns += 1
        body = {"delay_ms": delay_ms, "state_key": "k", "content": content}
        path = self.schedule_path(f"delayed{self._txns}", "org.example")
        return str((await self.ok("PUT", path, body, token=self.alice))["delay_id"])

    async def manage(self, delay_id: str, action: str) -> None:
        path = f"{UNSTABLE}/delayed_events/{delay_id}/{action}"
        self.assertEqual(await self.ok("POST", path, {}, token=self.alice), {})

    async def lookup(self, delay_id: str) -> Any:
        return await self.ok("GET", f"{UNSTABLE}/delayed_events/{delay_id}", token=self.alice)

    async def listed(self, token: str | None = None) -> list[Any]:
        path = f"{UNSTABLE}/delayed_events"
        answer = await self.ok("GET", path, token=token or self.alice)
        events: list[Any] = answer["delayed_events"]
        return events

    async def pass_time(self, seconds: float) -> None:
        self.advance(seconds)
        await self.finish_background()

    async def sent(self) -> list[str]:
        """The texts of the room's messages, the oldest first."""
        page = await self.messages(self.bob, self.room_id, limit=100)
        return bodies(page["chunk"])[::-1]

    async def restart(self, *, resume: bool = True) -> None:
        """The process dies, and another one goes on."""
        self.server.sending.delayed_sending.stop()
        self.start(self.config)
        if resume:
            await self.server.sending.delayed_sending.resume()


class SendingTests(DelayedEventTestCase):
    async def test_sent_when_the_delay_is_over(self) -> None:
        await self.arrange()
        now_ms = self.clock.now_ms()
        delay_id = await self.schedule()
        await self.pass_time(9.9)
        self.assertEqual(await self.sent(), [])
        await self.pass_time(0.2)
        self.assertEqual(await self.sent(), ["later"])
        found = await self.lookup(delay_id)
        event = (await self.messages(self.alice, self.room_id, limit=1))["chunk"][0]
        self.assertEqual(found["event_id"], event["event_id"])
        self.assertEqual(found["finalised_ts"], now_ms + 10_100)
        self.assertEqual(await self.listed(), [])

    async def test_in_the_order_of_their_times(self) -> None:
        await self.arrange()
        for body, delay_ms in (("third", 30_000), ("first", 10_000), ("second", 20_000)):
            await self.schedule(body, delay_ms=delay_ms)
        await self.pass_time(15)
        self.assertEqual(await self.sent(), ["first"])
        await self.pass_time(20)
        self.assertEqual(await self.sent(), ["first", "second", "third"])

    async def test_more_than_are_sent_at_once(self) -> None:
        await self.arrange()
        texts = [str(n) for n in range(45)]
        for n, text in enumerate(texts):
            await self.schedule(text, delay_ms=10_000 + n)
        await self.pass_time(20)
        self.assertEqual(await self.sent(), texts)

    async def test_state(self) -> None:
        await self.arrange()
        delay_id = await self.schedule_state({"a": 1})
        self.assertEqual((await self.lookup(delay_id))["state_key"], "k")
        await self.pass_time(11)
        content = await self.content(self.bob, self.room_id, "org.example", "k")
        self.assertEqual(content, {"a": 1})

    async def test_newer_state_does_not_cancel_it(self) -> None:
        await self.arrange()
        await self.schedule_state({"a": 1})
        await self.set_state(self.alice, self.room_id, "org.example", {"a": 2}, "k")
        await self.pass_time(11)
        content = await self.content(self.bob, self.room_id, "org.example", "k")
        self.assertEqual(content, {"a": 1})

    async def test_redactions(self) -> None:
        await self.arrange()
        event_id = await self.send(self.alice, self.room_id, "short-lived")
        body = {"delay_ms": 1000, "content": {"redacts": event_id, "reason": "r"}}
        path = self.schedule_path(type="m.room.redaction")
        delay_id = (await self.ok("PUT", path, body, token=self.alice))["delay_id"]
        await self.pass_time(2)
        self.assertEqual(await self.sent(), [])
        newest = (await self.messages(self.alice, self.room_id, limit=1))["chunk"][0]
        self.assertEqual(newest["unsigned"]["org.matrix.msc4140.delay_id"], delay_id)

    async def test_rights_are_those_of_the_moment(self) -> None:
        await self.arrange()
        first = await self.schedule(token=self.bob)
        await self.pass_time(5)
        await self.leave(self.bob, self.room_id)
        await self.pass_time(6)
        path = f"{UNSTABLE}/delayed_events/{first}"
        found = await self.ok("GET", path, token=self.bob)
        self.assertEqual(found["error"]["errcode"], "M_FORBIDDEN")
        self.assertNotIn("event_id", found)
        self.assertIn("finalised_ts", found)

    async def test_a_closed_account_sends_nothing(self) -> None:
        await self.arrange()
        await self.schedule(token=self.bob)
        path = f"{V3}/account/deactivate"
        auth = {"type": "m.login.password", "password": "correct horse"}
        auth["identifier"] = {"type": "m.id.user", "user": "bob"}  # type: ignore[assignment]
        await self.ok("POST", path, {"auth": auth}, token=self.bob)
        await self.pass_time(11)
        page = await self.messages(self.alice, self.room_id, limit=100)
        self.assertEqual(bodies(page["chunk"]), [])
        self.assertEqual(await self.database.fetch("SELECT * FROM delayed_events"), [])

    async def test_the_senders_devices_learn_the_delay_id_and_nobody_else(self) -> None:
        await self.arrange()
        other_device = (await self.login("alice")).json["access_token"]
        since = {
            token: (await self.sync(token))["next_batch"] for token in self.tokens(other_device)
        }
        delay_id = await self.schedule()
        await self.pass_time(11)
        for token, known in ((self.alice, True), (other_device, True), (self.bob, False)):
            wanted = delay_id if known else None
            rooms = (await self.sync(token, since=since[token]))["rooms"]["join"]
            synced = rooms[self.room_id]["timeline"]["events"][-1]
            read = (await self.messages(token, self.room_id, limit=1))["chunk"][0]
            for event in (synced, read):
                self.assertEqual(event["unsigned"].get("org.matrix.msc4140.delay_id"), wanted)
                self.assertNotIn("transaction_id", event["unsigned"])

    def tokens(self, *more: str) -> tuple[str, ...]:
        return (self.alice, self.bob, *more)

    async def test_limits_hold_when_it_is_sent(self) -> None:
        await self.arrange()
        delay_ids = [await self.schedule(str(n), delay_ms=1000 + n) for n in range(3)]
        self.server.sending.delayed_sending.stop()
        self.reconfigure(rate_limits={"rc_message": RateLimit(per_second=0.01, burst_count=2)})
        await self.server.sending.delayed_sending.resume()
        await self.pass_time(11)
        self.assertEqual(await self.sent(), ["0", "1"])
        self.assertEqual((await self.lookup(delay_ids[2]))["error"]["errcode"], "M_LIMIT_EXCEEDED")


class CrashTests(DelayedEventTestCase):
    async def test_what_became_due_meanwhile_is_sent_at_the_next_start(self) -> None:
        await self.arrange()
        await self.schedule("second", delay_ms=20_000)
        await self.schedule("first", delay_ms=10_000)
        await self.schedule("third", delay_ms=3600_000)
        self.server.sending.delayed_sending.stop()
        self.advance(100)
        await self.restart()
        self.assertEqual(await self.sent(), ["first", "second"])
        await self.pass_time(3600)
        self.assertEqual(await self.sent(), ["first", "second", "third"])

    async def test_what_was_sent_but_not_noted_is_not_sent_again(self) -> None:
        await self.arrange()
        for schedule in (self.schedule(), self.schedule_state({"a": 1})):
            delay_id = await schedule
            with patch.object(DelayedEventStore, "finalise", side_effect=RuntimeError("died")):
                await self.pass_time(11)
            self.assertNotIn("finalised_ts", await self.lookup(delay_id))
            newest = (await self.messages(self.alice, self.room_id, limit=1))["chunk"][0]
            await self.restart()
            self.assertEqual((await self.lookup(delay_id))["event_id"], newest["event_id"])
            again = (await self.messages(self.alice, self.room_id, limit=1))["chunk"][0]
            self.assertEqual(again["event_id"], newest["event_id"])

    async def test_state_that_was_sent_but_not_noted_does_not_undo_newer_state(self) -> None:
        await self.arrange()
        delay_id = await self.schedule_state({"a": 1})
        with patch.object(DelayedEventStore, "finalise", side_effect=RuntimeError("died")):
            await self.pass_time(11)
        await self.set_state(self.alice, self.room_id, "org.example", {"a": 2}, "k")
        await self.restart()
        content = await self.content(self.bob, self.room_id, "org.example", "k")
        self.assertEqual(content, {"a": 2})
        self.assertIn("event_id", await self.lookup(delay_id))

    async def test_a_send_before_its_time_that_was_interrupted(self) -> None:
        await self.arrange()
        delay_id = await self.schedule()
        with patch.object(DelayedEventStore, "finalise", side_effect=RuntimeError("died")):
            path = f"{UNSTABLE}/delayed_events/{delay_id}/send"
            answer = await self.fetch("POST", path, {}, token=self.alice)
        self.assertEqual(answer.status, 500)
        await self.restart()
        self.assertEqual(await self.sent(), ["later"])
        await self.pass_time(11)
        self.assertEqual(await self.sent(), ["later"])
        self.assertIn("event_id", await self.lookup(delay_id))

    async def test_two_processes(self) -> None:
        await self.arrange()
        await self.schedule()
        first = self.server
        self.start(self.config)
        await self.server.sending.delayed_sending.resume()
        self.advance(11)
        await first.background.finish()
        await self.finish_background()
        self.assertEqual(await self.sent(), ["later"])
        first.sending.delayed_sending.stop()

    async def test_tried_again_while_the_database_is_away(self) -> None:
        await self.arrange()
        delay_id = await self.schedule()
        with patch.object(
            self.server.sending.delayed_sending._messages, "send", side_effect=Unavailable("gone")
        ):
            await self.pass_time(11)
        self.assertNotIn("finalised_ts", await self.lookup(delay_id))
        await self.pass_time(6)
        self.assertEqual(await self.sent(), ["later"])

    async def test_noted_later_if_that_fails(self) -> None:
        await self.arrange()
        delay_ids = [await self.schedule(str(n), delay_ms=1000 + n) for n in range(3)]
        last = await self.schedule("3")
        with patch.object(DelayedEventStore, "finalise", side_effect=Unavailable("gone")):
            await self.pass_time(2)
            path = f"{UNSTABLE}/delayed_events/{last}/send"
            await self.refused(503, "M_UNKNOWN", "POST", path, {}, token=self.alice)
        await self.pass_time(6)
        for delay_id in (*delay_ids, last):
            self.assertIn("event_id", await self.lookup(delay_id))
        self.assertEqual(sorted(await self.sent()), ["0", "1", "2", "3"])

    async def arrange_policed(self) -> str:
        """The room has a policy server that can't be reached; another room has none."""
        await self.arrange()
        policy = {"via": "test", "public_keys": {"ed25519": "x"}}
        await self.set_state(self.alice, self.room_id, "m.room.policy", policy)
        other = await self.create_public(self.bob)
        await self.join(self.alice, other)
        return other

    async def test_a_policy_server_that_is_away_harms_only_its_room(self) -> None:
        other = await self.arrange_policed()
        refused = await self.schedule()
        self.room_id = other
        await self.schedule()
        await self.pass_time(11)
        self.assertEqual(await self.sent(), ["later"])
        error = (await self.lookup(refused))["error"]
        self.assertEqual(error["error"], "The server test can't be reached")

    async def test_rooms_do_not_wait_for_the_policy_server_of_another_one(self) -> None:
        other = await self.arrange_policed()
        self.network.waits_for = Deferred()
        held = await self.schedule()
        self.room_id = other
        await self.schedule("at the same time")
        await self.schedule("later", delay_ms=12_000)
        for _ in range(500):
            if len(await self.sent()) == 2:
                break
            self.advance(0.1)
            await Clock(reactor).sleep(0.002)  # for the database's threads
        self.assertEqual(await self.sent(), ["at the same time", "later"])
        self.assertNotIn("error", await self.lookup(held))
        self.network.waits_for.callback(None)
        await self.finish_background()
        self.assertIn("error", await self.lookup(held))

    async def test_an_unexpected_fault_harms_only_its_event(self) -> None:
        await self.arrange()
        delay_ids = [await self.schedule(str(n), delay_ms=1000 + n) for n in range(2)]
        send = self.server.sending.delayed_sending._messages.send

        async def fail_first(*args: Any) -> str:
            if args[3]["body"] == "0":
                raise RuntimeError("a fault")
            return await send(*args)

        with patch.object(self.server.sending.delayed_sending._messages, "send", fail_first):
            await self.pass_time(11)
        self.assertEqual(await self.sent(), ["1"])
        error = (await self.lookup(delay_ids[0]))["error"]
        self.assertEqual(error, {"errcode": "M_UNKNOWN", "error": "Internal server error"})


class ManagingTests(DelayedEventTestCase):
    async def test_lists(self) -> None:
        await self.arrange()
        now_ms = self.clock.now_ms()
        late = await self.schedule("late", delay_ms=20_000)
        soon = await self.schedule("soon", delay_ms=10_000)
        found = await self.listed()
        self.assertEqual([event["delay_id"] for event in found], [soon, late])
        wanted = {
            "delay_id": soon,
            "room_id": self.room_id,
            "type": "m.room.message",
            "delay_ms": 10_000,
            "scheduled_at": now_ms,
            "content": {"msgtype": "m.text", "body": "soon"},
        }
        self.assertEqual(found[0], {**wanted, "delay": 10_000, "running_since": now_ms})
        self.assertEqual(await self.listed(self.bob), [])

    async def test_restart(self) -> None:
        await self.arrange()
        delay_id = await self.schedule()
        for _ in range(3):
            await self.pass_time(9)
            await self.manage(delay_id, "restart")
        self.assertEqual((await self.lookup(delay_id))["scheduled_at"], self.clock.now_ms())
        await self.pass_time(9)
        self.assertEqual(await self.sent(), [])
        await self.pass_time(1.1)
        self.assertEqual(await self.sent(), ["later"])

    async def test_cancel(self) -> None:
        await self.arrange()
        delay_id = await self.schedule()
        await self.manage(delay_id, "cancel")
        await self.manage(delay_id, "cancel")
        await self.pass_time(11)
        self.assertEqual(await self.sent(), [])
        found = await self.lookup(delay_id)
        self.assertIn("finalised_ts", found)
        self.assertFalse({"event_id", "error"} & set(found))

    async def test_send(self) -> None:
        await self.arrange()
        delay_id = await self.schedule()
        for _ in range(2):
            await self.manage(delay_id, "send")
        self.assertEqual(await self.sent(), ["later"])
        await self.pass_time(11)
        self.assertEqual(await self.sent(), ["later"])

    async def test_a_send_that_fails_leaves_it_scheduled(self) -> None:
        await self.arrange()
        delay_id = await self.schedule()
        await self.leave(self.alice, self.room_id)
        path = f"{UNSTABLE}/delayed_events/{delay_id}/send"
        await self.refused(403, "M_FORBIDDEN", "POST", path, {}, token=self.alice)
        self.assertEqual([event["delay_id"] for event in await self.listed()], [delay_id])
        await self.join(self.alice, self.room_id)
        await self.pass_time(11)
        self.assertEqual(await self.sent(), ["later"])

    async def test_too_late(self) -> None:
        await self.arrange()
        sent, cancelled = await self.schedule(), await self.schedule()
        await self.manage(sent, "send")
        await self.manage(cancelled, "cancel")
        for delay_id, action in (
            (sent, "cancel"),
            (sent, "restart"),
            (cancelled, "send"),
            (cancelled, "restart"),
        ):
            path = f"{UNSTABLE}/delayed_events/{delay_id}/{action}"
            await self.refused(409, "M_UNKNOWN", "POST", path, {}, token=self.alice)

    async def test_those_of_others_look_like_none(self) -> None:
        await self.arrange()
        delay_id = await self.schedule()
        for path in (f"{UNSTABLE}/delayed_events/{delay_id}", f"{UNSTABLE}/delayed_events/x"):
            await self.refused(404, "M_NOT_FOUND", "GET", path, token=self.bob)
            for action in ("send", "cancel", "restart"):
                await self.refused(
                    404, "M_NOT_FOUND", "POST", f"{path}/{action}", {}, token=self.bob
                )
        self.assertEqual(len(await self.listed()), 1)

    async def test_actions_in_the_body(self) -> None:
        await self.arrange()
        path = f"{UNSTABLE}/delayed_events/{await self.schedule()}"
        await self.refused(400, "M_INVALID_PARAM", "POST", path, {"action": "x"}, token=self.alice)
        await self.refused(400, "M_INVALID_PARAM", "POST", path + "/x", {}, token=self.alice)
        await self.ok("POST", path, {"action": "send"}, token=self.alice)
        self.assertEqual(await self.sent(), ["later"])

    async def test_finalised_ones_are_forgotten_after_a_week(self) -> None:
        await self.arrange()
        delay_id, scheduled = await self.schedule(), await self.schedule(delay_ms=DAY_MS)
        await self.manage(delay_id, "cancel")
        self.server.sending.delayed_sending.stop()
        self.advance(7 * 24 * 3600)
        await self.server.sending.delayed_sending.forget_finalised()
        await self.lookup(delay_id)
        self.advance(1)
        await self.server.sending.delayed_sending.forget_finalised()
        path = f"{UNSTABLE}/delayed_events/{delay_id}"
        await self.refused(404, "M_NOT_FOUND", "GET", path, token=self.alice)
        await self.lookup(scheduled)

    async def test_rate_limit(self) -> None:
        await self.arrange()
        delay_id = await self.schedule()
        limit = RateLimit(per_second=0.1, burst_count=1)
        self.reconfigure(rate_limits={"rc_delayed_event_mgmt": limit})
        await self.manage(delay_id, "restart")
        path = f"{UNSTABLE}/delayed_events/{delay_id}"
        for method, more in (("GET", ""), ("POST", "/cancel")):
            await self.refused(429, "M_LIMIT_EXCEEDED", method, path + more, {}, token=self.alice)


class SchedulingTests(DelayedEventTestCase):
    async def test_the_same_transaction_id_schedules_one_event(self) -> None:
        await self.arrange()
        first = await self.schedule(txn_id="same")
        self.assertEqual(await self.schedule(txn_id="same"), first)
        await self.restart()
        self.assertEqual(await self.schedule(txn_id="same"), first)
        self.assertNotEqual(await self.schedule(txn_id="same", token=self.bob), first)
        await self.pass_time(11)
        self.assertEqual(await self.schedule(txn_id="same"), first)
        self.assertEqual(await self.sent(), ["later", "later"])

    async def test_in_the_query_of_send_and_state(self) -> None:
        await self.arrange()
        for rest, content in (
            (f"/send/m.room.message/t?{DELAY}=1000", {"body": "later"}),
            (f"/state/m.room.name?{DELAY}=1000", {"name": "later"}),
            (f"/state/org.example/k?{DELAY}=1000", {"a": 1}),
        ):
            answer = await self.ok("PUT", room_path(self.room_id, rest), content, token=self.alice)
            self.assertEqual(set(answer), {"delay_id"})
        await self.pass_time(1.5)
        self.assertEqual(await self.sent(), ["later"])
        for type, key, content in (
            ("m.room.name", "", {"name": "later"}),
            ("org.example", "k", {"a": 1}),
        ):
            self.assertEqual(await self.content(self.bob, self.room_id, type, key), content)

    async def test_too_long_a_delay(self) -> None:
        await self.arrange()
        body = {"delay_ms": DAY_MS + 1, "content": {}}
        await self.refused(403, "M_FORBIDDEN", "PUT", self.schedule_path(), body, token=self.alice)
        path = room_path(self.room_id, f"/send/m.room.message/t?{DELAY}={DAY_MS + 1}")
        answer = await self.refused(400, "M_UNKNOWN", "PUT", path, {}, token=self.alice)
        self.assertEqual(answer.json["org.matrix.msc4140.errcode"], "M_MAX_DELAY_EXCEEDED")
        self.assertEqual(answer.json["org.matrix.msc4140.max_delay"], DAY_MS)
        await self.schedule(delay_ms=DAY_MS)

    async def test_not_configured(self) -> None:
        await self.arrange()
        self.reconfigure(rooms={"max_event_delay_duration_ms": None})
        body = {"delay_ms": 1, "content": {}}
        await self.refused(403, "M_FORBIDDEN", "PUT", self.schedule_path(), body, token=self.alice)
        self.assertEqual(await self.listed(), [])

    async def test_what_cannot_be_scheduled(self) -> None:
        await self.arrange()
        message, topic = self.schedule_path(), self.schedule_path(type="m.room.topic")
        create = self.schedule_path(type="m.room.create")
        good = {"delay_ms": 1000, "content": {}}
        for path, body, status, errcode in (
            (message, {**good, "delay_ms": 0}, 400, "M_INVALID_PARAM"),
            (message, {**good, "delay_ms": -1}, 400, "M_INVALID_PARAM"),
            (message, {**good, "delay_ms": "1"}, 400, "M_BAD_JSON"),
            (message, {"content": {}}, 400, "M_MISSING_PARAM"),
            (message, {"delay_ms": 1}, 400, "M_MISSING_PARAM"),
            (message, {**good, "content": 7}, 400, "M_BAD_JSON"),
            (message, {**good, "content": {"a": 1.5}}, 400, "M_BAD_JSON"),
            (message, {**good, "content": {"a": "x" * 66_000}}, 413, "M_TOO_LARGE"),
            (topic, {**good, "state_key": "x" * 256}, 400, "M_INVALID_PARAM"),
            (topic, {**good, "state_key": "a\0b"}, 400, "M_INVALID_PARAM"),
            (create, {**good, "state_key": ""}, 403, "M_FORBIDDEN"),
        ):
            answer = await self.refused(status, errcode, "PUT", path, body, token=self.alice)
            self.assertNotIn("delay_id", answer.json)
        self.assertEqual(await self.listed(), [])

    async def test_only_in_rooms_that_one_is_in(self) -> None:
        await self.arrange()
        await self.leave(self.bob, self.room_id)
        body = {"delay_ms": 1000, "content": {}}
        for room_id in (self.room_id, "!unknown:test"):
            self.room_id = room_id
            await self.refused(
                403, "M_FORBIDDEN", "PUT", self.schedule_path(), body, token=self.bob
            )

    async def test_guests(self) -> None:
        await self.arrange()
        await self.set_state(
            self.alice, self.room_id, "m.room.guest_access", {"guest_access": "can_join"}
        )
        _, guest = await self.guest()
        await self.join(guest, self.room_id)
        await self.schedule(token=guest)
        self.assertEqual(len(await self.listed(guest)), 1)

    async def test_a_user_has_so_many_at_a_time(self) -> None:
        await self.arrange()
        with patch.object(delayed_events, "MAX_SCHEDULED", 2):
            first = await self.schedule(delay_ms=10_000, txn_id="first")
            await self.schedule(delay_ms=20_000)
            body = {"delay_ms": 1000, "content": {}}
            answer = await self.refused(
                429, "M_LIMIT_EXCEEDED", "PUT", self.schedule_path(), body, token=self.alice
            )
            self.assertEqual(answer.headers["retry-after"], "10")
            self.assertEqual(await self.schedule(txn_id="first"), first)
            await self.schedule(token=self.bob)
            await self.manage(first, "cancel")
            await self.schedule()

    async def test_what_the_server_says_of_it(self) -> None:
        for max_delay_ms in (None, DAY_MS):
            self.reconfigure(rooms={"max_event_delay_duration_ms": max_delay_ms})
            features = (await self.fetch("GET", "/_matrix/client/versions")).json
            is_on = features["unstable_features"]["org.matrix.msc4140"]
            self.assertEqual(is_on, max_delay_ms is not None)
            token = await self.register(f"user{max_delay_ms}")
            answer = await self.ok("GET", f"{V3}/capabilities", token=token)
            found = answer["capabilities"].get("org.matrix.msc4140.delayed_events")
            wanted = {"max_delay_ms": DAY_MS, "max_scheduled": 100}
            self.assertEqual(found, wanted if max_delay_ms else None)
