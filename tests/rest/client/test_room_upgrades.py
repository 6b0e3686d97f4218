"""Client API: `POST /rooms/{roomId}/upgrade`."""

from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.app.wiring import Server
from synapse.handlers import room_closing
from synapse.handlers.auth import Requester
from synapse.rooms.writer import Draft
from tests.rest.base import KEY, AtOnce
from tests.rest.rooms import V3, RoomTestCase, bodies, room_path

ALICE, BOB, CAROL = "@alice:test", "@bob:test", "@carol:test"


class UpgradeTestCase(RoomTestCase):
    async def people(self) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.carol = await self.register("carol")

    async def upgrade(
        self, room_id: str, version: str = "12", token: str | None = None, **body: Any
    ) -> str:
        answer = await self.ok(
            "POST",
            room_path(room_id, "/upgrade"),
            {"new_version": version, **body},
            token=token or self.alice,
        )
        await self.finish_background()
        return str(answer["replacement_room"])

    async def contents(self, token: str, room_id: str) -> dict[tuple[str, str], Any]:
        state = await self.state(token, room_id)
        return {slot: event["content"] for slot, event in state.items()}


class UpgradeTests(UpgradeTestCase):
    async def test_from_every_version_to_every_version(self) -> None:
        await self.people()
        for old_version in ROOM_VERSIONS:
            for version in ROOM_VERSIONS:
                with self.subTest(old=old_version, new=version):
                    await self.upgrade_between(old_version, version)

    async def upgrade_between(self, old_version: str, version: str) -> None:
        old = await self.create_public(self.alice, room_version=old_version, name="Tea")
        new = await self.upgrade(old, version)
        self.assertNotEqual(new, old)
        state = await self.state(self.alice, new)
        create = state["m.room.create", ""]
        self.assertEqual(create["sender"], ALICE)
        self.assertEqual(create["content"]["room_version"], version)
        self.assertEqual(create["content"]["predecessor"]["room_id"], old)
        self.assertTrue(create["content"]["predecessor"]["event_id"].startswith("$"))
        self.assertEqual("creator" in create["content"], int(version) < 11)
        tombstone = await self.content(self.alice, old, "m.room.tombstone")
        self.assertEqual(tombstone["replacement_room"], new)
        self.assertTrue(tombstone["body"])
        self.assertEqual(state["m.room.name", ""]["content"], {"name": "Tea"})
        self.assertEqual(state["m.room.member", ALICE]["content"]["membership"], "join")
        levels = state["m.room.power_levels", ""]["content"]
        self.assertEqual(levels["users"].get(ALICE, 0) >= 100, int(version) < 12)
        # The upgrader has as much power as before, and others have as little.
        await self.set_state(self.alice, new, "m.room.tombstone", {})
        await self.join(self.bob, new)
        path = room_path(new, "/state/m.room.name")
        await self.refused(403, "M_FORBIDDEN", "PUT", path, {"name": "Bob's"}, token=self.bob)

    async def test_what_is_carried_over(self) -> None:
        await self.people()
        carried = {
            "m.room.topic": {"topic": "Tea", "m.topic": {}},
            "m.room.avatar": {"url": "mxc://test/tea"},
            "m.room.join_rules": {"join_rule": "knock"},
            "m.room.history_visibility": {"history_visibility": "joined"},
            "m.room.guest_access": {"guest_access": "can_join"},
            "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
            "m.room.server_acl": {"allow": ["*"], "deny": ["evil.example"]},
        }
        left = {
            "m.room.pinned_events": {"pinned": ["$x"]},
            "org.example": {"x": 1},
            "m.space.child": {"via": ["test"]},
        }
        old = await self.create(
            self.alice,
            room_version="10",
            creation_content={"type": "org.example.type", "m.federate": False, "x": 1},
            initial_state=[
                {"type": type_, "content": content} for type_, content in (carried | left).items()
            ],
            power_level_content_override={"ban": 60, "users": {ALICE: 100, BOB: 70}},
        )
        new = await self.upgrade(old, "11")
        state = await self.contents(self.alice, new)
        for type_, content in carried.items():
            self.assertEqual(state[type_, ""], content)
        for type_ in left:
            self.assertNotIn((type_, ""), state)
        self.assertEqual(
            set(state["m.room.create", ""]),
            {"type", "m.federate", "room_version", "predecessor"},
        )
        levels = state["m.room.power_levels", ""]
        self.assertEqual((levels["ban"], levels["users"]), (60, {ALICE: 100, BOB: 70}))
        self.assertEqual([slot[1] for slot in state if slot[0] == "m.room.member"], [ALICE])

    async def test_children_of_a_space(self) -> None:
        await self.people()
        child = {"via": ["test"], "order": "a", "suggested": True}
        old = await self.create(
            self.alice,
            creation_content={"type": "m.space"},
            initial_state=[
                {"type": "m.space.child", "state_key": "!a:test", "content": child},
                {"type": "m.space.child", "state_key": "!gone:test", "content": {}},
                {"type": "m.space.child", "state_key": "no room", "content": child},
            ],
        )
        state = await self.contents(self.alice, await self.upgrade(old))
        self.assertEqual(state["m.room.create", ""]["type"], "m.space")
        self.assertEqual(state["m.space.child", "!a:test"], child)
        self.assertEqual(len([1 for type_, _ in state if type_ == "m.space.child"]), 1)

    async def test_join_rules_that_the_version_does_not_have(self) -> None:
        await self.people()
        for old_version, rule, version, expected in (
            ("10", "knock_restricted", "9", "restricted"),
            ("10", "knock_restricted", "7", "invite"),
            ("10", "restricted", "10", "restricted"),
            ("8", "restricted", "7", "invite"),
            ("7", "knock", "6", "invite"),
            ("7", "knock", "7", "knock"),
            ("6", "public", "1", "public"),
        ):
            with self.subTest(old=old_version, rule=rule, new=version):
                rules = {"join_rule": rule, "allow": []}
                old = await self.create(
                    self.alice,
                    room_version=old_version,
                    initial_state=[{"type": "m.room.join_rules", "content": rules}],
                )
                new = await self.upgrade(old, version)
                content = await self.content(self.alice, new, "m.room.join_rules")
                self.assertEqual(content["join_rule"], expected)

    async def test_what_strict_versions_cannot_say(self) -> None:
        await self.people()
        old = await self.create(
            self.alice,
            room_version="5",
            initial_state=[{"type": "m.room.topic", "content": {"topic": "x", "y": 1.5}}],
            power_level_content_override={
                "users": {ALICE: "100", BOB: " 50 "},
                "ban": "60",
                "events": {"x": 7.0},
                "custom": 1.5,
            },
        )
        state = await self.contents(self.alice, await self.upgrade(old, "10"))
        self.assertNotIn(("m.room.topic", ""), state)
        levels = state["m.room.power_levels", ""]
        self.assertEqual((levels["users"], levels["ban"]), ({ALICE: 100, BOB: 50}, 60))
        self.assertEqual(levels["events"], {"x": 7})
        self.assertNotIn("custom", levels)

    async def test_bans(self) -> None:
        await self.people()
        old = await self.create_public(self.alice)
        users = [f"@user{number}:test" for number in range(7)]
        for user in users:
            path = room_path(old, "/ban")
            await self.ok("POST", path, {"user_id": user, "reason": "spam"}, token=self.alice)
        await self.change_membership(self.alice, old, "unban", users[6])
        with patch.object(room_closing, "_BANS_AT_ONCE", 2):
            state = await self.contents(self.alice, await self.upgrade(old))
        for user in users[:6]:
            self.assertEqual(
                state["m.room.member", user], {"membership": "ban", "reason": "spam"}, user
            )
        self.assertNotIn(("m.room.member", users[6]), state)

    async def test_a_banned_creator_to_be_is_not_banned(self) -> None:
        await self.people()
        old = await self.create_public(self.alice)
        await self.change_membership(self.alice, old, "ban", BOB)
        new = await self.upgrade(old, additional_creators=[BOB])
        self.assertNotIn(("m.room.member", BOB), await self.contents(self.alice, new))

    async def test_aliases_and_the_directory(self) -> None:
        await self.people()
        old = await self.create_public(self.alice, room_alias_name="tea", visibility="public")
        await self.ok(
            "PUT",
            f"{V3}/directory/room/%23drink:test",
            {"room_id": old},
            token=self.alice,
        )
        await self.set_state(
            self.alice,
            old,
            "m.room.canonical_alias",
            {"alias": "#tea:test", "alt_aliases": ["#drink:test"]},
        )
        new = await self.upgrade(old)
        for alias in ("%23tea:test", "%23drink:test"):
            found = await self.ok("GET", f"{V3}/directory/room/{alias}", token=None)
            self.assertEqual(found["room_id"], new)
        self.assertEqual(
            await self.content(self.alice, new, "m.room.canonical_alias"),
            {"alias": "#tea:test", "alt_aliases": ["#drink:test"]},
        )
        self.assertEqual(await self.content(self.alice, old, "m.room.canonical_alias"), {})
        for room_id, visibility in ((old, "private"), (new, "public")):
            found = await self.ok("GET", f"{V3}/directory/list/room/{room_id}", token=None)
            self.assertEqual(found, {"visibility": visibility})
        # Whoever made an alias may still remove it.
        await self.ok("DELETE", f"{V3}/directory/room/%23tea:test", token=self.alice)

    async def test_a_private_room_stays_private(self) -> None:
        await self.people()
        new = await self.upgrade(await self.create(self.alice))
        found = await self.ok("GET", f"{V3}/directory/list/room/{new}", token=None)
        self.assertEqual(found, {"visibility": "private"})
        await self.refused(403, "M_FORBIDDEN", "POST", room_path(new, "/join"), {}, token=self.bob)

    async def test_the_old_room_closes(self) -> None:
        await self.people()
        for version in ("1", "11", "12"):
            with self.subTest(version=version):
                old = await self.create_public(
                    self.alice,
                    room_version=version,
                    power_level_content_override={"users_default": 60},
                )
                await self.join(self.bob, old)
                await self.send(self.bob, old)
                await self.upgrade(old)
                levels = await self.content(self.alice, old, "m.room.power_levels")
                self.assertEqual((levels["events_default"], levels["invite"]), (61, 61))
                path = room_path(old, "/send/m.room.message/t")
                await self.refused(403, "M_FORBIDDEN", "PUT", path, {}, token=self.bob)

    async def test_moderators_upgrade_what_they_may_not_change(self) -> None:
        """Who may only send the tombstone makes a room with the same levels."""
        await self.people()
        for version in ("11", "12"):
            with self.subTest(version=version):
                acl = {"allow": ["*"]}
                old = await self.create_public(
                    self.alice,
                    room_version="11",
                    initial_state=[{"type": "m.room.server_acl", "content": acl}],
                    power_level_content_override={
                        "users": {ALICE: 100, BOB: 40},
                        "events": {
                            "m.room.tombstone": 40,
                            "m.room.server_acl": 100,
                            "m.room.power_levels": 100,
                        },
                    },
                )
                await self.join(self.bob, old)
                before = await self.content(self.alice, old, "m.room.power_levels")
                new = await self.upgrade(old, version, self.bob)
                self.assertEqual(await self.content(self.alice, old, "m.room.power_levels"), before)
                self.assertEqual(await self.content(self.bob, new, "m.room.server_acl"), acl)
                users = {ALICE: 100, BOB: 40} if version == "11" else {ALICE: 100}
                levels = await self.content(self.bob, new, "m.room.power_levels")
                self.assertEqual(levels, {**before, "users": users})

    async def test_creators(self) -> None:
        await self.people()
        old = await self.create(self.alice, creation_content={"additional_creators": [CAROL]})
        new = await self.upgrade(old, additional_creators=[BOB, BOB, ALICE])
        create = await self.content(self.alice, new, "m.room.create")
        self.assertEqual(create["additional_creators"], [BOB])
        # Creators are users with a level again where creators are nothing special.
        older = await self.upgrade(new, "11", additional_creators=[CAROL])
        self.assertNotIn(
            "additional_creators", await self.content(self.alice, older, "m.room.create")
        )
        levels = await self.content(self.alice, older, "m.room.power_levels")
        self.assertEqual(levels["users"], {ALICE: 150, BOB: 150})

    async def test_clients_learn_of_both_rooms(self) -> None:
        await self.people()
        old = await self.create_public(self.alice)
        await self.join(self.bob, old)
        tokens = [(await self.sync(token))["next_batch"] for token in (self.alice, self.bob)]
        new = await self.upgrade(old)
        rooms = (await self.sync(self.alice, since=tokens[0]))["rooms"]["join"]
        self.assertEqual(set(rooms), {old, new})
        types = [event["type"] for event in rooms[new]["timeline"]["events"]]
        self.assertEqual(types[:2], ["m.room.create", "m.room.member"])
        rooms = (await self.sync(self.bob, since=tokens[1]))["rooms"]["join"]
        self.assertEqual(set(rooms), {old})
        (tombstone,) = [
            event
            for event in rooms[old]["timeline"]["events"]
            if event["type"] == "m.room.tombstone"
        ]
        self.assertEqual(tombstone["content"]["replacement_room"], new)

    async def test_who_may_not(self) -> None:
        await self.people()
        old = await self.create_public(self.alice)
        path, body = room_path(old, "/upgrade"), {"new_version": "12"}
        await self.refused(403, "M_FORBIDDEN", "POST", path, body, token=self.bob)
        await self.join(self.bob, old)
        await self.refused(403, "M_FORBIDDEN", "POST", path, body, token=self.bob)
        unknown = room_path("!unknown:test", "/upgrade")
        await self.refused(403, "M_FORBIDDEN", "POST", unknown, body, token=self.bob)
        await self.leave(self.alice, old)
        await self.refused(403, "M_FORBIDDEN", "POST", path, body, token=self.alice)
        _, guest = await self.guest()
        await self.refused(403, "M_GUEST_ACCESS_FORBIDDEN", "POST", path, body, token=guest)
        await self.refused(401, "M_MISSING_TOKEN", "POST", path, body, token=None)

    async def test_wrong_requests(self) -> None:
        await self.people()
        path = room_path(await self.create(self.alice), "/upgrade")
        for body, errcode in (
            ({}, "M_MISSING_PARAM"),
            ({"new_version": 12}, "M_BAD_JSON"),
            ({"new_version": "13"}, "M_UNSUPPORTED_ROOM_VERSION"),
            ({"new_version": ""}, "M_UNSUPPORTED_ROOM_VERSION"),
            ({"new_version": "12", "additional_creators": "x"}, "M_BAD_JSON"),
            ({"new_version": "12", "additional_creators": ["x"]}, "M_INVALID_PARAM"),
            ({"new_version": "12", "additional_creators": [BOB] * 101}, "M_BAD_JSON"),
        ):
            await self.refused(400, errcode, "POST", path, body, token=self.alice)
        # Ignored where the version doesn't know it.
        await self.ok(
            "POST",
            path,
            {"new_version": "11", "additional_creators": ["x"]},
            token=self.alice,
        )


class RepeatedUpgradeTests(UpgradeTestCase):
    async def test_a_repeated_request_finds_the_first_ones_room(self) -> None:
        await self.people()
        old = await self.create_public(self.alice)
        new = await self.upgrade(old)
        events = len((await self.messages(self.alice, old))["chunk"])
        self.assertEqual(await self.upgrade(old), new)
        self.assertEqual(len((await self.messages(self.alice, old))["chunk"]), events)

    async def test_the_rest_is_done_by_the_next_request(self) -> None:
        """A server that stopped right behind the one transaction."""
        await self.people()
        old = await self.create_public(self.alice, room_alias_name="tea")
        with patch.object(room_closing.RoomClosing, "replaced", _nothing):
            new = await self.upgrade(old)
        self.assertEqual(
            await self.content(self.alice, old, "m.room.canonical_alias"), {"alias": "#tea:test"}
        )
        self.start(self.config)
        self.assertEqual(await self.upgrade(old), new)
        self.assertEqual(await self.content(self.alice, old, "m.room.canonical_alias"), {})
        levels = await self.content(self.alice, old, "m.room.power_levels")
        self.assertEqual(levels["events_default"], 50)

    async def test_what_fails_leaves_nothing(self) -> None:
        """A server that stopped within the one transaction."""
        await self.people()
        old = await self.create_public(self.alice, room_alias_name="tea", visibility="public")
        with patch("synapse.rooms.persister.Rows.write", _break), self.assertLogs("synapse.http"):
            answer = await self.fetch(
                "POST",
                room_path(old, "/upgrade"),
                {"new_version": "12"},
                token=self.alice,
            )
        self.assertEqual(answer.status, 500)
        self.assertEqual(await self.rooms_of(self.alice), [old])
        found = await self.ok("GET", f"{V3}/directory/room/%23tea:test", token=None)
        self.assertEqual(found["room_id"], old)
        await self.send(self.alice, old)
        self.assertNotEqual(await self.upgrade(old), old)

    async def rooms_of(self, token: str) -> list[str]:
        joined: list[str] = (await self.ok("GET", f"{V3}/joined_rooms", token=token))[
            "joined_rooms"
        ]
        return joined

    async def test_at_the_same_time(self) -> None:
        await self.people()
        old = await self.create_public(self.alice)
        path, body = room_path(old, "/upgrade"), {"new_version": "12"}
        requests = [
            self.background.spawn("upgrade", self.ok("POST", path, body, token=self.alice))
            for _ in range(3)
        ]
        for request in requests:
            await request
        await self.finish_background()
        self.assertEqual(len(await self.rooms_of(self.alice)), 2)

    async def test_amid_messages(self) -> None:
        """What else is written to the room at the same time is neither lost nor in the way."""
        await self.people()
        old = await self.create_public(self.alice)
        wanted = [f"message {number}" for number in range(20)]
        work = [self.send(self.alice, old, body) for body in wanted]
        work.insert(10, self.upgrade_unfinished(old))
        for done in [self.background.spawn("work", one) for one in work]:
            await done
        await self.finish_background()
        found = bodies((await self.messages(self.alice, old, limit=100))["chunk"])
        self.assertEqual(sorted(body for body in found if body in wanted), sorted(wanted))
        new = (await self.content(self.alice, old, "m.room.tombstone"))["replacement_room"]
        self.assertEqual(set(await self.rooms_of(self.alice)), {old, new})

    async def upgrade_unfinished(self, room_id: str) -> str:
        path, body = room_path(room_id, "/upgrade"), {"new_version": "12"}
        return str(await self.ok("POST", path, body, token=self.alice))

    async def test_another_process_writes_to_the_room(self) -> None:
        await self.people()
        old = await self.create_public(self.alice, name="Tea")
        other = Server(self.config, self.open(), self.clock, AtOnce(), KEY)
        self.addCleanup(other.streams.typing.close)
        await other.rooms.writer.send(old, Draft("m.room.name", ALICE, {"name": "Coffee"}, ""))
        new = await self.upgrade(old)
        self.assertEqual(await self.content(self.alice, new, "m.room.name"), {"name": "Coffee"})

    async def test_another_process_has_upgraded_the_room(self) -> None:
        await self.people()
        old = await self.create_public(self.alice)
        other = Server(self.config, self.open(), self.clock, AtOnce(), KEY)
        self.addCleanup(other.streams.typing.close)
        await other.rooms.cache.get(old)
        new = await self.upgrade(old)
        user = await other.stores.users.user(ALICE)
        assert user is not None
        requester = Requester(ALICE, user.user_nid, None, 0, 0, False, False)
        self.assertEqual(await other.entering.upgrades.upgrade(requester, old, "12", []), new)
        await other.background.finish()

    async def test_another_version_or_another_user_makes_another_room(self) -> None:
        await self.people()
        old = await self.create_public(
            self.alice,
            room_version="11",
            power_level_content_override={"users": {ALICE: 100, BOB: 100}},
        )
        await self.join(self.bob, old)
        made = [
            await self.upgrade(old, "12"),
            await self.upgrade(old, "11"),
            await self.upgrade(old, "11", self.bob),
        ]
        self.assertEqual(len(set(made)), 3)
        # Nor is a room found that its upgrader has left.
        await self.leave(self.bob, made[2])
        self.assertNotIn(await self.upgrade(old, "11", self.bob), made)

    async def test_a_forged_tombstone_is_no_upgrade(self) -> None:
        await self.people()
        old, other = await self.create(self.alice), await self.create(self.alice)
        for replacement in (other, "!unknown:test", "nonsense", 7, None):
            content = {"body": "x", "replacement_room": replacement}
            await self.set_state(self.alice, old, "m.room.tombstone", content)
            self.assertNotIn(await self.upgrade(old), (old, other))


async def _nothing(*args: Any) -> None:
    pass


def _break(*args: Any) -> None:
    raise RuntimeError("the disk is full")


class SettingsTests(UpgradeTestCase):
    """What users take along."""

    async def arrange(self) -> None:
        await self.people()
        self.old = await self.create_public(self.alice)
        await self.join(self.bob, self.old)

    async def account_data(self, type: str, room_id: str | None = None) -> Any:
        where = "" if room_id is None else f"/rooms/{room_id}"
        return await self.fetch(
            "GET", f"{V3}/user/{BOB}{where}/account_data/{type}", token=self.bob
        )

    async def put_account_data(self, type: str, content: Any, room_id: str | None = None) -> None:
        where = "" if room_id is None else f"/rooms/{room_id}"
        path = f"{V3}/user/{BOB}{where}/account_data/{type}"
        await self.ok("PUT", path, content, token=self.bob)

    def rule_path(self, kind: str, room_id: str) -> str:
        return f"{V3}/pushrules/global/{kind}/{quote(room_id)}"

    async def test_tags_direct_chats_and_push_rules(self) -> None:
        await self.arrange()
        tags = {"tags": {"m.favourite": {"order": 0.5}}}
        await self.put_account_data("m.tag", tags, self.old)
        direct = {ALICE: ["!x:test", self.old], CAROL: ["!y:test"]}
        await self.put_account_data("m.direct", direct)
        mute = {
            "actions": [],
            "conditions": [{"kind": "event_match", "key": "room_id", "pattern": self.old}],
        }
        await self.ok("PUT", self.rule_path("override", self.old), mute, token=self.bob)
        await self.ok(
            "PUT", self.rule_path("room", self.old), {"actions": ["notify"]}, token=self.bob
        )
        path = self.rule_path("room", self.old) + "/enabled"
        await self.ok("PUT", path, {"enabled": False}, token=self.bob)

        new = await self.upgrade(self.old)
        self.assertEqual((await self.account_data("m.tag", new)).status, 404)
        await self.join(self.bob, new)
        self.assertEqual((await self.account_data("m.tag", new)).json, tags)
        self.assertEqual(
            (await self.account_data("m.direct")).json, {**direct, ALICE: [*direct[ALICE], new]}
        )
        rule = await self.ok("GET", self.rule_path("override", new), token=self.bob)
        self.assertEqual(rule["conditions"][0]["pattern"], new)
        self.assertTrue(rule["enabled"])
        rule = await self.ok("GET", self.rule_path("room", new), token=self.bob)
        self.assertEqual((rule["actions"], rule["enabled"]), (["notify"], False))
        # The old room keeps its own.
        rule = await self.ok("GET", self.rule_path("override", self.old), token=self.bob)
        self.assertEqual(rule["conditions"][0]["pattern"], self.old)

    async def test_what_is_set_already_stays(self) -> None:
        await self.arrange()
        await self.put_account_data("m.tag", {"tags": {"m.favourite": {}}}, self.old)
        new = await self.upgrade(self.old)
        await self.put_account_data("m.tag", {"tags": {}}, new)
        await self.put_account_data("m.direct", {ALICE: [self.old, new], CAROL: []})
        await self.join(self.bob, new)
        self.assertEqual((await self.account_data("m.tag", new)).json, {"tags": {}})
        self.assertEqual(
            (await self.account_data("m.direct")).json, {ALICE: [self.old, new], CAROL: []}
        )

    async def test_no_room_passes_itself_off_as_a_successor(self) -> None:
        await self.arrange()
        await self.put_account_data("m.tag", {"tags": {"m.favourite": {}}}, self.old)
        for predecessor in ({"room_id": self.old}, {"room_id": 7}, self.old, {"room_id": "!u:t"}):
            new = await self.create_public(
                self.alice, creation_content={"predecessor": predecessor}
            )
            await self.join(self.bob, new)
            self.assertEqual((await self.account_data("m.tag", new)).status, 404)

    async def test_the_upgraders_own(self) -> None:
        await self.arrange()
        path = f"{V3}/user/{ALICE}/rooms/{self.old}/account_data/m.tag"
        await self.ok("PUT", path, {"tags": {"x": {}}}, token=self.alice)
        new = await self.upgrade(self.old)
        path = f"{V3}/user/{ALICE}/rooms/{new}/account_data/m.tag"
        self.assertEqual(await self.ok("GET", path, token=self.alice), {"tags": {"x": {}}})
