"""Whatever events contain, the authorisation rules answer yes or no."""

from collections.abc import Callable
from typing import Any
from unittest import TestCase

from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.auth_rules import AuthError, check_auth, check_auth_events
from synapse.events.auth_selection import auth_slots
from tests.events.auth_rooms import ALICE, BOB, CAROL, CREATE_ID, MOD, make_event

WORDS = st.sampled_from(
    [
        "",
        "join",
        "invite",
        "leave",
        "ban",
        "knock",
        "public",
        "restricted",
        "knock_restricted",
        ALICE,
        BOB,
        "@",
        "@x:",
        "tok",
        "1",
        " 7 ",
        "12",
        "AAAA",
        "ed25519:1",
        "m.x",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=5)
)
KEYS = WORDS | st.sampled_from(
    ["signed", "mxid", "token", "signatures", "public_key", "public_keys", "room", "users"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
CONTENT_KEYS = st.sampled_from(
    [
        "membership",
        "third_party_invite",
        "join_authorised_via_users_server",
        "join_rule",
        "users",
        "events",
        "notifications",
        "ban",
        "kick",
        "invite",
        "redact",
        "users_default",
        "state_default",
        "creator",
        "additional_creators",
        "m.federate",
        "room_version",
        "public_key",
        "public_keys",
        "redacts",
    ]
)
CONTENTS = st.dictionaries(CONTENT_KEYS, VALUES, max_size=5)
TYPES = st.sampled_from(
    [
        "m.room.create",
        "m.room.member",
        "m.room.power_levels",
        "m.room.third_party_invite",
        "m.room.join_rules",
        "m.room.aliases",
        "m.room.redaction",
        "m.room.topic",
    ]
)
USERS = st.sampled_from([ALICE, BOB, MOD, CAROL])
EVENTS = st.tuples(TYPES, USERS, CONTENTS, st.none() | USERS | st.sampled_from(["", "tok", "a"]))
STATE_CONTENTS = st.tuples(CONTENTS, CONTENTS, CONTENTS, CONTENTS, CONTENTS)


class AuthFuzzTests(TestCase):
    @settings(max_examples=400, deadline=None)
    @given(st.sampled_from(sorted(ROOM_VERSIONS)), EVENTS, STATE_CONTENTS, st.booleans())
    def test_any_content_is_allowed_or_forbidden(
        self, identifier: str, spec: tuple[Any, ...], contents: tuple[Any, ...], joined: bool
    ) -> None:
        version = ROOM_VERSIONS[identifier]
        create, levels, rules, membership, invitation = contents
        if joined:
            membership = {**membership, "membership": "join"}
        state = {
            (type, key): make_event(version, type, sender, content, key, event_id=event_id)
            for type, sender, content, key, event_id in [
                ("m.room.create", ALICE, create, "", CREATE_ID),
                ("m.room.power_levels", ALICE, levels, "", "$levels:a"),
                ("m.room.join_rules", ALICE, rules, "", "$rules:a"),
                ("m.room.member", ALICE, membership, ALICE, "$alice:a"),
                ("m.room.member", BOB, membership, BOB, "$bob:a"),
                ("m.room.third_party_invite", BOB, invitation, "tok", "$invitation:a"),
            ]
        }
        event = make_event(version, *spec)
        slots = auth_slots(event.type, event.state_key, event.sender, event.content, version)
        self.answers(check_auth, event, state, signed_by=lambda server: True)
        self.answers(check_auth_events, event, [state[slot] for slot in slots if slot in state])

    def answers(self, check: Callable[..., None], *arguments: Any, **more: Any) -> None:
        try:
            check(*arguments, **more)
        except AuthError as error:
            self.assertTrue(error.message)
            self.assertLess(len(error.message), 2000)
