"""Key documents: which are taken, and what follows from them."""

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.crypto.key_validity import (
    Moment,
    Need,
    check_signatures,
    counts,
    event_signed,
    request_signed,
)
from synapse.crypto.own_documents import OldKey, own_document, with_notary_signatures
from synapse.crypto.server_keys import (
    MAX_LIFETIME_MS,
    InvalidDocument,
    KeyDocument,
    KnownKeys,
    ServerKey,
    merged,
    read_document,
)
from synapse.crypto.signing import InvalidSignature, sign_json, signed_bytes, verify_json
from synapse.util import canonicaljson
from tests.case import TestCase
from tests.crypto.key_documents import DAY_MS, NOW_MS, document_of, key_of

HOST = "remote.example"
KEY, OTHER, OLD = key_of(HOST), key_of(HOST, "b"), key_of(HOST, "old")
GOOD = document_of(HOST, KEY, old={OLD: NOW_MS - DAY_MS})


def resigned(**changes: Any) -> dict[str, Any]:
    """The good document with other members, signed again; None takes one away."""
    changed = {**GOOD, "signatures": {}, **changes}
    kept = {key: value for key, value in changed.items() if value is not None}
    return sign_json(kept, HOST, KEY)


def read(value: Any, *, now_ms: int = NOW_MS, is_direct: bool = True) -> KeyDocument:
    return read_document(value, HOST, fetched_ms=now_ms, is_direct=is_direct)


_FOREIGN = document_of("other.example")
_KEY = {"key": KEY.verify_key.base64}

REFUSED: list[tuple[str, Any, str]] = [
    ("no object", [GOOD], "not a JSON object"),
    ("another server's", _FOREIGN, "another server's"),
    ("signed by another server", {**_FOREIGN, "server_name": HOST}, "None of its verify_keys"),
    ("unsigned", {**GOOD, "signatures": {}}, "None of its verify_keys"),
    ("signatures of a wrong type", {**GOOD, "signatures": {HOST: 7}}, "None of its verify_keys"),
    ("changed afterwards", {**GOOD, "valid_until_ts": NOW_MS + 1}, "is wrong"),
    (
        "signed by an old key only",
        sign_json({**GOOD, "signatures": {}}, HOST, OLD),
        "None of its verify_keys",
    ),
    ("signed by a key it lacks", sign_json({**GOOD, "signatures": {}}, HOST, OTHER), "None of its"),
    ("no time", resigned(valid_until_ts=None), "valid_until_ts"),
    ("a time as text", resigned(valid_until_ts="1700000000000"), "valid_until_ts"),
    ("a truth for a time", resigned(valid_until_ts=True), "valid_until_ts"),
    ("a time before time", resigned(valid_until_ts=-1), "valid_until_ts"),
    ("no keys", resigned(verify_keys=None), "verify_keys is not an object"),
    ("a list of keys", resigned(verify_keys=[]), "verify_keys is not an object"),
    ("too many keys", resigned(verify_keys={f"ed25519:{n}": _KEY for n in range(101)}), "more"),
    ("too large", resigned(padding="x" * 70_000), "65536 are allowed"),
    ("a float", {**GOOD, "more": 1.5}, "canonical"),
    ("a huge number", {**GOOD, "valid_until_ts": 2**60}, "canonical"),
]


class ReadingTests(TestCase):
    def test_a_good_one(self) -> None:
        document = read(GOOD)
        self.assertEqual(
            document.keys,
            {
                "ed25519:old": ServerKey(OLD.verify_key, NOW_MS + DAY_MS, NOW_MS - DAY_MS, NOW_MS),
                "ed25519:a": ServerKey(KEY.verify_key, NOW_MS + DAY_MS, None, NOW_MS),
            },
        )

    def test_what_is_refused(self) -> None:
        for name, value, reason in REFUSED:
            with self.subTest(name):
                with self.assertRaises(InvalidDocument) as caught:
                    read(value)
                self.assertIn(reason, str(caught.exception))

    def test_a_wrong_signature_beside_a_right_one_spoils_the_document(self) -> None:
        value = document_of(HOST, KEY, OTHER)
        value["signatures"][HOST]["ed25519:b"] = value["signatures"][HOST]["ed25519:a"]
        with self.assertRaises(InvalidDocument):
            read(value)

    def test_keys_that_cannot_be_read_are_left_out(self) -> None:
        strange = {
            "ed25519:x": {"key": "?"},
            "ed25519:y": {"key": 7},
            "ed25519:z": 7,
            "ed25519:short": {"key": "AAAA"},
            "ed25519:a\0b": _KEY,
            "ed25519:": _KEY,
            "rsa:a": _KEY,
        }
        value = resigned(
            verify_keys={**GOOD["verify_keys"], **strange},
            old_verify_keys={
                "ed25519:c": _KEY,
                "ed25519:d": {**_KEY, "expired_ts": "1"},
                "ed25519:e": {**_KEY, "expired_ts": -1},
                "ed25519:f": {**_KEY, "expired_ts": 1},
            },
        )
        self.assertEqual(set(read(value).keys), {"ed25519:a", "ed25519:f"})

    def test_validity_ends_after_seven_days(self) -> None:
        latest_ms = NOW_MS + MAX_LIFETIME_MS
        for until_ms, counted_ms in (
            (NOW_MS + DAY_MS, NOW_MS + DAY_MS),
            (latest_ms + 1, latest_ms),
            (2**53 - 1, latest_ms),
            (0, 0),
        ):
            with self.subTest(until_ms=until_ms):
                document = read(document_of(HOST, KEY, old={OLD: until_ms}, until_ms=until_ms))
                self.assertEqual(document.valid_until_ms, counted_ms)
                self.assertEqual(document.keys["ed25519:a"].valid_until_ms, counted_ms)
                # An "old" key must not be a way round that.
                self.assertEqual(document.keys["ed25519:old"].expired_ms, counted_ms)

    def test_only_the_servers_own_signatures_are_kept(self) -> None:
        value = sign_json(GOOD, "notary.example", key_of("notary.example"))
        value["unsigned"] = {"a": 1}
        kept = canonicaljson.decode_lax(read(value).json)
        self.assertEqual(kept, GOOD)

    @given(
        st.sampled_from([*GOOD, "more"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["ed25519:a", "key", "expired_ts", HOST, "\0"]),
                    inner,
                    max_size=3,
                )
            ),
        ),
    )
    def test_no_value_anywhere_does_harm(self, member: str, value: Any) -> None:
        changed = {**GOOD, member: value}
        # What can't be signed can be sent.
        with contextlib.suppress(TypeError, ValueError, AttributeError):
            changed = sign_json(changed, HOST, KEY)
        try:
            document = read(changed)
        except InvalidDocument:
            return
        self.assertLessEqual(document.valid_until_ms, NOW_MS + MAX_LIFETIME_MS)
        for key in document.keys.values():
            self.assertLessEqual(key.expired_ms or 0, NOW_MS + MAX_LIFETIME_MS)


def state(known: KnownKeys) -> dict[str, tuple[int, int | None]]:
    """Key id → valid until, expired; both in days from now."""

    def days(ms: int | None) -> int | None:
        return None if ms is None else (ms - NOW_MS) // DAY_MS

    return {
        key_id.removeprefix("ed25519:"): (days(key.valid_until_ms) or 0, days(key.expired_ms))
        for key_id, key in known.items()
    }


def day(n: int) -> int:
    return NOW_MS + n * DAY_MS


_A, _B = KEY, OTHER
# What the server says on day 0 about its key a, valid until day 2; then a second document:
# which one, from the server itself?, fetched on which day, and what is known then.
MERGES: list[tuple[str, dict[str, Any], bool, int, dict[str, tuple[int, int | None]]]] = [
    ("again, later", document_of(HOST, _A, until_ms=day(4)), True, 1, {"a": (4, None)}),
    ("by a notary, later", document_of(HOST, _A, until_ms=day(4)), False, 1, {"a": (4, None)}),
    ("shorter", document_of(HOST, _A, until_ms=day(1)), True, 1, {"a": (1, None)}),
    ("a notary's older copy", document_of(HOST, _A, until_ms=day(1)), False, 1, {"a": (2, None)}),
    (
        "put away",
        document_of(HOST, _B, old={_A: day(1)}, until_ms=day(4)),
        True,
        1,
        {"a": (4, 1), "b": (4, None)},
    ),
    (
        "put away, without a word",
        document_of(HOST, _B, until_ms=day(4)),
        True,
        1,
        {"a": (2, 1), "b": (4, None)},
    ),
    (
        "not mentioned by a notary",
        document_of(HOST, _B, until_ms=day(4)),
        False,
        1,
        {"a": (2, None), "b": (4, None)},
    ),
]


class MergingTests(TestCase):
    def test_what_a_second_document_changes(self) -> None:
        first = merged({}, read(document_of(HOST, _A, until_ms=day(2))))
        for name, value, is_direct, fetched, expected in MERGES:
            with self.subTest(name):
                second = read(value, now_ms=day(fetched), is_direct=is_direct)
                self.assertEqual(state(merged(first, second)), expected)

    def test_a_notary_brings_no_key_back(self) -> None:
        stale = read(document_of(HOST, _A, until_ms=day(6)), is_direct=False)
        known = merged({}, stale)
        known = merged(known, read(document_of(HOST, _B, old={_A: day(0)}, until_ms=day(1))))
        self.assertEqual(state(merged(known, stale)), {"a": (1, 0), "b": (1, None)})

    def test_keys_and_documents_of_a_server_are_bounded(self) -> None:
        known: KnownKeys = {}
        for n in range(50):
            value = document_of(HOST, key_of(HOST, f"k{n}"), until_ms=NOW_MS + n)
            known = merged(known, read(value, now_ms=NOW_MS + n))
        self.assertEqual(set(known), {f"ed25519:k{n}" for n in range(40, 50)})
        for n in range(5):
            keys = {key_of(HOST, f"{n}x{m}"): 1 for m in range(60)}
            value = document_of(HOST, KEY, old=keys, until_ms=NOW_MS + 100)
            known = merged(known, read(value, now_ms=NOW_MS + 100 + n))
        self.assertEqual(len(known), 100)
        self.assertIn("ed25519:a", known)


# A current key that is vouched for until day 1, and an old one that expired on day -1.
_CURRENT = ServerKey(KEY.verify_key, day(1), None, NOW_MS)
_EXPIRED = ServerKey(OLD.verify_key, day(1), day(-1), NOW_MS)

VALIDITY: list[tuple[str, Moment, bool, bool]] = [
    # signed, the current key counts, the old one counts
    ("a request, now", request_signed(day(0)), True, False),
    ("a request in the last moment", request_signed(day(1)), True, False),
    ("a request afterwards", request_signed(day(1) + 1), False, False),
    ("an event of today", event_signed(day(0), ROOM_VERSIONS["5"]), True, False),
    ("an event of long ago", event_signed(day(-9), ROOM_VERSIONS["12"]), True, True),
    ("when the old key expired", event_signed(day(-1), ROOM_VERSIONS["6"]), True, True),
    ("just afterwards", event_signed(day(-1) + 1, ROOM_VERSIONS["6"]), True, False),
    ("in the current one's last moment", event_signed(day(1), ROOM_VERSIONS["10"]), True, False),
    ("an event of the future", event_signed(day(1) + 1, ROOM_VERSIONS["10"]), False, False),
    ("the same in an old room", event_signed(day(1) + 1, ROOM_VERSIONS["4"]), True, True),
    ("today in the oldest rooms", event_signed(day(0), ROOM_VERSIONS["1"]), True, True),
    ("before all time", event_signed(-5, ROOM_VERSIONS["5"]), True, True),
]


class ValidityTests(TestCase):
    def test_which_key_counts_when(self) -> None:
        for name, moment, current, old in VALIDITY:
            with self.subTest(name):
                self.assertEqual(counts(_CURRENT, moment), current)
                self.assertEqual(counts(_EXPIRED, moment), old)

    def test_which_room_versions_care(self) -> None:
        for name, version in ROOM_VERSIONS.items():
            cares = event_signed(7, version).at_ms == 7
            self.assertEqual(cares, name not in ("1", "2", "3", "4"), name)

    def test_needs(self) -> None:
        known = {"ed25519:a": _CURRENT, "ed25519:old": _EXPIRED}
        for key_ids, moment, met in (
            (["ed25519:a"], Moment(day(1)), True),
            (["ed25519:a"], Moment(day(2)), False),
            (["ed25519:unknown", "ed25519:a"], Moment(day(1)), True),
            (["ed25519:unknown"], Moment(0), False),
            (["ed25519:old"], Moment(day(-2)), True),
            ([], Moment(day(1), old_keys_count=False), True),
            ([], Moment(day(2), old_keys_count=False), False),
        ):
            need = Need(frozenset(key_ids), moment)
            self.assertEqual(need.is_met_by(known), met, need)
            self.assertFalse(need.is_met_by({}))

    def test_signatures(self) -> None:
        known = {"ed25519:a": _CURRENT, "ed25519:old": _EXPIRED}
        message = b"message"
        good, wrong = KEY.sign(message).decode(), OTHER.sign(message).decode()
        old = OLD.sign(message).decode()
        today, request = event_signed(day(0), ROOM_VERSIONS["5"]), request_signed(day(0))
        for name, signatures, moment, complaint in (
            ("right", {"ed25519:a": good}, today, ""),
            ("right, of an old room", {"ed25519:old": old}, Moment(0), ""),
            ("and one by nobody's key", {"ed25519:a": good, "ed25519:p": "?"}, today, ""),
            ("and one by an expired key", {"ed25519:a": good, "ed25519:old": "?"}, today, ""),
            ("wrong", {"ed25519:a": wrong}, today, "The signature by"),
            ("not base64", {"ed25519:a": "\0é"}, today, "The signature by"),
            ("right and wrong", {"ed25519:a": good, "ed25519:old": "?"}, Moment(0), "with ed25519"),
            ("none", {}, today, "Not signed by"),
            ("by nobody's key", {"ed25519:p": good}, today, "has no such key: ed25519:p"),
            ("by an expired key", {"ed25519:old": old}, request, "was not valid when"),
        ):
            with self.subTest(name):
                try:
                    check_signatures(HOST, message, signatures, known, moment)
                    found = ""
                except InvalidSignature as error:
                    found = str(error)
                self.assertEqual(complaint in found, True, found)
                self.assertEqual(bool(found), bool(complaint), found)

    def test_a_server_of_which_nothing_is_known(self) -> None:
        with self.assertRaisesRegex(InvalidSignature, "No keys of remote.example"):
            check_signatures(HOST, b"", {"ed25519:a": "x"}, {}, Moment(0))


class OwnDocumentTests(TestCase):
    def test_others_can_read_ours(self) -> None:
        document = own_document(
            HOST,
            [KEY, OTHER],
            [OldKey(OLD.verify_key, NOW_MS - 1)],
            valid_until_ms=NOW_MS + 1,
            certificates=[b"\xff" * 32],
        )
        keys = read(document).keys
        self.assertEqual(set(keys), {"ed25519:a", "ed25519:b", "ed25519:old"})
        self.assertEqual(keys["ed25519:old"].expired_ms, NOW_MS - 1)
        self.assertEqual(len(document["tls_fingerprints"][0]["sha256"]), 43)

    @given(
        st.dictionaries(
            st.text(max_size=5).filter(lambda key: key not in GOOD and key != "unsigned"),
            st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5) | st.lists(st.booleans()),
            max_size=5,
        )
    )
    def test_what_a_notary_says_is_what_the_server_said(self, more: dict[str, Any]) -> None:
        notary = key_of("notary.example")
        read_by_notary = read(resigned(**more))
        parsed = canonicaljson.decode_lax(read_by_notary.json)
        told = canonicaljson.decode_lax(with_notary_signatures(parsed, "notary.example", [notary]))
        verify_json(told, "notary.example", notary.verify_key)
        again = read(told, is_direct=False)
        self.assertEqual((again.keys, again.json), (read_by_notary.keys, read_by_notary.json))
        self.assertEqual(signed_bytes(told), signed_bytes(resigned(**more)))
