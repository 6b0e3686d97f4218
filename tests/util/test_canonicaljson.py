"""Canonical JSON: the specification's examples, and byte for byte what canonicaljson writes."""

import json
from typing import Any
from unittest import TestCase

from canonicaljson import encode_canonical_json
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.util.canonicaljson import (
    MAX_DEPTH,
    NotCanonical,
    decode_lax,
    encode,
    encode_lax,
    encode_trusted,
)

# Appendices, "Canonical JSON", "Examples". (The last one there, `-0` and `1e10`, is about reading.)
EXAMPLES = [
    ("{}", "{}"),
    ('{"one": 1, "two": "Two"}', '{"one":1,"two":"Two"}'),
    ('{"b": "2", "a": "1"}', '{"a":"1","b":"2"}'),
    (
        '{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name":'
        ' "John Doe", "three_pids": [{"medium": "email", "address": "john.doe@example.org"},'
        ' {"medium": "msisdn", "address": "123456789"}]}}}',
        '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe",'
        '"three_pids":[{"address":"john.doe@example.org","medium":"email"},'
        '{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ),
    ('{"a": "日本語"}', '{"a":"日本語"}'),
    ('{"本": 2, "日": 1}', '{"日":1,"本":2}'),
    ('{"a": "\\u65E5"}', '{"a":"日"}'),
    ('{"a": null}', '{"a":null}'),
    ('{"a": -0}', '{"a":0}'),
    (
        '"\\u0000\\u0007\\b\\t\\n\\f\\r\\u001f\\"\\\\\\/\\u007f"',
        '"\\u0000\\u0007\\b\\t\\n\\f\\r\\u001f\\"\\\\/\x7f"',
    ),
    ('{"\\ue000": 1, "\\ud83d\\ude00": 2, "\\uffff": 3}', '{"\ue000":1,"\uffff":3,"😀":2}'),
    ("9007199254740991", "9007199254740991"),
    ("-9007199254740991", "-9007199254740991"),
]


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = [value]
    return value


# A value, and whether the lax rules of room versions 1 to 5 take it.
REFUSED: list[tuple[Any, bool]] = [
    (1.5, True),
    (1.0, True),
    (2**53, True),
    (-(2**53), True),
    (10**30, True),
    ({"a": [{"b": 1e-7}]}, True),
    (float("nan"), False),
    (float("inf"), False),
    ("\ud800", False),
    ({"\udfff": 1}, False),
    (b"bytes", False),
    ({"set"}, False),
    (nested(MAX_DEPTH + 2), False),
    (nested(50_000), False),
    ([1.5, nested(50_000)], False),
]

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)
LAX_VALUES = st.recursive(
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


class CanonicalJsonTests(TestCase):
    def test_examples(self) -> None:
        for text, canonical in EXAMPLES:
            with self.subTest(text=text):
                value = json.loads(text)
                self.assertEqual(encode(value), canonical.encode())
                self.assertEqual(encode_trusted(value), canonical.encode())

    def test_what_is_not_canonical_is_refused(self) -> None:
        for value, lax in REFUSED:
            with self.subTest(value=str(type(value))):
                with self.assertRaises(NotCanonical):
                    encode(value)
                if lax:
                    self.assertEqual(decode_lax(encode_lax(value)), value)
                    continue
                with self.assertRaises(NotCanonical):
                    encode_lax(value)

    def test_depth_is_limited_where_it_says(self) -> None:
        self.assertEqual(json.loads(encode(nested(MAX_DEPTH))), nested(MAX_DEPTH))

    @settings(max_examples=200, deadline=None)
    @given(VALUES)
    def test_writes_what_canonicaljson_writes(self, value: Any) -> None:
        encoded = encode(value)
        self.assertEqual(encoded, encode_canonical_json(value))
        self.assertEqual(encode_lax(value), encoded)
        self.assertEqual(decode_lax(encoded), value)

    @settings(max_examples=200, deadline=None)
    @given(LAX_VALUES)
    def test_lax_writes_what_canonicaljson_writes(self, value: Any) -> None:
        encoded = encode_lax(value)
        self.assertEqual(encoded, encode_canonical_json(value))
        self.assertEqual(encode_lax(decode_lax(encoded)), encoded)
