"""Client API: third-party networks, without any."""

from tests.rest.rooms import V3, RoomTestCase


class ThirdPartyTests(RoomTestCase):
    async def test_there_are_no_bridges(self) -> None:
        alice = await self.register("alice")
        self.assertEqual(await self.ok("GET", f"{V3}/thirdparty/protocols", token=alice), {})
        for rest in (
            "protocol/irc",
            "location/irc?channel=x",
            "user/irc",
            "location?alias=%23x:test",
            "user?userid=@x:test",
        ):
            path = f"{V3}/thirdparty/{rest}"
            await self.refused(404, "M_NOT_FOUND", "GET", path, token=alice)
            await self.refused(401, "M_MISSING_TOKEN", "GET", path, token=None)
        for rest in ("location", "user"):
            path = f"{V3}/thirdparty/{rest}"
            await self.refused(400, "M_MISSING_PARAM", "GET", path, token=alice)

    async def test_lists_of_application_services_are_not_for_users(self) -> None:
        alice = await self.register("alice")
        room_id = await self.create_public(alice)
        path = f"{V3}/directory/list/appservice/irc/{room_id}"
        await self.refused(403, "M_FORBIDDEN", "PUT", path, {"visibility": "public"}, token=alice)
        await self.refused(401, "M_MISSING_TOKEN", "PUT", path, {}, token=None)
