"""The authorisation rules except those of memberships and power levels, as tables."""

from typing import Any
from unittest import TestCase

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.auth_rules import AuthError, check_auth
from tests.events.auth_rooms import (
    ALICE,
    ALL,
    BOB,
    CAROL,
    MOD,
    Row,
    between,
    check_rows,
    make_event,
    room_state,
    since,
    until,
    verdict,
)

FIRST: dict[str, Any] = {"prev_events": []}


def create(content: dict[str, Any], sender: str = ALICE) -> tuple[Any, ...]:
    return ("m.room.create", sender, content, "")


CREATE = [
    Row("1.1", ALL, {}, create({"creator": ALICE}), "previous events"),
    Row("1.1", ALL, {}, create({"creator": ALICE}), "", FIRST),
    Row("1.2", until(11), {}, create({"creator": ALICE}, CAROL), "domain", FIRST),
    Row("1.2", since(12), {}, create({}), "can't have a room_id", {**FIRST, "has_room_id": True}),
    Row("1.2", since(12), {}, create({}, CAROL), "", FIRST),
    Row("1.3", ALL, {}, create({"creator": ALICE, "room_version": "99"}), "room version", FIRST),
    Row("1.3", ALL, {}, create({"creator": ALICE, "room_version": 1}), "room version", FIRST),
    Row("1.3", ALL, {}, create({"creator": ALICE, "room_version": None}), "room version", FIRST),
    Row("1.3", ALL, {}, create({"creator": ALICE, "room_version": "1"}), "", FIRST),
    Row("1.4 until 10", until(10), {}, create({}), "no creator", FIRST),
    Row("1.4 until 10", since(11), {}, create({}), "", FIRST),
    Row("1.4", since(12), {}, create({"additional_creators": BOB}), "additional_creators", FIRST),
    Row("1.4", since(12), {}, create({"additional_creators": [1]}), "additional_creators", FIRST),
    Row("1.4", since(12), {}, create({"additional_creators": ["b"]}), "additional_crea", FIRST),
    Row("1.4", since(12), {}, create({"additional_creators": None}), "additional_crea", FIRST),
    Row("1.4", since(12), {}, create({"additional_creators": [BOB, CAROL]}), "", FIRST),
    Row("1.4", since(12), {}, create({"additional_creators": []}), "", FIRST),
    Row("1.4", until(11), {}, create({"creator": BOB, "additional_creators": 1}), "", FIRST),
]

FEDERATION = [
    Row("4", ALL, {"create": {"m.federate": False}}, ("m.room.message", BOB, {}), "only for users"),
    Row("4", ALL, {"create": {"m.federate": False}}, ("m.room.message", MOD, {}), ""),
    Row("4", ALL, {"create": {"m.federate": True}}, ("m.room.message", BOB, {}), ""),
    Row("4", ALL, {"create": {"m.federate": "false"}}, ("m.room.message", BOB, {}), ""),
    Row(
        "4",
        ALL,
        {"create": {"m.federate": False}, "join_rule": "public"},
        ("m.room.member", CAROL, {"membership": "join"}, CAROL),
        "only for users",
    ),
]

ALIASES = [
    Row("4.1 until 5", until(5), {}, ("m.room.aliases", BOB, {}), "needs a state_key"),
    Row("4.2 until 5", until(5), {}, ("m.room.aliases", BOB, {}, "a"), "sender's server"),
    Row("4.2 until 5", until(5), {}, ("m.room.aliases", BOB, {}, BOB), "sender's server"),
    Row("4.3 until 5", until(5), {}, ("m.room.aliases", BOB, {}, "b"), ""),
    Row("4.3 until 5", until(5), {}, ("m.room.aliases", CAROL, {}, "c"), ""),
    # From version 6 it is a state event like others.
    Row("4 until 5", since(6), {}, ("m.room.aliases", BOB, {}, "b"), "takes power level 50"),
    Row("4 until 5", since(6), {}, ("m.room.aliases", CAROL, {}, "c"), "not in this room"),
    Row("4 until 5", since(6), {}, ("m.room.aliases", MOD, {}, "b"), ""),
]

SENDING = [
    Row("6", ALL, {}, ("m.room.message", CAROL, {}), "not in this room"),
    Row("6", ALL, {"members": {BOB: "invite"}}, ("m.room.message", BOB, {}), "not in this room"),
    Row("6", ALL, {"members": {BOB: "leave"}}, ("m.room.message", BOB, {}), "not in this room"),
    Row("6", ALL, {"members": {BOB: "ban"}}, ("m.room.message", BOB, {}), "not in this room"),
    Row("6", ALL, {"members": {BOB: ["join"]}}, ("m.room.message", BOB, {}), "not in this room"),
    Row("6", ALL, {}, ("m.room.message", BOB, {}), ""),
    Row("6", ALL, {"members": {ALICE: "leave"}}, ("m.room.topic", ALICE, {}, ""), "not in this"),
    Row("7.1", ALL, {}, ("m.room.third_party_invite", BOB, {}, "token"), ""),
    Row("7.1", ALL, {}, ("m.room.third_party_invite", BOB, {}, "@token"), ""),
    Row("7.1", ALL, {}, ("m.room.third_party_invite", CAROL, {}, "token"), "not in this room"),
    Row(
        "7.1",
        ALL,
        {"more_levels": {"invite": 50}},
        ("m.room.third_party_invite", BOB, {}, "token"),
        "permission to invite",
    ),
    Row(
        "7.1",
        ALL,
        {"more_levels": {"invite": 50}},
        ("m.room.third_party_invite", MOD, {}, "token"),
        "",
    ),
    Row(
        "7.1",
        ALL,
        {"more_levels": {"events": {"m.room.third_party_invite": 99}}},
        ("m.room.third_party_invite", BOB, {}, "token"),
        "",
    ),
    Row("8", ALL, {}, ("m.room.topic", BOB, {}, ""), "m.room.topic: it takes power level 50"),
    Row("8", ALL, {}, ("m.room.topic", MOD, {}, ""), ""),
    Row("8", ALL, {}, ("m.room.topic", ALICE, {}, ""), ""),
    # A message event of a type that usually is state takes events_default.
    Row("8", ALL, {}, ("m.room.topic", BOB, {}), ""),
    Row("8", ALL, {"levels": None}, ("m.room.topic", BOB, {}, ""), "power level 50"),
    Row("8", ALL, {"levels": None}, ("m.room.topic", ALICE, {}, ""), ""),
    Row("8", ALL, {"levels": None}, ("m.room.message", BOB, {}), ""),
    Row("8", ALL, {"more_levels": {"state_default": 0}}, ("m.room.topic", BOB, {}, ""), ""),
    Row("8", ALL, {"more_levels": {"events_default": 1}}, ("m.x", BOB, {}), "takes power level 1"),
    Row("8", ALL, {"more_levels": {"users_default": 50}}, ("m.room.topic", BOB, {}, ""), ""),
    Row("8", ALL, {"more_levels": {"users_default": -1}}, ("m.x", BOB, {}), "you have -1"),
    Row("8", ALL, {"more_levels": {"events": {"m.x": 50}}}, ("m.x", BOB, {}), "power level 50"),
    Row("8", ALL, {"more_levels": {"events": {"m.x": 50}}}, ("m.x", MOD, {}), ""),
    Row("8", ALL, {"more_levels": {"events": {"m.x": 0}}}, ("m.x", BOB, {}, ""), ""),
    Row("8", until(11), {"more_levels": {"events": {"m.x": 101}}}, ("m.x", ALICE, {}), "level 101"),
    Row("8", since(12), {"more_levels": {"events": {"m.x": 2**53 - 1}}}, ("m.x", ALICE, {}), ""),
    Row("8", since(12), {"create": {"additional_creators": [BOB]}}, ("m.x", BOB, {}, ""), ""),
    Row("8", until(11), {"create": {"additional_creators": [BOB]}}, ("m.x", BOB, {}, ""), "50"),
    # The creator until version 10 is `content.creator`, later the sender.
    Row("8", until(10), {"levels": None, "create": {"creator": BOB}}, ("m.x", BOB, {}, ""), ""),
    Row("8", since(11), {"levels": None, "create": {"creator": BOB}}, ("m.x", BOB, {}, ""), "50"),
    Row("8", until(10), {"levels": None, "create": {"creator": BOB}}, ("m.x", ALICE, {}, ""), "50"),
    Row("8", since(11), {"levels": None, "create": {"creator": BOB}}, ("m.x", ALICE, {}, ""), ""),
    # Strings and floats are levels until version 9.
    Row("8", until(9), {"more_levels": {"events": {"m.x": " +050 "}}}, ("m.x", BOB, {}), "50"),
    Row("8", until(9), {"more_levels": {"events": {"m.x": 1.9}}}, ("m.x", BOB, {}), "level 1,"),
    Row("8", until(9), {"more_levels": {"events": {"m.x": 0.9}}}, ("m.x", BOB, {}), ""),
    Row("8", since(10), {"more_levels": {"events": {"m.x": "50"}}}, ("m.x", BOB, {}), ""),
    Row("9", ALL, {}, ("m.x", MOD, {}, BOB), "state_key names"),
    Row("9", ALL, {}, ("m.x", MOD, {}, "@"), "state_key names"),
    Row("9", ALL, {}, ("m.x", MOD, {}, MOD), ""),
    Row("9", ALL, {}, ("m.x", MOD, {}, "x" + BOB), ""),
    Row("9", ALL, {}, ("m.x", MOD, {}, ""), ""),
    Row("11", ALL, {}, ("m.room.name", MOD, {}, ""), ""),
]


def redaction(sender: str) -> tuple[Any, ...]:
    return ("m.room.redaction", sender, {})


REDACTIONS = [
    Row("11.1 until 2", until(2), {}, redaction(MOD), "", {"redacts": "$x:z"}),
    Row("11.1 until 2", until(2), {}, redaction(BOB), "redact", {"redacts": "$x:z"}),
    Row("11.1 until 2", until(2), {"more_levels": {"redact": 0}}, redaction(BOB), ""),
    Row("11.2 until 2", until(2), {}, redaction(BOB), "", {"redacts": "$x:a"}),
    Row("11.3 until 2", until(2), {}, redaction(BOB), "redact this", {}),
    Row("11.3 until 2", until(2), {}, redaction(BOB), "redact this", {"redacts": 5}),
    # Later versions let the redaction pass and judge it when it is applied.
    Row("11 until 2", since(3), {}, redaction(BOB), "", {"redacts": "$x:z"}),
    Row("8", since(3), {"more_levels": {"events": {"m.room.redaction": 9}}}, redaction(BOB), "9"),
]


class AuthRulesTests(TestCase):
    def test_create_events(self) -> None:
        check_rows(self, CREATE)

    def test_rooms_that_are_not_federated(self) -> None:
        check_rows(self, FEDERATION)

    def test_aliases_have_a_rule_of_their_own_until_version_5(self) -> None:
        check_rows(self, ALIASES)

    def test_who_may_send_what(self) -> None:
        check_rows(self, SENDING)

    def test_redactions_have_a_rule_of_their_own_until_version_2(self) -> None:
        check_rows(self, REDACTIONS)

    def test_nothing_is_allowed_without_a_create_event(self) -> None:
        for identifier in ALL:
            version = ROOM_VERSIONS[identifier]
            state = room_state(version)
            del state["m.room.create", ""]
            event = make_event(version, "m.room.message", ALICE, {})
            self.assertIn("no create event", verdict(event, state))

    def test_rule_2_the_room_id_is_that_of_an_accepted_create_event(self) -> None:
        version = ROOM_VERSIONS["12"]
        event = make_event(version, "m.room.message", BOB, {}, room_id="!other")
        self.assertIn("not that of this room", verdict(event, room_state(version)))
        state = room_state(version)
        state["m.room.create", ""].rejected = True
        event = make_event(version, "m.room.message", BOB, {})
        self.assertIn("create event was rejected", verdict(event, state))

    def test_rule_2_exists_since_version_12(self) -> None:
        for identifier in between(1, 11):
            version = ROOM_VERSIONS[identifier]
            event = make_event(version, "m.room.message", BOB, {}, room_id="!other:a")
            self.assertEqual("allowed", verdict(event, room_state(version)))

    def test_a_rejection_is_a_matrix_error(self) -> None:
        version = ROOM_VERSIONS["11"]
        with self.assertRaises(AuthError) as caught:
            check_auth(make_event(version, "m.x", CAROL, {}), room_state(version))
        self.assertEqual((403, "M_FORBIDDEN"), (caught.exception.status, caught.exception.errcode))
