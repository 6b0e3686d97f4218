"""Client API: creating rooms."""

from typing import Any

from synapse.api.room_versions import ROOM_VERSIONS
from tests.rest.rooms import V3, RoomTestCase

ALICE, BOB, CAROL = "@alice:test", "@bob:test", "@carol:test"

PRESETS = [
    # visibility, preset, join rule, guest access
    (None, None, "invite", "can_join"),
    ("private", None, "invite", "can_join"),
    ("public", None, "public", "forbidden"),
    (None, "private_chat", "invite", "can_join"),
    (None, "trusted_private_chat", "invite", "can_join"),
    (None, "public_chat", "public", "forbidden"),
    ("public", "private_chat", "invite", "can_join"),
    ("private", "public_chat", "public", "forbidden"),
]
REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"preset": "huge_chat"}, 400, "M_INVALID_PARAM"),
    ({"visibility": "secret"}, 400, "M_INVALID_PARAM"),
    ({"room_version": "99"}, 400, "M_UNSUPPORTED_ROOM_VERSION"),
    ({"room_version": ""}, 400, "M_UNSUPPORTED_ROOM_VERSION"),
    ({"room_version": "12\0"}, 400, "M_UNSUPPORTED_ROOM_VERSION"),
    ({"room_alias_name": ""}, 400, "M_INVALID_PARAM"),
    ({"room_alias_name": "#a:test"}, 400, "M_INVALID_PARAM"),
    ({"room_alias_name": "two words"}, 400, "M_INVALID_PARAM"),
    ({"room_alias_name": "x" * 300}, 400, "M_INVALID_PARAM"),
    ({"room_alias_name": "a\0b"}, 400, "M_INVALID_PARAM"),
    ({"invite": ["bob"]}, 400, "M_INVALID_PARAM"),
    ({"invite": [f"@u{n}:test" for n in range(101)]}, 400, "M_INVALID_PARAM"),
    ({"invite_3pid": [{"medium": "email"}]}, 400, "M_MISSING_PARAM"),
    ({"initial_state": [{"content": {}}]}, 400, "M_MISSING_PARAM"),
    ({"initial_state": [{"type": "a"}]}, 400, "M_MISSING_PARAM"),
    ({"initial_state": [7]}, 400, "M_BAD_JSON"),
    ({"initial_state": [{"type": "m.room.create", "content": {}}]}, 400, "M_BAD_JSON"),
    (
        {"initial_state": [{"type": "m.room.member", "state_key": BOB, "content": {}}]},
        400,
        "M_BAD_JSON",
    ),
    ({"initial_state": [{"type": "m.room.join_rules", "content": {}}]}, 400, "M_BAD_JSON"),
    ({"initial_state": [{"type": "a\0b", "content": {}}]}, 400, "M_BAD_JSON"),
    ({"initial_state": [{"type": "a" * 256, "content": {}}]}, 413, "M_TOO_LARGE"),
    (
        {"initial_state": [{"type": "a", "state_key": "@x:y", "content": {}}]},
        400,
        "M_INVALID_ROOM_STATE",
    ),
    ({"name": "x" * 70_000}, 413, "M_TOO_LARGE"),
    ({"power_level_content_override": {"users": {ALICE: 100}}}, 400, "M_INVALID_ROOM_STATE"),
    ({"power_level_content_override": {"ban": "50"}}, 400, "M_INVALID_ROOM_STATE"),
    (
        {"room_version": "11", "power_level_content_override": {"users": {}}, "name": "n"},
        400,
        "M_INVALID_ROOM_STATE",
    ),
    ({"creation_content": {"additional_creators": "x"}}, 400, "M_INVALID_ROOM_STATE"),
    ({"creation_content": {"additional_creators": ["x"]}}, 400, "M_INVALID_ROOM_STATE"),
    ({"creation_content": {"n": 1.5}}, 400, "M_BAD_JSON"),
]


class CreateRoomTests(RoomTestCase):
    async def setup_alice(self) -> None:
        self.alice = await self.register("alice")

    async def test_presets(self) -> None:
        await self.setup_alice()
        for visibility, preset, join_rule, guest_access in PRESETS:
            body = {"visibility": visibility, "preset": preset}
            room_id = await self.create(self.alice, **body)
            state = {
                slot: event["content"]
                for slot, event in (await self.state(self.alice, room_id)).items()
            }
            self.assertEqual(state["m.room.join_rules", ""], {"join_rule": join_rule})
            self.assertEqual(state["m.room.guest_access", ""], {"guest_access": guest_access})
            self.assertEqual(
                state["m.room.history_visibility", ""], {"history_visibility": "shared"}
            )
            answer = await self.ok("GET", f"{V3}/directory/list/room/{room_id}", token=None)
            self.assertEqual(answer, {"visibility": visibility or "private"})

    async def test_everything_in_the_order_of_the_specification(self) -> None:
        await self.setup_alice()
        room_id = await self.create(
            self.alice,
            room_alias_name="home",
            name="Home",
            topic="Cooking",
            invite=[BOB, BOB, ALICE],
            is_direct=True,
            creation_content={"type": "m.space", "m.federate": False, "creator": "x"},
            initial_state=[
                {"type": "m.room.guest_access", "content": {"guest_access": "forbidden"}},
                {"type": "org.example", "state_key": "k", "content": {"n": 1}},
                {"type": "m.room.name", "content": {"name": "overwritten"}},
                {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}},
                {"type": "org.example", "state_key": "l", "content": {}},
            ],
            power_level_content_override={"events_default": 7},
        )
        page = await self.messages(self.alice, room_id, "f", limit=100)
        events = page["chunk"]
        self.assertEqual(
            [(event["type"], event["state_key"]) for event in events],
            [
                ("m.room.create", ""),
                ("m.room.member", ALICE),
                ("m.room.power_levels", ""),
                ("m.room.canonical_alias", ""),
                ("m.room.join_rules", ""),
                ("m.room.guest_access", ""),
                ("org.example", "k"),
                ("m.room.history_visibility", ""),
                ("org.example", "l"),
                ("m.room.name", ""),
                ("m.room.topic", ""),
                ("m.room.member", BOB),
            ],
        )
        state = {(e["type"], e["state_key"]): e["content"] for e in events}
        self.assertEqual(len(state), len(events))
        self.assertEqual(
            state["m.room.create", ""],
            {"type": "m.space", "m.federate": False, "room_version": "12"},
        )
        self.assertEqual(state["m.room.canonical_alias", ""], {"alias": "#home:test"})
        self.assertEqual(state["m.room.name", ""], {"name": "Home"})
        self.assertEqual(state["m.room.topic", ""]["topic"], "Cooking")
        self.assertEqual(
            state["m.room.topic", ""]["m.topic"]["m.text"],
            [{"body": "Cooking", "mimetype": "text/plain"}],
        )
        self.assertEqual(state["m.room.guest_access", ""], {"guest_access": "forbidden"})
        self.assertEqual(state["org.example", "k"], {"n": 1})
        self.assertEqual(state["m.room.power_levels", ""]["events_default"], 7)
        self.assertTrue(state["m.room.member", BOB]["is_direct"])
        found = await self.ok("GET", f"{V3}/directory/room/%23home:test", token=None)
        self.assertEqual(found, {"room_id": room_id, "servers": ["test"]})

    async def test_every_room_version(self) -> None:
        await self.setup_alice()
        bob = await self.register("bob")
        for identifier, version in ROOM_VERSIONS.items():
            room_id = await self.create_public(self.alice, room_version=identifier, name="n")
            create = await self.content(self.alice, room_id, "m.room.create")
            self.assertEqual(create["room_version"], identifier)
            self.assertEqual("creator" in create, not version.implicit_creator, identifier)
            self.assertEqual(":" in room_id, not version.room_id_is_hash, identifier)
            levels = await self.content(self.alice, room_id, "m.room.power_levels")
            wanted = {} if version.privileged_creators else {ALICE: 100}
            self.assertEqual(levels["users"], wanted, identifier)
            self.assertGreater(levels["events"]["m.room.tombstone"], levels["state_default"])
            await self.join(bob, room_id)
            sent = await self.send(bob, room_id)
            await self.redact(bob, room_id, sent)
            page = await self.messages(self.alice, room_id, limit=1)
            self.assertEqual(page["chunk"][0]["redacts"], sent, identifier)

    async def test_room_id_of_version_12_is_its_create_events(self) -> None:
        await self.setup_alice()
        room_id = await self.create(self.alice)
        state = await self.state(self.alice, room_id)
        self.assertEqual(state["m.room.create", ""]["event_id"][1:], room_id[1:])

    async def test_rooms_that_begin_alike_are_two(self) -> None:
        await self.setup_alice()
        first, second = await self.create(self.alice), await self.create(self.alice)
        self.start(self.config)  # as another process, in the same millisecond
        third = await self.create(self.alice)
        self.assertEqual(len({first, second, third}), 3)

    async def test_trusted_invitees_have_the_creators_power(self) -> None:
        await self.setup_alice()
        body = {"preset": "trusted_private_chat", "invite": [BOB]}
        old = await self.create(self.alice, room_version="11", **body)
        levels = await self.content(self.alice, old, "m.room.power_levels")
        self.assertEqual(levels["users"], {ALICE: 100, BOB: 100})
        new = await self.create(
            self.alice,
            creation_content={"additional_creators": [CAROL, BOB]},
            **body,
        )
        create = await self.content(self.alice, new, "m.room.create")
        self.assertEqual(create["additional_creators"], [CAROL, BOB])
        levels = await self.content(self.alice, new, "m.room.power_levels")
        self.assertEqual(levels["users"], {})

    async def test_alias_that_is_taken(self) -> None:
        await self.setup_alice()
        await self.create(self.alice, room_alias_name="home")
        await self.refused(
            400,
            "M_ROOM_IN_USE",
            "POST",
            f"{V3}/createRoom",
            {"room_alias_name": "home"},
            token=self.alice,
        )

    async def test_what_is_refused_leaves_nothing(self) -> None:
        await self.setup_alice()
        for body, status, errcode in REFUSED:
            answer = await self.fetch("POST", f"{V3}/createRoom", body, token=self.alice)
            self.assertEqual(answer.status, status, f"{str(body)[:100]}: {answer}")
            self.assertEqual(answer.json["errcode"], errcode, f"{str(body)[:100]}: {answer}")
        joined = await self.ok("GET", f"{V3}/joined_rooms", token=self.alice)
        self.assertEqual(joined, {"joined_rooms": []})

    async def test_guests_create_no_rooms(self) -> None:
        _, guest = await self.guest()
        await self.refused(
            403, "M_GUEST_ACCESS_FORBIDDEN", "POST", f"{V3}/createRoom", {}, token=guest
        )

    async def test_configured_defaults(self) -> None:
        self.reconfigure(
            rooms={
                "default_room_version": "10",
                "encryption_enabled_by_default_for_room_type": "invite",
                "default_power_level_content_override": {"private_chat": {"invite": 50}},
            }
        )
        await self.setup_alice()
        private, public = await self.create(self.alice), await self.create_public(self.alice)
        state = await self.state(self.alice, private)
        self.assertEqual(state["m.room.create", ""]["content"]["room_version"], "10")
        self.assertEqual(state["m.room.power_levels", ""]["content"]["invite"], 50)
        self.assertIn(("m.room.encryption", ""), state)
        self.assertNotIn(("m.room.encryption", ""), await self.state(self.alice, public))
