"""Joining rooms of other servers."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred, gatherResults

from synapse.config.ratelimiting import JoinLimits, RateLimit
from synapse.http.client.errors import RequestFailed, Step
from tests.federation.rooms import ONE, THREE, TWO, V3, SharedRoomTestCase, path
from tests.rest.base import default_config

VERSIONS = ("1", "6", "10", "12")
AUTHORISER = "join_authorised_via_users_server"


class JoinTests(SharedRoomTestCase):
    async def test_both_servers_know_the_same_room(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            with self.subTest(version=version):
                room_id = await self.create(room_version=version, name="Shared")
                await self.join("bob", room_id, ONE)
                await self.servers[TWO].background.finish()
                for server in (ONE, TWO):
                    room = await self.room(server, room_id)
                    self.assertEqual((room.joined, room.local_joined), (2, 1))
                self.assertEqual(
                    await self.state_ids(ONE, room_id), await self.state_ids(TWO, room_id)
                )
                sync = await self.ask("bob", "GET", f"{V3}/sync")
                joined = sync["rooms"]["join"][room_id]
                names = [e for e in joined["state"]["events"] if e["type"] == "m.room.name"]
                self.assertEqual(names[0]["content"], {"name": "Shared"})

    async def test_what_is_said_afterwards_comes_over(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            with self.subTest(version=version):
                room_id = await self.create(room_version=version)
                await self.join("bob", room_id, ONE)
                for speaker, here, there in (("bob", TWO, ONE), ("alice", ONE, TWO)):
                    event_id = await self.say(speaker, room_id)
                    await self.carry(here, there, event_id)
                    arrived = await self.servers[there].stores.events.get(event_id)
                    assert arrived is not None
                    self.assertIsNotNone(arrived.pos)

    async def test_an_alias_says_through_which_servers(self) -> None:
        """The client names none, and the ids of rooms of version 12 don't either."""
        await self.arrange()
        knocking = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
        for action, version, state in (
            ("join", "10", []),
            ("join", "12", []),
            ("knock", "12", [knocking]),
        ):
            with self.subTest(action=action, version=version):
                name = f"{action}-{version}"
                room_id = await self.create(
                    room_version=version, room_alias_name=name, initial_state=state
                )
                alias = quote(f"#{name}:{ONE}")
                answer = await self.ask("bob", "POST", f"{V3}/{action}/{alias}", {})
                self.assertEqual(answer, {"room_id": room_id})
                membership = await self.membership(ONE, room_id, self.user("bob"))
                self.assertEqual(membership, action)

    async def test_leaving_and_coming_back(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            with self.subTest(version=version):
                room_id = await self.create(room_version=version)
                await self.join("bob", room_id, ONE)
                await self.ask("bob", "POST", path(room_id, "/leave"), {})
                left = (await self.state_ids(TWO, room_id))["m.room.member", self.user("bob")]
                await self.carry(TWO, ONE, left)
                await self.ask(
                    "alice", "PUT", path(room_id, "/state/m.room.topic"), {"topic": "news"}
                )
                await self.join("bob", room_id, ONE)
                await self.servers[TWO].background.finish()
                self.assertEqual(
                    await self.state_ids(ONE, room_id), await self.state_ids(TWO, room_id)
                )

    async def test_many_who_join_at_once_come_through_one_door(self) -> None:
        await self.arrange()
        self.homes["dave"] = TWO
        self.tokens["dave"] = await self.register(TWO, "dave")
        room_id = await self.create()
        await gatherResults(
            [Deferred.fromCoroutine(self.join(name, room_id, ONE)) for name in ("bob", "dave")]
        )
        self.assertEqual(len(self.requests("send_join")), 1)
        self.assertEqual((await self.room(TWO, room_id)).local_joined, 2)

    async def test_one_server_after_the_other_is_asked(self) -> None:
        await self.arrange(ONE, TWO, THREE)
        room_id = await self.create(room_version="12")
        await self.join("carol", room_id, ONE)
        # Signatures of a server that can't be reached can be checked if its keys are known.
        await self.join("bob", await self.create(), ONE)
        self.network.log.clear()
        self.network.cut.add(frozenset({ONE, TWO}))
        await self.join("bob", room_id, "nowhere.test", ONE, TWO, THREE)
        self.assertEqual(
            [to for _, to, _ in self.requests("make_join")], ["nowhere.test", ONE, THREE]
        )

    async def test_errors_say_why(self) -> None:
        await self.arrange()
        private = await self.create(preset="private_chat", room_version="12")
        unknown = "!" + "a" * 43
        for room_id, via, expected in (
            (private, [ONE], (403, "M_FORBIDDEN")),
            (unknown, [ONE], (404, "M_NOT_FOUND")),
            (unknown, [], (404, "M_NOT_FOUND")),
            (unknown, [TWO], (404, "M_NOT_FOUND")),
            ("!room:nowhere.test", [], (502, "M_UNKNOWN")),
        ):
            with self.subTest(room_id=room_id, via=via):
                query = "&".join(f"server_name={server}" for server in via)
                url = f"{V3}/join/{quote(room_id, safe='')}?{query}"
                self.assertEqual(await self.refused("bob", "POST", url, {}), expected)

    async def test_a_join_whose_answer_was_lost_can_be_repeated(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            with self.subTest(version=version):
                room_id = await self.create(room_version=version)
                url = f"{V3}/join/{quote(room_id, safe='')}?via={ONE}"

                def lose(answer: Any) -> Any:
                    raise RequestFailed(Step.HTTP, "the connection broke")

                self.network.tampers["send_join"] = lose
                self.assertEqual(await self.refused("bob", "POST", url, {}), (502, "M_UNKNOWN"))
                self.assertEqual(await self.membership(ONE, room_id, self.user("bob")), "join")
                self.network.tampers.clear()
                await self.join("bob", room_id, ONE)
                self.assertEqual(
                    await self.state_ids(ONE, room_id), await self.state_ids(TWO, room_id)
                )

    async def test_how_often(self) -> None:
        limit = RateLimit(per_second=0.001, burst_count=2)
        limits = replace(default_config().rate_limits, rc_joins=JoinLimits(remote=limit))
        await self.arrange(rate_limits=limits)
        for _ in range(2):
            await self.join("bob", await self.create(), ONE)
        url = f"{V3}/join/{await self.create()}?via={ONE}"
        self.assertEqual(await self.refused("bob", "POST", url, {}), (429, "M_LIMIT_EXCEEDED"))

    async def test_rooms_that_stay_at_home(self) -> None:
        await self.arrange()
        room_id = await self.create(creation_content={"m.federate": False})
        url = f"{V3}/join/{room_id}?via={ONE}"
        self.assertEqual(await self.refused("bob", "POST", url, {}), (403, "M_FORBIDDEN"))

    async def test_guests_stay_at_home(self) -> None:
        await self.arrange()
        room_id = await self.create()
        answer = await self.client(TWO, "POST", f"{V3}/register?kind=guest", {})
        self.tokens["guest"], self.homes["guest"] = answer["access_token"], TWO
        url = f"{V3}/join/{quote(room_id, safe='')}?via={ONE}"
        self.assertEqual((await self.refused("guest", "POST", url, {}))[0], 403)
        self.assertEqual(self.network.log, [])

    async def test_an_old_server_is_asked_as_of_old(self) -> None:
        await self.arrange()
        room_id = await self.create(room_version="1")
        self.network.age("/v2/send")
        await self.join("bob", room_id, ONE)
        self.assertEqual(len(self.requests("v1/send_join")), 1)

    async def test_a_room_is_followed_to_its_successor(self) -> None:
        await self.arrange()
        old = await self.create()
        await self.join("bob", old, ONE)
        answer = await self.ask("alice", "POST", path(old, "/upgrade"), {"new_version": "12"})
        new = answer["replacement_room"]
        await self.join("bob", new, ONE)
        self.assertEqual((await self.room(TWO, new)).local_joined, 1)


class RestrictedJoinTests(SharedRoomTestCase):
    async def restricted(self, version: str = "12", **wish: Any) -> tuple[str, str]:
        """A space of Alice's, and a room that its members may join."""
        space = await self.create(room_version=version)
        allow = [{"type": "m.room_membership", "room_id": space}]
        rules = {"join_rule": "restricted", "allow": allow}
        room_id = await self.create(
            preset="private_chat",
            room_version=version,
            initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": rules}],
            **wish,
        )
        return space, room_id

    async def test_the_other_server_vouches(self) -> None:
        await self.arrange()
        for version in ("8", "10", "12"):
            with self.subTest(version=version):
                space, room_id = await self.restricted(version)
                url = f"{V3}/join/{quote(room_id, safe='')}?via={ONE}"
                self.assertEqual(await self.refused("bob", "POST", url, {}), (403, "M_FORBIDDEN"))
                await self.join("bob", space, ONE)
                await self.join("bob", room_id, ONE)
                for server in (ONE, TWO):
                    ids = await self.state_ids(server, room_id)
                    join = await self.servers[server].stores.events.get(
                        ids["m.room.member", self.user("bob")]
                    )
                    assert join is not None
                    self.assertEqual(join.content[AUTHORISER], self.user("alice"))
                    self.assertEqual(set(join.parsed()["signatures"]), {ONE, TWO})

    async def test_a_server_in_the_room_whose_users_may_not_invite_asks_others(self) -> None:
        await self.arrange()
        space, room_id = await self.restricted(power_level_content_override={"invite": 50})
        self.homes["dave"] = TWO
        self.tokens["dave"] = await self.register(TWO, "dave")
        for name in ("bob", "dave"):
            await self.join(name, space, ONE)
        # Dave's join of the space was said on his server; his server has to tell.
        ids = await self.state_ids(TWO, space)
        await self.carry(TWO, ONE, ids["m.room.member", self.user("dave")])
        await self.join("bob", room_id, ONE)
        await self.join("dave", room_id, ONE)
        self.assertEqual(await self.membership(TWO, room_id, self.user("dave")), "join")
        self.assertEqual(await self.state_ids(ONE, room_id), await self.state_ids(TWO, room_id))

    async def test_a_server_that_knows_none_of_the_rooms_sends_on_to_others(self) -> None:
        await self.arrange(ONE, TWO, THREE)
        space, room_id = await self.restricted()
        await self.join("bob", space, ONE)
        await self.join("bob", room_id, ONE)
        await self.ask("bob", "POST", path(space, "/leave"), {})
        await self.join("carol", space, ONE)
        # Bob's server is in the room, but not in the space any more.
        await self.join("carol", room_id, TWO, ONE)
        asked = [to for by, to, line in self.requests("make_join") if by == THREE]
        self.assertEqual(asked[-2:], [TWO, ONE])

    async def test_invited_users_need_nobody(self) -> None:
        await self.arrange()
        _, room_id = await self.restricted()
        await self.ask("alice", "POST", path(room_id, "/invite"), {"user_id": self.user("bob")})
        await self.join("bob", room_id)
        ids = await self.state_ids(TWO, room_id)
        join = await self.servers[TWO].stores.events.get(ids["m.room.member", self.user("bob")])
        assert join is not None
        self.assertNotIn(AUTHORISER, join.content)
