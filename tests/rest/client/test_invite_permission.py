"""Client API: users who want no invites."""

from typing import Any

from tests.rest.client.test_sync import ALICE, BOB, SyncTestCase
from tests.rest.rooms import V3, room_path

STABLE = "m.invite_permission_config"
FILTER = "org.matrix.msc4155.invite_permission_config"
UNSTABLE = "org.matrix.msc4380.invite_permission_config"
BLOCK = {"default_action": "block"}


class InvitePermissionTests(SyncTestCase):
    async def wish(self, content: Any, type: str = STABLE) -> None:
        path = f"{V3}/user/{BOB}/account_data/{type}"
        await self.ok("PUT", path, content, token=self.bob)

    async def invites(self, **query: Any) -> list[str]:
        answer = await self.sync(self.bob, **query)
        return list(answer.get("rooms", {}).get("invite", ()))

    async def test_who_blocks_invites_is_not_invited(self) -> None:
        await self.people()
        room_id = await self.create(self.alice)
        await self.wish(BLOCK)
        member = room_path(room_id, f"/state/m.room.member/{BOB}")
        for method, path, body in (
            ("POST", room_path(room_id, "/invite"), {"user_id": BOB}),
            ("PUT", member, {"membership": "invite"}),
            ("POST", f"{V3}/createRoom", {"invite": [BOB]}),
        ):
            await self.refused(403, "M_INVITE_BLOCKED", method, path, body, token=self.alice)
        rooms = await self.ok("GET", f"{V3}/joined_rooms", token=self.alice)
        self.assertEqual(rooms, {"joined_rooms": [room_id]}, "no room was made in vain")
        await self.wish({})
        await self.change_membership(self.alice, room_id, "invite", BOB)
        self.assertEqual(await self.invites(), [room_id])

    async def test_only_what_says_block_blocks(self) -> None:
        await self.people()
        for content in ({"default_action": "allow"}, {"default_action": ["block"]}, {"x": "block"}):
            await self.wish(content)
            await self.create(self.alice, invite=[BOB])

    async def test_the_proposals_name_counts_if_the_other_is_not_set(self) -> None:
        await self.people()
        await self.wish(BLOCK, UNSTABLE)
        path = f"{V3}/createRoom"
        body = {"invite": [BOB]}
        await self.refused(403, "M_INVITE_BLOCKED", "POST", path, body, token=self.alice)
        await self.wish({"default_action": "allow"})
        await self.ok("POST", path, body, token=self.alice)
        await self.wish({})  # which deletes it
        await self.refused(403, "M_INVITE_BLOCKED", "POST", path, body, token=self.alice)

    async def test_older_invites_are_not_shown_meanwhile(self) -> None:
        await self.people()
        since = (await self.sync(self.bob))["next_batch"]
        room_id = await self.create(self.alice, invite=[BOB])
        await self.wish(BLOCK)
        self.assertEqual(await self.invites(), [])
        self.assertEqual(await self.invites(since=since), [])
        await self.wish({})
        self.assertEqual(await self.invites(), [room_id])

    async def test_who_is_not_allowed_to_invite_learns_nothing(self) -> None:
        await self.people()
        room_id = await self.create(self.alice)
        carol = await self.register("carol")
        await self.wish(BLOCK)
        path = room_path(room_id, "/invite")
        await self.refused(403, "M_FORBIDDEN", "POST", path, {"user_id": BOB}, token=carol)

    async def test_ignored_users_invites_are_not_shown(self) -> None:
        await self.people()
        since = (await self.sync(self.bob))["next_batch"]
        await self.wish({"ignored_users": {ALICE: {}}}, "m.ignored_user_list")
        room_id = await self.create(self.alice, invite=[BOB])
        carol = await self.register("carol")
        shown = await self.create(carol, invite=[BOB])
        for query in ({}, {"since": since}):
            self.assertEqual(await self.invites(**query), [shown])
        self.assertEqual(await self.membership(self.alice, room_id, BOB), "invite")

    async def test_a_filter_blocks_or_ignores(self) -> None:
        await self.people()
        body = {"invite": [BOB]}
        await self.wish({"blocked_users": ["@al*"]}, FILTER)
        path = f"{V3}/createRoom"
        await self.refused(403, "M_INVITE_BLOCKED", "POST", path, body, token=self.alice)
        await self.wish({"ignored_servers": ["*"], "allowed_users": ["@carol:test"]}, FILTER)
        await self.create(self.alice, invite=[BOB])
        carol = await self.register("carol")
        shown = await self.create(carol, invite=[BOB])
        self.assertEqual(await self.invites(), [shown])

    async def test_wrong_filters(self) -> None:
        await self.people()
        path = f"{V3}/user/{BOB}/account_data/{FILTER}"
        wrong: list[Any] = [{"blocked_users": "@a:b"}, {"allowed_servers": [1]}]
        for content in wrong:
            await self.refused(400, "M_BAD_JSON", "PUT", path, content, token=self.bob)
        long: list[Any] = [
            {"blocked_users": ["@a:b"] * 600, "ignored_users": ["@a:b"] * 600},
            {"blocked_users": ["@a:*"] * 26, "ignored_users": ["@?:b"] * 26},
            {"blocked_users": ["@a:" + "b" * 253]},
        ]
        for content in long:
            await self.refused(413, "M_TOO_LARGE", "PUT", path, content, token=self.bob)
