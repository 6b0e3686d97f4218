"""Client API: /sync with a filter that hides state changes from the timeline."""

from typing import Any

import orjson

from tests.rest.client.test_sync import BOB, SyncTestCase, joined
from tests.rest.rooms import bodies, ids

TOPIC = ("m.room.topic", "")
NO_BOB = {"not_senders": [BOB]}


class HiddenChangesTests(SyncTestCase):
    """Alice's timeline is without Bob's events."""

    async def arrange(self) -> None:
        await self.people()
        self.room_id = await self.shared_room(power_level_content_override={"state_default": 0})

    async def topic(self, token: str, topic: str) -> str:
        return await self.set_state(token, self.room_id, TOPIC[0], {"topic": topic})

    async def told(self, since: str | None = None, state: Any = None, **timeline: Any) -> Any:
        room = {"timeline": NO_BOB | timeline, "state": state or {}}
        query = {"since": since} if since else {}
        filter = orjson.dumps({"room": room}).decode()
        return joined(await self.sync(self.alice, filter=filter, **query), self.room_id)

    def assembled(self, room: Any) -> Any:
        """The topic that a client ends with."""
        events = [*room["state"]["events"], *room["timeline"]["events"]]
        topics = [event["content"]["topic"] for event in events if event["type"] == TOPIC[0]]
        return topics[-1] if topics else None

    async def since(self) -> str:
        return str((await self.sync(self.alice))["next_batch"])

    async def test_the_timeline_begins_behind_what_is_outdated(self) -> None:
        await self.arrange()
        since = await self.since()
        early = await self.send(self.alice, self.room_id, "early")
        old = await self.topic(self.alice, "old")
        await self.send(self.alice, self.room_id, "between")
        await self.topic(self.bob, "new")
        await self.send(self.alice, self.room_id, "late")
        for start in (since, None):
            room = await self.told(start)
            self.assertEqual(self.assembled(room), "new")
            self.assertEqual(bodies(room["timeline"]["events"]), ["between", "late"])
            self.assertTrue(room["timeline"]["limited"])
            place = {"from": room["timeline"]["prev_batch"], "limit": 2}
            older = await self.messages(self.alice, self.room_id, **place)
            self.assertEqual(ids(older["chunk"]), [old, early])

    async def test_nothing_may_be_left_of_it(self) -> None:
        await self.arrange()
        since = await self.since()
        old = await self.topic(self.alice, "old")
        new = await self.topic(self.bob, "new")
        room = await self.told(since)
        self.assertEqual((room["timeline"]["events"], ids(room["state"]["events"])), ([], [new]))
        self.assertTrue(room["timeline"]["limited"])
        place = {"from": room["timeline"]["prev_batch"], "limit": 2}
        older = await self.messages(self.alice, self.room_id, **place)
        self.assertEqual(ids(older["chunk"]), [new, old])

    async def test_a_shown_event_that_is_newer_needs_nothing(self) -> None:
        await self.arrange()
        since = await self.since()
        for token, topic in ((self.alice, "1"), (self.bob, "2"), (self.alice, "3")):
            await self.topic(token, topic)
        room = await self.told(since)
        self.assertEqual(self.assembled(room), "3")
        self.assertEqual(len(room["timeline"]["events"]), 2)
        self.assertFalse(room["timeline"]["limited"])

    async def test_hidden_changes_of_other_slots_need_nothing(self) -> None:
        await self.arrange()
        since = await self.since()
        shown = await self.send(self.alice, self.room_id)
        await self.topic(self.bob, "new")
        room = await self.told(since)
        self.assertEqual(self.assembled(room), "new")
        self.assertEqual(ids(room["timeline"]["events"]), [shown])
        self.assertFalse(room["timeline"]["limited"])

    async def test_after_a_gap(self) -> None:
        await self.arrange()
        since = await self.since()
        await self.topic(self.alice, "oldest")
        for n in range(3):
            await self.send(self.alice, self.room_id, str(n))
        await self.topic(self.alice, "old")
        await self.topic(self.bob, "new")
        await self.send(self.alice, self.room_id, "late")
        for start in (since, None):
            room = await self.told(start, limit=3)
            self.assertEqual(self.assembled(room), "new")
            self.assertEqual(bodies(room["timeline"]["events"]), ["late"])

    async def test_who_wants_no_state_of_the_hidden_gets_none(self) -> None:
        """A filter that hides the newer event from both says that it isn't wanted."""
        await self.arrange()
        since = await self.since()
        await self.topic(self.alice, "old")
        await self.topic(self.bob, "new")
        room = await self.told(since, state=NO_BOB)
        self.assertEqual(self.assembled(room), "old")
        self.assertFalse(room["timeline"]["limited"])

    async def test_state_after_needs_nothing(self) -> None:
        await self.arrange()
        since = await self.since()
        old = await self.topic(self.alice, "old")
        new = await self.topic(self.bob, "new")
        filter = orjson.dumps({"room": {"timeline": NO_BOB}}).decode()
        query = {"since": since, "filter": filter, "use_state_after": "true"}
        room = joined(await self.sync(self.alice, **query), self.room_id)
        self.assertEqual(ids(room["timeline"]["events"]), [old])
        self.assertEqual(ids(room["state_after"]["events"]), [new])
        self.assertFalse(room["timeline"]["limited"])
