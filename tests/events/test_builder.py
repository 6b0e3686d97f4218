"""The builder's splicing gives the same bytes as the specification's steps, one by one."""

from typing import Any
from unittest import TestCase

from canonicaljson import encode_canonical_json
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.api.constants import MAX_EVENT_BYTES, MAX_INTEGER
from synapse.api.errors import BadJson, MatrixError, TooLarge
from synapse.api.room_versions import ROOM_VERSIONS, RoomVersion
from synapse.crypto.signing import SigningKey
from synapse.events import hashing
from synapse.events.builder import build
from synapse.events.event import Event
from synapse.events.redaction import redact
from synapse.util import base64

KEY = SigningKey("a_test", bytes(range(32)))
V1, V3, V11, V12 = (ROOM_VERSIONS[version] for version in ("1", "3", "11", "12"))

TYPES = [
    "m.room.message",
    "m.room.create",
    "m.room.member",
    "m.room.power_levels",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.aliases",
    "m.room.redaction",
    'odd "type"\u2028\n',
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SLOT_KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NUMBERS = st.integers(-MAX_INTEGER, MAX_INTEGER)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
CONTENT_KEYS = TEXT | st.sampled_from(
    [
        "membership",
        "creator",
        "join_rule",
        "allow",
        "users",
        "invite",
        "events",
        "aliases",
        "history_visibility",
        "redacts",
        "third_party_invite",
        "join_authorised_via_users_server",
    ]
)
CONTENTS = st.dictionaries(
    CONTENT_KEYS, JSON | st.fixed_dictionaries({"signed": JSON, "x": JSON}), max_size=5
)


def event(version: RoomVersion, **changes: Any) -> Event:
    arguments: dict[str, Any] = {
        "room_id": "!r:domain",
        "type": "m.room.message",
        "sender": "@u:domain",
        "state_key": None,
        "content": {"body": "hi"},
        "prev_events": [],
        "auth_events": [],
        "depth": 1,
        "origin_server_ts": 1_700_000_000_000,
        "server_name": "domain",
        "key": KEY,
        "event_id_localpart": "local",
    }
    return build(version, **(arguments | changes))


def naive_event(version: RoomVersion, **given: Any) -> dict[str, Any]:
    """The event that the server-server API's "Signing Events" describes, step by step."""
    value = {
        "type": given["type"],
        "room_id": "!r:domain",
        "sender": "@u:domain",
        "content": dict(given["content"]),
        "prev_events": naive_references(given["prev_events"]),
        "auth_events": naive_references(given["auth_events"]),
        "depth": min(given["depth"], MAX_INTEGER),
        "origin_server_ts": 1_700_000_000_000,
    }
    if version.room_id_is_hash and given["type"] == "m.room.create":
        del value["room_id"]
    if version.events_have_ids:
        value["event_id"] = "$local:domain"
    if given["state_key"] is not None:
        value["state_key"] = given["state_key"]
    if given["redacts"] is not None:
        holder = value["content"] if version.redacts_in_content else value
        holder["redacts"] = given["redacts"]
    hash = hashing.content_hash(value, version)
    value["hashes"] = {"sha256": base64.encode(hash).decode()}
    signature = KEY.sign(encode_canonical_json(redact(value, version)))
    value["signatures"] = {"domain": {"ed25519:a_test": signature.decode()}}
    return value


def naive_references(events: list[Event]) -> list[Any]:
    return [
        [
            e.event_id,
            {"sha256": base64.encode(hashing.reference_hash(essential_of(e))).decode()},
        ]
        if e.version.events_have_ids
        else e.event_id
        for e in events
    ]


def essential_of(event: Event) -> bytes:
    return hashing.essential_bytes(event.parsed(), event.version)


class BuilderTests(TestCase):
    @settings(max_examples=150, deadline=None)
    @given(
        version=st.sampled_from(list(ROOM_VERSIONS.values())),
        type=st.sampled_from(TYPES),
        state_key=st.none() | SLOT_KEYS,
        content=CONTENTS,
        parents=st.integers(0, 2),
        depth=st.integers(0, 2**63),
        redacts=st.none() | st.just("$e:domain"),
    )
    def test_builds_what_the_specification_describes(
        self, version: RoomVersion, parents: int, **given: Any
    ) -> None:
        prev = [event(version, content={"n": n}) for n in range(parents)]
        given |= {"prev_events": prev, "auth_events": prev[:1]}
        built = event(version, **given)
        naive = naive_event(version, **given)
        self.assertEqual(built.json, encode_canonical_json(naive))
        self.assertEqual(built.parsed(), naive)
        if version.events_have_ids:
            self.assertEqual(built.event_id, "$local:domain")
        else:
            essential = hashing.essential_bytes(naive, version)
            self.assertEqual(built.event_id, hashing.event_id_of(essential, version))
        self.assertTrue(hashing.content_hash_matches(built.parsed(), version))
        self.assertEqual((built.content, built.depth), (naive["content"], naive["depth"]))

    def test_a_version_12_room_takes_its_id_from_its_create_event(self) -> None:
        create = event(V12, type="m.room.create", state_key="", content={}, room_id="")
        self.assertEqual(create.room_id, "!" + create.event_id[1:])
        self.assertNotIn("room_id", create.parsed())

    def test_redacts_stands_where_the_version_wants_it(self) -> None:
        for version in ROOM_VERSIONS.values():
            built = event(version, type="m.room.redaction", content={}, redacts="$x")
            self.assertEqual("redacts" in built.content, version.redacts_in_content)
            self.assertEqual(built.redacts, "$x")

    def test_numbers_that_are_not_canonical_are_refused_from_version_6_on(self) -> None:
        for number in (1.5, 2**53, -(2**53)):
            for version in ROOM_VERSIONS.values():
                with self.subTest(number=number, version=version.identifier):
                    if version.strict_canonical_json:
                        with self.assertRaises(BadJson):
                            event(version, content={"n": number})
                    else:
                        built = event(version, content={"n": number})
                        self.assertEqual(built.content, {"n": number})

    def test_limits_are_those_of_the_specification(self) -> None:
        size = len(event(V12, content={"body": ""}).json)
        fits = "x" * (MAX_EVENT_BYTES - size)
        self.assertEqual(len(event(V12, content={"body": fits}).json), MAX_EVENT_BYTES)
        refused: list[tuple[dict[str, Any], type[MatrixError]]] = [
            ({"content": {"body": fits + "x"}}, TooLarge),
            ({"type": "t" * 256}, TooLarge),
            ({"type": "é" * 128}, TooLarge),
            ({"state_key": "k" * 256}, TooLarge),
            ({"sender": "@" + "u" * 248 + ":domain"}, TooLarge),
            ({"room_id": "!" + "r" * 248 + ":domain"}, TooLarge),
            ({"state_key": "\ud800"}, BadJson),
            ({"content": {"\ud800": 1}}, BadJson),
            ({"content": {"deep": deep(300)}}, BadJson),
        ]
        for change, error in refused:
            with self.subTest(change=str(change)[:40]), self.assertRaises(error):
                event(V12, **change)
        for change in ({"type": "t" * 255}, {"state_key": "\n" * 255}, {"state_key": "é" * 127}):
            event(V12, **change)
        with self.assertRaises(TooLarge):
            event(V1, event_id_localpart="e" * 248)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value
