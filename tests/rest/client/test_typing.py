"""Client API: typing notices. What others see of them is tested with /sync."""

from tests.rest.rooms import RoomTestCase, room_path

ALICE, BOB = "@alice:test", "@bob:test"


class TypingTests(RoomTestCase):
    async def arrange(self) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create_public(self.alice)

    async def test_only_for_oneself_and_where_one_is(self) -> None:
        await self.arrange()
        for token, room_id, user in (
            (self.alice, self.room_id, BOB),
            (self.bob, self.room_id, BOB),
            (self.bob, "!unknown:test", BOB),
            (self.bob, self.room_id, ALICE),
        ):
            path = room_path(room_id, f"/typing/{user}")
            await self.refused(403, "M_FORBIDDEN", "PUT", path, {"typing": True}, token=token)

    async def test_wrong_bodies(self) -> None:
        await self.arrange()
        path = room_path(self.room_id, f"/typing/{ALICE}")
        for body, errcode in (
            ({}, "M_MISSING_PARAM"),
            ({"typing": "yes"}, "M_BAD_JSON"),
            ({"typing": True, "timeout": "long"}, "M_BAD_JSON"),
            ({"typing": True, "timeout": -1}, "M_BAD_JSON"),
            ({"typing": True, "timeout": 1.5}, "M_BAD_JSON"),
        ):
            await self.refused(400, errcode, "PUT", path, body, token=self.alice)

    async def test_nobody_types_for_ever(self) -> None:
        await self.arrange()
        path = room_path(self.room_id, f"/typing/{ALICE}")
        body = {"typing": True, "timeout": 2**53}
        await self.ok("PUT", path, body, token=self.alice)
        room = (await self.sync(self.alice))["rooms"]["join"][self.room_id]
        self.assertEqual(room["ephemeral"]["events"][0]["content"], {"user_ids": [ALICE]})
        self.advance(121)
        room = (await self.sync(self.alice))["rooms"]["join"][self.room_id]
        self.assertEqual(room["ephemeral"]["events"], [])
