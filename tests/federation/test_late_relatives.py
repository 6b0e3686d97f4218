"""What relates to a redacted event, and comes after the redaction (MSC3912)."""

from typing import Any

from tests.federation.rooms import ONE, TWO, SharedRoomTestCase, path


class LateRelativeTests(SharedRoomTestCase):
    """Alice's message is redacted with its edits or reactions, of which some are bob's and late."""

    async def arrange(self, *names: str, **sections: Any) -> None:
        await super().arrange(ONE, TWO)
        self.room_id = await self.create(**sections)
        await self.join("bob", self.room_id, ONE)
        self.said_id = await self.say("alice", self.room_id)
        await self.carry(ONE, TWO, self.said_id)

    async def relate(self, rel_type: str, key: str = "+") -> str:
        relation = {"rel_type": rel_type, "event_id": self.said_id}
        if rel_type == "m.annotation":
            relation["key"] = key
        return await self.send_late("m.test", {"m.relates_to": relation})

    async def send_late(self, type: str, content: Any) -> str:
        self.said += 1
        url = path(self.room_id, f"/send/{type}/{self.said}")
        return str((await self.ask("bob", "PUT", url, content))["event_id"])

    async def redact(self, who: str, *rel_types: str, event_id: str = "") -> None:
        self.said += 1
        url = path(self.room_id, f"/redact/{event_id or self.said_id}/{self.said}")
        await self.ask(who, "PUT", url, {"reason": "r", "with_rel_types": list(rel_types)})

    async def arrive(self, *event_ids: str) -> list[bool]:
        """Bob's events come to alice's server; which are redacted there."""
        await self.carry(TWO, ONE, *event_ids)
        await self.settle()
        found = await self.servers[ONE].stores.events.get_many(event_ids)
        for event in found.values():
            self.assertEqual(event.redacted, b'"reason":"r"' in event.unsigned)
        return [found[event_id].redacted for event_id in event_ids]

    async def test_what_comes_later_is_redacted_too(self) -> None:
        await self.arrange()
        late = [await self.relate("m.annotation"), await self.relate("m.reference")]
        await self.redact("alice", "m.annotation")
        self.assertEqual(await self.arrive(*late), [True, False])
        # The others hear of it.
        room = await self.room(ONE, self.room_id)
        (newest, *_) = reversed(room.tail)
        self.assertEqual((newest.sender, newest.redacts), (self.user("alice"), late[0]))

    async def test_also_after_a_restart(self) -> None:
        await self.arrange()
        late = await self.relate("m.annotation")
        await self.redact("alice", "*")
        await self.servers[ONE].background.finish()
        self.start_server(ONE)
        self.assertEqual(await self.arrive(late), [True])

    async def test_not_if_nobody_wanted_it(self) -> None:
        await self.arrange()
        late = await self.relate("m.annotation")
        await self.redact("alice")
        self.assertEqual(await self.arrive(late), [False])

    async def test_not_what_the_user_may_not_redact(self) -> None:
        await self.arrange()
        own = await self.say("bob", self.room_id)
        await self.carry(TWO, ONE, own)
        self.said_id = own
        late = await self.send_as_alice("m.annotation")
        await self.redact("bob", "*", event_id=own)
        await self.carry(ONE, TWO, late)
        await self.settle()
        event = await self.servers[TWO].stores.events.get(late)
        assert event is not None
        self.assertFalse(event.redacted)

    async def send_as_alice(self, rel_type: str) -> str:
        relation = {"rel_type": rel_type, "event_id": self.said_id, "key": "+"}
        self.said += 1
        url = path(self.room_id, f"/send/m.reaction/{self.said}")
        answer = await self.ask("alice", "PUT", url, {"m.relates_to": relation})
        return str(answer["event_id"])

    async def test_not_for_who_has_left(self) -> None:
        await self.arrange()
        dave = await self.register(ONE, "dave")
        join = await self.client(ONE, "POST", path(self.room_id, "/join"), {}, token=dave)
        self.assertEqual(join["room_id"], self.room_id)
        late = await self.relate("m.annotation")
        await self.redact("alice", "*")
        await self.ask("alice", "POST", path(self.room_id, "/leave"), {})
        self.assertEqual(await self.arrive(late), [False])

    async def test_an_edit_that_is_none_stays(self) -> None:
        await self.arrange()
        edit = {
            "m.new_content": {"body": "y"},
            "body": "* y",
            "m.relates_to": {"rel_type": "m.replace", "event_id": self.said_id},
        }
        late = await self.send_late("m.room.message", edit)
        await self.redact("alice", "m.replace")
        # Only alice can edit what she said.
        self.assertEqual(await self.arrive(late), [False])
