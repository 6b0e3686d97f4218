"""Whose certificates need not be looked at."""

from synapse.http.client.trust import Trust
from tests.case import TestCase

EXEMPTIONS = [
    # patterns, name, is it exempt
    ((), "a.example", False),
    (("*",), "a.example", True),
    (("A.example",), "a.Example", True),
    (("a.example",), "b.a.example", False),
    (("b.example", "*.onion"), "x.onion", True),
    (("*.onion",), "x.onion.example", False),
]


class TrustTests(TestCase):
    def test_exemptions(self) -> None:
        for patterns, name, expected in EXEMPTIONS:
            with self.subTest(patterns=patterns, name=name):
                self.assertEqual(Trust(exempt=patterns).is_exempt(name), expected)
