"""Forks in rooms in which our users only read."""

from dataclasses import replace
from typing import Any

from synapse.rooms.room import Room
from tests.federation.test_transactions import BOB, OURS, TransactionTestCase
from tests.rest.base import default_config

DUMMY = "org.matrix.dummy_event"


class ForkMergingTests(TransactionTestCase):
    enabled = True

    def config(self, name: str) -> Any:
        config = default_config(name)
        rooms = replace(
            config.rooms,
            dummy_events_threshold=3,
            cleanup_extremities_with_dummy_events=self.enabled,
        )
        return replace(config, rooms=rooms)

    async def fork(self, count: int) -> None:
        before = self.elsewhere.last
        await self.accept(
            *(self.elsewhere.say(BOB, f"fork {n}", after=[before]) for n in range(count))
        )

    async def room(self) -> Room:
        return await self.server.rooms.cache.get(self.room_id)

    async def dummies(self) -> list[str]:
        """Who has sent a dummy event, when the time for it is over."""
        with self.assertNoLogs("synapse.util.background"):
            self.time.advance(60)
            await self.server.background.finish()
        events = await self.server.stores.events.after((await self.room()).nid, -(2**60), 1_000)
        return [event.sender for event in events if event.type == DUMMY]

    async def test_too_many_are_merged(self) -> None:
        await self.arrange()
        await self.fork(4)
        self.assertEqual(len((await self.room()).tips), 4)
        self.assertEqual(await self.dummies(), [f"@alice:{OURS}"])
        self.assertEqual(len((await self.room()).tips), 1)
        self.assertEqual(len(await self.dummies()), 1)

    async def test_few_stay(self) -> None:
        await self.arrange()
        await self.fork(3)
        self.assertEqual(await self.dummies(), [])

    async def test_what_others_merge_meanwhile_needs_nothing(self) -> None:
        await self.arrange()
        await self.fork(4)
        tips = [tip.event_id for tip in (await self.room()).tips]
        self.time.advance(15)
        await self.accept(self.elsewhere.say(BOB, "merged", after=tips))
        self.assertEqual(await self.dummies(), [])

    async def test_nobody_who_may(self) -> None:
        await self.arrange("10")
        levels = {"users": {f"@alice:{OURS}": 0}, "events": {DUMMY: 50}}
        path = f"/_matrix/client/v3/rooms/{self.room_id}/state/m.room.power_levels"
        await self.client(OURS, "PUT", path, levels, token=self.token)
        await self.fork(4)
        self.assertEqual(await self.dummies(), [])
        self.assertEqual(len((await self.room()).tips), 5)
        # It is not tried with each event.
        with self.assertNoLogs("synapse.rooms.fork_merging"):
            await self.fork(1)
            self.assertEqual(await self.dummies(), [])

    async def test_turned_off(self) -> None:
        self.enabled = False
        await self.arrange()
        await self.fork(20)
        self.assertEqual(await self.dummies(), [])
