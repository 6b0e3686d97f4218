"""After which time a room's messages expire."""

from typing import Any

from synapse.events.retention import RetentionRules, max_lifetime_ms
from tests.case import TestCase

NONE = RetentionRules()
DEFAULT = RetentionRules(default_max_ms=50)
BOUNDS = RetentionRules(default_max_ms=50, allowed_min_ms=10, allowed_max_ms=100)

LIFETIMES: list[tuple[Any, RetentionRules, int | None]] = [
    # content of m.room.retention, what the server says, the lifetime
    (None, NONE, None),
    (None, DEFAULT, 50),
    ({}, NONE, None),
    ({}, DEFAULT, 50),
    ({"min_lifetime": 7}, NONE, None),
    ({"max_lifetime": 7}, NONE, 7),
    ({"max_lifetime": 0}, NONE, 0),
    ({"max_lifetime": 7}, DEFAULT, 7),
    ({"max_lifetime": 70}, DEFAULT, 70),
    ({"max_lifetime": 7}, BOUNDS, 10),
    ({"max_lifetime": 70}, BOUNDS, 70),
    ({"max_lifetime": 700}, BOUNDS, 100),
    ({"max_lifetime": None}, BOUNDS, 50),
    ({"max_lifetime": "7"}, BOUNDS, 50),
    ({"max_lifetime": True}, BOUNDS, 50),
    ({"max_lifetime": -1}, BOUNDS, 50),
    ({"max_lifetime": 2**53}, BOUNDS, 50),
    ({"max_lifetime": 7.5}, NONE, None),
    ({"max_lifetime": []}, NONE, None),
]


class RetentionTests(TestCase):
    def test_table(self) -> None:
        for content, rules, wanted in LIFETIMES:
            with self.subTest(content=content, rules=rules):
                self.assertEqual(max_lifetime_ms(content, rules), wanted)
