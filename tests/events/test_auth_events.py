"""Auth events selection, and the rule about the list of auth events (3; 2 until version 11)."""

from typing import Any
from unittest import TestCase

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.auth_rules import AuthError, check_auth_events
from synapse.events.auth_selection import auth_slots
from synapse.events.event import Event
from tests.events.auth_rooms import (
    ALICE,
    ALL,
    BOB,
    CAROL,
    MOD,
    make_event,
    room_state,
    since,
    until,
)

CREATE, LEVELS, RULES = (
    ("m.room.create", ""),
    ("m.room.power_levels", ""),
    ("m.room.join_rules", ""),
)


def of(user: str) -> tuple[str, str]:
    return "m.room.member", user


INVITATION = {"membership": "invite", "third_party_invite": {"signed": {"token": "tok"}}}
AUTHORISED = {"membership": "join", "join_authorised_via_users_server": MOD}

SELECTION: list[tuple[list[str], str, str, str | None, dict[str, Any], list[tuple[str, str]]]] = [
    # versions, type, sender, state key, content, slots besides power levels and the sender's
    (ALL, "m.room.message", BOB, None, {}, []),
    (ALL, "m.room.topic", BOB, "", {"membership": "join"}, []),
    (ALL, "m.room.member", BOB, BOB, {"membership": "join"}, [RULES]),
    (ALL, "m.room.member", BOB, CAROL, {"membership": "invite"}, [of(CAROL), RULES]),
    (ALL, "m.room.member", BOB, BOB, {"membership": "knock"}, [RULES]),
    (ALL, "m.room.member", BOB, BOB, {"membership": "leave"}, []),
    (ALL, "m.room.member", BOB, CAROL, {"membership": "leave"}, [of(CAROL)]),
    (ALL, "m.room.member", BOB, CAROL, {"membership": "ban"}, [of(CAROL)]),
    (ALL, "m.room.member", BOB, CAROL, {}, [of(CAROL)]),
    (ALL, "m.room.member", BOB, CAROL, {"membership": ["join"]}, [of(CAROL)]),
    (ALL, "m.room.member", BOB, None, {"membership": "join"}, []),
    (ALL, "m.room.member", BOB, CAROL, INVITATION,
     [of(CAROL), RULES, ("m.room.third_party_invite", "tok")]),
    (ALL, "m.room.member", BOB, BOB, {**INVITATION, "membership": "join"}, [RULES]),
    (ALL, "m.room.member", BOB, CAROL, {**INVITATION, "third_party_invite": {"signed": 5}},
     [of(CAROL), RULES]),
    (since(8), "m.room.member", BOB, BOB, AUTHORISED, [RULES, of(MOD)]),
    (until(7), "m.room.member", BOB, BOB, AUTHORISED, [RULES]),
    (since(8), "m.room.member", BOB, BOB, {**AUTHORISED, "membership": "leave"}, []),
    (since(8), "m.room.member", MOD, MOD, AUTHORISED, [RULES]),
    (since(8), "m.room.member", BOB, BOB,
     {"membership": "join", "join_authorised_via_users_server": 5}, [RULES]),
]  # fmt: skip


class AuthSelectionTests(TestCase):
    def test_selection(self) -> None:
        for versions, type, sender, state_key, content, more in SELECTION:
            for identifier in versions:
                version = ROOM_VERSIONS[identifier]
                slots = auth_slots(type, state_key, sender, content, version)
                expected = [LEVELS, of(sender), *more]
                if identifier in until(11):
                    expected.append(CREATE)
                with self.subTest(version=identifier, type=type, content=content):
                    self.assertCountEqual(expected, slots)

    def test_the_create_event_has_none(self) -> None:
        for version in ROOM_VERSIONS.values():
            self.assertEqual([], auth_slots("m.room.create", "", ALICE, {}, version))


class OwnAuthEventsTests(TestCase):
    def check(
        self, identifier: str, error: str, *slots: tuple[str, str], more: list[Event] | None = None
    ) -> None:
        version = ROOM_VERSIONS[identifier]
        state = room_state(version, members={CAROL: "leave"})
        event = make_event(version, "m.room.message", BOB, {})
        auth_events = [state[slot] for slot in slots] + (more or [])
        with self.subTest(version=identifier, slots=slots):
            if not error:
                check_auth_events(event, auth_events)
                return
            with self.assertRaisesRegex(AuthError, error):
                check_auth_events(event, auth_events)

    def test_what_the_selection_gives_is_allowed(self) -> None:
        for identifier in until(11):
            self.check(identifier, "", CREATE, LEVELS, of(BOB))
            self.check(identifier, "", CREATE)
        for identifier in since(12):
            self.check(identifier, "", LEVELS, of(BOB))
            self.check(identifier, "")

    def test_rule_3_1_no_slot_twice(self) -> None:
        for identifier in ALL:
            self.check(identifier, "Two auth events", of(BOB), of(BOB))

    def test_rule_3_2_no_others(self) -> None:
        for identifier in ALL:
            self.check(identifier, "no auth event for this", RULES)
            self.check(identifier, "no auth event for this", of(CAROL))
            message = make_event(ROOM_VERSIONS[identifier], "m.room.member", BOB, {})
            self.check(identifier, "no auth event for this", more=[message])
        for identifier in since(12):
            self.check(identifier, "no auth event for this", CREATE)

    def test_rule_3_3_none_that_was_rejected(self) -> None:
        for identifier in ALL:
            rejected = room_state(ROOM_VERSIONS[identifier])[LEVELS]
            rejected.rejected = True
            self.check(identifier, "was rejected", more=[rejected])

    def test_rule_2_4_the_create_event_is_among_them_until_version_11(self) -> None:
        for identifier in until(11):
            self.check(identifier, "create event is missing", LEVELS, of(BOB))

    def test_rule_3_5_none_of_another_room(self) -> None:
        for identifier in ALL:
            foreign = make_event(
                ROOM_VERSIONS[identifier], "m.room.member", BOB, {}, BOB, room_id="!other:a"
            )
            self.check(identifier, "another room", more=[foreign])

    def test_membership_events_are_read_for_the_selection(self) -> None:
        version = ROOM_VERSIONS["12"]
        state = room_state(version)
        event = make_event(version, "m.room.member", CAROL, {"membership": "join"}, CAROL)
        check_auth_events(event, [state[RULES], state[LEVELS]])

    def test_a_create_event_is_judged_by_rule_1_alone(self) -> None:
        version = ROOM_VERSIONS["5"]
        event = make_event(version, "m.room.create", ALICE, {}, "")
        check_auth_events(event, [])
