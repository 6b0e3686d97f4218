"""Invites that other servers send: what is signed, and what is not."""

import secrets
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import orjson

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.config.ratelimiting import InviteLimits, RateLimit
from synapse.config.rooms import RoomsConfig
from synapse.crypto.signing import SigningKey
from synapse.federation.errors import RemoteError
from tests.federation.rooms import ONE, TWO, V3, SharedRoomTestCase
from tests.rest.base import default_config
from tests.rooms.elsewhere import Elsewhere

ALICE, EVE = "@alice:one.test", "@eve:two.test"
V2 = "/_matrix/federation/v2"


class ReceivedInviteTests(SharedRoomTestCase):
    """A room of Eve's on two.test, into which she invites Alice of one.test."""

    def eves_room(self, version: str = "12") -> Elsewhere:
        key: SigningKey = self.network.links[TWO].key
        room = Elsewhere(ROOM_VERSIONS[version], f"!{secrets.token_hex(8)}:two.test", key)
        room.server_name = TWO
        content: dict[str, Any] = {"room_version": version}
        if not room.version.implicit_creator:
            content["creator"] = EVE
        room.room_id = room.must_send("m.room.create", EVE, content, "").room_id
        room.join(EVE)
        return room

    def invite(self, room: Elsewhere, **changes: Any) -> Any:
        arguments = {
            "type": "m.room.member",
            "sender": EVE,
            "content": {"membership": "invite"},
            "state_key": ALICE,
            **changes,
        }
        return room.send(forbidden=True, **arguments)

    async def send(self, room: Elsewhere, event: Any, /, **changes: Any) -> Any:
        """What is answered; of a refusal, status and `errcode`."""
        body = {
            "room_version": room.version.identifier,
            "event": {**orjson.loads(event.json), **changes.pop("event", {})},
            "invite_room_state": [orjson.loads(e.json) for e in room.state()],
            **changes,
        }
        room_id, event_id = (quote(i, safe="") for i in (event.room_id, event.event_id))
        try:
            return await self.network.links[TWO].request(
                ONE, "PUT", f"{V2}/invite/{room_id}/{event_id}", json=body
            )
        except RemoteError as error:
            return error.status, error.errcode

    async def test_what_is_signed_is_untouched(self) -> None:
        await self.arrange()
        for version in ("1", "6", "10", "12"):
            with self.subTest(version=version):
                room = self.eves_room(version)
                event = self.invite(room)
                more = {"unsigned": {"age": 3}}
                answer = (await self.send(room, event, event=more))["event"]
                self.assertEqual(set(answer.pop("signatures")), {ONE, TWO})
                sent = {**orjson.loads(event.json), **more}
                del sent["signatures"]
                self.assertEqual(answer, sent)
                # It may come again.
                self.assertIn("event", await self.send(room, event))

    async def test_what_is_not_signed(self) -> None:
        await self.arrange()
        for version in ("1", "10", "12"):
            room = self.eves_room(version)
            good = self.invite(room)
            bad = "M_INVALID_PARAM"
            for name, event, changes, expected in (
                ("a join", self.invite(room, content={"membership": "join"}), {}, (400, bad)),
                ("a topic", self.invite(room, type="m.room.topic"), {}, (400, bad)),
                ("Bob's", self.invite(room, sender="@bob:three.test"), {}, (400, bad)),
                ("for Bob", self.invite(room, state_key="@bob:two.test"), {}, (400, bad)),
                ("nobody", self.invite(room, state_key="@x:one.test"), {}, (404, "M_NOT_FOUND")),
                ("unsigned", good, {"event": {"signatures": {}}}, (400, bad)),
                ("changed", good, {"event": {"content": {"membership": "invite", "x": 1}}}, None),
                ("no version", good, {"room_version": 12}, (400, "M_BAD_JSON")),
                (
                    "new version",
                    good,
                    {"room_version": "99"},
                    (400, "M_INCOMPATIBLE_ROOM_VERSION"),
                ),
                ("nonsense", good, {"event": {"depth": "deep"}}, (400, "M_BAD_JSON")),
                ("state", good, {"invite_room_state": {}}, (400, "M_BAD_JSON")),
            ):
                with self.subTest(version=version, name=name):
                    answer = await self.send(room, event, **changes)
                    self.assertEqual(answer[0] if expected is None else answer, expected or 400)

    async def test_what_the_room_shows(self) -> None:
        await self.arrange()
        for version, told, expected in (
            ("12", [], (400, "M_MISSING_PARAM")),
            ("12", [{"type": "m.room.name"}], (400, "M_MISSING_PARAM")),
            ("12", ["create", "forged"], (400, "M_INVALID_PARAM")),
            ("10", [], None),
            ("10", ["forged", 3, None, {"type": 1}], None),
            ("10", ["create"] * 1_000, None),
        ):
            with self.subTest(version=version, told=told):
                room = self.eves_room(version)
                create = orjson.loads(room.state()[0].json)
                known = {
                    "create": create,
                    "forged": {**create, "origin_server_ts": 1},
                }
                shown = [known.get(one, one) if isinstance(one, str) else one for one in told]
                answer = await self.send(room, self.invite(room), invite_room_state=shown)
                if expected is None:
                    self.assertIn("event", answer)
                else:
                    self.assertEqual(answer, expected)

    async def test_stripped_state_of_older_servers(self) -> None:
        await self.arrange()
        room = self.eves_room("10")
        shown = [
            {
                "type": "m.room.name",
                "state_key": "",
                "sender": EVE,
                "content": {"name": "Old"},
                "x": 1,
            }
        ]
        await self.send(room, self.invite(room), invite_room_state=shown)
        sync = await self.ask("alice", "GET", f"{V3}/sync")
        events = sync["rooms"]["invite"][room.room_id]["invite_state"]["events"]
        self.assertEqual(events[0], {k: v for k, v in shown[0].items() if k != "x"})

    async def test_a_false_version_does_not_keep_anybody_out(self) -> None:
        await self.arrange()
        real = await self.create("bob", room_version="10")
        false = self.eves_room("9")
        false.room_id = real
        self.assertIn("event", await self.send(false, self.invite(false)))
        self.assertIs((await self.room(ONE, real)).version, ROOM_VERSIONS["9"])
        await self.join("alice", real, TWO)
        self.assertIs((await self.room(ONE, real)).version, ROOM_VERSIONS["10"])
        # Once we are in the room, we know better.
        answer = await self.send(false, self.invite(false))
        self.assertEqual(answer, (400, "M_INVALID_PARAM"))

    async def test_servers_that_accept_no_invites(self) -> None:
        await self.arrange(rooms=RoomsConfig(block_non_admin_invites=True))
        room = self.eves_room()
        self.assertEqual(await self.send(room, self.invite(room)), (403, "M_FORBIDDEN"))

    async def test_a_flood_of_invites(self) -> None:
        limit = RateLimit(per_second=0.001, burst_count=2)
        limits = replace(default_config().rate_limits, rc_invites=InviteLimits(per_user=limit))
        await self.arrange(rate_limits=limits)
        rooms = [self.eves_room() for _ in range(3)]
        answers = [await self.send(room, self.invite(room)) for room in rooms]
        self.assertEqual(answers[2], (429, "M_LIMIT_EXCEEDED"))
