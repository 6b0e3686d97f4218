"""Inviting users of other servers, and what these make of it."""

from typing import Any

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.http.client.errors import RequestFailed, Step
from tests.federation.rooms import ONE, TWO, V3, SharedRoomTestCase, path
from tests.federation.servers import always
from tests.federation.test_joins import VERSIONS


class InviteTestCase(SharedRoomTestCase):
    async def invited(self, version: str = "12", **wish: Any) -> str:
        """A private room of Alice's, into which she has invited Bob."""
        room_id = await self.create(
            preset="private_chat", room_version=version, name="Secret", **wish
        )
        await self.invite(room_id)
        return room_id

    async def invite(self, room_id: str) -> None:
        await self.ask("alice", "POST", path(room_id, "/invite"), {"user_id": self.user("bob")})

    async def invitation(self, room_id: str) -> list[Any] | None:
        """What Bob's sync shows him of a room to which he is invited."""
        sync = await self.ask("bob", "GET", f"{V3}/sync")
        invited = sync.get("rooms", {}).get("invite", {}).get(room_id)
        return None if invited is None else invited["invite_state"]["events"]


class InviteTests(InviteTestCase):
    async def test_the_invited_user_sees_the_room_and_joins(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            with self.subTest(version=version):
                room_id = await self.invited(version)
                shown = await self.invitation(room_id)
                assert shown is not None
                types = {event["type"] for event in shown}
                self.assertLessEqual(
                    {"m.room.create", "m.room.name", "m.room.join_rules", "m.room.member"}, types
                )
                own = [event for event in shown if event.get("state_key") == self.user("bob")]
                self.assertEqual(own[0]["content"]["membership"], "invite")
                event = await self.invite_event(room_id)
                self.assertEqual(set(event["signatures"]), {ONE, TWO})
                await self.join("bob", room_id)
                await self.servers[TWO].background.finish()
                self.assertEqual(
                    await self.state_ids(ONE, room_id), await self.state_ids(TWO, room_id)
                )
                self.assertIsNone(await self.invitation(room_id))

    async def invite_event(self, room_id: str) -> dict[str, Any]:
        ids = await self.state_ids(ONE, room_id)
        event = await self.servers[ONE].stores.events.get(ids["m.room.member", self.user("bob")])
        assert event is not None
        return event.parsed()

    async def test_a_new_room_with_guests_from_elsewhere(self) -> None:
        await self.arrange()
        room_id = await self.create(
            preset="trusted_private_chat", invite=[self.user("bob")], is_direct=True
        )
        shown = await self.invitation(room_id)
        assert shown is not None
        own = [event for event in shown if event.get("state_key") == self.user("bob")]
        self.assertTrue(own[0]["content"]["is_direct"])

    async def test_invites_sent_as_state(self) -> None:
        await self.arrange()
        room_id = await self.create(preset="private_chat")
        url = path(room_id, f"/state/m.room.member/{self.user('bob')}")
        for _ in range(2):
            await self.ask("alice", "PUT", url, {"membership": "invite"})
        self.assertIsNotNone(await self.invitation(room_id))
        self.assertEqual(len(self.requests("/invite/")), 1)

    async def test_the_room_goes_on_while_the_other_server_thinks(self) -> None:
        await self.arrange()
        room_id = await self.create(preset="private_chat")
        said: list[str] = []

        async def meanwhile(destination: str, path: str) -> None:
            if "/invite/" in path:
                said.append(await self.say("alice", room_id))

        self.network.before = meanwhile
        await self.invite(room_id)
        self.assertTrue(said)
        self.assertEqual(await self.membership(ONE, room_id, self.user("bob")), "invite")
        after = await self.say("alice", room_id)
        event = await self.servers[ONE].stores.events.get(after)
        assert event is not None
        self.assertEqual(len(event.prev_event_ids()), 2)

    async def test_what_can_be_wrong(self) -> None:
        await self.arrange()
        room_id = await self.create(preset="private_chat")
        url = path(room_id, "/invite")
        for user_id, expected in (
            ("@nobody:two.test", (404, "M_NOT_FOUND")),
            ("@bob:nowhere.test", (502, "M_UNKNOWN")),
        ):
            answer = await self.refused("alice", "POST", url, {"user_id": user_id})
            self.assertEqual(answer, expected)
            self.assertIsNone(await self.membership(ONE, room_id, user_id))

    async def test_who_does_not_want_to_be_invited(self) -> None:
        await self.arrange()
        await self.ask(
            "bob",
            "PUT",
            f"{V3}/user/{self.user('bob')}/account_data/m.invite_permission_config",
            {"default_action": "block"},
        )
        room_id = await self.create(preset="private_chat")
        answer = await self.refused(
            "alice", "POST", path(room_id, "/invite"), {"user_id": self.user("bob")}
        )
        self.assertEqual(answer, (403, "M_INVITE_BLOCKED"))

    async def test_into_a_room_in_which_the_other_server_is(self) -> None:
        await self.arrange()
        self.homes["dave"] = TWO
        self.tokens["dave"] = await self.register(TWO, "dave")
        for version in VERSIONS:
            with self.subTest(version=version):
                room_id = await self.invited(version)
                await self.join("bob", room_id)
                await self.ask(
                    "alice", "POST", path(room_id, "/invite"), {"user_id": self.user("dave")}
                )
                self.assertEqual(
                    await self.state_ids(ONE, room_id), await self.state_ids(TWO, room_id)
                )
                sync = await self.ask("dave", "GET", f"{V3}/sync")
                self.assertIn(room_id, sync["rooms"]["invite"])

    async def test_answers_that_are_no_signature(self) -> None:
        await self.arrange()
        room_id = await self.create(preset="private_chat", room_version="12")
        url = path(room_id, "/invite")
        wish = {"user_id": self.user("bob")}
        answers: tuple[Any, ...] = (
            {},
            [],
            {"event": 1},
            {"event": {"signatures": {TWO: 1}}},
            {"event": {"signatures": {TWO: {"ed25519:a_two": "A" * 86}}}},
            {"event": {"signatures": {TWO: {"ed25519:a_two": 1}}}},
        )
        for answer in answers:
            with self.subTest(answer=answer):
                self.network.tampers["/invite/"] = always(answer)
                self.assertEqual(await self.refused("alice", "POST", url, wish), (502, "M_UNKNOWN"))
        self.assertIsNone(await self.membership(ONE, room_id, self.user("bob")))

    async def test_an_old_server_is_asked_as_of_old(self) -> None:
        await self.arrange()
        self.network.age("/v2/invite")
        room_id = await self.invited("1")
        self.assertEqual(len(self.requests("v1/invite")), 1)
        self.assertIsNotNone(await self.invitation(room_id))


class RefusalTests(InviteTestCase):
    async def test_the_inviter_hears_of_it(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            with self.subTest(version=version):
                room_id = await self.invited(version)
                since = (await self.ask("bob", "GET", f"{V3}/sync"))["next_batch"]
                await self.ask("bob", "POST", path(room_id, "/leave"), {"reason": "no"})
                sync = await self.ask("bob", "GET", f"{V3}/sync?since={since}")
                self.assertIn(room_id, sync["rooms"]["leave"])
                await self.slide()
                self.assertEqual(await self.membership(ONE, room_id, self.user("bob")), "leave")
                self.assertIsNone(await self.invitation(room_id))
                self.assertEqual((await self.servers[TWO].rooms.cache.get(room_id)).local_joined, 0)

    async def slide(self) -> None:
        window = {"ranges": [[0, 20]], "timeline_limit": 5, "required_state": [["*", "*"]]}
        url = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
        await self.ask("bob", "POST", url, {"lists": {"all": window}})

    async def test_nobody_has_to_be_there_to_hear_it(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            with self.subTest(version=version):
                self.network.heal()
                room_id = await self.invited(version)
                self.network.cut_off(ONE)
                await self.ask("bob", "POST", path(room_id, "/leave"), {})
                self.assertIsNone(await self.invitation(room_id))
                self.assertEqual(await self.membership(TWO, room_id, self.user("bob")), "leave")
                # And back again.
                self.network.heal()
                await self.invite_again(room_id)
                self.assertIsNotNone(await self.invitation(room_id))

    async def invite_again(self, room_id: str) -> None:
        url = path(room_id, "/kick")
        await self.ask("alice", "POST", url, {"user_id": self.user("bob")})
        await self.invite(room_id)

    async def test_a_refusal_that_the_inviter_refuses(self) -> None:
        await self.arrange()
        room_id = await self.invited()

        def lose(answer: Any) -> Any:
            raise RequestFailed(Step.HTTP, "the connection broke")

        for part in ("make_leave", "send_leave"):
            self.network.tampers[part] = lose
        await self.ask("bob", "PUT", self.own_state(room_id), {"membership": "leave"})
        self.assertEqual(await self.membership(TWO, room_id, self.user("bob")), "leave")

    def own_state(self, room_id: str) -> str:
        return path(room_id, f"/state/m.room.member/{self.user('bob')}")

    async def test_a_deactivated_account_leaves_no_invites_behind(self) -> None:
        await self.arrange()
        room_id = await self.invited()
        await self.servers[TWO].entering.memberships.leave_all_rooms(self.user("bob"))
        self.assertEqual(await self.membership(ONE, room_id, self.user("bob")), "leave")


class WithdrawalTests(InviteTestCase):
    async def test_the_inviter_takes_it_back(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            room_id = await self.invited(version)
            await self.ask("alice", "POST", path(room_id, "/kick"), {"user_id": self.user("bob")})
            kick = (await self.state_ids(ONE, room_id))["m.room.member", self.user("bob")]
            await self.carry(ONE, TWO, kick)
            self.assertIsNone(await self.invitation(room_id))

    async def test_nobody_else_does(self) -> None:
        await self.arrange()
        self.homes["eve"] = ONE
        self.tokens["eve"] = await self.register(ONE, "eve")
        levels = {"users": {self.user("alice"): 100, self.user("eve"): 50}}
        room_id = await self.create(
            preset="private_chat",
            room_version="10",
            invite=[self.user("eve")],
            power_level_content_override=levels,
        )
        await self.join("eve", room_id)
        await self.invite(room_id)
        await self.ask("eve", "POST", path(room_id, "/kick"), {"user_id": self.user("bob")})
        kick = (await self.state_ids(ONE, room_id))["m.room.member", self.user("bob")]
        with self.assertRaises(self.failureException):
            await self.carry(ONE, TWO, kick)
        self.assertIsNotNone(await self.invitation(room_id))


class KnockTests(InviteTestCase):
    async def knocked(self, version: str) -> str:
        rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
        room_id = await self.create(
            preset="private_chat", room_version=version, name="Secret", initial_state=[rules]
        )
        await self.knock(room_id)
        return room_id

    async def knock(self, room_id: str) -> None:
        url = f"{V3}/knock/{room_id}?via={ONE}"
        await self.ask("bob", "POST", url, {"reason": "please"})

    async def test_knocking_and_being_let_in(self) -> None:
        await self.arrange()
        for version in ("7", "10", "12"):
            with self.subTest(version=version):
                room_id = await self.knocked(version)
                sync = await self.ask("bob", "GET", f"{V3}/sync")
                shown = sync["rooms"]["knock"][room_id]["knock_state"]["events"]
                self.assertIn("m.room.name", {event["type"] for event in shown})
                self.assertEqual(await self.membership(ONE, room_id, self.user("bob")), "knock")
                await self.invite(room_id)
                await self.join("bob", room_id)
                await self.servers[TWO].background.finish()
                self.assertEqual(
                    await self.state_ids(ONE, room_id), await self.state_ids(TWO, room_id)
                )

    async def test_taking_it_back(self) -> None:
        await self.arrange()
        for version in ("7", "12"):
            room_id = await self.knocked(version)
            await self.ask("bob", "POST", path(room_id, "/leave"), {})
            for server in (ONE, TWO):
                self.assertEqual(await self.membership(server, room_id, self.user("bob")), "leave")
            await self.knock(room_id)

    async def test_rooms_without_a_door_to_knock_at(self) -> None:
        await self.arrange()
        for version in ("6", "12"):
            self.assertEqual(ROOM_VERSIONS[version].knock, version == "12")
            room_id = await self.create(preset="private_chat", room_version=version)
            answer = await self.refused("bob", "POST", f"{V3}/knock/{room_id}?via={ONE}", {})
            self.assertEqual(answer, (403, "M_FORBIDDEN"))
