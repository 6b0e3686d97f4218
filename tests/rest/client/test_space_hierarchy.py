"""Client API: `GET /rooms/{roomId}/hierarchy`."""

from base64 import urlsafe_b64encode
from typing import Any
from unittest.mock import patch
from urllib.parse import quote, urlencode

import orjson

from synapse.handlers import space_hierarchy
from tests.rest.rooms import RoomTestCase, room_path

V1 = "/_matrix/client/v1"


def hierarchy_path(room_id: str, **query: Any) -> str:
    return f"{V1}/rooms/{quote(room_id)}/hierarchy?{urlencode(query)}"


class HierarchyTestCase(RoomTestCase):
    async def people(self) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")

    async def space(self, *children: str, **body: Any) -> str:
        body = {"preset": "public_chat", "creation_content": {"type": "m.space"}, **body}
        room_id = await self.create(self.alice, **body)
        for number, child in enumerate(children):
            await self.add(room_id, child, order=f"{number:03}")
        return room_id

    async def add(self, space: str, child: str, **content: Any) -> str:
        content = {"via": ["test"], **content}
        return await self.set_state(self.alice, space, "m.space.child", content, child)

    async def hierarchy(self, room_id: str, token: str | None = None, **query: Any) -> Any:
        return await self.ok("GET", hierarchy_path(room_id, **query), token=token or self.alice)

    async def ids(self, room_id: str, token: str | None = None, **query: Any) -> list[str]:
        page = await self.hierarchy(room_id, token, **query)
        self.assertNotIn("next_batch", page)
        return [room["room_id"] for room in page["rooms"]]

    async def all_pages(self, room_id: str, **query: Any) -> list[list[str]]:
        pages: list[list[str]] = []
        since: dict[str, str] = {}
        while True:
            page = await self.hierarchy(room_id, **query, **since)
            pages.append([room["room_id"] for room in page["rooms"]])
            if "next_batch" not in page:
                return pages
            since = {"from": page["next_batch"]}
            self.assertLess(len(pages), 100)


class HierarchyTests(HierarchyTestCase):
    async def test_what_a_room_shows(self) -> None:
        await self.people()
        allowed = await self.create(self.alice)
        room_id = await self.create(
            self.alice,
            room_version="12",
            name="Tea",
            topic="No coffee",
            initial_state=[
                {"type": "m.room.avatar", "content": {"url": "mxc://test/tea"}},
                {
                    "type": "m.room.encryption",
                    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
                },
                {
                    "type": "m.room.join_rules",
                    "content": {
                        "join_rule": "restricted",
                        "allow": [{"type": "m.room_membership", "room_id": allowed}],
                    },
                },
            ],
        )
        space = await self.space(name="Drinks")
        event_id = await self.add(space, room_id, suggested=True)
        event = await self.ok("GET", room_path(space, f"/event/{event_id}"), token=self.alice)
        page = await self.hierarchy(space)
        self.assertEqual(
            page,
            {
                "rooms": [
                    {
                        "room_id": space,
                        "name": "Drinks",
                        "room_type": "m.space",
                        "room_version": "12",
                        "join_rule": "public",
                        "world_readable": False,
                        "guest_can_join": False,
                        "num_joined_members": 1,
                        "children_state": [
                            {
                                "type": "m.space.child",
                                "state_key": room_id,
                                "content": {"via": ["test"], "suggested": True},
                                "sender": "@alice:test",
                                "origin_server_ts": event["origin_server_ts"],
                            }
                        ],
                    },
                    {
                        "room_id": room_id,
                        "name": "Tea",
                        "topic": "No coffee",
                        "avatar_url": "mxc://test/tea",
                        "room_version": "12",
                        "encryption": "m.megolm.v1.aes-sha2",
                        "join_rule": "restricted",
                        "allowed_room_ids": [allowed],
                        "world_readable": False,
                        "guest_can_join": True,
                        "num_joined_members": 1,
                        "children_state": [],
                    },
                ]
            },
        )
        unstable = f"/_matrix/client/unstable/org.matrix.msc2946/rooms/{space}/hierarchy"
        self.assertEqual(await self.ok("GET", unstable, token=self.alice), page)

    async def test_depth_first_in_the_order_of_the_specification(self) -> None:
        await self.people()
        rooms = [await self.create_public(self.alice) for _ in range(8)]
        inner = await self.space(rooms[0], rooms[1])
        space = await self.space()
        # The valid orders by their characters, then the others by age.
        for child, order in (
            (rooms[6], None),
            (rooms[7], "x" * 51),
            (rooms[5], "b"),
            (inner, "aaaa"),
            (rooms[2], " "),
            (rooms[3], "aaaab"),
            (rooms[4], "aaab"),
        ):
            await self.add(space, child, **({} if order is None else {"order": order}))
            self.advance(1)
        self.assertEqual(
            await self.ids(space),
            [space, rooms[2], inner, rooms[0], rooms[1], *rooms[3:6], rooms[6], rooms[7]],
        )

    async def test_children_that_age_alike_are_ordered_by_id(self) -> None:
        await self.people()
        rooms = [await self.create_public(self.alice) for _ in range(5)]
        space = await self.space()
        for child in rooms:
            await self.add(space, child)
        self.assertEqual(await self.ids(space), [space, *sorted(rooms)])

    async def test_what_is_no_child(self) -> None:
        await self.people()
        child, removed = await self.create_public(self.alice), await self.create_public(self.alice)
        space = await self.space()
        for key, content in (
            (child, {}),
            (child, {"via": []}),
            (child, {"via": "test"}),
            (child, {"via": [7]}),
            ("not a room", {"via": ["test"]}),
            (child, {"via": ["test"], "x": "x" * 9_000}),
        ):
            await self.set_state(self.alice, space, "m.space.child", content, key)
            page = await self.hierarchy(space)
            self.assertEqual([room["room_id"] for room in page["rooms"]], [space])
            self.assertEqual(page["rooms"][0]["children_state"], [])
        event_id = await self.add(space, removed)
        self.assertEqual(await self.ids(space), [space, removed])
        await self.redact(self.alice, space, event_id)
        self.assertEqual(await self.ids(space), [space])
        # Only spaces have children.
        room_id = await self.create_public(self.alice)
        await self.add(room_id, child)
        self.assertEqual(await self.ids(room_id), [room_id])

    async def test_strange_state_harms_nothing(self) -> None:
        await self.people()
        space = await self.space(creation_content={"type": "m.space", "predecessor": 7})
        child = await self.create_public(self.alice)
        strange: list[Any] = [None, 7, True, "x", [], [7, None, {}], {}, {"a": []}]
        for value in strange:
            for type_, key, content in (
                ("m.space.child", child, {"via": ["test"], "order": value, "suggested": value}),
                ("m.space.child", child, {"via": value}),
                ("m.room.join_rules", "", {"join_rule": "public", "allow": value}),
                ("m.room.join_rules", "", {"join_rule": "restricted", "allow": value}),
                ("m.room.join_rules", "", {"join_rule": "restricted", "allow": [value]}),
                (
                    "m.room.join_rules",
                    "",
                    {
                        "join_rule": "restricted",
                        "allow": [{"type": "m.room_membership", "room_id": value}],
                    },
                ),
            ):
                await self.set_state(self.alice, space, type_, content, key)
                await self.hierarchy(space, suggested_only="true")
                await self.ok("GET", f"{V1}/room_summary/{space}", token=self.alice)
                path = hierarchy_path(space)
                self.assertIn((await self.fetch("GET", path, token=self.bob)).status, (200, 403))
        # Rooms of which no type can be read are no spaces.
        for value in strange:
            room_id = await self.create_public(self.alice, creation_content={"type": value})
            await self.add(room_id, child)
            self.assertEqual(await self.ids(room_id), [room_id])

    async def test_unknown_rooms_are_children_that_are_not_shown(self) -> None:
        await self.people()
        space = await self.space("!unknown:test")
        page = await self.hierarchy(space)
        self.assertEqual(len(page["rooms"]), 1)
        self.assertEqual(page["rooms"][0]["children_state"][0]["state_key"], "!unknown:test")

    async def test_loops_end(self) -> None:
        await self.people()
        first = await self.space()
        second = await self.space(first)
        await self.add(first, second)
        await self.add(first, first)
        self.assertEqual(await self.ids(first), [first, second])
        self.assertEqual(await self.ids(second), [second, first])

    async def test_depth(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice)
        inner = await self.space(room_id)
        space = await self.space(inner)
        for max_depth, expected in (
            (0, [space]),
            (1, [space, inner]),
            (2, [space, inner, room_id]),
            (10**9, [space, inner, room_id]),
        ):
            self.assertEqual(await self.ids(space, max_depth=max_depth), expected)
        with patch.object(space_hierarchy, "MAX_DEPTH", 1):
            self.assertEqual(await self.ids(space, max_depth=1), [space, inner])

    async def test_suggested_only(self) -> None:
        await self.people()
        rooms = [await self.create_public(self.alice) for _ in range(3)]
        space = await self.space(rooms[0])
        await self.add(space, rooms[1], suggested=True)
        await self.add(space, rooms[2], suggested="yes")
        page = await self.hierarchy(space, suggested_only="true")
        self.assertEqual([room["room_id"] for room in page["rooms"]], [space, rooms[1]])
        children = page["rooms"][0]["children_state"]
        self.assertEqual([child["state_key"] for child in children], [rooms[1]])


class PageTests(HierarchyTestCase):
    async def arrange(self) -> None:
        """A tree of 9 rooms; `walk` is the order in which they are walked through."""
        await self.people()
        rooms = [await self.create_public(self.alice) for _ in range(5)]
        hidden = await self.create(self.alice)
        deepest = await self.space(rooms[0], hidden, rooms[1])
        inner = await self.space(deepest, rooms[2])
        self.space_id = await self.space(inner, rooms[3], deepest, rooms[4])
        below = [deepest, rooms[0], hidden, rooms[1]]
        self.walk = [self.space_id, inner, *below, rooms[2], rooms[3], *below, rooms[4]]

    async def test_pages_of_every_size(self) -> None:
        await self.arrange()
        for limit in range(1, 15):
            pages = await self.all_pages(self.space_id, limit=limit)
            self.assertEqual([room_id for page in pages for room_id in page], self.walk)
            self.assertTrue(all(len(page) == limit for page in pages[:-1]))

    async def test_pages_end_when_enough_was_looked_at_or_said(self) -> None:
        await self.arrange()
        for name, value in (("_MAX_LOOKED_AT", 1), ("_ENOUGH_BYTES", 1), ("_LOOK_AHEAD", 1)):
            with self.subTest(name=name), patch.object(space_hierarchy, name, value):
                pages = await self.all_pages(self.space_id)
                self.assertEqual([room_id for page in pages for room_id in page], self.walk)

    async def test_the_whole_walk_ends(self) -> None:
        await self.arrange()
        with patch.object(space_hierarchy, "_MAX_ROOMS_IN_ALL", 4):
            self.assertEqual(sum(map(len, await self.all_pages(self.space_id, limit=2))), 4)

    async def test_a_room_that_was_hidden_between_pages(self) -> None:
        await self.arrange()
        page = await self.hierarchy(self.space_id, self.bob, limit=3)
        self.assertEqual([room["room_id"] for room in page["rooms"]], self.walk[:3])
        # The space in which the page ended closes: what is below it isn't shown any more.
        await self.set_state(self.alice, self.walk[2], "m.room.join_rules", {"join_rule": "invite"})
        page = await self.hierarchy(self.space_id, self.bob, **{"from": page["next_batch"]})
        shown = [room["room_id"] for room in page["rooms"]]
        self.assertEqual(shown, [self.walk[6], self.walk[7], self.walk[-1]])

    async def test_a_place_that_is_gone(self) -> None:
        await self.arrange()
        page = await self.hierarchy(self.space_id, limit=2)
        await self.set_state(self.alice, self.space_id, "m.space.child", {}, self.walk[1])
        path = hierarchy_path(self.space_id, **{"from": page["next_batch"]})
        await self.refused(400, "M_INVALID_PARAM", "GET", path, token=self.alice)

    async def test_tokens_are_for_one_walk(self) -> None:
        await self.arrange()
        page = await self.hierarchy(self.space_id, limit=2, max_depth=2, suggested_only="false")
        token = {"from": page["next_batch"]}
        await self.hierarchy(self.space_id, max_depth=2, limit=7, **token)
        for query in (
            {},
            {"max_depth": 1},
            {"max_depth": 3},
            {"max_depth": 2, "suggested_only": "true"},
        ):
            path = hierarchy_path(self.space_id, **query, **token)
            await self.refused(400, "M_INVALID_PARAM", "GET", path, token=self.alice)
        path = hierarchy_path(self.walk[1], max_depth=2, **token)
        await self.refused(400, "M_INVALID_PARAM", "GET", path, token=self.alice)

    async def test_forged_tokens_show_no_other_rooms(self) -> None:
        await self.arrange()
        secret_room = await self.create(self.alice)
        secret = await self.space(secret_room, preset="private_chat")
        await self.add(self.space_id, secret)
        for path in (
            [self.space_id, secret],
            [self.space_id, secret, secret_room],
            [self.space_id, secret_room],
            [secret],
            [secret, secret_room],
        ):
            token = _token([1, 10, False, path])
            answer = await self.fetch(
                "GET", hierarchy_path(self.space_id, **{"from": token}), token=self.bob
            )
            self.assertNotIn(secret_room, str(answer.json))
            if answer.status != 200:
                self.assertEqual((answer.status, answer.json["errcode"]), (400, "M_INVALID_PARAM"))

    async def test_wrong_tokens(self) -> None:
        await self.arrange()
        good = [1, 10, False, [self.space_id]]
        for token in (
            "",
            "x",
            "é",
            "=",
            "x" * 10_000,
            _token(None),
            _token({}),
            _token("abcd"),
            _token(good[:3]),
            _token([*good, 1]),
            _token(["1", 10, False, [self.space_id]]),
            _token([1, 10, False, []]),
            _token([1, 10, False, self.space_id]),
            _token([1, 10, False, [7]]),
            _token([1, 10, False, [self.space_id] * 2]),
            _token([1, 10, False, [self.space_id] * 12]),
            _token([1, 10, False, ["!a\0b:test"]]),
        ):
            path = hierarchy_path(self.space_id, **{"from": token})
            await self.refused(400, "M_INVALID_PARAM", "GET", path, token=self.alice)

    async def test_wrong_parameters(self) -> None:
        await self.arrange()
        for name, value in (
            ("limit", 0),
            ("limit", -1),
            ("limit", "x"),
            ("max_depth", -1),
            ("max_depth", "x"),
            ("suggested_only", "1"),
        ):
            path = hierarchy_path(self.space_id, **{name: value})
            await self.refused(400, "M_INVALID_PARAM", "GET", path, token=self.alice)


def _token(members: Any) -> str:
    return urlsafe_b64encode(orjson.dumps(members)).decode().rstrip("=")


class WhoMaySeeTests(HierarchyTestCase):
    """The same rules for a space, what is in it, and a summary."""

    async def test_who_sees_which_room(self) -> None:
        await self.people()
        club = await self.create_public(self.alice)
        other = await self.create_public(self.alice)
        await self.join(self.bob, club)
        # version, join rule, history visibility, bob's membership, sees bob it, and a stranger?
        for case in (
            ("12", "public", "shared", None, True, True),
            ("12", "invite", "shared", None, False, False),
            ("12", "invite", "world_readable", None, True, True),
            ("12", "invite", "shared", "invite", True, False),
            ("12", "invite", "shared", "join", True, False),
            ("12", "invite", "shared", "leave", False, False),
            ("12", "public", "shared", "leave", True, True),
            ("12", "public", "shared", "ban", False, True),
            ("12", "public", "world_readable", "ban", True, True),
            ("12", "knock", "shared", None, True, True),
            ("12", "knock", "shared", "ban", False, True),
            ("6", "knock", "shared", None, False, False),
            ("12", "knock_restricted", "shared", None, True, True),
            ("9", "knock_restricted", "shared", None, False, False),
            ("12", club, "shared", None, True, False),
            ("12", club, "shared", "ban", False, False),
            ("12", other, "shared", None, False, False),
            ("7", club, "shared", None, False, False),
            ("12", "private", "shared", None, False, False),
        ):
            with self.subTest(case=case):
                await self.check(*case)

    async def check(
        self,
        version: str,
        rule: str,
        visibility: str,
        membership: str | None,
        bob_sees_it: bool,
        strangers_see_it: bool,
    ) -> None:
        rules: dict[str, Any] = {"join_rule": rule}
        if rule.startswith("!"):
            allow = {"type": "m.room_membership", "room_id": rule}
            rules = {"join_rule": "restricted", "allow": ["x", {"type": "m.x"}, allow]}
        visible = {"history_visibility": visibility}
        room_id = await self.create(
            self.alice,
            room_version=version,
            creation_content={"type": "m.space"},
            initial_state=[
                {"type": "m.room.join_rules", "content": rules},
                {"type": "m.room.history_visibility", "content": visible},
            ],
        )
        if membership is not None:
            await self.change_membership(self.alice, room_id, "invite", "@bob:test")
        if membership in ("join", "leave", "ban"):
            await self.join(self.bob, room_id)
        if membership == "leave":
            await self.leave(self.bob, room_id)
        if membership == "ban":
            await self.change_membership(self.alice, room_id, "ban", "@bob:test")
        path = hierarchy_path(room_id)
        summary = f"{V1}/room_summary/{room_id}"
        if bob_sees_it:
            self.assertEqual(await self.ids(room_id, self.bob), [room_id])
            shown = await self.ok("GET", summary, token=self.bob)
            self.assertEqual(shown["membership"], membership or "leave")
        else:
            await self.refused(403, "M_FORBIDDEN", "GET", path, token=self.bob)
            await self.refused(404, "M_NOT_FOUND", "GET", summary, token=self.bob)
        if strangers_see_it:
            shown = await self.ok("GET", summary, token=None)
            self.assertEqual(shown["room_id"], room_id)
            self.assertNotIn("membership", shown)
        else:
            await self.refused(404, "M_NOT_FOUND", "GET", summary, token=None)
        space = await self.space(room_id)
        self.assertEqual(await self.ids(space, self.bob), [space] + [room_id] * bob_sees_it)

    async def test_unknown_rooms_look_like_hidden_ones(self) -> None:
        await self.people()
        hidden = await self.create(self.alice)
        answers = [
            await self.fetch("GET", path, token=self.bob)
            for room_id in (hidden, "!unknown:test")
            for path in (hierarchy_path(room_id), f"{V1}/room_summary/{room_id}")
        ]
        self.assertEqual(answers[0].json, answers[2].json)
        self.assertEqual(answers[1].json, answers[3].json)
        await self.refused(403, "M_FORBIDDEN", "GET", hierarchy_path("nonsense"), token=self.bob)

    async def test_guests_and_strangers(self) -> None:
        await self.people()
        space = await self.space()
        _, guest = await self.guest()
        self.assertEqual(await self.ids(space, guest), [space])
        await self.refused(401, "M_MISSING_TOKEN", "GET", hierarchy_path(space), token=None)


class SummaryTests(RoomTestCase):
    async def test_by_id_and_alias_also_under_the_proposals_names(self) -> None:
        alice = await self.register("alice")
        room_id = await self.create_public(
            alice,
            name="Tea",
            room_alias_name="tea",
            room_version="11",
            initial_state=[
                {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
            ],
        )
        expected = {
            "room_id": room_id,
            "name": "Tea",
            "canonical_alias": "#tea:test",
            "join_rule": "public",
            "world_readable": False,
            "guest_can_join": False,
            "num_joined_members": 1,
            "room_version": "11",
            "encryption": "m.megolm.v1.aes-sha2",
        }
        unstable = {
            "im.nheko.summary.room_version": "11",
            "im.nheko.summary.version": "11",
            "im.nheko.summary.encryption": "m.megolm.v1.aes-sha2",
        }
        prefix = "/_matrix/client/unstable/im.nheko.summary"
        for name in (quote(room_id), "%23tea:test"):
            path = f"{V1}/room_summary/{name}?via=elsewhere&via=test"
            self.assertEqual(await self.ok("GET", path, token=None), expected)
            answer = await self.ok("GET", path, token=alice)
            self.assertEqual(answer, {**expected, "membership": "join"})
            for path in (f"{prefix}/summary/{name}", f"{prefix}/rooms/{name}/summary"):
                self.assertEqual(await self.ok("GET", path, token=None), {**expected, **unstable})

    async def test_wrong_requests(self) -> None:
        alice = await self.register("alice")
        for name, status, errcode in (
            ("nonsense", 400, "M_INVALID_PARAM"),
            ("%23x", 400, "M_INVALID_PARAM"),
            ("%23unknown:test", 404, "M_NOT_FOUND"),
            ("!unknown:test", 404, "M_NOT_FOUND"),
        ):
            for token in (alice, None):
                await self.refused(status, errcode, "GET", f"{V1}/room_summary/{name}", token=token)
        path = f"{V1}/room_summary/!unknown:test"
        await self.refused(401, "M_UNKNOWN_TOKEN", "GET", path, token="wrong")

    async def test_a_redacted_name_is_not_shown(self) -> None:
        alice = await self.register("alice")
        room_id = await self.create_public(alice, topic="Tea")
        event_id = await self.set_state(alice, room_id, "m.room.name", {"name": "Secret"})
        path = f"{V1}/room_summary/{room_id}"
        self.assertEqual((await self.ok("GET", path, token=alice))["name"], "Secret")
        await self.redact(alice, room_id, event_id)
        self.assertNotIn("name", await self.ok("GET", path, token=alice))
