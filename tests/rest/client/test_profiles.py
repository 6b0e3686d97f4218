"""Client API: profiles, and how they reach rooms."""

from tests.rest.rooms import V3, RoomTestCase

ALICE, BOB = "@alice:test", "@bob:test"


class ProfileTests(RoomTestCase):
    async def arrange(self) -> None:
        self.alice = await self.register("alice")

    async def put(self, field: str, value: object, user: str = ALICE) -> None:
        path = f"{V3}/profile/{user}/{field}"
        await self.ok("PUT", path, {field: value}, token=self.alice)
        await self.finish_background()

    async def test_set_get_remove(self) -> None:
        await self.arrange()
        path = f"{V3}/profile/{ALICE}"
        self.assertEqual(await self.ok("GET", path, token=None), {"displayname": "alice"})
        await self.put("displayname", "Alice \N{PILE OF POO}")
        await self.put("avatar_url", "mxc://a/b")
        self.assertEqual(
            await self.ok("GET", path, token=None),
            {"displayname": "Alice \N{PILE OF POO}", "avatar_url": "mxc://a/b"},
        )
        self.assertEqual(
            await self.ok("GET", path + "/avatar_url", token=None), {"avatar_url": "mxc://a/b"}
        )
        await self.put("displayname", "")
        await self.ok("DELETE", path + "/avatar_url", token=self.alice)
        self.assertEqual(await self.ok("GET", path, token=None), {})
        for field in ("displayname", "avatar_url"):
            await self.refused(404, "M_NOT_FOUND", "GET", f"{path}/{field}", token=None)

    async def test_unknown_users(self) -> None:
        for user, status, errcode in (
            ("@unknown:test", 404, "M_NOT_FOUND"),
            ("@alice:elsewhere", 502, "M_UNKNOWN"),
            ("alice", 400, "M_INVALID_PARAM"),
        ):
            for rest in ("", "/displayname"):
                await self.refused(status, errcode, "GET", f"{V3}/profile/{user}{rest}", token=None)

    async def test_wrong_values(self) -> None:
        await self.arrange()
        for field, body, status, errcode in (
            ("displayname", {"displayname": 7}, 400, "M_BAD_JSON"),
            ("displayname", {"displayname": "x" * 257}, 400, "M_INVALID_PARAM"),
            ("displayname", {}, 400, "M_MISSING_PARAM"),
            ("avatar_url", {"avatar_url": []}, 400, "M_BAD_JSON"),
            ("avatar_url", {"avatar_url": "x" * 1001}, 400, "M_INVALID_PARAM"),
            ("_shoes", {"_shoes": 43}, 400, "M_INVALID_PARAM"),
            ("shoe%20size", {"shoe size": 43}, 400, "M_INVALID_PARAM"),
            ("M.tz", {"M.tz": "x"}, 400, "M_INVALID_PARAM"),
            ("org.example%00", {"org.example\0": "x"}, 400, "M_INVALID_PARAM"),
            ("org.example", {"org.example": None}, 400, "M_INVALID_PARAM"),
            ("org.example", {"shoe_size": 43}, 400, "M_MISSING_PARAM"),
            ("m.tz", {"m.tz": 7}, 400, "M_BAD_JSON"),
            ("a." + "b" * 254, {"a." + "b" * 254: 1}, 400, "M_KEY_TOO_LARGE"),
        ):
            path = f"{V3}/profile/{ALICE}/{field}"
            await self.refused(status, errcode, "PUT", path, body, token=self.alice)

    async def test_fields_of_ones_own(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        before = await self.state(self.alice, room_id)
        path = f"{V3}/profile/{ALICE}"
        fields = {
            "displayname": "alice",
            "m.tz": "Europe/London",
            "org.example.job-title": {"of": ["a", None, 1.5]},
            "shoe_size": 43,
            "a." + "b" * 253: "",
        }
        for name, value in fields.items():
            await self.put(name, value)
        self.assertEqual(await self.ok("GET", path, token=None), fields)
        for name, value in fields.items():
            answer = await self.ok("GET", f"{path}/{name}", token=None)
            self.assertEqual(answer, {name: value})
        # Rooms hear of names and avatars only.
        self.assertEqual(await self.server.stores.profiles.unspread(), [])
        self.assertEqual(await self.state(self.alice, room_id), before)
        for _ in range(2):
            await self.ok("DELETE", f"{path}/m.tz", token=self.alice)
        await self.refused(404, "M_NOT_FOUND", "GET", f"{path}/m.tz", token=None)

    async def test_the_path_of_the_proposal(self) -> None:
        await self.arrange()
        path = f"/_matrix/client/unstable/uk.tcpip.msc4133/profile/{ALICE}/m.tz"
        await self.ok("PUT", path, {"m.tz": "UTC"}, token=self.alice)
        self.assertEqual(await self.ok("GET", path, token=None), {"m.tz": "UTC"})
        await self.ok("DELETE", path, token=self.alice)

    async def test_a_profile_has_at_most_64_kib(self) -> None:
        await self.arrange()
        path = f"{V3}/profile/{ALICE}/org.example"
        spent = len('{"displayname":"alice","org.example":""}')
        fits = "x" * (65_536 - spent)
        await self.put("org.example", fits)
        body = {"org.example": fits + "x"}
        await self.refused(400, "M_PROFILE_TOO_LARGE", "PUT", path, body, token=self.alice)
        self.assertEqual((await self.ok("GET", path, token=None))["org.example"], fits)
        await self.put("displayname", "al")
        await self.put("org.example", "small")

    async def test_profiles_for_those_only_who_share_a_room(self) -> None:
        self.reconfigure(server={"limit_profile_requests_to_users_who_share_rooms": True})
        await self.arrange()
        bob = await self.register("bob")
        path = f"{V3}/profile/{ALICE}"
        await self.refused(401, "M_MISSING_TOKEN", "GET", path, token=None)
        for user in (ALICE, "@unknown:test"):
            for rest in ("", "/displayname"):
                path = f"{V3}/profile/{user}{rest}"
                await self.refused(403, "M_FORBIDDEN", "GET", path, token=bob)
        path = f"{V3}/profile/{ALICE}"
        await self.ok("GET", path, token=self.alice)
        room_id = await self.create_public(self.alice)
        await self.join(bob, room_id)
        await self.ok("GET", path, token=bob)
        await self.leave(bob, room_id)
        await self.refused(403, "M_FORBIDDEN", "GET", path, token=bob)

    async def test_profiles_are_their_users_own(self) -> None:
        await self.arrange()
        await self.register("bob")
        path = f"{V3}/profile/{BOB}/displayname"
        body = {"displayname": "x"}
        await self.refused(403, "M_FORBIDDEN", "PUT", path, body, token=self.alice)
        await self.refused(403, "M_FORBIDDEN", "DELETE", path, token=self.alice)

    async def test_guests_change_their_name_only(self) -> None:
        user, guest = await self.guest()
        for field, status in (("displayname", 200), ("avatar_url", 403)):
            answer = await self.fetch(
                "PUT", f"{V3}/profile/{user}/{field}", {field: "x"}, token=guest
            )
            self.assertEqual(answer.status, status, field)

    async def test_rooms_are_told(self) -> None:
        await self.arrange()
        bob = await self.register("bob")
        rooms = [await self.create_public(self.alice) for _ in range(3)]
        left = await self.create_public(bob)
        await self.join(self.alice, left)
        await self.leave(self.alice, left)
        await self.put("displayname", "Alice")
        await self.put("avatar_url", "mxc://a/b")
        for room_id in rooms:
            self.assertEqual(
                await self.content(self.alice, room_id, "m.room.member", ALICE),
                {"membership": "join", "displayname": "Alice", "avatar_url": "mxc://a/b"},
            )
        self.assertEqual(await self.membership(bob, left, ALICE), "leave")

    async def test_a_room_that_cannot_be_told_does_not_hold_up_the_others(self) -> None:
        await self.arrange()
        rooms = [await self.create_public(self.alice) for _ in range(3)]
        policy = {"via": "test", "public_keys": {"ed25519": "x"}}  # nobody is there
        await self.set_state(self.alice, rooms[0], "m.room.policy", policy)
        await self.put("displayname", "Alice")
        await self.finish_background()
        for room_id, name in zip(rooms, ("alice", "Alice", "Alice"), strict=True):
            content = await self.content(self.alice, room_id, "m.room.member", ALICE)
            self.assertEqual(content["displayname"], name)
        self.assertEqual(await self.server.stores.profiles.unspread(), [])

    async def test_what_a_stop_of_the_server_interrupted_goes_on(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        await self.server.stores.profiles.change(ALICE, {"displayname": "Alice"})
        await self.server.users.profiles.resume()
        await self.finish_background()
        content = await self.content(self.alice, room_id, "m.room.member", ALICE)
        self.assertEqual(content["displayname"], "Alice")
        self.assertEqual(await self.server.stores.profiles.unspread(), [])

    async def test_the_same_again_is_not_told_again(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        await self.put("displayname", "Alice")
        before = await self.state(self.alice, room_id)
        await self.put("displayname", "Alice")
        self.assertEqual(
            (await self.state(self.alice, room_id))["m.room.member", ALICE]["event_id"],
            before["m.room.member", ALICE]["event_id"],
        )

    async def test_configured_limits(self) -> None:
        self.reconfigure(
            registration={"enable_set_displayname": False},
            server={"require_auth_for_profile_requests": True},
        )
        await self.arrange()
        path = f"{V3}/profile/{ALICE}"
        await self.refused(401, "M_MISSING_TOKEN", "GET", path, token=None)
        await self.ok("GET", path, token=self.alice)
        body = {"displayname": "x"}
        await self.refused(403, "M_FORBIDDEN", "PUT", path + "/displayname", body, token=self.alice)
        await self.put("avatar_url", "mxc://a/b")
