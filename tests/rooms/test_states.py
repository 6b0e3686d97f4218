"""States: now, and as they were after each event."""

import random

from synapse.api.constants import EventTypes
from synapse.rooms.writer import Draft
from synapse.storage.stores.members import Membership
from tests.rooms.base import ALICE, RoomsTestCase, together


class StateTests(RoomsTestCase):
    async def test_every_snapshot_is_the_replay_of_its_changes(self) -> None:
        room = await self.create_room()
        chance = random.Random(1)
        for batch in range(24):
            await together(
                *(
                    self.set(room.room_id, f"t{chance.randrange(30)}", {"n": n, "b": batch})
                    for n in range(50)
                )
            )
        events = await self.timeline(room.room_id)
        self.assertGreater(len(events), 1100)
        fresh = self.another_process()
        replay: dict[tuple[str, str], int] = {}
        for event in events:
            replay[event.slot] = event.nid
            if event.pos is not None and (event.pos % 37 == 0 or event.pos > 1020):
                snapshot = await fresh.stores.states.at(event.state_nid)
                slots = await fresh.stores.slots.slots(snapshot)
                found = {slots[slot]: nid for slot, nid in snapshot.items()}
                self.assertEqual(found, replay)
        now = await fresh.stores.states.without_members(
            room.nid
        ) + await fresh.stores.states.members(room.nid)
        self.assertEqual({event.slot: event.nid for event in now}, replay)

    async def test_the_state_after_an_event(self) -> None:
        room = await self.create_room()
        first = await self.set(room.room_id, EventTypes.NAME, {"name": "one"})
        said = await self.say(room.room_id, "hello")
        second = await self.set(room.room_id, EventTypes.NAME, {"name": "two"})
        slot = (EventTypes.NAME, "")
        for event, name in ((first, first), (said, first), (second, second)):
            state = await self.server.stores.states.events_at(event.state_nid, [slot])
            self.assertEqual(state[slot].event_id, name.event_id)

    async def test_unsigned_tells_of_the_state_before_also_after_a_restart(self) -> None:
        room = await self.create_room()
        first = await self.set(room.room_id, EventTypes.NAME, {"name": "one"})
        second = await self.set(room.room_id, EventTypes.NAME, {"name": "two"})
        self.assertIn(b'"prev_content":{"name":"one"}', second.unsigned)
        loaded = await self.another_process().stores.events.get(second.event_id)
        assert loaded is not None
        self.assertEqual(loaded.unsigned, second.unsigned)
        self.assertEqual(loaded.replaces_nid, first.nid)

    async def test_since_when_a_membership_holds(self) -> None:
        room = await self.create_room()
        bob = "@bob:test"
        joined = await self.change_membership(room.room_id, bob, "join")
        await self.set(
            room.room_id,
            EventTypes.MEMBER,
            {"membership": "join", "displayname": "Bob"},
            bob,
            sender=bob,
        )
        user_nid = await self.server.stores.names.nid(bob)
        assert user_nid is not None
        row = await self.server.stores.members.get(user_nid, room.nid)
        assert row is not None
        self.assertEqual(row.since, joined.nid)

        await self.change_membership(room.room_id, bob, "leave")
        await self.server.stores.members.forget(user_nid, room.nid)
        # Left, forgotten, and back, all in one transaction with another leave between.
        *_, back = await together(
            *(self.change_membership(room.room_id, bob, m) for m in ("join", "leave", "join"))
        )
        row = await self.server.stores.members.get(user_nid, room.nid)
        assert row is not None
        self.assertEqual((row.membership, row.since), (Membership.JOIN, back.nid))
        self.assertFalse(row.forgotten)


class RedactionTests(RoomsTestCase):
    async def redact(self, room_id: str, event_id: str, sender: str = ALICE) -> None:
        draft = Draft(EventTypes.REDACTION, sender, {"reason": "r"}, redacts=event_id)
        await self.server.rooms.writer.send(room_id, draft)

    async def test_content_goes_everywhere(self) -> None:
        for version in ("1", "3", "10", "11", "12"):
            room = await self.create_room(version)
            said = await self.say(room.room_id, "secret")
            await self.redact(room.room_id, said.event_id)
            for server in (self.server, self.another_process()):
                event = await server.stores.events.get(said.event_id)
                assert event is not None
                self.assertEqual(event.content, {})
                self.assertIn(b'"redacted_because"', event.unsigned)
                tail = (await server.rooms.cache.get(room.room_id)).tail
                self.assertNotIn(b"secret", b"".join(e.json for e in tail))
        kept = await self.database.fetch("SELECT json FROM redacted_events")
        self.assertEqual(len(kept), 5)
        await self.server.stores.events.forget_redacted(2**60)
        self.assertEqual(await self.database.fetch("SELECT 1 FROM redacted_events"), [])

    async def test_state_is_redacted_where_it_stands(self) -> None:
        room = await self.create_room()
        name = await self.set(room.room_id, EventTypes.NAME, {"name": "secret"})
        await self.redact(room.room_id, name.event_id)
        current = await self.server.rooms.cache.current(room, EventTypes.NAME)
        assert current is not None
        self.assertEqual((current.event_id, current.content), (name.event_id, {}))

    async def test_who_may_not_redact_does_not(self) -> None:
        room = await self.create_room("11")
        said = await self.say(room.room_id, "mine")
        mallory = "@mallory:elsewhere"
        await self.change_membership(room.room_id, mallory, "join")
        await self.redact(room.room_id, said.event_id, sender=mallory)
        event = await self.server.stores.events.get(said.event_id)
        assert event is not None
        self.assertEqual(event.content["body"], "mine")

    async def test_a_second_redaction_and_unknown_targets(self) -> None:
        room = await self.create_room()
        other = await self.create_room("11")
        said = await self.say(room.room_id, "secret")
        elsewhere = await self.say(other.room_id, "elsewhere")
        for event_id in (said.event_id, said.event_id, "$unknown", elsewhere.event_id):
            await self.redact(room.room_id, event_id)
        event = await self.server.stores.events.get(elsewhere.event_id)
        assert event is not None
        self.assertEqual(event.content["body"], "elsewhere")
