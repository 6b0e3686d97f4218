"""Invite filters (MSC4155) as values."""

from typing import Any

from synapse.handlers.invite_filter import Verdict, verdict
from tests.case import TestCase

ALLOW, IGNORE, BLOCK = Verdict
ALICE, MALLORY = "@alice:good.org", "@mallory:bad.org:8448"
NOT_ALL_OF_GOOD = {
    "blocked_users": ["@alice:good.org"],
    "allowed_servers": ["good.org"],
    "blocked_servers": ["*"],
}

FILTERS: list[tuple[dict[str, Any], Verdict, Verdict]] = [
    # the filter, then what it says of alice and of mallory
    ({}, ALLOW, ALLOW),
    ({"blocked_servers": ["*"]}, BLOCK, BLOCK),
    ({"allowed_servers": ["good.org"], "blocked_servers": ["*"]}, ALLOW, BLOCK),
    ({"blocked_servers": ["bad.org"]}, ALLOW, BLOCK),
    (NOT_ALL_OF_GOOD, BLOCK, BLOCK),
    ({"allowed_users": ["@mallory:bad.org:8448"], "blocked_servers": ["bad.*"]}, ALLOW, ALLOW),
    ({"ignored_servers": ["b?d.org"], "blocked_servers": ["*"]}, BLOCK, IGNORE),
    ({"ignored_users": ["*"], "blocked_users": ["*"]}, IGNORE, IGNORE),
    ({"allowed_users": ["*alice*"], "ignored_users": ["*"]}, ALLOW, IGNORE),
    ({"blocked_users": ["@[am]*"]}, ALLOW, ALLOW),
    ({"blocked_users": ["alice"]}, ALLOW, ALLOW),
    ({"enabled": False, "blocked_servers": ["*"]}, ALLOW, ALLOW),
    ({"enabled": True, "blocked_servers": ["*"]}, BLOCK, BLOCK),
    ({"blocked_users": "x", "blocked_servers": ["*"]}, ALLOW, ALLOW),
    ({"allowed_users": [1], "blocked_servers": ["*"]}, ALLOW, ALLOW),
]


class InviteFilterTests(TestCase):
    def test_verdicts(self) -> None:
        for filter, alice, mallory in FILTERS:
            with self.subTest(filter=filter):
                self.assertEqual(
                    (verdict(filter, ALICE), verdict(filter, MALLORY)), (alice, mallory)
                )
