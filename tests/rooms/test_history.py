"""Events of long ago: they get their places below what they are the history of."""

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.event import Event
from synapse.rooms.asides import Aside
from synapse.rooms.history import HistoryPage
from synapse.storage.stores.forks import KnownState
from tests.rooms.elsewhere import Elsewhere
from tests.rooms.test_entrances import BOB, EntranceTestCase


class HistoryTests(EntranceTestCase):
    async def arrange(self, version: str = "12") -> None:
        self.room = Elsewhere.begin(ROOM_VERSIONS[version], BOB)
        self.room_id = self.room.room_id
        self.said = [self.room.say(BOB, str(number)) for number in range(4)]
        self.said.append(self.room.topic(BOB, "later"))
        await self.enter()
        self.room_nid = (await self.server.rooms.cache.get(self.room_id)).nid
        found = await self.server.rooms.history.gap(self.room_nid, 2**60)
        assert found is not None
        self.below, self.missing = found

    async def keep_history(self, events: list[Event]) -> list[Event]:
        """Keep events that follow one another, the first on top of the room's beginning."""
        states = self.server.stores.states
        state = self.room.state_after[events[0].prev_event_ids()[0]]
        slots = await self.server.stores.slots.nids(list(state))
        stored = await self.server.stores.events.get_many(list(self.room.events))
        changes = {slots[slot]: stored[event_id].nid for slot, event_id in state.items()}
        before = KnownState(0, changes)
        kept = []
        for event in events:
            arrival = await self.arrival(event)
            aside = Aside(arrival.event, arrival.auth_events, before)
            await self.server.rooms.asides.keep(self.room_nid, [aside])
            kept.append(arrival.event)
            before = KnownState(arrival.event.state_nid, {})
            after = await states.events_at(arrival.event.state_nid)
            expected = self.room.state_after[event.event_id]
            self.assertEqual({slot: e.event_id for slot, e in after.items()}, expected)
        return kept

    async def test_a_page_of_history_stands_below_the_join(self) -> None:
        for version in ("1", "12"):
            await self.arrange(version)
            self.assertEqual(self.missing, [self.said[-1].event_id])
            kept = await self.keep_history(self.said[2:])
            lower = self.said[1].event_id
            await self.server.rooms.history.place(
                HistoryPage(self.room_nid, self.below, kept, [lower])
            )
            join, *_ = reversed(await self.timeline(self.room_id))
            self.assertEqual(
                [event.event_id for event in await self.timeline(self.room_id)],
                [event.event_id for event in self.said[2:]] + [join.event_id],
            )
            self.assertEqual(
                await self.server.rooms.history.gap(self.room_nid, self.below),
                (self.below - 3, [lower]),
            )

    async def test_a_page_that_is_placed_twice_stays_where_it_is(self) -> None:
        await self.arrange()
        kept = await self.keep_history(self.said[2:])
        page = HistoryPage(self.room_nid, self.below, kept, [self.said[1].event_id])
        await self.server.rooms.history.place(page)
        before = [(e.event_id, e.pos) for e in await self.timeline(self.room_id)]
        await self.server.rooms.history.place(page)
        after = [(e.event_id, e.pos) for e in await self.timeline(self.room_id)]
        self.assertEqual(before, after)

    async def test_what_nobody_can_tell_is_no_gap_any_more(self) -> None:
        await self.arrange()
        page = HistoryPage(self.room_nid, self.below, [], [], lost=self.missing)
        await self.server.rooms.history.place(page)
        self.assertIsNone(await self.server.rooms.history.gap(self.room_nid, self.below))
