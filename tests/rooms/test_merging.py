"""A graph with many ends: our events name ten of them, and a few events later there is one."""

from synapse.events.auth_rules import AuthError
from synapse.events.event import Event
from tests.rooms.base import ALICE, together
from tests.rooms.test_receiver import BOB, VERSIONS, ReceiverTestCase

FORKS = 30


class MergingTests(ReceiverTestCase):
    async def fork(self, *, with_topics: bool = False) -> None:
        old = self.elsewhere.last
        for number in range(FORKS):
            if with_topics and number % 7 == 0:
                event = self.elsewhere.topic(ALICE, str(number), after=[old])
            else:
                event = self.elsewhere.say(BOB, str(number), after=[old])
            await self.accept(event)
        self.assertEqual(len((await self.current_room()).tips), FORKS)

    async def heard(self, event: Event) -> Event:
        """The others hear of an event of ours."""
        before = event.prev_event_ids()
        self.elsewhere.add(event, self.elsewhere.resolved(before))
        return event

    async def test_thirty_forks_are_one_after_four_events(self) -> None:
        for version in VERSIONS:
            await self.begin(version)
            await self.fork(with_topics=True)
            left = []
            for number in range(4):
                event = await self.heard(await self.say(self.room_id, str(number)))
                self.assertLessEqual(len(event.prev_event_ids()), 10)
                left.append(len((await self.current_room()).tips))
                await self.assert_consistent()
            self.assertEqual(left, [21, 12, 3, 1])

    async def test_state_events_merge_as_well(self) -> None:
        await self.begin("12")
        await self.fork(with_topics=True)
        name = await self.heard(await self.set(self.room_id, "m.room.name", {"name": "x"}))
        self.assertEqual((await self.view())["m.room.name", ""], name.event_id)
        await self.assert_consistent()
        await self.heard(await self.change_membership(self.room_id, ALICE, "join"))
        topic = await self.heard(await self.set(self.room_id, "m.room.topic", {"topic": "y"}))
        await self.assert_consistent()
        self.assertIn(topic.event_id, {e.event_id for e in (await self.current_room()).tips})

    async def test_many_at_once(self) -> None:
        await self.begin("12")
        await self.fork()
        sent = await together(*(self.say(self.room_id, str(n)) for n in range(12)))
        for event in sorted(sent, key=lambda event: event.nid):
            await self.heard(event)
        self.assertEqual(len((await self.current_room()).tips), 1)
        await self.assert_consistent()

    async def test_what_the_room_forbids_is_refused(self) -> None:
        await self.begin("12")
        await self.fork()
        with self.assertRaises(AuthError):
            await self.say(self.room_id, "I was never here", sender="@carol:test")
        self.assertEqual(len((await self.current_room()).tips), FORKS)
        await self.say(self.room_id, "and on")
