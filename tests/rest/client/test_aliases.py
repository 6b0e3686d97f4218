"""Client API: aliases and the directory's visibility."""

from typing import Any
from urllib.parse import quote

from synapse.config.rooms import DirectoryRule
from tests.rest.rooms import V3, RoomTestCase, room_path


def alias_path(alias: str) -> str:
    return f"{V3}/directory/room/{quote(alias)}"


class AliasTests(RoomTestCase):
    async def arrange(self) -> None:
        """A room of alice's, with bob in it; carol is elsewhere."""
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.carol = await self.register("carol")
        self.room_id = await self.create_public(self.alice)
        await self.join(self.bob, self.room_id)

    async def add(self, token: str, alias: str, room_id: str | None = None) -> Any:
        body = {"room_id": room_id or self.room_id}
        return await self.fetch("PUT", alias_path(alias), body, token=token)

    async def canonical(self, **content: Any) -> Any:
        path = room_path(self.room_id, "/state/m.room.canonical_alias")
        return await self.fetch("PUT", path, content, token=self.alice)

    async def test_make_find_list_remove(self) -> None:
        await self.arrange()
        self.assertEqual((await self.add(self.bob, "#a:test")).json, {})
        found = await self.ok("GET", alias_path("#a:test"), token=None)
        self.assertEqual(found, {"room_id": self.room_id, "servers": ["test"]})
        listed = await self.ok("GET", room_path(self.room_id, "/aliases"), token=self.alice)
        self.assertEqual(listed, {"aliases": ["#a:test"]})
        await self.ok("DELETE", alias_path("#a:test"), token=self.bob)
        for method, token in (("GET", None), ("DELETE", self.bob)):
            await self.refused(404, "M_NOT_FOUND", method, alias_path("#a:test"), token=token)

    async def test_wrong_aliases(self) -> None:
        await self.arrange()
        for alias in (
            "a",
            "#a",
            "#a:",
            "#:test",
            "#a b:test",
            "#" + "x" * 255 + ":test",
            "@a:test",
        ):
            answer = await self.add(self.alice, alias)
            self.assertEqual(answer.status, 400, alias)
            self.assertEqual(answer.json["errcode"], "M_INVALID_PARAM", alias)
            await self.refused(400, "M_INVALID_PARAM", "GET", alias_path(alias), token=None)
        answer = await self.add(self.alice, "#a:elsewhere")
        self.assertEqual((answer.status, answer.json["errcode"]), (400, "M_INVALID_PARAM"))

    async def test_taken(self) -> None:
        await self.arrange()
        await self.add(self.alice, "#a:test")
        answer = await self.add(self.bob, "#a:test")
        self.assertEqual((answer.status, answer.json["errcode"]), (409, "M_UNKNOWN"))

    async def test_only_members_make_them(self) -> None:
        await self.arrange()
        for room_id, status in ((self.room_id, 403), ("!unknown:test", 404), ("#a:test", 400)):
            self.assertEqual((await self.add(self.carol, "#a:test", room_id)).status, status)
        self.reconfigure(rooms={"require_membership_for_aliases": False})
        self.assertEqual((await self.add(self.carol, "#a:test")).status, 200)

    async def test_who_removes_them(self) -> None:
        await self.arrange()
        for maker, remover, status in (
            (self.bob, self.bob, 200),
            (self.bob, self.alice, 200),  # who may set the canonical alias
            (self.alice, self.bob, 403),
            (self.alice, self.carol, 403),
        ):
            await self.add(maker, "#a:test")
            answer = await self.fetch("DELETE", alias_path("#a:test"), token=remover)
            self.assertEqual(answer.status, status)
            if status == 403:
                await self.ok("DELETE", alias_path("#a:test"), token=maker)

    async def test_who_lists_them(self) -> None:
        await self.arrange()
        path = room_path(self.room_id, "/aliases")
        await self.refused(403, "M_FORBIDDEN", "GET", path, token=self.carol)
        visibility = {"history_visibility": "world_readable"}
        await self.set_state(self.alice, self.room_id, "m.room.history_visibility", visibility)
        await self.ok("GET", path, token=self.carol)

    async def test_canonical_alias_must_point_to_the_room(self) -> None:
        await self.arrange()
        other = await self.create(self.alice)
        await self.add(self.alice, "#mine:test")
        await self.add(self.alice, "#other:test", other)
        for content, status, errcode in (
            ({"alias": "#mine:test"}, 200, None),
            ({"alias": "#mine:test", "alt_aliases": ["#mine:test"]}, 200, None),
            ({}, 200, None),
            ({"alias": None}, 200, None),
            ({"alias": "#other:test"}, 400, "M_BAD_ALIAS"),
            ({"alias": "#unknown:test"}, 400, "M_BAD_ALIAS"),
            ({"alias": "#mine:test", "alt_aliases": ["#other:test"]}, 400, "M_BAD_ALIAS"),
            ({"alias": "mine"}, 400, "M_INVALID_PARAM"),
            ({"alt_aliases": ["#mine"]}, 400, "M_INVALID_PARAM"),
            ({"alias": 7}, 400, "M_BAD_JSON"),
            ({"alt_aliases": "#mine:test"}, 400, "M_BAD_JSON"),
        ):
            answer = await self.canonical(**content)
            self.assertEqual(answer.status, status, str(content))
            self.assertEqual(answer.json.get("errcode"), errcode, str(content))

    async def test_what_stands_already_is_not_checked_again(self) -> None:
        await self.arrange()
        await self.add(self.alice, "#a:test")
        await self.canonical(alias="#a:test", alt_aliases=["#a:test"])
        await self.server.stores.rooms.remove_alias("#a:test")
        self.assertEqual((await self.canonical(alt_aliases=["#a:test"])).status, 200)

    async def test_a_removed_alias_is_no_longer_canonical(self) -> None:
        await self.arrange()
        for alias in ("#a:test", "#b:test"):
            await self.add(self.alice, alias)
        await self.canonical(alias="#a:test", alt_aliases=["#a:test", "#b:test"])
        await self.ok("DELETE", alias_path("#a:test"), token=self.alice)
        content = await self.content(self.alice, self.room_id, "m.room.canonical_alias")
        self.assertEqual(content, {"alt_aliases": ["#b:test"]})

    async def test_directory_visibility(self) -> None:
        await self.arrange()
        path = f"{V3}/directory/list/room/{self.room_id}"
        await self.ok("PUT", path, {"visibility": "public"}, token=self.alice)
        self.assertEqual(await self.ok("GET", path, token=None), {"visibility": "public"})
        for token in (self.bob, self.carol):
            await self.refused(
                403, "M_FORBIDDEN", "PUT", path, {"visibility": "private"}, token=token
            )
        await self.refused(
            400, "M_INVALID_PARAM", "PUT", path, {"visibility": "x"}, token=self.alice
        )
        unknown = f"{V3}/directory/list/room/!unknown:test"
        await self.refused(404, "M_NOT_FOUND", "GET", unknown, token=None)
        await self.refused(404, "M_NOT_FOUND", "PUT", unknown, {}, token=self.alice)


class DirectoryRulesTests(RoomTestCase):
    """`alias_creation_rules` and `room_list_publication_rules`"""

    async def may_make(self, token: str, alias: str, room_id: str) -> bool:
        body = {"room_id": room_id}
        answer = await self.fetch("PUT", alias_path(alias), body, token=token)
        if answer.status != 200:
            self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"))
        return answer.status == 200

    async def may_publish(self, token: str, room_id: str) -> bool:
        path = f"{V3}/directory/list/room/{room_id}"
        answer = await self.fetch("PUT", path, {}, token=token)
        if answer.status != 200:
            self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"))
        return answer.status == 200

    async def test_the_first_rule_that_matches_counts(self) -> None:
        alice, bob = await self.register("alice"), await self.register("bob")
        room_id, other = await self.create_public(alice), await self.create_public(alice)
        bobs = await self.create_public(bob)
        self.reconfigure(
            rooms={
                "alias_creation_rules": (
                    DirectoryRule(alias="#bad*", action="deny"),
                    DirectoryRule(user_id="@alice:test", room_id=room_id),
                    DirectoryRule(user_id="@b?b:*", alias="#bob*"),
                )
            }
        )
        self.assertTrue(await self.may_make(alice, "#tea:test", room_id))
        self.assertFalse(await self.may_make(alice, "#bad:test", room_id))
        self.assertFalse(await self.may_make(alice, "#tea2:test", other))
        self.assertTrue(await self.may_make(bob, "#bobs:test", bobs))
        self.assertFalse(await self.may_make(bob, "#tea3:test", bobs))
        body = {"room_alias_name": "bobs2"}
        await self.ok("POST", f"{V3}/createRoom", body, token=bob)
        await self.refused(403, "M_FORBIDDEN", "POST", f"{V3}/createRoom", body, token=alice)

    async def test_who_shows_what_in_the_directory(self) -> None:
        alice, bob = await self.register("alice"), await self.register("bob")
        named = await self.create_public(alice, room_alias_name="tea")
        nameless, bobs = await self.create_public(alice), await self.create_public(bob)
        self.reconfigure(
            rooms={
                "room_list_publication_rules": (
                    DirectoryRule(alias="#tea*"),
                    DirectoryRule(user_id="@bob:test"),
                )
            }
        )
        self.assertTrue(await self.may_publish(alice, named))
        self.assertFalse(await self.may_publish(alice, nameless))
        self.assertTrue(await self.may_publish(bob, bobs))
        # Taking a room out of the directory needs no rule.
        path = f"{V3}/directory/list/room/{nameless}"
        await self.ok("PUT", path, {"visibility": "private"}, token=alice)
        body = {"visibility": "public"}
        await self.refused(403, "M_FORBIDDEN", "POST", f"{V3}/createRoom", body, token=alice)
        await self.ok("POST", f"{V3}/createRoom", body, token=bob)
        body["room_alias_name"] = "tea-time"
        await self.ok("POST", f"{V3}/createRoom", body, token=alice)

    async def test_without_a_rule_nobody_may_but_administrators(self) -> None:
        alice, admin = await self.register("alice"), await self.admin()
        room_id = await self.create_public(alice)
        self.reconfigure(rooms={"alias_creation_rules": (), "room_list_publication_rules": ()})
        self.assertFalse(await self.may_make(alice, "#tea:test", room_id))
        self.assertFalse(await self.may_publish(alice, room_id))
        self.assertTrue(await self.may_make(admin, "#tea:test", room_id))
        self.assertTrue(await self.may_publish(admin, room_id))
