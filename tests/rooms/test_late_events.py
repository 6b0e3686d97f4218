"""Events that come after those that stand on them: they are no ends of the graph."""

from synapse.events.event import Event
from synapse.rooms.arrivals import Arrival
from synapse.rooms.asides import Aside
from synapse.rooms.history import HistoryPage
from synapse.rooms.receiver import Verdict
from synapse.storage.stores.forks import KnownState
from tests.rooms.base import ALICE
from tests.rooms.test_receiver import BOB, VERSIONS, ReceiverTestCase


class LateEventTests(ReceiverTestCase):
    async def begin(self, version: str) -> None:
        await super().begin(version)
        self.missed = [self.elsewhere.say(BOB, str(number)) for number in range(3)]
        topic = self.elsewhere.topic(ALICE, "missed")
        self.missed += [topic, self.elsewhere.say(BOB, "4")]
        self.newest = self.elsewhere.say(BOB, "5")
        await self.accept_above_a_gap(self.newest, topic)

    async def accept_above_a_gap(self, event: Event, *outliers: Event) -> None:
        """Take up an event with the state that it stands on, which has these outliers."""
        stores, nid = self.server.stores, (await self.current_room()).nid
        for outlier in outliers:
            arrival = await self.arrival(outlier)
            aside = Aside(arrival.event, arrival.auth_events)
            await self.server.rooms.asides.keep(nid, [aside])
        state = self.elsewhere.resolved(event.prev_event_ids())
        slots = await stores.slots.nids(list(state))
        stored = await stores.events.get_many(list(state.values()))
        before = KnownState(0, {slots[slot]: stored[e].nid for slot, e in state.items()})
        arrival = await self.arrival(event)
        arrival = Arrival(arrival.event, arrival.auth_events, arrival.signed_by, before)
        verdicts = await self.server.rooms.receiver.receive(self.room_id, [arrival])
        self.assertEqual(verdicts, [Verdict.ACCEPTED])

    async def arrival(self, event: Event) -> Arrival:
        arrival = self.elsewhere.arrival(event)
        stored = await self.server.stores.events.get_many(event.auth_event_ids())
        auth_events = [stored[event_id] for event_id in event.auth_event_ids()]
        return Arrival(arrival.event, auth_events, arrival.signed_by)

    async def tips(self) -> set[str]:
        return {tip.event_id for tip in (await self.current_room()).tips}

    async def test_when_all_have_come_there_is_one_end(self) -> None:
        for version in VERSIONS:
            await self.begin(version)
            self.assertEqual(len(await self.tips()), 2)  # what was there when the gap opened
            for number, event in enumerate(self.missed):
                await self.accept(event)
                await self.assert_consistent()
                ends = {self.newest.event_id}
                # What is between isn't known before the last one.
                ends |= {event.event_id} if number < len(self.missed) - 1 else set()
                self.assertEqual(await self.tips(), ends)
            # From here on the room is a line again.
            following = self.elsewhere.say(BOB, "and on", after=[self.newest.event_id])
            await self.accept(following)
            self.assertEqual(await self.tips(), {following.event_id})
            await self.assert_consistent()

    async def test_a_state_event_that_comes_late_changes_nothing(self) -> None:
        for version in VERSIONS:
            await self.begin(version)
            gone = self.missed.pop()
            topic = self.elsewhere.topic(ALICE, "newer", after=[self.newest.event_id])
            await self.accept(topic)
            for event in self.missed:
                await self.accept(event)
            await self.assert_consistent()
            await self.accept(gone)
            await self.assert_consistent()
            self.assertEqual(await self.tips(), {topic.event_id})
            self.assertEqual((await self.view())["m.room.topic", ""], topic.event_id)

    async def test_what_history_stands_on_is_no_end_after_the_next_event(self) -> None:
        for version in VERSIONS:
            await self.begin(version)
            first, *rest = self.missed
            await self.accept(first)
            self.assertEqual(await self.tips(), {first.event_id, self.newest.event_id})
            await self.place(rest)
            following = self.elsewhere.say(BOB, "and on", after=[self.newest.event_id])
            await self.accept(following)
            self.assertEqual(await self.tips(), {following.event_id})
            await self.assert_consistent()

    async def place(self, events: list[Event]) -> None:
        """Put events in the gap, as history."""
        room = await self.current_room()
        history = self.server.rooms.history
        found = await history.gap(room.nid, 2**60)
        assert found is not None
        (prev_id,) = events[0].prev_event_ids()
        below = await self.server.stores.events.get(prev_id)
        assert below is not None
        state = KnownState(below.state_nid, {})
        kept = []
        for event in events:
            arrival = await self.arrival(event)
            aside = Aside(arrival.event, arrival.auth_events, state)
            await self.server.rooms.asides.keep(room.nid, [aside])
            known = await self.server.stores.events.get(event.event_id)
            assert known is not None
            kept.append(known)
            state = KnownState(known.state_nid, {})
        await history.place(HistoryPage(room.nid, found[0], kept, []))
        self.assertIsNone(await history.gap(room.nid, 2**60))
