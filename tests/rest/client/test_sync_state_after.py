"""Client API: /sync with `use_state_after`."""

from typing import Any

from tests.rest.client.test_sync import BOB, SyncTestCase, joined, slots
from tests.rest.rooms import room_path, sync_path

NAME, MEMBER = ("m.room.name", ""), ("m.room.member", BOB)
UNSTABLE = "org.matrix.msc4222.state_after"


class StateAfterTests(SyncTestCase):
    async def after(self, token: str, **query: Any) -> Any:
        return await self.sync(token, use_state_after="true", **query)

    async def test_first_sync_tells_the_state_as_it_is(self) -> None:
        await self.people()
        room_id = await self.shared_room(name="Home")
        room = joined(await self.after(self.bob), room_id)
        self.assertNotIn("state", room)
        state = {e["event_id"] for e in room["state_after"]["events"]}
        truth = await self.state(self.bob, room_id)
        self.assertEqual(state, {event["event_id"] for event in truth.values()})

    async def test_changes_stand_in_both(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        since = (await self.after(self.bob))["next_batch"]
        for name in ("a", "b"):
            await self.set_state(self.alice, room_id, "m.room.name", {"name": name})
        room = joined(await self.after(self.bob, since=since), room_id)
        self.assertEqual(len(room["timeline"]["events"]), 2)
        self.assertEqual(slots(room["state_after"]["events"]), {NAME: {"name": "b"}})

    async def test_it_is_there_if_empty(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        since = (await self.after(self.bob))["next_batch"]
        await self.send(self.alice, room_id)
        room = joined(await self.after(self.bob, since=since), room_id)
        self.assertEqual(room["state_after"], {"events": []})
        # The two kinds of answers are not mixed up.
        self.assertIn("state", joined(await self.sync(self.bob, since=since), room_id))

    async def test_after_a_gap(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        since = (await self.after(self.bob))["next_batch"]
        await self.set_state(self.alice, room_id, "m.room.name", {"name": "a"})
        await self.set_state(self.alice, room_id, "m.room.topic", {"topic": "a"})
        for _ in range(100):
            await self.send(self.alice, room_id)
        await self.set_state(self.alice, room_id, "m.room.name", {"name": "b"})
        room = joined(await self.after(self.bob, since=since), room_id)
        self.assertTrue(room["timeline"]["limited"])
        state = slots(room["state_after"]["events"])
        self.assertEqual(state, {NAME: {"name": "b"}, ("m.room.topic", ""): {"topic": "a"}})

    async def test_a_room_that_was_left(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        since = (await self.after(self.bob))["next_batch"]
        await self.leave(self.bob, room_id)
        room = (await self.after(self.bob, since=since))["rooms"]["leave"][room_id]
        self.assertNotIn("state", room)
        self.assertEqual(slots(room["state_after"]["events"])[MEMBER]["membership"], "leave")
        await self.change_membership(self.alice, room_id, "ban", BOB)
        room = (await self.after(self.bob, since=since))["rooms"]["leave"][room_id]
        self.assertEqual(slots(room["state_after"]["events"])[MEMBER]["membership"], "ban")

    async def test_an_invite_that_was_rejected(self) -> None:
        await self.people()
        room_id = await self.create(self.alice, invite=[BOB])
        since = (await self.after(self.bob))["next_batch"]
        await self.ok("POST", room_path(room_id, "/leave"), {}, token=self.bob)
        room = (await self.after(self.bob, since=since))["rooms"]["leave"][room_id]
        self.assertEqual(slots(room["state_after"]["events"])[MEMBER]["membership"], "leave")

    async def test_lazy_members_stand_in_it(self) -> None:
        await self.people()
        room_id = await self.shared_room(name="Home")
        wish = '{"room":{"state":{"lazy_load_members":true},"timeline":{"limit":1}}}'
        # Bob's own join is the timeline; state is taken from `state_after` alone.
        room = joined(await self.after(self.bob, filter=wish), room_id)
        self.assertIn(MEMBER, slots(room["state_after"]["events"]))

    async def test_its_unstable_name(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        query = {"org.matrix.msc4222.use_state_after": "true"}
        for answer in (await self.sync(self.bob, **query), await self.after(self.bob)):
            self.assertNotIn("state", joined(answer, room_id))
        # Who asks in old words finds the answer under the old name, and only there.
        room = joined(await self.sync(self.bob, **query), room_id)
        self.assertIn("m.room.create", {e["type"] for e in room[UNSTABLE]["events"]})
        self.assertNotIn("state_after", room)
        self.assertNotIn(UNSTABLE, joined(await self.after(self.bob), room_id))
        since = (await self.sync(self.bob, **query))["next_batch"]
        await self.leave(self.bob, room_id)
        left = (await self.sync(self.bob, since=since, **query))["rooms"]["leave"][room_id]
        self.assertEqual(slots(left[UNSTABLE]["events"])[MEMBER]["membership"], "leave")

    async def test_nonsense(self) -> None:
        await self.people()
        await self.refused(
            400, "M_INVALID_PARAM", "GET", sync_path(use_state_after="x"), token=self.bob
        )
        versions = await self.ok("GET", "/_matrix/client/versions", token=None)
        self.assertIs(versions["unstable_features"]["org.matrix.msc4222"], True)
