"""Events from outside: what is taken, what is refused, and that nothing else ever happens."""

from typing import Any
from unittest import TestCase

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.api.errors import BadJson, MatrixError, TooLarge
from synapse.api.room_versions import ROOM_VERSIONS, RoomVersion
from synapse.events.client_format import client_event
from synapse.events.event import Event
from synapse.events.parsing import parse_event, parse_received
from synapse.events.redaction import redacted_event
from synapse.events.shape import check_shape
from tests.events.test_builder import CONTENTS, JSON, KEY, TYPES, V1, V3, V11, V12, deep, event

MISSING = object()
VERSIONS = list(ROOM_VERSIONS.values())
V5, V6 = ROOM_VERSIONS["5"], ROOM_VERSIONS["6"]
OLD, NEW = VERSIONS[:2], VERSIONS[2:]
HASH_ID = "$" + "h" * 43
V12_ROOM = "!" + "h" * 43

# property, value, versions that refuse it
REFUSED: list[tuple[str, Any, list[RoomVersion]]] = [
    ("type", MISSING, VERSIONS),
    ("type", None, VERSIONS),
    ("type", 5, VERSIONS),
    ("type", "t" * 256, VERSIONS),
    ("type", "é" * 128, VERSIONS),
    ("type", "\ud800", VERSIONS),
    ("type", "a\0b", VERSIONS),
    ("state_key", None, VERSIONS),
    ("state_key", 5, VERSIONS),
    ("state_key", "k" * 256, VERSIONS),
    ("sender", MISSING, VERSIONS),
    ("sender", "u:domain", VERSIONS),
    ("sender", "@u", VERSIONS),
    ("sender", "@" + "u" * 255 + ":domain", VERSIONS),
    ("sender", {"a": 1}, VERSIONS),
    ("room_id", MISSING, VERSIONS),
    ("room_id", "!r", VERSIONS),
    ("room_id", deep(5000), VERSIONS),
    ("room_id", "!r:domain", [V12]),
    ("room_id", V12_ROOM, VERSIONS[:-1]),
    ("event_id", MISSING, OLD),
    ("event_id", 5, OLD),
    ("event_id", HASH_ID, OLD),
    ("event_id", "$e:dom ain", OLD),
    ("event_id", "$" + "e" * 255 + ":domain", OLD),
    ("content", MISSING, VERSIONS),
    ("content", None, VERSIONS),
    ("content", [], VERSIONS),
    ("content", "{}", VERSIONS),
    ("depth", MISSING, VERSIONS),
    ("depth", "1", VERSIONS),
    ("depth", 1.0, VERSIONS),
    ("depth", True, VERSIONS),
    ("depth", -1, VERSIONS),
    ("depth", 2**53, VERSIONS[5:]),
    ("depth", 2**63, VERSIONS),
    ("depth", 10**4000, VERSIONS),
    ("origin_server_ts", MISSING, VERSIONS),
    ("origin_server_ts", None, VERSIONS),
    ("origin_server_ts", 1.5, VERSIONS),
    ("origin_server_ts", 2**53, VERSIONS[5:]),
    ("origin_server_ts", -(2**63), VERSIONS),
    ("prev_events", MISSING, VERSIONS),
    ("prev_events", {}, VERSIONS),
    ("prev_events", [5], VERSIONS),
    ("prev_events", ["no sigil"], VERSIONS),
    ("prev_events", [HASH_ID], OLD),
    ("prev_events", [["$e:domain", {"sha256": "x"}]], NEW),
    ("prev_events", [["$e:domain"]], VERSIONS),
    ("prev_events", [["$e:domain", "x"]], VERSIONS),
    ("prev_events", [[{}, {}]], VERSIONS),
    ("prev_events", [HASH_ID] * 21, VERSIONS),
    ("auth_events", MISSING, VERSIONS),
    ("auth_events", "x", VERSIONS),
    ("auth_events", [None], VERSIONS),
    ("auth_events", [HASH_ID] * 11, VERSIONS),
    ("hashes", MISSING, VERSIONS),
    ("hashes", {}, VERSIONS),
    ("hashes", {"sha256": 5}, VERSIONS),
    ("hashes", "x", VERSIONS),
    ("signatures", MISSING, VERSIONS),
    ("signatures", [], VERSIONS),
    ("signatures", {"domain": "x"}, VERSIONS),
    ("signatures", {"domain": {"ed25519:1": 5}}, VERSIONS),
    ("unsigned", [], VERSIONS),
    ("unsigned", None, VERSIONS),
    ("content", {"n": 1.5}, VERSIONS[5:]),
    ("content", {"n": 2**53}, VERSIONS[5:]),
    ("content", {"n": "\ud800"}, VERSIONS),
    ("content", {"n": deep(300)}, VERSIONS),
    ("content", {"n": "x" * 65_536}, VERSIONS),
    ("com.example", 1.5, VERSIONS[5:]),
]
ACCEPTED: list[tuple[str, Any, list[RoomVersion]]] = [
    ("type", "", VERSIONS),
    ("type", "é" * 127, VERSIONS),
    ("state_key", "", VERSIONS),
    ("sender", "@:domain", VERSIONS),
    ("sender", "@Hïstörical user:domain", VERSIONS),
    ("depth", 0, VERSIONS),
    ("depth", 2**53 - 1, VERSIONS),
    ("depth", 2**63 - 1, VERSIONS[:5]),
    ("origin_server_ts", -1, VERSIONS),
    ("prev_events", [HASH_ID] * 20, NEW),
    ("prev_events", [["$e:domain", {"sha256": "x"}]] * 20, OLD),
    ("auth_events", [HASH_ID] * 10, NEW),
    ("hashes", {"sha256": "not a hash", "other": {}}, VERSIONS),
    ("signatures", {}, VERSIONS),
    ("unsigned", {"age": 1.5}, VERSIONS),
    ("origin", "domain", VERSIONS),
    ("com.example", {"a": None}, VERSIONS),
    ("redacts", 5, VERSIONS),
    ("content", {"n": 10**30, "f": 1e-7}, VERSIONS[:5]),
]


def pdu(version: RoomVersion, **changes: Any) -> dict[str, Any]:
    """A sound event from another server, with some properties changed or removed."""
    room_id = V12_ROOM if version.room_id_is_hash else "!r:domain"
    value = event(version, room_id=room_id).parsed() | changes
    return {key: member for key, member in value.items() if member is not MISSING}


class ShapeTests(TestCase):
    def test_refused(self) -> None:
        for name, value, versions in REFUSED:
            for version in versions:
                with (
                    self.subTest(name=name, value=str(type(value)), version=version.identifier),
                    self.assertRaises((BadJson, TooLarge)) as caught,
                ):
                    parse_event(pdu(version, **{name: value}), version)
                self.assertLess(len(caught.exception.message), 200)

    def test_accepted(self) -> None:
        for name, value, versions in ACCEPTED:
            for version in versions:
                with self.subTest(name=name, value=value, version=version.identifier):
                    parse_event(pdu(version, **{name: value}), version)

    def test_the_error_names_the_property(self) -> None:
        with self.assertRaisesRegex(BadJson, "depth must be an integer .* not '7'"):
            check_shape(pdu(V12, depth="7"), V12)
        with self.assertRaisesRegex(BadJson, "sender must be a user id, not missing"):
            check_shape(pdu(V12, sender=MISSING), V12)

    def test_what_is_no_object_is_no_event(self) -> None:
        value: Any
        for value in (None, [], "x", 5, True, [[]]):
            with self.assertRaises(BadJson):
                parse_event(value, V12)

    def test_only_create_events_of_version_12_have_no_room_id(self) -> None:
        create = event(V12, type="m.room.create", state_key="", content={}).parsed()
        check_shape(create, V12)
        for value, version in [
            (create | {"room_id": V12_ROOM}, V12),
            (create | {"type": "m.x"}, V12),
            (create, V11),
        ]:
            with self.assertRaises(BadJson):
                check_shape(value, version)

    def test_a_redaction_s_target_must_be_a_string_where_it_counts(self) -> None:
        for version in VERSIONS:
            value = pdu(version, type="m.room.redaction", redacts=5)
            if version.redacts_in_content:
                check_shape(value, version)
            else:
                with self.assertRaises(BadJson):
                    check_shape(value, version)


class ParsingTests(TestCase):
    @settings(max_examples=100, deadline=None)
    @given(
        st.sampled_from(VERSIONS),
        st.sampled_from(TYPES),
        st.none() | st.sampled_from(["", "@u:domain"]),
        CONTENTS,
    )
    def test_what_we_build_others_read_as_the_same_event(
        self, version: RoomVersion, type: str, state_key: str | None, content: dict[str, Any]
    ) -> None:
        room_id = V12_ROOM if version.room_id_is_hash else "!r:domain"
        built = event(version, type=type, state_key=state_key, content=content, room_id=room_id)
        received = parse_received(orjson.loads(built.json) | {"unsigned": {"age": 5}}, version)
        for name in Event.__struct_fields__:
            self.assertEqual(getattr(received.event, name), getattr(built, name), name)
        self.assertTrue(received.content_hash_matches)
        self.assertTrue(
            KEY.verify_key.verifies(
                received.essential, received.signatures["domain"]["ed25519:a_test"]
            )
        )

    def test_a_changed_event_keeps_its_id_but_not_its_content_hash(self) -> None:
        for version in NEW:
            original = pdu(version)
            forged = parse_received(original | {"content": {"body": "forged"}}, version)
            self.assertFalse(forged.content_hash_matches)
            self.assertEqual(forged.event.event_id, parse_event(original, version).event_id)
            self.assertEqual(redacted_event(forged.event).content, {})

    def test_a_redacted_event_keeps_its_signature(self) -> None:
        for version in VERSIONS:
            redacted = redacted_event(parse_event(pdu(version), version))
            received = parse_received(redacted.parsed(), version)
            self.assertFalse(received.content_hash_matches)
            signature = received.signatures["domain"]["ed25519:a_test"]
            self.assertTrue(KEY.verify_key.verifies(received.essential, signature))

    def test_the_given_dictionary_is_not_changed(self) -> None:
        value = pdu(V3, unsigned={"age": 1})
        copy = orjson.loads(orjson.dumps(value))
        parse_received(value, V3)
        self.assertEqual(value, copy)

    def test_references_are_read_in_both_forms(self) -> None:
        old = parse_event(pdu(V1, prev_events=[["$a:d", {}], ["$b:d", {"sha256": ""}]]), V1)
        self.assertEqual(old.prev_event_ids(), ["$a:d", "$b:d"])
        new = parse_event(pdu(V12, auth_events=[HASH_ID]), V12)
        self.assertEqual(new.auth_event_ids(), [HASH_ID])


ANY_TEXT = st.text() | st.sampled_from(["", "\0", "\ud800", "x" * 300, "@u:d", "!r:d", "$e:d"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
PROPERTIES = sorted(
    {*pdu(V1), "state_key", "unsigned", "redacts", "origin", "membership", "prev_state"}
)


class FuzzTests(TestCase):
    @settings(max_examples=400, deadline=None)
    @given(st.sampled_from(VERSIONS), st.data())
    def test_any_json_is_an_event_or_a_matrix_error(
        self, version: RoomVersion, data: st.DataObject
    ) -> None:
        changes = data.draw(
            st.dictionaries(
                st.sampled_from(PROPERTIES) | ANY_TEXT,
                ANYTHING | st.just(MISSING) | JSON,
                max_size=2,
            )
        )
        type = data.draw(st.sampled_from(TYPES))
        value = data.draw(st.just(pdu(version, **({"type": type} | changes))) | ANYTHING)
        try:
            received = parse_received(value, version)
        except MatrixError as error:
            self.assertIn(error.status, (400, 413))
            orjson.dumps(error.body())
            return
        # What has passed can be shown, stored, redacted and parsed again.
        parsed = received.event
        orjson.loads(client_event(parsed, now_ms=0))
        self.assertEqual(parse_event(parsed.parsed(), version).json, parsed.json)
        self.assertEqual(redacted_event(parsed).event_id, parsed.event_id)
        repr(parsed)
        parsed.redacts  # noqa: B018
        parsed.membership  # noqa: B018
