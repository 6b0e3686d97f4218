"""Outliers are judged by what they cite, in whichever order they are told."""

import random

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.federation.outliers import Outliers
from synapse.federation.pdus import Verified
from tests.rooms.base import RoomsTestCase
from tests.rooms.elsewhere import Elsewhere

BOB = "@bob:elsewhere"
CAROL = "@carol:elsewhere"


class OutlierTests(RoomsTestCase):
    async def arrange(self, version: str) -> None:
        self.room = Elsewhere.begin(ROOM_VERSIONS[version], BOB)
        self.room_nid = await self.server.rooms.entrances.open(self.room.room_id, self.room.version)
        self.outliers = Outliers(
            self.server.stores.events, self.server.rooms.asides, self.server.clock
        )

    def told(self) -> list[Verified]:
        """All events of the room, in no order."""
        events = [self.room.arrival(event).event for event in self.room.events.values()]
        random.Random(1).shuffle(events)
        return [Verified(event, frozenset({"elsewhere"})) for event in events]

    async def test_all_of_a_state_is_kept(self) -> None:
        for version in ("1", "6", "12"):
            await self.arrange(version)
            self.room.join(CAROL)
            self.room.topic(BOB, "news")
            self.room.say(BOB, "not a state event")
            kept = await self.outliers.keep(self.room_nid, self.told())
            state = self.room.state_after[self.room.last]
            self.assertEqual(set(kept), {e for e in self.room.events if e != self.room.last})
            self.assertTrue(set(state.values()) <= set(kept))
            self.assertFalse(any(event.rejected for event in kept.values()))
            # Again: they are known, and stay as they are.
            again = await self.outliers.keep(self.room_nid, self.told())
            self.assertEqual(
                {e: event.nid for e, event in again.items()},
                {e: event.nid for e, event in kept.items()},
            )

    async def test_what_is_forbidden_is_rejected_and_with_it_what_it_allows(self) -> None:
        for version in ("1", "6", "12"):
            await self.arrange(version)
            self.room.join(CAROL)
            usurpation = self.room.send(
                "m.room.power_levels", CAROL, {"users": {CAROL: 100}}, "", forbidden=True
            )
            topic = self.room.topic(CAROL, "mine")
            assert usurpation is not None
            kept = await self.outliers.keep(self.room_nid, self.told())
            stored = await self.server.stores.events.get_many(list(kept))
            self.assertEqual(
                {e for e, event in stored.items() if event.rejected},
                {usurpation.event_id, topic.event_id},
            )

    async def test_what_cannot_be_traced_to_the_beginning_is_dropped(self) -> None:
        await self.arrange("10")
        join = self.room.join(CAROL)
        topic = self.room.topic(BOB, "news")
        told = [one for one in self.told() if one.event.event_id != topic.auth_event_ids()[0]]
        kept = await self.outliers.keep(self.room_nid, told)
        self.assertNotIn(topic.event_id, kept)
        self.assertEqual(
            join.event_id in kept, topic.auth_event_ids()[0] not in join.auth_event_ids()
        )
