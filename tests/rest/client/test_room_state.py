"""Client API: reading and setting state, members."""

from typing import Any

from tests.rest.rooms import V3, RoomTestCase, ids, room_path

ALICE, BOB, CAROL, DAVE = "@alice:test", "@bob:test", "@carol:test", "@dave:test"


class StateTestCase(RoomTestCase):
    async def arrange(self, **body: Any) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create_public(self.alice, **body)
        await self.join(self.bob, self.room_id)

    def path(self, rest: str) -> str:
        return room_path(self.room_id, rest)


class StateTests(StateTestCase):
    async def test_set_and_get(self) -> None:
        await self.arrange()
        for type, key in (("x", ""), ("x", "k"), ("x", "/"), ("x", "@alice:test"), ("a/b", "")):
            content = {"type": type, "key": key}
            path = self.path(f"/state/{type.replace('/', '%2F')}/{key.replace('/', '%2F')}")
            event_id = (await self.ok("PUT", path, content, token=self.alice))["event_id"]
            self.assertEqual(await self.ok("GET", path, token=self.bob), content)
            event = await self.ok("GET", path + "?format=event", token=self.bob)
            self.assertEqual((event["event_id"], event["state_key"]), (event_id, key))
            self.assertEqual(event["room_id"], self.room_id)

    async def test_the_empty_key_may_be_left_out(self) -> None:
        await self.arrange()
        for slash in ("", "/"):
            path = self.path(f"/state/m.room.name{slash}")
            await self.ok("PUT", path, {"name": f"with {slash}"}, token=self.alice)
            self.assertEqual(await self.ok("GET", path, token=self.bob), {"name": f"with {slash}"})

    async def test_unknown_state(self) -> None:
        await self.arrange()
        for rest in ("/state/x", "/state/x/", "/state/m.room.name/k", "/state/m.room.member/@x:y"):
            await self.refused(404, "M_NOT_FOUND", "GET", self.path(rest), token=self.alice)

    async def test_the_same_again_is_no_new_event(self) -> None:
        await self.arrange()
        first = await self.set_state(self.alice, self.room_id, "x", {"n": 1})
        self.assertEqual(await self.set_state(self.alice, self.room_id, "x", {"n": 1}), first)
        second = await self.set_state(self.alice, self.room_id, "x", {"n": True})
        self.assertNotEqual(second, first)
        third = await self.set_state(self.alice, self.room_id, "x", {"n": 1})
        self.assertNotIn(third, (first, second))

    async def test_rights(self) -> None:
        await self.arrange(power_level_content_override={"events": {"x": 0}})
        await self.set_state(self.bob, self.room_id, "x", {})
        for rest in ("/state/m.room.name", "/state/y", "/state/x/@alice:test"):
            await self.refused(403, "M_FORBIDDEN", "PUT", self.path(rest), {"n": 1}, token=self.bob)

    async def test_what_cannot_be_set(self) -> None:
        await self.arrange()
        for rest, content, status, errcode in (
            ("/state/m.room.create", {}, 403, "M_FORBIDDEN"),
            ("/state/m.room.redaction", {}, 400, "M_INVALID_PARAM"),
            ("/state/m.room.member/@alice:test", {}, 400, "M_BAD_JSON"),
            ("/state/m.room.member/@alice:test", {"membership": "x"}, 400, "M_BAD_JSON"),
            ("/state/m.room.member/alice", {"membership": "invite"}, 400, "M_INVALID_PARAM"),
            ("/state/m.room.join_rules", {"join_rule": 7}, 400, "M_BAD_JSON"),
            ("/state/m.room.history_visibility", {"history_visibility": "x"}, 400, "M_BAD_JSON"),
            ("/state/m.room.name", {"name": 7}, 400, "M_BAD_JSON"),
            (f"/state/{'x' * 256}", {}, 413, "M_TOO_LARGE"),
            (f"/state/x/{'x' * 256}", {}, 413, "M_TOO_LARGE"),
            ("/state/m.room.power_levels", {"users": {ALICE: 1}}, 403, "M_FORBIDDEN"),
            ("/state/m.room.server_acl", {}, 400, "M_BAD_JSON"),
            ("/state/m.room.server_acl", {"allow": ["other.example"]}, 400, "M_BAD_JSON"),
            ("/state/m.room.server_acl", {"allow": ["*"], "deny": ["T?ST"]}, 400, "M_BAD_JSON"),
        ):
            await self.refused(status, errcode, "PUT", self.path(rest), content, token=self.alice)

    async def test_levels_as_each_room_version_writes_them(self) -> None:
        await self.arrange()
        cases: tuple[tuple[Any, bool, bool], ...] = (
            # the level; may it stand in version 9, and in version 10?
            (50, True, True),
            (-1, True, True),
            (2**53 - 1, True, True),
            ("50", True, False),
            (" +50 ", True, False),
            ("fifty", False, False),
            ("", False, False),
            (None, False, False),
            (True, False, False),
            ([50], False, False),
            (2**53, False, False),
            (50.0, False, False),
        )
        for version, column in (("9", 1), ("10", 2), ("12", 2)):
            for case in cases:
                for place in ("users", "events", "notifications", None):
                    with self.subTest(version=version, level=case[0], place=place):
                        content = {"ban": case[0]} if place is None else {place: {BOB: case[0]}}
                        await self.check_levels(version, content, bool(case[column]))
            for content in ({"users": []}, {"events": 7}, {"users": {"bob": 1}}):
                await self.check_levels(version, content, False)

    async def check_levels(self, version: str, content: Any, is_valid: bool) -> None:
        body = {"room_version": version, "power_level_content_override": content}
        own = {} if version == "12" else {ALICE: 10**15}
        if isinstance(content.get("users", {}), dict):
            body["power_level_content_override"] = {
                **content,
                "users": {**own, **content.get("users", {})},
            }
        answer = await self.fetch("POST", f"{V3}/createRoom", body, token=self.alice)
        if not is_valid:
            self.assertEqual(answer.status, 400, str(answer))
            self.assertIn(answer.json["errcode"], ("M_BAD_JSON", "M_INVALID_ROOM_STATE"))
            room_id = await self.create(self.alice, room_version=version)
            path = room_path(room_id, "/state/m.room.power_levels")
            await self.refused(400, "M_BAD_JSON", "PUT", path, content, token=self.alice)
        else:
            self.assertEqual(answer.status, 200, str(answer))

    async def test_server_acls_that_leave_this_server_in(self) -> None:
        await self.arrange()
        for content in (
            {"allow": ["*"]},
            {"allow": ["te*"], "deny": ["*.test", "tes"]},
            {"allow": ["TEST"], "allow_ip_literals": False},
        ):
            await self.set_state(self.alice, self.room_id, "m.room.server_acl", content)
        body = {"initial_state": [{"type": "m.room.server_acl", "content": {"allow": []}}]}
        await self.refused(400, "M_BAD_JSON", "POST", f"{V3}/createRoom", body, token=self.alice)

    async def test_whoever_left_sees_the_state_as_it_was(self) -> None:
        await self.arrange(name="old")
        before = await self.state(self.bob, self.room_id)
        await self.leave(self.bob, self.room_id)
        await self.set_state(self.alice, self.room_id, "m.room.name", {"name": "new"})
        await self.set_state(self.alice, self.room_id, "x", {})
        state = await self.state(self.bob, self.room_id)
        self.assertEqual(set(state), set(before))
        self.assertEqual(state["m.room.name", ""]["content"], {"name": "old"})
        self.assertEqual(state["m.room.member", BOB]["content"]["membership"], "leave")
        self.assertEqual(await self.content(self.bob, self.room_id, "m.room.name"), {"name": "old"})
        await self.refused(404, "M_NOT_FOUND", "GET", self.path("/state/x"), token=self.bob)

    async def test_outsiders(self) -> None:
        await self.arrange()
        carol = await self.register("carol")
        for room_id in (self.room_id, "!unknown:test"):
            for rest in ("/state", "/state/m.room.name", "/members", "/joined_members"):
                await self.refused(403, "M_FORBIDDEN", "GET", room_path(room_id, rest), token=carol)
            await self.refused(
                403, "M_FORBIDDEN", "PUT", room_path(room_id, "/state/x"), {}, token=carol
            )
        visibility = {"history_visibility": "world_readable"}
        await self.set_state(self.alice, self.room_id, "m.room.history_visibility", visibility)
        for rest in ("/state", "/state/m.room.create", "/members"):
            await self.ok("GET", self.path(rest), token=carol)
        await self.refused(403, "M_FORBIDDEN", "GET", self.path("/joined_members"), token=carol)


class MembersTests(StateTestCase):
    async def arrange(self, **body: Any) -> None:
        """Bob is in the room, carol invited, dave has left."""
        await super().arrange(**body)
        self.token = (await self.sync(self.alice))["next_batch"]
        dave = await self.register("dave")
        await self.change_membership(self.alice, self.room_id, "invite", CAROL)
        await self.join(dave, self.room_id)
        await self.leave(dave, self.room_id)

    async def members(self, token: str, query: str = "") -> dict[str, str]:
        answer = await self.ok("GET", self.path("/members" + query), token=token)
        return {e["state_key"]: e["content"]["membership"] for e in answer["chunk"]}

    async def test_by_membership(self) -> None:
        await self.arrange()
        everybody = {ALICE: "join", BOB: "join", CAROL: "invite", DAVE: "leave"}
        for query, wanted in (
            ("", {ALICE, BOB, CAROL, DAVE}),
            ("?membership=join", {ALICE, BOB}),
            ("?membership=invite", {CAROL}),
            ("?membership=ban", set()),
            ("?not_membership=leave", {ALICE, BOB, CAROL}),
            ("?membership=leave&not_membership=join", {CAROL, DAVE}),
            ("?membership=join&not_membership=join", {ALICE, BOB, CAROL, DAVE}),
        ):
            found = await self.members(self.bob, query)
            self.assertEqual(found, {user: everybody[user] for user in wanted}, query)
        for query in ("?membership=x", "?not_membership=x", "?at=x"):
            await self.refused(
                400, "M_INVALID_PARAM", "GET", self.path("/members" + query), token=self.bob
            )

    async def test_at_a_token(self) -> None:
        await self.arrange()
        found = await self.members(self.bob, f"?at={self.token}")
        self.assertEqual(found, {ALICE: "join", BOB: "join"})
        found = await self.members(self.bob, f"?at={self.token}&membership=leave")
        self.assertEqual(found, {})
        now = (await self.sync(self.alice))["next_batch"]
        self.assertEqual(set(await self.members(self.bob, f"?at={now}")), {ALICE, BOB, CAROL, DAVE})
        self.assertEqual(await self.members(self.bob, "?at=s0_0"), {})

    async def test_at_a_token_from_before_what_one_may_see(self) -> None:
        visibility = {"history_visibility": "joined"}
        setting = {"type": "m.room.history_visibility", "content": visibility}
        await self.arrange(initial_state=[setting])
        await self.send(self.alice, self.room_id)
        token = (await self.sync(self.alice))["next_batch"]
        await self.leave(self.bob, self.room_id)
        eve = await self.register("eve")
        await self.join(eve, self.room_id)
        await self.change_membership(self.alice, self.room_id, "ban", CAROL)
        found = await self.members(eve, f"?at={token}")
        self.assertEqual(
            (found[BOB], found[CAROL], found["@eve:test"]), ("leave", "invite", "join")
        )

    async def test_whoever_left_sees_the_members_as_they_were(self) -> None:
        await self.arrange()
        await self.leave(self.bob, self.room_id)
        await self.change_membership(self.alice, self.room_id, "ban", CAROL)
        found = await self.members(self.bob)
        self.assertEqual(found, {ALICE: "join", BOB: "leave", CAROL: "invite", DAVE: "leave"})
        now = (await self.sync(self.alice))["next_batch"]
        self.assertEqual(await self.members(self.bob, f"?at={now}"), found)

    async def test_joined_members(self) -> None:
        await self.arrange()
        path = f"/_matrix/client/v3/profile/{ALICE}/avatar_url"
        await self.ok("PUT", path, {"avatar_url": "mxc://a/b"}, token=self.alice)
        await self.finish_background()
        answer = await self.ok("GET", self.path("/joined_members"), token=self.bob)
        self.assertEqual(
            answer["joined"],
            {
                ALICE: {"display_name": "alice", "avatar_url": "mxc://a/b"},
                BOB: {"display_name": "bob"},
            },
        )
        await self.leave(self.bob, self.room_id)
        await self.refused(403, "M_FORBIDDEN", "GET", self.path("/joined_members"), token=self.bob)

    async def test_state_has_no_event_twice(self) -> None:
        await self.arrange()
        events = await self.ok("GET", self.path("/state"), token=self.bob)
        self.assertEqual(len(set(ids(events))), len(events))
        self.assertEqual(len({(e["type"], e["state_key"]) for e in events}), len(events))
