"""Kicks and bans that take away what the user said (MSC4293), if they come from other servers."""

from typing import Any
from unittest.mock import patch

from synapse.rooms import sender_redactions
from synapse.rooms.receiver import Verdict
from synapse.rooms.writer import Draft
from tests.federation import shared_rooms
from tests.federation.rooms import ONE, THREE, TWO, SharedRoomTestCase, path

FLAG = "org.matrix.msc4293.redact_events"


class RemovalTests(SharedRoomTestCase):
    """Alice of one.test moderates, carol of three.test spams, bob of two.test looks on."""

    async def arrange(self, *names: str, **sections: Any) -> None:
        await super().arrange(ONE, TWO, THREE)
        self.room_id = await self.create()
        await self.join("carol", self.room_id, ONE)
        await self.join("bob", self.room_id, ONE)

    async def spam(self) -> str:
        said = await self.say("carol", self.room_id)
        await self.carry(THREE, ONE, said)
        await self.carry(THREE, TWO, said)
        return said

    async def remove(self, action: str = "ban") -> None:
        user_id = self.user("carol")
        body = {"user_id": user_id, "reason": "spam", FLAG: True}
        await self.ask("alice", "POST", path(self.room_id, f"/{action}"), body)
        room = await self.room(ONE, self.room_id)
        await self.carry(ONE, TWO, room.tips[0].event_id)
        await self.settle()

    async def redacted(self, *event_ids: str) -> list[bool]:
        """Which of the events are, as bob sees them."""
        events = [
            await self.ask("bob", "GET", path(self.room_id, f"/event/{event_id}"))
            for event_id in event_ids
        ]
        for event in events:
            because = event["unsigned"].get("redacted_because")
            self.assertEqual(event["content"] == {}, because is not None)
            if because is not None:
                self.assertEqual(because["content"]["reason"], "spam")
        return [event["content"] == {} for event in events]

    async def test_what_the_user_said_is_gone_here_too(self) -> None:
        for action in ("ban", "kick"):
            await self.arrange()
            said = [await self.spam() for _ in range(5)]
            other = await self.say("bob", self.room_id)
            with patch.object(sender_redactions, "_WINDOW", 2):
                await self.remove(action)
            self.assertEqual(await self.redacted(*said, other), [True] * 5 + [False])
            self.network.sites.clear()

    async def test_who_may_not_redact_takes_nothing_away(self) -> None:
        await self.arrange()
        said = await self.spam()
        levels = await self.ask("alice", "GET", path(self.room_id, "/state/m.room.power_levels"))
        levels |= {"redact": 60, "users": {**levels["users"], self.user("bob"): 50}}
        draft = Draft("m.room.power_levels", self.user("alice"), levels, "")
        changed = await self.servers[ONE].rooms.writer.send(self.room_id, draft)
        await self.carry(ONE, TWO, changed.event_id)
        body = {"user_id": self.user("carol"), FLAG: True}
        await self.ask("bob", "POST", path(self.room_id, "/ban"), body)
        self.assertEqual(await self.redacted(said), [False])
        # As one.test sees it: bob's ban comes from another server.
        room = await self.room(TWO, self.room_id)
        await self.carry(TWO, ONE, room.tips[0].event_id)
        await self.settle()
        event = await self.servers[ONE].stores.events.get(said)
        assert event is not None
        self.assertFalse(event.redacted)

    async def test_what_comes_late_is_not_kept_either(self) -> None:
        await self.arrange()
        first = await self.spam()
        late = await self.say("carol", self.room_id)
        await self.remove()
        await self.carry(THREE, TWO, late)
        self.assertEqual(await self.redacted(first), [True])
        event = await self.servers[TWO].stores.events.get(late)
        assert event is not None
        self.assertEqual((event.soft_failed, event.redacted), (True, True))
        self.assertNotIn(b'"body"', event.json)


class RemovalsOfLongAgoTests(shared_rooms.SharedRoomTestCase):
    """One.test doesn't know what such a ban means, and tells history as it was."""

    async def test_history_that_was_taken_away_stays_so(self) -> None:
        for version in shared_rooms.VERSIONS:
            self.network.sites.clear()
            await self.arrange(version)
            bob = shared_rooms.BOB
            spam = [self.third.say(bob, str(number)) for number in range(3)]
            self.assertEqual(await self.tell_one(*spam), [Verdict.ACCEPTED] * 3)
            said = await self.say("something else")
            content = {"membership": "ban", "reason": "spam", FLAG: True}
            draft = Draft("m.room.member", shared_rooms.ALICE, content, bob)
            await self.one.rooms.writer.send(self.room_id, draft)
            await self.enter()
            read = {e["event_id"]: e for e in await self.read_back(TWO, self.carol)}
            for event in spam:
                told = read[event.event_id]
                self.assertEqual(told["content"], {})
                self.assertEqual(told["unsigned"]["redacted_because"]["content"]["reason"], "spam")
            self.assertNotEqual(read[said]["content"], {})
