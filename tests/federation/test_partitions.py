"""Partitions: what servers do apart from each other becomes one state when they meet again.

To walk further than the suite does: `WALK_SEEDS=0-99 trial tests.federation.test_partitions`.
"""

import os
import random

from tests.federation.partitions import RESIDENTS, Follower, PartitionTestCase, Walk
from tests.federation.rooms import ONE, THREE, TWO, path

# One for each state resolution: v1, v2 and v2.1.
VERSIONS = ("1", "10", "12")
GUESTS = ("dora", "emil", "fred")
STEPS = 50
FIRST, _, LAST = os.environ.get("WALK_SEEDS", "0").partition("-")


class ScenarioTests(PartitionTestCase):
    """What two sides do that don't hear of each other."""

    version = VERSIONS[2]

    async def test_both_sides_change_levels(self) -> None:
        await self.arrange_apart()
        await self.set_levels("alice", {"dora": 50})
        await self.set_levels("bob", {"emil": 50})
        await self.heal()
        await self.assert_agreement()
        # One of the two is in force; neither server may keep its own.
        levels = await self.ask("carol", "GET", path(self.room_id, "/state/m.room.power_levels/"))
        raised = [name for name in ("dora", "emil") if levels["users"].get(self.user(name)) == 50]
        self.assertEqual(len(raised), 1)

    async def test_who_is_banned_on_one_side_changes_the_topic_on_the_other(self) -> None:
        await self.arrange_apart("emil")
        await self.set_state("emil", "m.room.topic", {"topic": "mine"})
        topic_id = (await self.state_ids(TWO, self.room_id))["m.room.topic", ""]
        await self.act("alice", "ban", "emil")
        await self.heal()
        # Where he was banned already, nobody is shown it.
        self.assertIn(topic_id, await self.assert_agreement())
        self.assertNotIn(topic_id, await self.accepted(ONE))
        for server in self.servers:
            self.assertEqual(await self.membership(server, self.room_id, self.user("emil")), "ban")
        topic = await self.fetch(
            ONE,
            "GET",
            path(self.room_id, "/state/m.room.topic/"),
            token=self.tokens["alice"],
        )
        # v1 judges topics before they meet the ban: by the order of depths and ids.
        if self.version != "1":
            self.assertEqual(topic.status, 404, str(topic))

    async def test_who_is_demoted_on_one_side_kicks_on_the_other(self) -> None:
        await self.arrange_apart("emil")
        await self.act("emil", "kick", "dora")
        await self.set_levels("alice", {"emil": 0})
        await self.heal()
        await self.assert_agreement()
        if self.version != "1":
            self.assertEqual(await self.membership(THREE, self.room_id, self.user("dora")), "join")

    async def test_both_sides_change_names(self) -> None:
        await self.arrange_apart()
        for name in ("alice", "bob", "carol", "emil"):
            await self.rename(name, f"{name} the Great")
        await self.set_state("alice", "m.room.name", {"name": "Ours"})
        await self.set_state("bob", "m.room.name", {"name": "Theirs"})
        await self.heal()
        # Nothing of this was forbidden anywhere.
        self.assertEqual(await self.assert_agreement(), set())
        members = await self.ask("carol", "GET", path(self.room_id, "/joined_members"))
        self.assertEqual(members["joined"][self.user("emil")]["display_name"], "emil the Great")

    async def test_both_sides_change_memberships(self) -> None:
        await self.arrange_apart()
        await self.act("dora", "leave")
        await self.act("bob", "ban", "dora")
        await self.act("emil", "leave")
        await self.act("alice", "kick", "emil")
        await self.act("carol", "kick", "fred")
        await self.act("fred", "join")
        await self.heal()
        await self.assert_agreement()

    async def test_what_was_said_apart_is_heard_by_all(self) -> None:
        await self.arrange_apart()
        said = {await self.say(name, self.room_id) for name in ("alice", "bob", "carol") * 5}
        for server in self.servers:
            self.assertFalse(said <= await self.accepted(server))
        await self.heal()
        self.assertEqual(await self.assert_agreement(), set())
        self.assertLessEqual(said, await self.accepted(THREE))

    async def test_what_a_third_server_has_comes_by_a_second_one(
        self,
    ) -> None:
        await self.arrange_room(self.version, *GUESTS)
        self.cut((ONE, THREE))
        said = [await self.say("alice", self.room_id)]
        await self.rest()
        said.append(await self.say("bob", self.room_id))
        await self.rest()
        # carol's server had alice's message of bob's, which stands on it.
        self.assertLessEqual(set(said), await self.accepted(THREE))

    async def test_a_fork_that_is_shorter_than_ours_is_fetched_whole(self) -> None:
        await self.arrange_room(self.version, *GUESTS)
        self.cut((ONE, THREE), (TWO, THREE))
        for _ in range(12):
            await self.say("carol", self.room_id)
        said = [await self.say("alice", self.room_id) for _ in range(3)]
        await self.rest()
        self.network.cut.remove(frozenset({TWO, THREE}))
        said.append(await self.say("bob", self.room_id))
        self.time.advance(60)
        await self.rest()
        self.assertLessEqual(set(said), await self.accepted(THREE))

    async def arrange_apart(self, *moderators: str) -> None:
        """Three servers, each on its own; guests on all of them."""
        await self.arrange_room(self.version, *GUESTS)
        if moderators:
            await self.set_levels("alice", dict.fromkeys(moderators, 50))
            await self.rest()
        self.cut((ONE, TWO), (ONE, THREE), (TWO, THREE))


class ScenariosV1(ScenarioTests):
    version = VERSIONS[0]


class ScenariosV2(ScenarioTests):
    version = VERSIONS[1]


class WalkTests(PartitionTestCase):
    async def test_random_walks_end_in_one_state(self) -> None:
        for seed in range(int(FIRST), int(LAST or FIRST) + 1):
            for version in VERSIONS:
                with self.subTest(seed=seed, version=version):
                    await self.walk(version, random.Random(seed))

    async def walk(self, version: str, chance: random.Random) -> None:
        await self.arrange_room(version, *GUESTS)
        followers = [Follower(self, name) for name in RESIDENTS]
        for follower in followers:
            await follower.follow()
        walk = Walk(self, chance, GUESTS)
        for _ in range(STEPS):
            await walk.step()
            await chance.choice(followers).follow()
        await self.heal()
        await self.assert_agreement()
        state = await self.state_ids(ONE, self.room_id)
        for follower in followers:
            await follower.follow()
            # What was resolved away, with nothing in its place, can't be told by /sync.
            self.assertEqual({slot: follower.state.get(slot) for slot in state}, state)
