"""The table of history visibility (client-server API, "Room History Visibility")."""

from itertools import product
from unittest import TestCase

from synapse.events.visibility import Standing, history_visibility, may_see

# visibility, membership at the event, sees it without joining later, sees it if joined later
RULES = [
    ("world_readable", "join", True, True),
    ("world_readable", "invite", True, True),
    ("world_readable", "knock", True, True),
    ("world_readable", "leave", True, True),
    ("world_readable", "ban", True, True),
    ("shared", "join", True, True),
    ("shared", "invite", False, True),
    ("shared", "knock", False, True),
    ("shared", "leave", False, True),
    ("shared", "ban", False, True),
    ("invited", "join", True, True),
    ("invited", "invite", True, True),
    ("invited", "knock", False, False),
    ("invited", "leave", False, False),
    ("invited", "ban", False, False),
    ("joined", "join", True, True),
    ("joined", "invite", False, False),
    ("joined", "knock", False, False),
    ("joined", "leave", False, False),
    ("joined", "ban", False, False),
]

# before the event, after it, does one who never joins (again) see it
CHANGES = [
    (("world_readable", "leave"), ("joined", "leave"), True),
    (("joined", "leave"), ("world_readable", "leave"), True),
    (("joined", "leave"), ("shared", "leave"), False),
    (("invited", "invite"), ("joined", "invite"), True),
    (("joined", "leave"), ("joined", "join"), True),
    (("joined", "join"), ("joined", "leave"), True),
    (("joined", "join"), ("joined", "ban"), True),
    (("joined", "leave"), ("joined", "invite"), False),
    (("invited", "leave"), ("invited", "invite"), True),
    (("invited", "invite"), ("invited", "leave"), True),
    (("shared", "invite"), ("shared", "leave"), False),
]


class VisibilityTests(TestCase):
    def test_the_table_is_complete(self) -> None:
        visibilities = ("world_readable", "shared", "invited", "joined")
        memberships = ("join", "invite", "knock", "leave", "ban")
        self.assertEqual([row[:2] for row in RULES], list(product(visibilities, memberships)))

    def test_who_sees_an_ordinary_event(self) -> None:
        for visibility, membership, sees, sees_if_joined_later in RULES:
            with self.subTest(visibility=visibility, membership=membership):
                at = Standing(visibility, membership)
                self.assertEqual(may_see(at, at, joined_later=False), sees)
                self.assertEqual(may_see(at, at, joined_later=True), sees_if_joined_later)

    def test_a_change_is_seen_if_either_side_allows_it(self) -> None:
        for before, after, sees in CHANGES:
            with self.subTest(before=before, after=after):
                seen = may_see(Standing(*before), Standing(*after), joined_later=False)
                self.assertEqual(seen, sees)

    def test_what_is_absent_or_unknown_is_shared(self) -> None:
        for content, visibility in [
            (None, "shared"),
            ({}, "shared"),
            ({"history_visibility": "everyone"}, "shared"),
            ({"history_visibility": ["joined"]}, "shared"),
            ({"history_visibility": "joined"}, "joined"),
            ({"history_visibility": "world_readable"}, "world_readable"),
        ]:
            with self.subTest(content=content):
                self.assertEqual(history_visibility(content), visibility)
        self.assertEqual(Standing(), Standing("shared", "leave"))
