"""Much happens in a room before a server that has come into it knows the members.

Afterwards it agrees with those that always knew them, whatever was said and changed meanwhile, on
all sides of links that were cut. To walk further than the suite does:
`WALK_SEEDS=0-99 trial tests.federation.test_partial_walks`.
"""

import os
import random
from typing import Any

from synapse.federation.errors import RemoteError
from tests.federation.partitions import RESIDENTS, PartitionTestCase, Walk
from tests.federation.rooms import ONE, THREE, TWO

VERSIONS = ("1", "10", "12")
# On the servers one, two and three, in turn.
OTHERS = ("dora", "emil", "fred")
GUESTS = ("dora", "fred")
STEPS = 50
FIRST, _, LAST = os.environ.get("WALK_SEEDS", "0").partition("-")


class _PartialWalk(Walk):
    """Whatever of bob's waits for the members, he leaves alone."""

    async def _do(self, name: str) -> None:
        test, number = self._test, self._random.randint(0, 1000)
        if name != "bob":
            await super()._do(name)
            return
        match self._random.randint(0, 3):
            case 0:
                await test.rename(name, f"bob {number}")
            case 1:
                await test.set_state(name, "m.room.topic", {"topic": str(number)})
            case 2:
                guest = self._random.choice(GUESTS)
                await test.set_levels(name, {guest: self._random.choice((0, 50))})
            case _:
                await test.say(name, test.room_id)


class PartialWalkTests(PartitionTestCase):
    async def set_state(self, name: str, type: str, content: Any, key: str = "") -> int:
        # A room that is closed on another branch than the one on which bob has just joined may
        # well come to a state in which he hasn't.
        if type == "m.room.join_rules":
            return 403
        return await super().set_state(name, type, content, key)

    async def test_random_walks_end_in_one_state(self) -> None:
        for seed in range(int(FIRST), int(LAST or FIRST) + 1):
            for version in VERSIONS:
                with self.subTest(seed=seed, version=version):
                    await self.walk(version, random.Random(seed))

    async def walk(self, version: str, chance: random.Random) -> None:
        await self.arrange_room(version, *OTHERS)
        for name in ("emil", "bob"):
            await self.act(name, "leave")
        await self.later()
        for _ in range(5):
            await self.act("alice", chance.choice(("ban", "unban", "kick")), chance.choice(GUESTS))
            await self.later()
            await self.act(chance.choice(GUESTS), chance.choice(("join", "leave")))
            await self.later()

        async def refuse(destination: str, path: str) -> None:
            if "/federation/v1/state/" in path:
                raise RemoteError(destination, 404, "M_NOT_FOUND", "Not now")

        self.network.before = refuse
        await self.join("bob", self.room_id, ONE)
        await self.later()
        self.baseline = await self.accepted(ONE) | await self.accepted(THREE)
        self.assertTrue((await self.room(TWO, self.room_id)).is_partial)
        for name in RESIDENTS:
            await self.say(name, self.room_id)
        await self.rest()
        walk = _PartialWalk(self, chance, GUESTS)
        whole_at = chance.randint(0, STEPS)
        for step in range(STEPS):
            if step == whole_at:
                self.network.before = None
            await walk.step()
        self.network.before = None
        await self.heal()
        self.assertFalse((await self.room(TWO, self.room_id)).is_partial)
        await self.assert_agreement()
        await self.assert_counted()

    async def later(self) -> None:
        """What happens then is newer: conflicts are not settled by chance."""
        self.time.advance(1)
        await self.rest()

    async def assert_counted(self) -> None:
        """Both servers count the same."""
        one, two = [await self.room(name, self.room_id) for name in (ONE, TWO)]
        self.assertEqual((two.joined, two.invited), (one.joined, one.invited))
        rows = [
            await self.servers[name].database.fetch(
                "SELECT n.name, m.membership FROM members m JOIN names n ON n.nid = m.user_nid"
                " WHERE m.room_nid = ? ORDER BY n.name",
                room.nid,
            )
            for name, room in ((ONE, one), (TWO, two))
        ]
        self.assertEqual([tuple(row) for row in rows[1]], [tuple(row) for row in rows[0]])
