"""Upgrades of rooms in which users of several servers are."""

from typing import Any
from urllib.parse import quote

from tests.federation.rooms import ONE, TWO, V3, SharedRoomTestCase, path

UPGRADES = (("1", "12"), ("6", "10"), ("11", "12"), ("12", "12"))


class RoomUpgradeTests(SharedRoomTestCase):
    async def arrange_sending(self) -> None:
        await self.arrange(ONE, TWO)
        await self.start_sending()

    async def upgrade(self, who: str, room_id: str, version: str) -> str:
        """The new room's id, once everybody has heard of it."""
        answer = await self.ask(who, "POST", path(room_id, "/upgrade"), {"new_version": version})
        await self.settle()
        return str(answer["replacement_room"])

    async def state(self, who: str, room_id: str, type: str, key: str = "") -> Any:
        return await self.ask(who, "GET", path(room_id, f"/state/{type}/{quote(key, safe='')}"))

    async def resolve(self, who: str, alias: str) -> str:
        url = f"{V3}/directory/room/{quote(alias)}"
        return str((await self.ask(who, "GET", url))["room_id"])

    async def follow(self, who: str, old_id: str) -> str:
        """Enter the new room as a client does that sees the old one's tombstone."""
        sync = await self.ask(who, "GET", f"{V3}/sync")
        room = sync["rooms"]["join"][old_id]
        events = room["state"]["events"] + room["timeline"]["events"]
        (tombstone,) = [event for event in events if event["type"] == "m.room.tombstone"]
        new_id = tombstone["content"]["replacement_room"]
        await self.join(who, new_id, tombstone["sender"].partition(":")[2])
        await self.settle()
        return str(new_id)

    async def test_users_of_other_servers_follow(self) -> None:
        await self.arrange_sending()
        for old_version, new_version in UPGRADES:
            with self.subTest(upgrade=f"{old_version} to {new_version}"):
                alias = f"tea{old_version}"
                old = await self.create(
                    room_version=old_version, name="Tea", topic="Green", room_alias_name=alias
                )
                await self.join("bob", old, ONE)
                new = await self.upgrade("alice", old, new_version)
                self.assertEqual(await self.follow("bob", old), new)
                creation = await self.state("bob", new, "m.room.create")
                self.assertEqual(creation["predecessor"]["room_id"], old)
                self.assertEqual(creation["room_version"], new_version)
                self.assertEqual(await self.state("bob", new, "m.room.name"), {"name": "Tea"})
                for room_id in (old, new):
                    self.assertEqual(
                        await self.state_ids(ONE, room_id), await self.state_ids(TWO, room_id)
                    )
                self.assertEqual(await self.resolve("bob", f"#{alias}:{ONE}"), new)
                for speaker, there in (("bob", ONE), ("alice", TWO)):
                    event_id = await self.say(speaker, new)
                    await self.settle()
                    heard = await self.servers[there].stores.events.get(event_id)
                    self.assertIsNotNone(heard)
                refusal = await self.refused(
                    "bob", "PUT", path(old, "/send/m.room.message/late"), {"body": "x"}
                )
                self.assertEqual(refusal, (403, "M_FORBIDDEN"))

    async def test_their_settings_follow(self) -> None:
        await self.arrange_sending()
        old = await self.create(room_version="10")
        await self.join("bob", old, ONE)
        tags = {"tags": {"m.favourite": {"order": 0.5}}}
        mine = f"{V3}/user/{quote(self.user('bob'))}"
        await self.ask("bob", "PUT", f"{mine}/rooms/{quote(old)}/account_data/m.tag", tags)
        direct = {self.user("alice"): [old]}
        await self.ask("bob", "PUT", f"{mine}/account_data/m.direct", direct)
        rules = f"{V3}/pushrules/global/room/"
        await self.ask("bob", "PUT", rules + quote(old), {"actions": []})
        new = await self.upgrade("alice", old, "12")
        await self.follow("bob", old)
        tagged = await self.ask("bob", "GET", f"{mine}/rooms/{quote(new)}/account_data/m.tag")
        self.assertEqual(tagged, tags)
        direct = {self.user("alice"): [old, new]}
        self.assertEqual(await self.ask("bob", "GET", f"{mine}/account_data/m.direct"), direct)
        rule = await self.ask("bob", "GET", rules + quote(new))
        self.assertEqual(rule["actions"], [])

    async def test_they_follow_as_well_if_the_tombstone_comes_late(self) -> None:
        await self.arrange(ONE, TWO)  # and nothing is sent but by the test
        old = await self.create(room_version="10")
        await self.join("bob", old, ONE)
        tags = {"tags": {"m.favourite": {"order": 0.5}}}
        mine = f"{V3}/user/{quote(self.user('bob'))}/rooms"
        await self.ask("bob", "PUT", f"{mine}/{quote(old)}/account_data/m.tag", tags)
        new = await self.upgrade("alice", old, "12")
        await self.join("bob", new, ONE)
        url = f"{mine}/{quote(new)}/account_data/m.tag"
        self.assertEqual(await self.refused("bob", "GET", url), (404, "M_NOT_FOUND"))
        tombstone = (await self.state_ids(ONE, old))["m.room.tombstone", ""]
        await self.carry(ONE, TWO, tombstone)
        self.assertEqual(await self.ask("bob", "GET", url), tags)

    async def test_who_may_enter_by_another_room_still_may(self) -> None:
        await self.arrange_sending()
        space = await self.create(creation_content={"type": "m.space"})
        await self.join("bob", space, ONE)
        allow = [{"type": "m.room_membership", "room_id": space}]
        for old_version, new_version in (("8", "12"), ("10", "11")):
            with self.subTest(upgrade=f"{old_version} to {new_version}"):
                rules = {"join_rule": "restricted", "allow": allow}
                old = await self.create(
                    preset="private_chat",
                    room_version=old_version,
                    initial_state=[
                        {"type": "m.room.join_rules", "state_key": "", "content": rules}
                    ],
                )
                await self.join("bob", old, ONE)
                new = await self.upgrade("alice", old, new_version)
                self.assertEqual(await self.state("alice", new, "m.room.join_rules"), rules)
                await self.follow("bob", old)
                self.assertEqual(await self.membership(ONE, new, self.user("bob")), "join")

    async def test_a_space_keeps_its_rooms(self) -> None:
        await self.arrange_sending()
        child = await self.create(name="Child")
        space = await self.create(
            room_version="10", creation_content={"type": "m.space"}, name="Space"
        )
        via = {"via": [ONE]}
        await self.ask("alice", "PUT", path(space, f"/state/m.space.child/{quote(child)}"), via)
        await self.join("bob", space, ONE)
        new = await self.upgrade("alice", space, "12")
        await self.follow("bob", space)
        self.assertEqual(await self.state("bob", new, "m.space.child", child), via)
        url = f"/_matrix/client/v1/rooms/{quote(new)}/hierarchy"
        shown = [room["room_id"] for room in (await self.ask("bob", "GET", url))["rooms"]]
        self.assertEqual(shown, [new, child])

    async def test_a_moderator_on_another_server_upgrades(self) -> None:
        """The room's aliases and its place in the directory are those of alice's server."""
        await self.arrange_sending()
        old = await self.create(room_version="10", room_alias_name="tea", visibility="public")
        await self.join("bob", old, ONE)
        levels = await self.state("alice", old, "m.room.power_levels")
        levels["users"][self.user("bob")] = 100
        await self.ask("alice", "PUT", path(old, "/state/m.room.power_levels/"), levels)
        await self.settle()
        new = await self.upgrade("bob", old, "12")
        # Who only says so is not the successor.
        false = await self.create(
            "bob", creation_content={"predecessor": {"room_id": old, "event_id": "$x"}}
        )
        await self.join("alice", false, TWO)
        self.assertEqual(await self.resolve("alice", f"#tea:{ONE}"), old)
        await self.follow("alice", old)
        self.assertEqual(await self.resolve("alice", f"#tea:{ONE}"), new)
        for room_id, visibility in ((old, "private"), (new, "public")):
            url = f"{V3}/directory/list/room/{quote(room_id)}"
            self.assertEqual(await self.ask("alice", "GET", url), {"visibility": visibility})
