"""Admin API and client API: server notices."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred, gatherResults

from synapse.config.server_notices import ServerNoticesConfig
from tests.rest.rooms import V3, RoomTestCase, bodies, room_path

SEND = "/_synapse/admin/v1/send_server_notice"
ALICE, BOB, NOTICES = "@alice:test", "@bob:test", "@notices:test"
HELLO = {"msgtype": "m.text", "body": "hello"}
TAGGED: dict[str, Any] = {"tags": {"m.server_notice": {}}}
CANNOT_LEAVE = "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM"


class NoticesTestCase(RoomTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.configure()

    def configure(self, **values: Any) -> None:
        """Start again with other settings of `server_notices`."""
        notices = ServerNoticesConfig(**{"system_mxid_localpart": "notices", **values})
        self.start(replace(self.config, server_notices=notices))

    async def people(self) -> None:
        self.root, self.alice = await self.admin(), await self.register("alice")

    async def notify(self, user_id: str = ALICE, body: str = "hello", **more: Any) -> str:
        notice = {"user_id": user_id, "content": {"msgtype": "m.text", "body": body}, **more}
        return str((await self.ok("POST", SEND, notice, token=self.root))["event_id"])

    async def invites(self, token: str) -> dict[str, Any]:
        rooms = (await self.sync(token)).get("rooms", {})
        return dict(rooms.get("invite", {}))

    async def invited_to(self, token: str) -> str:
        """The one room to which the user is invited."""
        (room_id,) = await self.invites(token)
        return room_id

    async def tags(self, token: str, user_id: str, room_id: str) -> Any:
        path = f"{V3}/user/{user_id}/rooms/{quote(room_id)}/tags"
        return await self.ok("GET", path, token=token)


class SendingTests(NoticesTestCase):
    async def test_a_user_is_invited_to_a_room_that_looks_official(self) -> None:
        self.configure(room_topic="News", room_avatar_url="mxc://test/room")
        await self.people()
        event_id = await self.notify()
        room_id = await self.invited_to(self.alice)
        shown = (await self.invites(self.alice))[room_id]["invite_state"]["events"]
        names = [e["content"].get("name") for e in shown if e["type"] == "m.room.name"]
        self.assertEqual(names, ["Server Notices"])
        self.assertEqual(await self.tags(self.alice, ALICE, room_id), TAGGED)
        await self.join(self.alice, room_id)
        (room,) = (await self.sync(self.alice))["rooms"]["join"].values()
        (notice,) = [e for e in room["timeline"]["events"] if e["type"] == "m.room.message"]
        self.assertEqual((notice["event_id"], notice["sender"]), (event_id, NOTICES))
        self.assertEqual(notice["content"], HELLO)
        self.assertIn({"type": "m.tag", "content": TAGGED}, room["account_data"]["events"])
        topic = await self.content(self.alice, room_id, "m.room.topic")
        avatar = await self.content(self.alice, room_id, "m.room.avatar")
        self.assertEqual((topic["topic"], avatar["url"]), ("News", "mxc://test/room"))

    async def test_who_waits_in_a_sync_is_told_at_once(self) -> None:
        await self.people()
        since = (await self.sync(self.alice))["next_batch"]
        waiting = Deferred.fromCoroutine(self.sync(self.alice, since=since, timeout=30_000))
        await self.notify()
        answer = await waiting
        (room_id,) = answer["rooms"]["invite"]
        await self.join(self.alice, room_id)
        answer = await self.sync(self.alice, since=answer["next_batch"])
        room = answer["rooms"]["join"][room_id]
        self.assertIn({"type": "m.tag", "content": TAGGED}, room["account_data"]["events"])

    async def test_all_notices_come_in_one_room(self) -> None:
        await self.people()
        await self.notify(body="one")
        room_id = await self.invited_to(self.alice)
        await self.join(self.alice, room_id)
        await self.notify(body="two")
        self.configure()
        await self.notify(body="three")
        self.assertEqual(await self.invites(self.alice), {})
        events = (await self.messages(self.alice, room_id, "f", limit=50))["chunk"]
        self.assertEqual(bodies(events), ["one", "two", "three"])

    async def test_notices_at_the_same_time_make_one_room(self) -> None:
        await self.people()
        sending = [Deferred.fromCoroutine(self.notify(body=str(n))) for n in range(5)]
        await gatherResults(sending)
        room_id = await self.invited_to(self.alice)
        await self.join(self.alice, room_id)
        events = (await self.messages(self.alice, room_id, "f", limit=50))["chunk"]
        self.assertEqual(sorted(bodies(events)), ["0", "1", "2", "3", "4"])

    async def test_each_user_has_a_room_of_their_own(self) -> None:
        await self.people()
        bob = await self.register("bob")
        await self.notify(ALICE)
        await self.notify(BOB)
        self.assertNotEqual(await self.invited_to(self.alice), await self.invited_to(bob))
        path = room_path(await self.invited_to(self.alice), "/join")
        await self.refused(403, "M_FORBIDDEN", "POST", path, {}, token=bob)

    async def test_a_repeated_transaction_sends_one_notice(self) -> None:
        await self.people()
        body = {"user_id": ALICE, "content": HELLO}
        first = await self.ok("PUT", f"{SEND}/t", body, token=self.root)
        self.assertEqual(await self.ok("PUT", f"{SEND}/t", body, token=self.root), first)
        self.configure()
        self.assertEqual(await self.ok("PUT", f"{SEND}/t", body, token=self.root), first)
        self.assertNotEqual(await self.ok("PUT", f"{SEND}/u", body, token=self.root), first)

    async def test_a_notice_can_be_any_event(self) -> None:
        self.configure(auto_join=True)
        await self.people()
        event_id = await self.notify(type="org.example.news")
        pins = {"pinned": [event_id]}
        await self.notify(type="m.room.pinned_events", state_key="", content=pins)
        room_id = next(iter((await self.sync(self.alice))["rooms"]["join"]))
        self.assertEqual(await self.content(self.alice, room_id, "m.room.pinned_events"), pins)

    async def test_auto_join(self) -> None:
        self.configure(auto_join=True)
        await self.people()
        await self.notify()
        ((room_id, room),) = (await self.sync(self.alice))["rooms"]["join"].items()
        self.assertEqual(bodies(room["timeline"]["events"]), ["hello"])
        self.assertEqual(room["unread_notifications"]["notification_count"], 1)
        member = await self.content(self.alice, room_id, "m.room.member", ALICE)
        self.assertEqual(member["displayname"], "alice")

    async def test_auto_join_takes_those_in_who_were_invited_before(self) -> None:
        await self.people()
        await self.notify()
        room_id = await self.invited_to(self.alice)
        self.configure(auto_join=True)
        await self.notify()
        self.assertEqual(list((await self.sync(self.alice))["rooms"]["join"]), [room_id])

    async def test_guests_get_notices_and_may_join(self) -> None:
        await self.people()
        user_id, token = await self.guest()
        await self.notify(user_id)
        await self.join(token, await self.invited_to(token))

    async def test_who_cannot_be_told(self) -> None:
        await self.people()
        for user_id, status, errcode in (
            ("@nobody:test", 404, "M_NOT_FOUND"),
            ("@alice:elsewhere", 400, "M_UNKNOWN"),
            ("alice", 400, "M_INVALID_PARAM"),
            (NOTICES, 404, "M_NOT_FOUND"),
        ):
            body = {"user_id": user_id, "content": HELLO}
            await self.refused(status, errcode, "POST", SEND, body, token=self.root)
        await self.notify()
        body = {"user_id": NOTICES, "content": HELLO}
        await self.refused(400, "M_INVALID_PARAM", "POST", SEND, body, token=self.root)

    async def test_only_administrators_may(self) -> None:
        await self.people()
        body = {"user_id": ALICE, "content": HELLO}
        _, guest = await self.guest()
        for token, status, errcode in (
            (None, 401, "M_MISSING_TOKEN"),
            (self.alice, 403, "M_FORBIDDEN"),
            (guest, 403, "M_GUEST_ACCESS_FORBIDDEN"),
        ):
            await self.refused(status, errcode, "POST", SEND, body, token=token)
            await self.refused(status, errcode, "PUT", f"{SEND}/t", body, token=token)

    async def test_a_server_without_notices(self) -> None:
        await self.people()
        self.start(replace(self.config, server_notices=None))
        body = {"user_id": ALICE, "content": HELLO}
        await self.refused(400, "M_UNRECOGNIZED", "POST", SEND, body, token=self.root)

    async def test_what_cannot_be_said_makes_no_room(self) -> None:
        await self.people()
        for more, status, errcode in (
            ({"content": {"body": 1.5}}, 400, "M_BAD_JSON"),
            ({"content": {"body": "x" * 62_000}}, 413, "M_TOO_LARGE"),
            ({"type": "m.room.member", "state_key": NOTICES}, 400, "M_INVALID_PARAM"),
            ({"type": "m.room.redaction"}, 400, "M_INVALID_PARAM"),
            ({"type": "x" * 256}, 400, "M_INVALID_PARAM"),
            ({"state_key": "a\0b"}, 400, "M_INVALID_PARAM"),
            ({"content": None}, 400, "M_BAD_JSON"),
        ):
            body = {"user_id": ALICE, "content": HELLO, **more}
            await self.refused(status, errcode, "POST", SEND, body, token=self.root)
        self.assertEqual(await self.invites(self.alice), {})


class ConfigurationTests(NoticesTestCase):
    async def test_changes_reach_a_room_with_its_next_notice(self) -> None:
        self.configure(auto_join=True, room_topic="News", system_mxid_avatar_url="mxc://test/a")
        await self.people()
        await self.notify()
        ((room_id, _),) = (await self.sync(self.alice))["rooms"]["join"].items()
        before = await self.state(self.alice, room_id)
        self.configure(
            auto_join=True,
            room_name="From us",
            room_avatar_url="mxc://test/b",
            system_mxid_display_name="The server",
        )
        await self.notify()
        after = await self.state(self.alice, room_id)
        self.assertEqual(after["m.room.name", ""]["content"], {"name": "From us"})
        self.assertEqual(after["m.room.avatar", ""]["content"], {"url": "mxc://test/b"})
        self.assertEqual(after["m.room.topic", ""]["content"]["topic"], "")
        member = after["m.room.member", NOTICES]["content"]
        self.assertEqual(member, {"membership": "join", "displayname": "The server"})
        profile = await self.ok("GET", f"{V3}/profile/{NOTICES}", token=self.alice)
        self.assertEqual(profile, {"displayname": "The server"})
        changed = {slot for slot, event in after.items() if event != before.get(slot)}
        looks = {("m.room.name", ""), ("m.room.avatar", ""), ("m.room.topic", "")}
        self.assertEqual(changed, {*looks, ("m.room.member", NOTICES)})

    async def test_nothing_is_said_twice(self) -> None:
        self.configure(auto_join=True, room_avatar_url="mxc://test/a")
        await self.people()
        await self.notify()
        since = (await self.sync(self.alice))["next_batch"]
        self.configure(auto_join=True, room_avatar_url="mxc://test/a")
        await self.notify(body="again")
        ((_, room),) = (await self.sync(self.alice, since=since))["rooms"]["join"].items()
        self.assertEqual([e["type"] for e in room["timeline"]["events"]], ["m.room.message"])

    async def test_another_sender_has_rooms_of_its_own(self) -> None:
        await self.people()
        await self.notify()
        old = await self.invited_to(self.alice)
        self.configure(system_mxid_localpart="system")
        await self.notify()
        self.assertEqual(len(await self.invites(self.alice)), 2)
        await self.leave(self.alice, old)

    async def test_an_encrypted_server_sends_notices_in_the_clear(self) -> None:
        self.reconfigure(rooms={"encryption_enabled_by_default_for_room_type": "all"})
        self.configure(auto_join=True)
        await self.people()
        await self.notify()
        ((room_id, _),) = (await self.sync(self.alice))["rooms"]["join"].items()
        self.assertNotIn(("m.room.encryption", ""), await self.state(self.alice, room_id))

    async def test_any_room_version(self) -> None:
        for version in ("1", "10", "12"):
            self.reconfigure(rooms={"default_room_version": version})
            self.configure(auto_join=True, system_mxid_localpart=f"notices{version}")
            if version == "1":
                await self.people()
            await self.notify()
        self.assertEqual(len((await self.sync(self.alice))["rooms"]["join"]), 3)


class LeavingTests(NoticesTestCase):
    async def test_the_invite_cannot_be_refused(self) -> None:
        await self.people()
        await self.notify()
        room_id = await self.invited_to(self.alice)
        leave = room_path(room_id, "/leave")
        await self.refused(403, CANNOT_LEAVE, "POST", leave, {}, token=self.alice)
        path, body = room_path(room_id, f"/state/m.room.member/{ALICE}"), {"membership": "leave"}
        await self.refused(403, CANNOT_LEAVE, "PUT", path, body, token=self.alice)
        self.assertEqual(await self.invited_to(self.alice), room_id)

    async def test_who_has_joined_may_leave_and_is_invited_again_to_the_same_room(self) -> None:
        await self.people()
        await self.notify()
        room_id = await self.invited_to(self.alice)
        await self.join(self.alice, room_id)
        await self.leave(self.alice, room_id)
        await self.ok("POST", room_path(room_id, "/forget"), {}, token=self.alice)
        await self.notify()
        self.assertEqual(await self.invited_to(self.alice), room_id)

    async def test_the_tag_comes_back(self) -> None:
        await self.people()
        await self.notify()
        room_id = await self.invited_to(self.alice)
        path = f"{V3}/user/{ALICE}/rooms/{quote(room_id)}/tags"
        await self.ok("DELETE", f"{path}/m.server_notice", token=self.alice)
        await self.ok("PUT", f"{path}/u.mine", {}, token=self.alice)
        await self.notify()
        tags = await self.tags(self.alice, ALICE, room_id)
        self.assertEqual(set(tags["tags"]), {"m.server_notice", "u.mine"})

    async def test_no_wish_of_the_user_keeps_notices_away(self) -> None:
        await self.people()
        for type, content in (
            ("m.invite_permission_config", {"default_action": "block"}),
            ("m.ignored_user_list", {"ignored_users": {NOTICES: {}}}),
        ):
            path = f"{V3}/user/{ALICE}/account_data/{type}"
            await self.ok("PUT", path, content, token=self.alice)
        await self.notify()
        await self.join(self.alice, await self.invited_to(self.alice))

    async def test_a_user_can_only_listen(self) -> None:
        self.configure(auto_join=True)
        await self.people()
        await self.notify()
        ((room_id, _),) = (await self.sync(self.alice))["rooms"]["join"].items()
        for method, rest, body in (
            ("PUT", "/send/m.room.message/t", HELLO),
            ("PUT", "/state/m.room.name", {"name": "mine"}),
            ("POST", "/invite", {"user_id": "@root:test"}),
            ("POST", "/kick", {"user_id": NOTICES}),
            ("POST", "/upgrade", {"new_version": "12"}),
        ):
            path = room_path(room_id, rest)
            await self.refused(403, "M_FORBIDDEN", method, path, body, token=self.alice)

    async def test_a_closed_account_leaves_and_gets_no_more(self) -> None:
        await self.people()
        await self.notify()
        auth = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": "correct horse",
        }
        await self.ok("POST", f"{V3}/account/deactivate", {"auth": auth}, token=self.alice)
        await self.finish_background()
        body = {"user_id": ALICE, "content": HELLO}
        await self.refused(404, "M_NOT_FOUND", "POST", SEND, body, token=self.root)
        self.assertEqual(await self.server.stores.users.unfinished_deactivations(), [])


class TakeoverTests(NoticesTestCase):
    """What somebody may try who wants to speak as the server."""

    async def test_the_name_cannot_be_registered(self) -> None:
        await self.people()
        for _ in range(2):
            for name in ("notices", "NOTICES"):
                body = {"username": name, "password": "x" * 12, "auth": {"type": "m.login.dummy"}}
                path = f"{V3}/register"
                await self.refused(400, "M_USER_IN_USE", "POST", path, body, token=None)
            path = f"{V3}/register/available?username=notices"
            await self.refused(400, "M_USER_IN_USE", "GET", path, token=None)
            await self.notify()

    async def test_an_account_of_that_name_ends_when_notices_begin(self) -> None:
        self.start(replace(self.config, server_notices=None))
        await self.people()
        before = await self.register("notices", device_id="OLD")
        room_id = await self.create(before, invite=[ALICE])
        self.configure()
        self.assertEqual((await self.whoami(before)).status, 401)
        answer = await self.login("notices")
        self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"))
        with self.assertLogs("synapse.handlers.notices_rooms", "WARNING"):
            await self.notify()
        # The invites of before can be refused as any other.
        invites = await self.invites(self.alice)
        self.assertEqual(len(invites), 2)
        await self.leave(self.alice, room_id)
        self.assertEqual(len(await self.invites(self.alice)), 1)

    async def test_the_user_cannot_be_invited(self) -> None:
        await self.people()
        await self.notify()
        room_id = await self.create(self.alice)
        member = room_path(room_id, f"/state/m.room.member/{NOTICES}")
        for method, path, body in (
            ("POST", room_path(room_id, "/invite"), {"user_id": NOTICES}),
            ("PUT", member, {"membership": "invite"}),
            ("POST", f"{V3}/createRoom", {"invite": [NOTICES]}),
        ):
            await self.refused(403, "M_FORBIDDEN", method, path, body, token=self.alice)
