"""Client API: sending and redacting events."""

from typing import Any

from tests.rest.rooms import RoomTestCase, bodies, room_path

ALICE, BOB = "@alice:test", "@bob:test"


class SendTestCase(RoomTestCase):
    async def arrange(self, **body: Any) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create_public(self.alice, **body)
        await self.join(self.bob, self.room_id)

    def path(self, rest: str) -> str:
        return room_path(self.room_id, rest)


class SendTests(SendTestCase):
    async def test_event_format(self) -> None:
        await self.arrange()
        content = {"msgtype": "m.text", "body": "hi", "n": [1, None, {"a": True}]}
        event_id = await self.send_event(self.alice, self.room_id, "m.room.message", content)
        self.advance(3)
        event = await self.ok("GET", self.path(f"/event/{event_id}"), token=self.bob)
        self.assertEqual(
            event,
            {
                "content": content,
                "event_id": event_id,
                "origin_server_ts": 1_700_000_000_000,
                "room_id": self.room_id,
                "sender": ALICE,
                "type": "m.room.message",
                "unsigned": {"age": 3000, "membership": "join"},
            },
        )

    async def test_repeated_requests_send_one_event(self) -> None:
        await self.arrange()
        path = self.path("/send/m.room.message/t1")
        first = await self.ok("PUT", path, {"body": "1"}, token=self.alice)
        self.assertEqual(await self.ok("PUT", path, {"body": "2"}, token=self.alice), first)
        self.start(self.config)
        self.assertEqual(await self.ok("PUT", path, {"body": "3"}, token=self.alice), first)
        page = await self.messages(self.alice, self.room_id, limit=100)
        self.assertEqual(bodies(page["chunk"]), ["1"])

    async def test_transaction_ids_belong_to_device_and_room(self) -> None:
        await self.arrange()
        other_device = (await self.login("alice")).json["access_token"]
        other_room = await self.create(self.alice)
        rest = "/send/m.room.message/t1"
        sent = {
            (await self.ok("PUT", room_path(room, rest), {"body": ""}, token=token))["event_id"]
            for token, room in (
                (self.alice, self.room_id),
                (self.bob, self.room_id),
                (other_device, self.room_id),
                (self.alice, other_room),
            )
        }
        self.assertEqual(len(sent), 4)

    async def test_overlapping_repetitions_send_one_event(self) -> None:
        await self.arrange()
        path = self.path("/send/m.room.message/t1")
        connections = [
            self.site.start("PUT", path, {"body": str(n)}, token=self.alice) for n in range(5)
        ]
        answers = [(await connection.answered()).json["event_id"] for connection in connections]
        self.assertEqual(len(set(answers)), 1)

    async def test_a_refused_transaction_can_be_tried_again(self) -> None:
        await self.arrange()
        path = self.path("/send/m.room.message/t1")
        await self.leave(self.bob, self.room_id)
        await self.refused(403, "M_FORBIDDEN", "PUT", path, {"body": ""}, token=self.bob)
        await self.join(self.bob, self.room_id)
        await self.ok("PUT", path, {"body": ""}, token=self.bob)

    async def test_limits(self) -> None:
        await self.arrange()
        for path, content, status, errcode in (
            ("/send/m.room.message/t", {"body": "x" * 65_536}, 413, "M_TOO_LARGE"),
            (f"/send/{'x' * 256}/t", {}, 413, "M_TOO_LARGE"),
            (f"/send/x/{'t' * 256}", {}, 400, "M_INVALID_PARAM"),
            ("/send/x/t", {"n": 2**53}, 400, "M_BAD_JSON"),
            ("/send/x/t", {"n": -(2**53)}, 400, "M_BAD_JSON"),
            ("/send/x/t", {"n": 1.5}, 400, "M_BAD_JSON"),
            ("/send/m.room.create/t", {}, 403, "M_FORBIDDEN"),
            ("/send/m.room.member/t", {"membership": "join"}, 403, "M_FORBIDDEN"),
        ):
            answer = await self.fetch("PUT", self.path(path), content, token=self.alice)
            self.assertEqual((answer.status, answer.json["errcode"]), (status, errcode), path[:50])

    async def test_old_rooms_take_any_number(self) -> None:
        await self.arrange(room_version="5")
        content = {"float": 1.5, "large": 2**60}
        event_id = await self.send_event(self.alice, self.room_id, "x", content)
        event = await self.ok("GET", self.path(f"/event/{event_id}"), token=self.bob)
        self.assertEqual(event["content"], content)

    async def test_power_levels_hold(self) -> None:
        await self.arrange(power_level_content_override={"events": {"x": 50}, "events_default": 0})
        await self.send(self.bob, self.room_id)
        await self.refused(403, "M_FORBIDDEN", "PUT", self.path("/send/x/t"), {}, token=self.bob)
        await self.send_event(self.alice, self.room_id, "x", {})

    async def test_rate_limit(self) -> None:
        await self.arrange()
        limit = type(self.config.rate_limits.rc_message)(per_second=1, burst_count=2)
        self.reconfigure(rate_limits={"rc_message": limit})
        for _ in range(2):
            await self.send(self.alice, self.room_id)
        path = self.path("/send/m.room.message/late")
        answer = await self.refused(
            429, "M_LIMIT_EXCEEDED", "PUT", path, {"body": ""}, token=self.alice
        )
        self.assertGreater(answer.json["retry_after_ms"], 0)
        self.assertIn("retry-after", answer.headers)
        # What was sent already is answered nevertheless.
        sent = self.path(f"/send/m.room.message/txn{self._txns}")
        await self.ok("PUT", sent, {"body": ""}, token=self.alice)
        self.advance(2)
        await self.ok("PUT", path, {"body": ""}, token=self.alice)


class RedactTests(SendTestCase):
    async def test_who_redacts_what(self) -> None:
        await self.arrange()
        carol = await self.register("carol")
        for sender, redacter, status in (
            (self.bob, self.bob, 200),
            (self.bob, self.alice, 200),
            (self.alice, self.bob, 403),
            (self.alice, carol, 403),
        ):
            event_id = await self.send(sender, self.room_id, "secret", key="value")
            path = self.path(f"/redact/{event_id}/t{event_id}")
            answer = await self.fetch("PUT", path, {"reason": "spam"}, token=redacter)
            self.assertEqual(answer.status, status, str(answer))
            event = await self.ok("GET", self.path(f"/event/{event_id}"), token=self.alice)
            self.assertEqual(event["content"] == {}, status == 200)
            if status == 200:
                because = event["unsigned"]["redacted_because"]
                self.assertEqual(because["event_id"], answer.json["event_id"])
                self.assertEqual(because["content"]["reason"], "spam")

    async def test_redaction_stays_after_a_restart(self) -> None:
        await self.arrange()
        event_id = await self.send(self.bob, self.room_id, "secret")
        await self.redact(self.bob, self.room_id, event_id)
        for _ in range(2):
            event = await self.ok("GET", self.path(f"/event/{event_id}"), token=self.alice)
            self.assertEqual(event["content"], {})
            self.assertIn("redacted_because", event["unsigned"])
            self.start(self.config)

    async def test_the_last_redaction_is_told_of(self) -> None:
        await self.arrange()
        event_id = await self.send(self.bob, self.room_id, "secret")
        paths = [self.path(f"/redact/{event_id}/t{n}") for n in range(3)]
        await self.ok("PUT", paths[0], {}, token=self.bob)
        sent = [self.site.start("PUT", path, {}, token=self.alice) for path in paths[1:]]
        last = [(await connection.answered()).json["event_id"] for connection in sent][-1]
        for _ in range(2):
            event = await self.ok("GET", self.path(f"/event/{event_id}"), token=self.alice)
            self.assertEqual(event["unsigned"]["redacted_because"]["event_id"], last)
            self.start(self.config)

    async def test_repeated_redactions_are_one(self) -> None:
        await self.arrange()
        event_id = await self.send(self.bob, self.room_id)
        path = self.path(f"/redact/{event_id}/t1")
        first = await self.ok("PUT", path, {}, token=self.bob)
        self.assertEqual(await self.ok("PUT", path, {}, token=self.bob), first)

    async def test_transaction_ids_are_not_those_of_messages(self) -> None:
        await self.arrange()
        sent = await self.ok(
            "PUT", self.path("/send/m.room.message/t1"), {"body": ""}, token=self.bob
        )
        path = self.path(f"/redact/{sent['event_id']}/t1")
        redaction = await self.ok("PUT", path, {}, token=self.bob)
        self.assertNotEqual(redaction, sent)
        page = await self.messages(self.bob, self.room_id, limit=2)
        txn_ids = [event["unsigned"]["transaction_id"] for event in page["chunk"]]
        self.assertEqual(txn_ids, ["t1", "t1"])

    async def test_what_cannot_be_redacted(self) -> None:
        await self.arrange()
        state = await self.state(self.alice, self.room_id)
        create = state["m.room.create", ""]["event_id"]
        elsewhere = await self.send(self.alice, await self.create(self.alice))
        for event_id, status, errcode in (
            (create, 403, "M_FORBIDDEN"),
            (elsewhere, 404, "M_NOT_FOUND"),
            ("$unknown", 404, "M_NOT_FOUND"),
        ):
            await self.refused(
                status, errcode, "PUT", self.path(f"/redact/{event_id}/t"), {}, token=self.alice
            )

    async def test_outsiders_do_not_learn_which_events_exist(self) -> None:
        await self.arrange()
        carol = await self.register("carol")
        event_id = await self.send(self.alice, self.room_id)
        answers = [
            (await self.fetch("PUT", self.path(f"/redact/{event}/t"), {}, token=carol)).json
            for event in (event_id, "$unknown")
        ]
        self.assertEqual(answers[0], answers[1])

    async def test_redacting_with_send(self) -> None:
        await self.arrange()
        event_id = await self.send(self.bob, self.room_id)
        path = self.path("/send/m.room.redaction/t")
        await self.refused(400, "M_MISSING_PARAM", "PUT", path, {}, token=self.bob)
        await self.refused(400, "M_INVALID_PARAM", "PUT", path, {"redacts": "x"}, token=self.bob)
        await self.ok("PUT", path, {"redacts": event_id}, token=self.bob)
        event = await self.ok("GET", self.path(f"/event/{event_id}"), token=self.alice)
        self.assertEqual(event["content"], {})

    async def test_redacted_state_still_stands(self) -> None:
        await self.arrange()
        event_id = await self.set_state(self.alice, self.room_id, "m.room.name", {"name": "x"})
        await self.redact(self.alice, self.room_id, event_id)
        self.assertEqual(await self.content(self.bob, self.room_id, "m.room.name"), {})

    async def test_redacted_state_still_tells_what_it_replaced(self) -> None:
        await self.arrange()
        names = [
            await self.set_state(self.alice, self.room_id, "m.room.name", {"name": name})
            for name in ("first", "second", "third")
        ]
        for redacted in (names[2], names[1], names[2]):
            await self.redact(self.alice, self.room_id, redacted)
        for _ in range(2):
            for event_id, before, content in zip(
                names[1:], names[:2], ({"name": "first"}, {}), strict=True
            ):
                event = await self.ok("GET", self.path(f"/event/{event_id}"), token=self.alice)
                unsigned = event["unsigned"]
                self.assertEqual(unsigned["replaces_state"], before)
                self.assertEqual(unsigned["prev_content"], content)
                self.assertEqual(unsigned["redacted_because"]["redacts"], event_id)
            self.start(self.config)

    async def test_the_reason_of_a_redacted_redaction_is_gone(self) -> None:
        for version in ("10", "12"):
            await self.arrange_version(version)
            event_id = await self.send(self.bob, self.room_id)
            path = self.path(f"/redact/{event_id}/t")
            body = {"reason": "an insult"}
            redaction = (await self.ok("PUT", path, body, token=self.alice))["event_id"]
            await self.redact(self.alice, self.room_id, redaction)
            for _ in range(2):
                event = await self.ok("GET", self.path(f"/event/{event_id}"), token=self.bob)
                because = event["unsigned"]["redacted_because"]
                self.assertEqual(because["event_id"], redaction)
                self.assertNotIn("reason", because["content"])
                self.start(self.config)

    async def arrange_version(self, version: str) -> None:
        if not hasattr(self, "alice"):
            await self.arrange()
        self.room_id = await self.create_public(self.alice, room_version=version)
        await self.join(self.bob, self.room_id)
