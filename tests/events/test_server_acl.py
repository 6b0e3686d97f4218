"""`m.room.server_acl`."""

from typing import Any

from synapse.events.server_acl import admits_server
from tests.case import TestCase

_ALL = ["*"]
ACLS: list[tuple[dict[str, Any], str, bool]] = [
    ({}, "a.example", False),
    ({"allow": _ALL}, "a.example", True),
    ({"allow": _ALL, "deny": ["A.example"]}, "a.EXAMPLE:8448", False),
    ({"allow": _ALL, "deny": ["*.example"]}, "example", True),
    ({"allow": ["a.example"]}, "a.example:1", True),
    ({"allow": ["a.example:1"]}, "a.example:1", False),
    ({"allow": "*"}, "a.example", False),
    ({"allow": [7, None, "*"], "deny": 7}, "a.example", True),
    ({"allow": _ALL, "allow_ip_literals": False}, "1.2.3.4:8448", False),
    ({"allow": _ALL, "allow_ip_literals": False}, "[::1]:8448", False),
    ({"allow": _ALL, "allow_ip_literals": False}, "[::1]", False),
    ({"allow": _ALL, "allow_ip_literals": False}, "1.2.3.4.example", True),
    ({"allow": _ALL, "allow_ip_literals": "no"}, "1.2.3.4", True),
    ({"allow": _ALL}, "[::1]", True),
]


class ServerAclTests(TestCase):
    def test_who_is_let_in(self) -> None:
        for content, server, expected in ACLS:
            with self.subTest(content=content, server=server):
                self.assertEqual(admits_server(content, server), expected)
