"""Jumping to a date of which nothing is here."""

import random
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from synapse.federation import backfill, jumps
from synapse.federation.errors import RemoteError
from synapse.util.clock import Clock
from tests.federation.shared_rooms import BOB, TWO, V3, VERSIONS, ids, in_graph_order
from tests.federation.test_backfill import BackfillTestCase

V1 = "/_matrix/client/v1"
MINUTE_MS = 60_000


class JumpTests(BackfillTestCase):
    async def arrange(self, version: str = "12", **body: Any) -> None:
        await super().arrange(version, **body)
        self.said = []
        for number in range(20):
            self.time.advance(60)
            self.said.append(await self.say(str(number)))
        self.time.advance(60)
        self.join = await self.enter()
        self.network.log.clear()

    async def jump(self, ago: int, direction: str = "f") -> str:
        """The event that carol's server finds so many minutes ago."""
        ts = self.clock.now_ms() - ago * MINUTE_MS
        path = f"{V1}/rooms/{quote(self.room_id)}/timestamp_to_event?dir={direction}&ts={ts}"
        return str((await self.client(TWO, "GET", path, token=self.carol))["event_id"])

    async def around(self, event_id: str, limit: int = 5) -> Any:
        path = f"{V3}/rooms/{quote(self.room_id)}/context/{event_id}?limit={limit}"
        return await self.client(TWO, "GET", path, token=self.carol)

    def asked(self, part: str) -> int:
        return sum(part in line for _, _, line in self.network.log)

    async def assert_all_is_there(self, *, is_ordered: bool = True) -> None:
        """However it came in, the history is complete, with the right states, and in order."""
        read = await self.read_back(TWO, self.carol, limit=7)
        self.assertEqual(len(set(ids(read))), len(read))
        self.assertEqual(set(ids(read)), set(ids(await self.timeline(self.one))))
        await self.assert_same_history(is_ordered=is_ordered)
        self.assertEqual(await self.two.database.fetch("SELECT event_id FROM gaps"), [])

    async def test_the_event_is_brought_without_what_lies_between(self) -> None:
        for version in VERSIONS:
            self.network.sites.clear()
            await self.arrange(version)
            with patch.object(jumps, "_NEAR", 5), patch.object(backfill, "_SIZES", (3,)):
                self.assertEqual(await self.jump(15), self.said[5])
                self.assertEqual(self.asked("/backfill/"), 0)
                around = await self.around(self.said[5])
                self.assertEqual(ids(around["events_before"]), self.said[5 - 1 : 5 - 3 : -1])
                self.assertEqual(around["events_after"], [])
                # From there on in either direction.
                self.assertEqual(
                    ids(await self.read_on(around["end"], 4)), [*self.said[6:], self.join.event_id]
                )
            await self.assert_all_is_there()

    async def test_several_jumps_into_one_gap(self) -> None:
        chance = random.Random(1)
        await self.arrange()
        with patch.object(jumps, "_NEAR", 0), patch.object(backfill, "_SIZES", (3,)):
            for ago in (15, 9, 12, 18, 3):
                self.assertEqual(await self.jump(ago), self.said[20 - ago])
                if chance.random() < 0.5:
                    await self.around(self.said[20 - ago])
            self.assertTrue(in_graph_order(await self.timeline(self.two)))
            await self.assert_all_is_there()

    async def test_what_is_near_comes_with_all_that_lies_between(self) -> None:
        await self.arrange()
        self.assertEqual(await self.jump(15), self.said[5])
        self.assertEqual(self.asked("/backfill/"), 2)  # bob's server, which has nothing
        self.assertIn(self.said[6], ids((await self.around(self.said[5]))["events_after"]))

    async def test_backwards(self) -> None:
        await self.arrange()
        with patch.object(jumps, "_NEAR", 0):
            self.assertEqual(await self.jump(15, "b"), self.said[5])
            self.assertEqual(await self.jump(0, "b"), self.join.event_id)

    async def test_between_two_ends_of_a_gap(self) -> None:
        await self.arrange()
        await self.read_back(TWO, self.carol)
        missed = []
        for number in range(10):
            self.time.advance(60)
            missed.append(await self.say(f"missed {number}"))
        late = self.third.last
        await self.learn_timeline()
        event = self.third.say(BOB, "late")
        self.assertNotEqual(late, event.event_id)
        await self.tell_one(event)
        await self.take_up_above_a_gap(event)
        with patch.object(jumps, "_NEAR", 0), patch.object(backfill, "_SIZES", (2,)):
            self.assertEqual(await self.jump(5), missed[4])
            around = await self.around(missed[4])
            self.assertEqual(ids(around["events_before"]), missed[4 - 1 : 4 - 3 : -1])
            read = ids(await self.read_on(around["start"], 3))
            self.assertEqual(read[-len(missed[4:]) - 1 :], [*missed[4:], event.event_id])
        await self.assert_all_is_there()

    async def learn_timeline(self) -> None:
        """Bob's server takes up all that is new of alice's and carol's."""
        for event in await self.timeline(self.one):
            if event.event_id not in self.third.events:
                await self.learn(event.event_id)

    async def test_forks(self) -> None:
        for seed, version in enumerate(VERSIONS):
            self.network.sites.clear()
            chance = random.Random(seed)
            levels = {"events": {"m.room.topic": 0}}
            await super().arrange(version, power_level_content_override=levels)
            await self.make_forks(chance)
            self.join = await self.enter()
            events = await self.timeline(self.one)
            with patch.object(jumps, "_NEAR", 0), patch.object(backfill, "_SIZES", (4, 2, 1)):
                for _ in range(4):
                    ts = chance.choice(events).origin_server_ts
                    path = f"{V1}/rooms/{quote(self.room_id)}/timestamp_to_event?dir=f&ts={ts}"
                    found = await self.client(TWO, "GET", path, token=self.carol)
                    await self.around(found["event_id"], 4)
                # What stands on an island by way of another fork may be found later, above it.
                await self.assert_all_is_there(is_ordered=False)

    async def test_what_is_not_told_is_not_asked_for_again_at_once(self) -> None:
        await self.arrange()

        async def refuse(destination: str, path: str) -> None:
            if "/v1/event/" in path:
                raise RemoteError(destination, 404, "M_NOT_FOUND", "no such event")

        self.network.before = refuse
        for _ in range(3):
            self.assertEqual(await self.jump(15), self.join.event_id)
        self.assertEqual(self.asked("/v1/event/"), 1)

    async def test_a_jump_that_fails_harms_nobody_who_reads(self) -> None:
        await self.arrange()
        gate: Deferred[None] = Deferred()
        waiting = []

        async def hold(destination: str, path: str) -> None:
            if "/state_ids/" in path and not gate.called:
                waiting.append(path)
                await gate

        self.network.before = hold
        with patch.object(jumps, "_NEAR", 0):
            jump = Deferred.fromCoroutine(self.jump(15))
            while not waiting:
                await Clock(reactor).sleep(0.001)
            read = Deferred.fromCoroutine(self.read_back(TWO, self.carol))
            gate.errback(RemoteError("one.test", 500, "M_UNKNOWN", "I am not well"))
            self.assertEqual(await jump, self.join.event_id)
        self.assertEqual(set(ids(await read)), set(ids(await self.timeline(self.one))))

    async def test_depths_that_are_lies(self) -> None:
        await self.arrange()
        place = jumps._Gap(2**40, self._of_depth(2**53 - 1), None).place_of(self._of_depth(1))
        self.assertEqual(place, 2**40 - 2**36)
        beneath = self._of_depth(5, pos=10)
        for depth in (6, 7, 100, 2**52):
            gap = jumps._Gap(2**20, self._of_depth(2**52 + 1), beneath)
            place = gap.place_of(self._of_depth(depth))
            self.assertTrue(place is None or 10 < place < 2**20)

    def _of_depth(self, depth: int, pos: int | None = None) -> Any:
        event = next(iter(self.third.events.values()))
        return type(event)(
            json=event.json,
            event_id="$x",
            room_id=event.room_id,
            type=event.type,
            sender=event.sender,
            state_key=None,
            depth=depth,
            origin_server_ts=0,
            version=event.version,
            pos=pos,
        )
