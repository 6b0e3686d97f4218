"""A graph with many ends: our events name ten of them, and a few events later there is one."""

from synapse.events.auth_rules import AuthError
from synapse.events.event import Event
from synapse.storage.transaction import Transaction
from tests.rooms.base import ALICE, together
from tests.rooms.test_receiver import BOB, VERSIONS, ReceiverTestCase

FORKS = 30


def _forget_auth(txn: Transaction, event_ids: list[str]) -> None:
    for event_id in event_ids:
        txn.execute("UPDATE events SET auth = ? WHERE event_id = ?", b"\x90", event_id)


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

    async def test_an_event_that_came_without_what_authorises_it(self) -> None:
        """As an invitation does, or its end, to a room that is entered later."""
        for version in ("10", "12"):
            await self.begin(version)
            mod = "@mod:elsewhere"
            await self.accept(self.elsewhere.join(mod))
            alice = {} if version == "12" else {ALICE: 100}
            levels = {"users": {**alice, mod: 100, BOB: 50}}
            await self.send_here("m.room.power_levels", levels, "")
            old = [self.last_here()]
            # Who changes the rules is kicked by somebody mightier.
            rule = self.elsewhere.must_send(
                "m.room.join_rules", BOB, {"join_rule": "invite"}, "", after=old
            )
            await self.accept(rule)
            kick = self.elsewhere.must_send(
                "m.room.member", mod, {"membership": "leave"}, BOB, after=old
            )
            await self.accept(kick)
            await self.assert_consistent()
            await self.database.write(_forget_auth, kick.event_id)
            await self.accept(self.elsewhere.topic(mod, "who rules?", after=old))
            await self.assert_consistent()

    def last_here(self) -> str:
        return max(self.elsewhere.events.values(), key=lambda event: event.depth).event_id

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
