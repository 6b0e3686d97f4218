"""Client API: kicks and bans that take away what the user said (MSC4293)."""

from typing import Any
from unittest.mock import patch

from synapse.rooms import sender_redactions
from synapse.rooms.writer import Draft
from tests.rest.rooms import RoomTestCase, room_path

ALICE, BOB, CAROL = "@alice:test", "@bob:test", "@carol:test"
FLAG = "org.matrix.msc4293.redact_events"


class RemovalRedactionsTests(RoomTestCase):
    async def arrange(self, **body: Any) -> None:
        if not hasattr(self, "alice"):
            self.alice, self.bob = await self.register("alice"), await self.register("bob")
            self.carol = await self.register("carol")
        self.room_id = await self.create_public(self.alice, **body)
        await self.join(self.bob, self.room_id)

    async def remove(self, action: str, token: str | None = None, **body: Any) -> None:
        content = {"user_id": BOB, "reason": "spam", FLAG: True, **body}
        path = room_path(self.room_id, f"/{action}")
        await self.ok("POST", path, content, token=token or self.alice)

    async def event(self, event_id: str) -> Any:
        path = room_path(self.room_id, f"/event/{event_id}")
        return await self.ok("GET", path, token=self.alice)

    async def redacted(self, *event_ids: str) -> list[bool]:
        events = [await self.event(event_id) for event_id in event_ids]
        for event in events:
            self.assertEqual(event["content"] == {}, "redacted_because" in event["unsigned"])
        return [event["content"] == {} for event in events]

    async def test_what_the_user_said_since_they_came_is_gone(self) -> None:
        for version, action in (("1", "ban"), ("11", "kick"), ("12", "ban")):
            with self.subTest(version=version, action=action):
                await self.arrange(room_version=version)
                before = await self.send(self.bob, self.room_id, "before")
                await self.leave(self.bob, self.room_id)
                await self.join(self.bob, self.room_id)
                others = await self.send(self.alice, self.room_id)
                spam = [await self.send(self.bob, self.room_id, "spam") for _ in range(3)]
                await self.remove(action)
                self.assertEqual(await self.redacted(before, others), [False, False])
                self.assertEqual(await self.redacted(*spam), [True] * 3)
                because = (await self.event(spam[0]))["unsigned"]["redacted_because"]
                self.assertEqual((because["type"], because["sender"]), ("m.room.member", ALICE))
                self.assertEqual(because["content"]["reason"], "spam")
                self.assertIs(because["content"][FLAG], True)
                page = await self.messages(self.alice, self.room_id)
                self.assertEqual(page["chunk"][0]["event_id"], because["event_id"])
        self.start(self.config)
        self.assertEqual(await self.redacted(before, *spam), [False, True, True, True])

    async def test_a_new_name_is_no_new_membership(self) -> None:
        await self.arrange()
        spam = [await self.send(self.bob, self.room_id)]
        name = {"membership": "join", "displayname": "Bobby"}
        await self.set_state(self.bob, self.room_id, "m.room.member", name, BOB)
        spam.append(await self.send(self.bob, self.room_id))
        await self.remove("ban")
        self.assertEqual(await self.redacted(*spam), [True, True])

    async def test_a_long_history(self) -> None:
        await self.arrange()
        spam = []
        for _ in range(5):
            spam.append(await self.send(self.bob, self.room_id))
            await self.send(self.alice, self.room_id)
        with patch.object(sender_redactions, "_WINDOW", 3):
            await self.remove("ban")
        self.assertEqual(await self.redacted(*spam), [True] * 5)

    async def test_sent_as_state(self) -> None:
        await self.arrange()
        spam = await self.send(self.bob, self.room_id)
        content = {"membership": "ban", FLAG: True}
        await self.set_state(self.alice, self.room_id, "m.room.member", content, BOB)
        self.assertEqual(await self.redacted(spam), [True])

    async def test_what_takes_nothing_away(self) -> None:
        contents: tuple[dict[str, Any], ...] = (
            {"membership": "ban"},
            {"membership": "ban", FLAG: False},
            {"membership": "ban", FLAG: "true"},
        )
        for content in contents:
            await self.arrange()
            spam = await self.send(self.bob, self.room_id)
            await self.set_state(self.alice, self.room_id, "m.room.member", content, BOB)
            # What was said before a removal that spared it stays for good.
            await self.remove("ban")
            self.assertEqual(await self.redacted(spam), [False], content)
        await self.arrange()
        own = await self.send(self.bob, self.room_id)
        content = {"membership": "leave", FLAG: True}
        await self.set_state(self.bob, self.room_id, "m.room.member", content, BOB)
        self.assertEqual(await self.redacted(own), [False])

    async def test_a_repeated_request_finds_the_rest(self) -> None:
        await self.arrange()
        spam = await self.send(self.bob, self.room_id)
        # The first one ended with the server, between the ban and the rest.
        content = {"membership": "ban", FLAG: True}
        await self.server.rooms.writer.send(
            self.room_id, Draft("m.room.member", ALICE, content, BOB)
        )
        self.assertEqual(await self.redacted(spam), [False])
        await self.remove("ban")
        self.assertEqual(await self.redacted(spam), [True])

    async def test_moderators_who_may_not_redact(self) -> None:
        more: tuple[dict[str, Any], ...] = (
            {"redact": 60},
            {"events": {"m.room.redaction": 60}},
        )
        for levels in more:
            await self.arrange(
                room_version="11",
                power_level_content_override={"users": {ALICE: 100, CAROL: 50}, **levels},
            )
            await self.join(self.carol, self.room_id)
            spam = await self.send(self.bob, self.room_id)
            await self.remove("ban", self.carol)
            self.assertEqual(await self.redacted(spam), [False], levels)

    async def test_what_makes_the_room_stays(self) -> None:
        acl = {"allow": ["*"]}
        await self.arrange(power_level_content_override={"users": {BOB: 50}, "events": {}})
        await self.set_state(self.bob, self.room_id, "m.room.server_acl", acl)
        topic = await self.set_state(self.bob, self.room_id, "m.room.topic", {"topic": "spam"})
        await self.remove("kick")
        self.assertEqual(await self.content(self.alice, self.room_id, "m.room.server_acl"), acl)
        self.assertEqual(await self.content(self.alice, self.room_id, "m.room.topic"), {})
        self.assertEqual(await self.redacted(topic), [True])

    async def test_its_relations_are_gone(self) -> None:
        await self.arrange()
        root = await self.send(self.alice, self.room_id)
        relation = {"m.relates_to": {"rel_type": "m.reference", "event_id": root}}
        await self.send_event(self.bob, self.room_id, "m.room.message", relation)
        self.assertIn("m.relations", (await self.event(root))["unsigned"])
        await self.remove("ban")
        self.assertNotIn("m.relations", (await self.event(root))["unsigned"])

    async def test_wrong_requests(self) -> None:
        await self.arrange()
        for action in ("kick", "ban"):
            path, body = room_path(self.room_id, f"/{action}"), {"user_id": BOB, FLAG: "yes"}
            await self.refused(400, "M_BAD_JSON", "POST", path, body, token=self.alice)
