"""`Authorization: X-Matrix`: how it is read, made, and checked."""

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from synapse.crypto.signing import SigningKey, VerifyKey, sign
from synapse.federation.authentication import (
    Credentials,
    NotAuthenticated,
    authenticate,
    authorization,
    parse_authorization,
)
from synapse.util import canonicaljson
from tests.case import TestCase
from tests.http.outbound.network import start

KEY = SigningKey("a_1", bytes(32))
FULL = Credentials("a.example", "b.example", "ed25519:a_1", "c2ln")
WITHOUT_DESTINATION = Credentials("a.example", None, "ed25519:a_1", "c2ln")

READ = [
    # the specification's own form
    ('X-Matrix origin="a.example",destination="b.example",key="ed25519:a_1",sig="c2ln"', FULL),
    # older servers
    ('X-Matrix origin="a.example",key="ed25519:a_1",sig="c2ln"', WITHOUT_DESTINATION),
    ("X-Matrix origin=a.example,key=ed25519:a_1,sig=c2ln", WITHOUT_DESTINATION),
    # upper and lower case, blanks, order, unknown names
    ('x-matrix   Origin="a.example", KEY="ed25519:a_1" ,\tsig="c2ln"', WITHOUT_DESTINATION),
    ('X-Matrix sig="c2ln",key="ed25519:a_1",x="y",origin=a.example', WITHOUT_DESTINATION),
    ('X-Matrix origin = "a.example",key="ed25519:a_1",sig="c2ln"', WITHOUT_DESTINATION),
    ('X-Matrix ,origin="a.example",,key="ed25519:a_1", ,sig="c2ln", ', WITHOUT_DESTINATION),
    # backslashes
    (r'X-Matrix origin="a\.ex\ample",key="ed25519\:a_1",sig="c2ln",x="\"\\,"', WITHOUT_DESTINATION),
    # names with ports and brackets
    (
        'X-Matrix origin="[::1]:8448",destination=b.example:443,key="ed25519:a_1",sig="c2ln"',
        Credentials("[::1]:8448", "b.example:443", "ed25519:a_1", "c2ln"),
    ),
    (
        'X-Matrix origin="a.example",key="ed25519:a_1",sig="a+/b"',
        Credentials("a.example", None, "ed25519:a_1", "a+/b"),
    ),
]

REFUSED = [
    # header, part of the reason
    (None, "no Authorization header"),
    ("", "not X-Matrix"),
    ("Bearer syt_abc", "not X-Matrix"),
    ("X-Matrix", "not X-Matrix"),
    ("X-Matrixorigin=a.example", "not X-Matrix"),
    ("X-Matrix\torigin=a.example", "not X-Matrix"),
    ("X-Matrix ", "no origin"),
    ('X-Matrix key="ed25519:a_1",sig="c2ln"', "no origin"),
    ('X-Matrix origin="a.example",sig="c2ln"', "no key"),
    ('X-Matrix origin="a.example",key="ed25519:a_1"', "no sig"),
    ('X-Matrix origin="",key="ed25519:a_1",sig="c2ln"', "no origin"),
    ('X-Matrix origin="a.example",origin="c.example",key="ed25519:a_1",sig="s"', "origin twice"),
    ('X-Matrix origin="a.example",Origin="c.example",key="ed25519:a_1",sig="s"', "origin twice"),
    ('X-Matrix origin="a.example" key="ed25519:a_1",sig="s"', "lacks a comma"),
    ('X-Matrix origin="a.example"key="ed25519:a_1",sig="s"', "lacks a comma"),
    ('X-Matrix origin="a.example', "malformed"),
    ('X-Matrix origin="a.example\\"', "malformed"),
    ("X-Matrix origin=[::1],key=ed25519:a_1,sig=s", "malformed"),
    ("X-Matrix origin", "malformed"),
    ("X-Matrix =a", "malformed"),
    ('X-Matrix origin="a\nb"', "malformed"),
    # two headers, as they are joined
    (
        'X-Matrix origin="a.example",key="ed25519:a_1",sig="s", '
        'X-Matrix origin="a.example",key="ed25519:a_2",sig="s"',
        "malformed",
    ),
    ('X-Matrix origin="a example",key="ed25519:a_1",sig="s"', "origin is not a server's name"),
    ('X-Matrix origin="@u:a.example",key="ed25519:a_1",sig="s"', "not a server's name"),
    (
        'X-Matrix origin="a.example",destination="",key="ed25519:a_1",sig="s"',
        "destination is not a server's name",
    ),
    ('X-Matrix origin="a.example",key="rsa:1",sig="s"', "not of the form"),
    ('X-Matrix origin="a.example",key="ed25519:",sig="s"', "not of the form"),
    ('X-Matrix origin="a.example",key="ed25519:a b",sig="s"', "not of the form"),
    ('X-Matrix origin="a.example",key="ed25519:a_1",sig="s",x="' + "x" * 5000, "not X-Matrix"),
]  # fmt: skip


class ParsingTests(TestCase):
    def test_what_is_read(self) -> None:
        for header, credentials in READ:
            with self.subTest(header=header):
                self.assertEqual(parse_authorization(header), credentials)

    def test_what_is_refused_and_why(self) -> None:
        for header, reason in REFUSED:
            with self.subTest(header=header), self.assertRaises(NotAuthenticated) as raised:
                parse_authorization(header)
            self.assertEqual(
                (raised.exception.status, raised.exception.errcode), (401, "M_UNAUTHORIZED")
            )
            self.assertIn(reason, raised.exception.message)

    @given(st.text(max_size=80))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        for header in (text, f"X-Matrix {text}", f'X-Matrix origin="{text}"'):
            with contextlib.suppress(NotAuthenticated):
                parse_authorization(header)

    @given(
        st.lists(st.sampled_from(["X-Matrix ", "origin", "=", '"', "\\", ",", " ", "a", ":", "\t"]))
    )
    def test_any_pieces_are_read_or_refused(self, pieces: list[str]) -> None:
        with contextlib.suppress(NotAuthenticated):
            parse_authorization("".join(pieces))

    def test_a_long_hostile_header_takes_no_time(self) -> None:
        for text in (
            'X-Matrix a="' + "\\" * 4000,
            "X-Matrix " + "," * 4000 + "!",
            "X-Matrix " + "a" * 4000,
        ):
            with self.assertRaises(NotAuthenticated):
                parse_authorization(text)


class SigningTests(TestCase):
    def authenticate(self, header: str | None, **changes: Any) -> str:
        async def find(origin: str, key_id: str) -> VerifyKey | None:
            is_known = (origin, key_id) == ("a.example", KEY.key_id)
            return KEY.verify_key if is_known else None

        request = {
            "method": "PUT",
            "uri": "/_matrix/federation/v1/send/1?x=y",
            "content": {"b": 1, "a": ["ü"]},
            "server_name": "b.example",
        }
        authenticated: str = start(authenticate(header, find, **{**request, **changes})).result
        return authenticated

    def header(self, **changes: Any) -> str:
        request = {
            "method": "PUT",
            "uri": "/_matrix/federation/v1/send/1?x=y",
            "origin": "a.example",
            "destination": "b.example",
            "content": canonicaljson.encode({"b": 1, "a": ["ü"]}),
        }
        return authorization(KEY, **{**request, **changes})

    def test_the_object_that_the_specification_says_is_signed(self) -> None:
        signature = sign(
            {
                "method": "PUT",
                "uri": "/_matrix/federation/v1/send/1?x=y",
                "origin": "a.example",
                "destination": "b.example",
                "content": {"a": ["ü"], "b": 1},
            },
            KEY,
        )
        self.assertEqual(
            self.header(),
            'X-Matrix origin="a.example",destination="b.example",key="ed25519:a_1",'
            f'sig="{signature}"',
        )

    def test_a_request_of_ours_is_believed(self) -> None:
        self.assertEqual(self.authenticate(self.header()), "a.example")

    def test_a_request_without_body(self) -> None:
        header = self.header(method="GET", content=None)
        self.assertEqual(self.authenticate(header, method="GET", content=None), "a.example")
        with self.assertRaises(NotAuthenticated):
            self.authenticate(header, method="GET", content={})

    def test_a_header_without_destination_is_for_us_all_the_same(self) -> None:
        header = self.header().replace('destination="b.example",', "")
        self.assertEqual(self.authenticate(header), "a.example")
        elsewhere = self.header(destination="c.example").replace('destination="c.example",', "")
        with self.assertRaises(NotAuthenticated):
            self.authenticate(elsewhere)

    def test_nothing_of_a_request_may_be_changed(self) -> None:
        for change in (
            {"method": "POST"},
            {"uri": "/_matrix/federation/v1/send/2?x=y"},
            {"uri": "/_matrix/federation/v1/send/1"},
            {"content": {"b": 2, "a": ["ü"]}},
            {"content": None},
            {"server_name": "c.example"},
        ):
            with self.subTest(change=change), self.assertRaises(NotAuthenticated):
                self.authenticate(self.header(), **change)

    def test_a_request_for_another_server_is_refused_before_any_key_is_looked_for(self) -> None:
        async def find(origin: str, key_id: str) -> VerifyKey | None:
            raise AssertionError("No key is needed")

        asked = authenticate(
            self.header(destination="c.example"),
            find,
            method="PUT",
            uri="/",
            content=None,
            server_name="b.example",
        )
        with self.assertRaises(NotAuthenticated) as raised:
            start(asked).result  # noqa: B018
        self.assertIn("is for c.example, not b.example", raised.exception.message)

    def test_the_key_must_be_the_origins(self) -> None:
        for header in (
            self.header(origin="c.example"),
            self.header().replace("ed25519:a_1", "ed25519:a_2"),
            self.header().replace('sig="', 'sig="A'),
        ):
            with self.subTest(header=header), self.assertRaises(NotAuthenticated):
                self.authenticate(header)

    def test_content_of_old_rooms_may_hold_what_is_not_canonical_today(self) -> None:
        content = {"pdus": [{"number": 1.5, "large": 2**60}]}
        header = self.header(content=canonicaljson.encode_lax(content))
        self.assertEqual(self.authenticate(header, content=content), "a.example")
