"""Sliding sync: what clients look for under which name."""

from tests.rest.client.sliding import SlidingTestCase, a_list
from tests.rest.rooms import V3, bodies, ids, room_path

BOB = "@bob:test"


class NameTests(SlidingTestCase):
    async def people(self) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")

    async def test_a_knock_looks_like_an_invite(self) -> None:
        """Today's clients take a room without `invite_state` for one that the user is in."""
        await self.people()
        rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
        room_id = await self.create(self.alice, name="Closed", initial_state=[rules])
        await self.ok("POST", f"{V3}/knock/{room_id}", {}, token=self.bob)
        part = (await self.rooms(self.bob))[room_id]
        own = [event for event in part["invite_state"] if event["state_key"] == BOB]
        self.assertEqual([event["content"]["membership"] for event in own], ["knock"])
        self.assertEqual(part["membership"], "knock")
        self.assertEqual(part["knock_state"], part["invite_state"])
        self.assertEqual(part["stripped_state"], part["invite_state"])

    async def test_an_invite_under_both_names(self) -> None:
        await self.people()
        room_id = await self.create(self.alice, invite=[BOB])
        part = (await self.rooms(self.bob))[room_id]
        self.assertEqual(part["stripped_state"], part["invite_state"])
        self.assertNotIn("knock_state", part)

    async def test_invites_are_filtered_under_both_names(self) -> None:
        await self.people()
        room_id = await self.create(self.alice, invite=[BOB])
        own = await self.create(self.bob)
        for name in ("is_invite", "is_invited"):
            for wanted, expected in ((True, {room_id}), (False, {own})):
                self.assertEqual(set(await self.rooms(self.bob, filters={name: wanted})), expected)

    async def test_the_lists_of_a_room(self) -> None:
        await self.people()
        first, second = await self.create(self.alice), await self.create(self.alice)
        lists = {"top": a_list((0, 0)), "all": a_list()}
        subscribed = {first: {"timeline_limit": 1, "required_state": []}}
        answer = await self.sliding(self.alice, lists=lists)
        self.assertEqual(answer["rooms"][second]["lists"], ["top", "all"])
        self.assertEqual(answer["rooms"][first]["lists"], ["all"])
        answer = await self.sliding(self.alice, room_subscriptions=subscribed)
        self.assertNotIn("lists", answer["rooms"][first])

    async def test_a_longer_timeline_under_both_names(self) -> None:
        await self.people()
        room_id = await self.create(self.alice)
        first = await self.sliding(self.alice, lists={"all": a_list(limit=1)})
        answer = await self.sliding(self.alice, first["pos"], lists={"all": a_list(limit=5)})
        part = answer["rooms"][room_id]
        self.assertTrue(part["expanded_timeline"] and part["unstable_expanded_timeline"])

    async def test_a_position_is_a_place_in_timelines(self) -> None:
        await self.people()
        room_id = await self.create(self.alice)
        root = await self.send(self.alice, room_id, "before")
        pos = (await self.sliding(self.alice, lists={"all": a_list()}))["pos"]
        relation = {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}
        reply = await self.send(self.alice, room_id, "after", **relation)
        older = await self.messages(self.alice, room_id, "b", **{"from": pos, "limit": 1})
        newer = await self.messages(self.alice, room_id, "f", **{"from": pos, "limit": 1})
        self.assertEqual([bodies(older["chunk"]), bodies(newer["chunk"])], [["before"], ["after"]])
        path = room_path(room_id, f"/relations/{root}").replace("/v3/", "/v1/")
        for direction, expected in (("f", [reply]), ("b", [])):
            query = f"?dir={direction}&from={pos}"
            chunk = (await self.ok("GET", path + query, token=self.alice))["chunk"]
            self.assertEqual(ids(chunk), expected)
