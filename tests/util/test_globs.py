"""Glob-style matching."""

import re

from hypothesis import given
from hypothesis import strategies as st

from synapse.util.globs import matches_glob
from tests.case import TestCase

MATCHES = [
    # pattern, text, does it match?
    ("", "", True),
    ("", "a", False),
    ("*", "", True),
    ("*", "anything\n", True),
    ("**", "a", True),
    ("?", "", False),
    ("?", "a", True),
    ("?", "ab", False),
    ("a*", "abc", True),
    ("*c", "abc", True),
    ("a*c", "ac", True),
    ("a*c", "abcd", False),
    ("*.example.com", "a.example.com", True),
    ("*.example.com", "example.com", False),
    ("a.c", "abc", False),
    ("[ab]", "a", False),
    ("A", "a", False),
    ("*ab*ab", "abab", True),
    ("*aab", "aaaab", True),
]


class GlobTests(TestCase):
    def test_patterns(self) -> None:
        for pattern, text, expected in MATCHES:
            with self.subTest(pattern=pattern, text=text):
                self.assertEqual(matches_glob(pattern, text), expected)

    @given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
    def test_the_same_as_a_regular_expression(self, pattern: str, text: str) -> None:
        spelled = {"*": ".*", "?": "."}
        regex = "".join(spelled.get(character, character) for character in pattern)
        self.assertEqual(matches_glob(pattern, text), re.fullmatch(regex, text) is not None)

    def test_hostile_patterns_take_no_time(self) -> None:
        self.assertFalse(matches_glob("*a" * 100 + "b", "a" * 255))
