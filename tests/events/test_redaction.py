"""What survives a redaction, by event type and room version."""

from typing import Any
from unittest import TestCase

from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.api.room_versions import ROOM_VERSIONS, RoomVersion
from synapse.events.redaction import redact, redacted_event
from tests.events.test_builder import CONTENTS, JSON, TYPES, V1, V11, V12, event

ALL = [*ROOM_VERSIONS]
POWER = [
    "ban",
    "events",
    "events_default",
    "kick",
    "redact",
    "state_default",
    "users",
    "users_default",
]

# event type, room versions, keys of the content that survive
CONTENT = [
    ("m.room.message", ALL, []),
    ("m.room.name", ALL, []),
    ("m.room.topic", ALL, []),
    ("m.room.encrypted", ALL, []),
    ("m.room.tombstone", ALL, []),
    ("m.room.server_acl", ALL, []),
    ("m.room.guest_access", ALL, []),
    ("m.room.canonical_alias", ALL, []),
    ("m.room.third_party_invite", ALL, []),
    ("com.example.unknown", ALL, []),
    ("m.room.member", ALL[:8], ["membership"]),
    ("m.room.member", ALL[8:10], ["membership", "join_authorised_via_users_server"]),
    (
        "m.room.member",
        ALL[10:],
        ["membership", "join_authorised_via_users_server", "third_party_invite"],
    ),
    ("m.room.create", ALL[:10], ["creator"]),
    ("m.room.create", ALL[10:], None),
    ("m.room.join_rules", ALL[:7], ["join_rule"]),
    ("m.room.join_rules", ALL[7:], ["join_rule", "allow"]),
    ("m.room.power_levels", ALL[:10], POWER),
    ("m.room.power_levels", ALL[10:], [*POWER, "invite"]),
    ("m.room.aliases", ALL[:5], ["aliases"]),
    ("m.room.aliases", ALL[5:], []),
    ("m.room.history_visibility", ALL, ["history_visibility"]),
    ("m.room.redaction", ALL[:10], []),
    ("m.room.redaction", ALL[10:], ["redacts"]),
]
# Every key that survives somewhere, and some that survive nowhere.
FULL_CONTENT: dict[str, Any] = {
    key: {"kept": "whole"}
    for key in (
        *POWER,
        *("membership", "join_authorised_via_users_server", "creator", "join_rule", "allow"),
        *("aliases", "history_visibility", "redacts", "invite", "notifications"),
        *("body", "displayname", "reason", "room_version", "additional_creators"),
    )
} | {"third_party_invite": {"signed": {"token": "t"}, "display_name": "bob"}}

KEPT_ALWAYS = {
    "event_id",
    "type",
    "room_id",
    "sender",
    "state_key",
    "content",
    "hashes",
    "signatures",
    "depth",
    "prev_events",
    "auth_events",
    "origin_server_ts",
}
KEPT_UNTIL_10 = {"prev_state", "origin", "membership"}
KEPT_NEVER = {"unsigned", "redacts", "age_ts", "com.example"}


class RedactionTests(TestCase):
    def test_every_version_has_one_row_per_type(self) -> None:
        for type in {row[0] for row in CONTENT}:
            covered = [version for row in CONTENT if row[0] == type for version in row[1]]
            self.assertEqual(covered, ALL, type)

    def test_content(self) -> None:
        for type, versions, kept in CONTENT:
            for identifier in versions:
                with self.subTest(type=type, version=identifier):
                    redacted = redact(
                        {"type": type, "content": FULL_CONTENT}, ROOM_VERSIONS[identifier]
                    )
                    names = FULL_CONTENT if kept is None else kept
                    expected = {name: FULL_CONTENT[name] for name in names}
                    if "third_party_invite" in expected and kept is not None:
                        expected["third_party_invite"] = {"signed": {"token": "t"}}
                    self.assertEqual(redacted, {"type": type, "content": expected})

    def test_properties(self) -> None:
        full: dict[str, Any] = {name: {} for name in KEPT_ALWAYS | KEPT_UNTIL_10 | KEPT_NEVER} | {
            "type": "t"
        }
        for version in ROOM_VERSIONS.values():
            kept = KEPT_ALWAYS if version in (V11, V12) else KEPT_ALWAYS | KEPT_UNTIL_10
            self.assertEqual(set(redact(full, version)), kept)

    def test_an_odd_third_party_invite_is_dropped(self) -> None:
        for invite in ("x", None, 5, ["signed"]):
            content = {"membership": "invite", "third_party_invite": invite}
            redacted = redact({"type": "m.room.member", "content": content}, V12)
            self.assertEqual(redacted["content"], {"membership": "invite"})

    @settings(max_examples=100, deadline=None)
    @given(
        st.sampled_from(list(ROOM_VERSIONS.values())),
        st.sampled_from(TYPES),
        CONTENTS,
        st.dictionaries(st.sampled_from(sorted(KEPT_ALWAYS | KEPT_UNTIL_10 | KEPT_NEVER)), JSON),
    )
    def test_to_redact_twice_is_to_redact_once(
        self, version: RoomVersion, type: str, content: dict[str, Any], rest: dict[str, Any]
    ) -> None:
        value = rest | {"type": type, "content": content}
        once = redact(value, version)
        self.assertEqual(redact(once, version), once)
        self.assertEqual(value, rest | {"type": type, "content": content}, "input was changed")

    def test_a_redacted_event_keeps_its_id_and_its_place(self) -> None:
        original = event(V12, content={"body": "secret"})
        original.nid, original.pos, original.unsigned = 7, 3, b'"a":1'
        redacted = redacted_event(original)
        self.assertEqual(redacted.content, {})
        self.assertEqual(
            (redacted.event_id, redacted.nid, redacted.pos, redacted.unsigned),
            (original.event_id, 7, 3, b'"a":1'),
        )
        self.assertEqual(original.content, {"body": "secret"})
        self.assertNotIn(b"secret", redacted.json)

    def test_integers_beyond_64_bits_survive_in_old_versions(self) -> None:
        original = event(
            V1, type="m.room.power_levels", state_key="", content={"ban": 10**30, "x": 1}
        )
        self.assertEqual(redacted_event(original).content, {"ban": 10**30})
