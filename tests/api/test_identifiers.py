"""The grammar of identifiers (appendices, "Identifier Grammar")."""

from typing import Any
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from synapse.api import identifiers as ids

HASH = "Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg"

SERVER_NAMES = [
    # examples of the specification
    ("matrix.org", True),
    ("matrix.org:8888", True),
    ("1.2.3.4", True),
    ("1.2.3.4:1234", True),
    ("[1234:5678::abcd]", True),
    ("[1234:5678::abcd]:5678", True),
    # and more
    ("localhost", True),
    ("MATRIX.ORG", True),
    ("my-host.example", True),
    ("[::1]:8448", True),
    ("[::ffff:1.2.3.4]", True),
    ("1.2.3", True),  # a DNS name, for all that the grammar says
    ("", False),
    (":8448", False),
    ("matrix.org:", False),
    ("matrix.org:123456", False),
    ("matrix.org:65536", False),
    ("matrix.org:80:80", False),
    ("matrix.org\n", False),
    ("matrix org", False),
    ("mätrix.org", False),
    ("matrix_org", False),
    ("1.2.3.256", False),
    ("1.2.3.4:٣", False),
    ("::1", False),
    ("[::1", False),
    ("[]", False),
    ("[1::2::3]", False),
    ("[example.org]", False),
    ("a" * 255, True),
    ("a" * 256, False),
    (None, False),
    (5, False),
]
USER_IDS = [
    ("@user:matrix.org", True),
    ("@user:localhost:8448", True),
    ("@a-z.0_9=/+:d", True),
    # historical
    ("@:matrix.org", True),
    ("@USER:matrix.org", True),
    ("@us er\n@#!:matrix.org", True),
    ("@ünï💥:matrix.org", True),
    ("@" + "é" * 121 + ":matrix.org", True),
    ("@" + "é" * 122 + ":matrix.org", False),
    ("@" + "u" * 243 + ":matrix.org", True),
    ("@" + "u" * 244 + ":matrix.org", False),
    ("@u\0r:matrix.org", False),
    ("@\ud800:matrix.org", False),
    ("@user", False),
    ("@user:", False),
    ("@user:bad domain", False),
    ("user:matrix.org", False),
    ("!user:matrix.org", False),
    ("", False),
    ("@", False),
    (None, False),
    (["@user:matrix.org"], False),
]
# identifier, room id, with a domain, as a hash
ROOM_IDS = [
    ("!opaque:matrix.org", True, True, False),
    ("!ö :matrix.org", True, True, False),
    ("!" + HASH, True, False, True),
    ("!" + HASH + "\n", False, False, False),
    ("!" + HASH[:-1], False, False, False),
    ("!" + HASH[:-1] + "+", False, False, False),
    ("!:matrix.org", False, False, False),
    ("!", False, False, False),
    ("!opaque", False, False, False),
    ("#opaque:matrix.org", False, False, False),
    ("!\0:matrix.org", False, False, False),
    ("!" + "r" * 244 + ":matrix.org", False, False, False),
    (7, False, False, False),
]
# identifier, event id, with a domain
EVENT_IDS = [
    ("$opaque:matrix.org", True, True),
    ("$" + HASH, True, False),
    ("$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk", True, False),
    ("$:matrix.org", True, False),
    ("$", False, False),
    ("", False, False),
    ("!opaque:matrix.org", False, False),
    ("$" + "e" * 254, True, False),
    ("$" + "e" * 255, False, False),
    ("$\0", False, False),
    ("$\ud800", False, False),
    (None, False, False),
]
ALIASES = [
    ("#room:matrix.org", True),
    ("#Räume und mehr!:matrix.org", True),
    ("#:matrix.org", False),
    ("#room", False),
    ("#ro\0om:matrix.org", False),
    ("#" + "a" * 244 + ":matrix.org", False),
    ("!room:matrix.org", False),
]
LOCALPARTS = [
    ("user", True),
    ("a.b_c=d-e/f+0", True),
    ("", False),
    ("User", False),
    ("us er", False),
    ("user\n", False),
    ("ü", False),
    ("a:b", False),
]
OPAQUE = [
    ("AZaz09-._~", True),
    ("x" * 255, True),
    ("x" * 256, False),
    ("", False),
    ("a/b", False),
    ("a\n", False),
]


class IdentifierTests(TestCase):
    def test_server_names(self) -> None:
        for value, valid in SERVER_NAMES:
            with self.subTest(value=value):
                self.assertEqual(ids.is_server_name(value), valid)

    def test_user_ids(self) -> None:
        for value, valid in USER_IDS:
            with self.subTest(value=value):
                self.assertEqual(ids.is_user_id(value), valid)

    def test_room_ids(self) -> None:
        for value, valid, with_domain, hashed in ROOM_IDS:
            with self.subTest(value=value):
                self.assertEqual(ids.is_room_id(value), valid)
                self.assertEqual(ids.is_room_id_with_domain(value), with_domain)
                self.assertEqual(ids.is_hash_room_id(value), hashed)

    def test_event_ids(self) -> None:
        for value, valid, with_domain in EVENT_IDS:
            with self.subTest(value=value):
                self.assertEqual(ids.is_event_id(value), valid)
                self.assertEqual(ids.is_event_id_with_domain(value), with_domain)

    def test_room_aliases(self) -> None:
        for value, valid in ALIASES:
            with self.subTest(value=value):
                self.assertEqual(ids.is_room_alias(value), valid)

    def test_localparts_of_new_users(self) -> None:
        for value, valid in LOCALPARTS:
            with self.subTest(value=value):
                self.assertEqual(ids.is_new_localpart(value), valid)

    def test_opaque_identifiers(self) -> None:
        for value, valid in OPAQUE:
            with self.subTest(value=value):
                self.assertEqual(ids.is_opaque_id(value), valid)

    def test_identifiers_are_taken_apart_at_the_first_colon(self) -> None:
        for value, localpart, domain in [
            ("@user:matrix.org", "user", "matrix.org"),
            ("@user:matrix.org:8448", "user", "matrix.org:8448"),
            ("@user:[::1]:8448", "user", "[::1]:8448"),
            ("@:matrix.org", "", "matrix.org"),
            ("!" + HASH, HASH, ""),
        ]:
            with self.subTest(value=value):
                self.assertEqual(ids.localpart_of(value), localpart)
                self.assertEqual(ids.domain_of(value), domain)

    @given(st.text() | st.text("@:!#$a1.[]\0\ud800") | st.none() | st.integers())
    def test_any_value_gets_an_answer(self, value: Any) -> None:
        for question in (
            ids.is_server_name,
            ids.is_user_id,
            ids.is_room_id,
            ids.is_room_alias,
            ids.is_event_id,
        ):
            self.assertIsInstance(question(value), bool)
