"""What a server that isn't in a room may ask about it, and what it is refused."""

import secrets
from typing import Any
from urllib.parse import quote

import orjson

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.event import Event
from synapse.events.templates import event_on
from synapse.federation.errors import RemoteError
from tests.federation.rooms import ONE, THREE, TWO, SharedRoomTestCase, path
from tests.federation.test_joins import VERSIONS

V1, V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
ALL_VERSIONS = list(ROOM_VERSIONS)


class AdmissionTestCase(SharedRoomTestCase):
    async def request(
        self, method: str, *segments: str, query: Any = None, json: Any = None, by: str = TWO
    ) -> Any:
        """What one.test answers another server; of a refusal, status and `errcode`."""
        url = "/".join([segments[0], *(quote(segment, safe="") for segment in segments[1:])])
        link = self.network.links[by]
        try:
            return await link.request(ONE, method, url, query=query, json=json)
        except RemoteError as error:
            return error.status, error.errcode

    async def template(self, room_id: str, what: str = "join") -> Any:
        return await self.request(
            "GET", f"{V1}/make_{what}", room_id, self.user("bob"), query={"ver": ALL_VERSIONS}
        )

    def event(self, template: Any, room_id: str, **changes: Any) -> Event:
        """Bob's event on a template, with changes."""
        link = self.network.links[TWO]
        own = {
            "type": "m.room.member",
            "sender": self.user("bob"),
            "state_key": self.user("bob"),
            "content": template["event"]["content"],
            "room_id": room_id,
            **changes,
        }
        return event_on(
            template["event"],
            ROOM_VERSIONS[template["room_version"]],
            origin_server_ts=self.clock.now_ms(),
            server_name=TWO,
            key=link.key,
            event_id_localpart=secrets.token_hex(8),
            **own,
        )

    async def send(self, event: Event, what: str = "join", **changes: Any) -> Any:
        """Send it, with changes after it was signed."""
        room_id, event_id = changes.pop("room", event.room_id), changes.pop("id", event.event_id)
        query = changes.pop("query", None)
        value = {**orjson.loads(event.json), **changes}
        return await self.request(
            "PUT", f"{V2}/send_{what}", room_id, event_id, json=value, query=query
        )


class TemplateTests(AdmissionTestCase):
    async def test_who_gets_no_template(self) -> None:
        await self.arrange(ONE, TWO, THREE)
        room_id = await self.create(room_version="10")
        private = await self.create(preset="private_chat", room_version="10")
        bob, ours = self.user("bob"), {"ver": ALL_VERSIONS}
        for what, room, user_id, query, expected in (
            ("join", room_id, self.user("carol"), ours, (403, "M_FORBIDDEN")),
            ("join", room_id, self.user("alice"), ours, (403, "M_FORBIDDEN")),
            ("join", room_id, "bob", ours, (400, "M_INVALID_PARAM")),
            ("join", private, bob, ours, (403, "M_FORBIDDEN")),
            ("join", "!unknown:one.test", bob, ours, (404, "M_NOT_FOUND")),
            ("join", room_id, bob, {"ver": ["1", "99"]}, (400, "M_INCOMPATIBLE_ROOM_VERSION")),
            ("join", room_id, bob, None, (400, "M_INCOMPATIBLE_ROOM_VERSION")),
            ("leave", room_id, bob, None, (403, "M_FORBIDDEN")),
            ("leave", "!unknown:one.test", bob, None, (404, "M_NOT_FOUND")),
            ("knock", room_id, bob, ours, (403, "M_FORBIDDEN")),
            ("knock", room_id, bob, None, (400, "M_INCOMPATIBLE_ROOM_VERSION")),
            ("knock", "!unknown:one.test", bob, ours, (404, "M_NOT_FOUND")),
        ):
            with self.subTest(what=what, room=room, user_id=user_id, query=query):
                answer = await self.request("GET", f"{V1}/make_{what}", room, user_id, query=query)
                self.assertEqual(answer, expected)

    async def test_servers_that_the_room_does_not_admit(self) -> None:
        await self.arrange()
        room_id = await self.create(room_version="12")
        event = self.event(await self.template(room_id), room_id)
        await self.ask(
            "alice",
            "PUT",
            path(room_id, "/state/m.room.server_acl"),
            {"allow": ["*"], "deny": [TWO]},
        )
        for what in ("join", "leave", "knock"):
            self.assertEqual(await self.template(room_id, what), (403, "M_FORBIDDEN"))
            api = V1 if what == "knock" else V2
            answer = await self.request(
                "PUT", f"{api}/send_{what}", room_id, event.event_id, json=event.parsed()
            )
            self.assertEqual(answer, (403, "M_FORBIDDEN"))

    async def test_rooms_that_we_have_left(self) -> None:
        await self.arrange()
        room_id = await self.create()
        await self.join("bob", room_id, ONE)
        await self.ask("alice", "POST", path(room_id, "/leave"), {})
        self.assertEqual(await self.template(room_id), (404, "M_NOT_FOUND"))


class JoinTests(AdmissionTestCase):
    async def test_the_answer_tells_the_state_before_the_join(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            with self.subTest(version=version):
                room_id = await self.create(room_version=version)
                before = await self.state_ids(ONE, room_id)
                event = self.event(await self.template(room_id), room_id)
                answer = await self.send(event)
                told = await self.servers[TWO].federation.pdus.verify(
                    ROOM_VERSIONS[version], room_id, answer["state"]
                )
                ids = {one.event.slot: one.event.event_id for one in told}  # type: ignore[union-attr]
                self.assertEqual(ids, before)
                self.assertFalse(answer["members_omitted"])
                self.assertEqual(set(answer["event"]["signatures"]), {ONE, TWO})
                # The same again, though the room has moved on.
                await self.say("alice", room_id)
                self.assertEqual(await self.send(event), answer)

    async def test_members_can_be_left_out(self) -> None:
        await self.arrange(ONE, TWO, THREE)
        for name, told in ((None, {self.user("alice"), self.user("carol")}), ("Named", set())):
            wish = {} if name is None else {"name": name}
            room_id = await self.create(room_version="12", **wish)
            await self.join("carol", room_id, ONE)
            event = self.event(await self.template(room_id), room_id)
            answer = await self.send(event, query={"omit_members": "true"})
            self.assertTrue(answer["members_omitted"])
            self.assertEqual(answer["servers_in_room"], [ONE, THREE])
            members = [e["state_key"] for e in answer["state"] if e["type"] == "m.room.member"]
            self.assertEqual(set(members), told)
            spelt = [orjson.dumps(event) for event in answer["state"]]
            self.assertFalse([e for e in answer["auth_chain"] if orjson.dumps(e) in spelt])

    async def test_version_1_of_the_endpoint(self) -> None:
        await self.arrange()
        room_id = await self.create(room_version="6")
        event = self.event(await self.template(room_id), room_id)
        status, answer = await self.request(
            "PUT", f"{V1}/send_join", room_id, event.event_id, json=event.parsed()
        )
        self.assertEqual(status, 200)
        self.assertIn("state", answer)

    async def test_events_that_are_no_joins_of_theirs(self) -> None:
        await self.arrange(ONE, TWO, THREE)
        for version in ("1", "10", "12"):
            room_id = await self.create(room_version=version)
            template = await self.template(room_id)
            other_id = await self.create(room_version=version)
            other = self.event(template, other_id)
            good = self.event(template, room_id)
            members = {"membership": "join"}
            for name, event, changes in (
                ("a leave", self.event(template, room_id, content={"membership": "leave"}), {}),
                ("a ban", self.event(template, room_id, content={"membership": "ban"}), {}),
                ("a topic", self.event(template, room_id, type="m.room.topic"), {}),
                ("Carol's", self.event(template, room_id, sender=self.user("carol")), {}),
                ("for Carol", self.event(template, room_id, state_key=self.user("carol")), {}),
                ("in another room", other, {"room": room_id}),
                ("of another id", good, {"id": other.event_id}),
                ("changed", good, {"content": {**members, "displayname": "Eve"}}),
                ("changed in essence", good, {"origin_server_ts": 1}),
                ("unsigned", good, {"signatures": {}}),
                ("wrongly signed", good, {"signatures": {TWO: {"ed25519:a_two": "A" * 86}}}),
                ("nowhere", self.nowhere(template, room_id), {}),
                ("too many", good, {"prev_events": ["$x"] * 1000}),
                ("nonsense", good, {"depth": "deep"}),
            ):
                with self.subTest(version=version, name=name):
                    answer = await self.send(event, **changes)
                    self.assertIsInstance(answer, tuple, f"{name} {version} {answer}"[:100])
                    self.assertIn(answer[0], (400, 403))
            self.assertIsNone(await self.membership(ONE, room_id, self.user("bob")))

    def nowhere(self, template: Any, room_id: str) -> Event:
        """A join on events that nobody knows."""
        refers = [f"${'x' * 43}"]
        if template["room_version"] in ("1", "2"):
            refers = [["$x:two.test", {"sha256": "x"}]]  # type: ignore[list-item]
        changed = {**template, "event": {**template["event"], "prev_events": refers}}
        return self.event(changed, room_id)

    async def test_an_id_that_is_taken(self) -> None:
        await self.arrange()
        secret = await self.create(room_version="1", preset="private_chat")
        taken = (await self.state_ids(ONE, secret))["m.room.member", self.user("alice")]
        room_id = await self.create(room_version="1")
        event = self.event(await self.template(room_id), room_id)
        for sender in ("bob", "alice"):
            answer = await self.send(
                event,
                id=taken,
                event_id=taken,
                sender=self.user(sender),
                state_key=self.user(sender),
            )
            self.assertEqual(answer, (400, "M_INVALID_PARAM"))

    async def test_a_template_that_the_room_has_outlived(self) -> None:
        await self.arrange()
        room_id = await self.create()
        event = self.event(await self.template(room_id), room_id)
        url = path(room_id, "/state/m.room.join_rules")
        await self.ask("alice", "PUT", url, {"join_rule": "invite"})
        self.assertEqual(await self.send(event), (403, "M_FORBIDDEN"))
        # And it stays refused.
        self.assertEqual(await self.send(event), (403, "M_FORBIDDEN"))

    async def test_for_whom_we_do_not_vouch(self) -> None:
        await self.arrange()
        space = await self.create(room_version="10")
        allow = [{"type": "m.room_membership", "room_id": space}]
        rules = {"join_rule": "restricted", "allow": allow}
        room_id = await self.create(
            preset="private_chat",
            room_version="10",
            initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": rules}],
        )
        self.assertEqual(await self.template(room_id), (403, "M_FORBIDDEN"))
        template = await self.template(space)
        ids = await self.state_ids(ONE, room_id)
        slots = ("m.room.create", "m.room.power_levels", "m.room.join_rules")
        cited = [ids[slot, ""] for slot in slots]
        room = await self.room(ONE, room_id)
        template["event"] |= {
            "auth_events": [*cited, ids["m.room.member", self.user("alice")]],
            "prev_events": [tip.event_id for tip in room.tips],
            "content": {
                "membership": "join",
                "join_authorised_via_users_server": self.user("alice"),
            },
        }
        self.assertEqual(await self.send(self.event(template, room_id)), (403, "M_FORBIDDEN"))

    async def test_rules_that_nobody_here_can_apply(self) -> None:
        await self.arrange()
        allow = [{"type": "m.room_membership", "room_id": "!unknown:nowhere.test"}]
        for levels, allowed, expected in (
            ({}, allow, (400, "M_UNABLE_TO_AUTHORISE_JOIN")),
            ({"invite": 50}, None, (400, "M_UNABLE_TO_GRANT_JOIN")),
        ):
            space = await self.create()
            await self.join("bob", space, ONE)
            allowed = allowed or [{"type": "m.room_membership", "room_id": space}]
            rules = {"join_rule": "restricted", "allow": allowed}
            room_id = await self.create(
                room_version="10",
                initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": rules}],
            )
            if levels:
                # Alice gives up her power.
                power = {"users": {}, "invite": 50}
                url = path(room_id, "/state/m.room.power_levels")
                await self.ask("alice", "PUT", url, power)
            self.assertEqual(await self.template(room_id), expected)


class LeaveTests(AdmissionTestCase):
    async def test_both_versions_of_the_endpoint(self) -> None:
        await self.arrange()
        for api, expected in ((V1, [200, {}]), (V2, {})):
            room_id = await self.create(room_version="10")
            join = self.event(await self.template(room_id), room_id)
            await self.send(join)
            event = self.event(await self.template(room_id, "leave"), room_id)
            answer = await self.request(
                "PUT", f"{api}/send_leave", room_id, event.event_id, json=event.parsed()
            )
            self.assertEqual(answer, expected)
            self.assertEqual(await self.membership(ONE, room_id, self.user("bob")), "leave")
