"""What clients may put into the state that the server reads."""

from typing import Any
from unittest import TestCase

from synapse.api.errors import BadJson
from synapse.events.client_content import check_client_content

CONTENTS: list[tuple[str, dict[str, Any], bool]] = [
    ("m.room.member", {"membership": "join"}, True),
    ("m.room.member", {"membership": "join", "displayname": None, "avatar_url": ""}, True),
    ("m.room.member", {}, False),
    ("m.room.member", {"membership": "joined"}, False),
    ("m.room.member", {"membership": ["join"]}, False),
    ("m.room.member", {"membership": "join", "displayname": 5}, False),
    ("m.room.join_rules", {"join_rule": "public"}, True),
    ("m.room.join_rules", {"join_rule": "com.example.rule"}, True),
    ("m.room.join_rules", {}, False),
    ("m.room.history_visibility", {"history_visibility": "joined"}, True),
    ("m.room.history_visibility", {"history_visibility": "everyone"}, False),
    ("m.room.guest_access", {"guest_access": None}, False),
    ("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}, True),
    ("m.room.encryption", {}, False),
    ("m.room.name", {}, True),
    ("m.room.name", {"name": {"en": "x"}}, False),
    ("m.room.topic", {"topic": "", "m.topic": {}}, True),
    ("m.room.avatar", {"url": 5}, False),
    ("m.room.canonical_alias", {"alias": None, "alt_aliases": []}, True),
    ("m.room.canonical_alias", {"alt_aliases": [5]}, False),
    ("m.room.server_acl", {"allow": ["*"], "deny": [], "allow_ip_literals": False}, True),
    ("m.room.server_acl", {"allow": "*"}, False),
    ("m.room.server_acl", {"allow_ip_literals": 0}, False),
    ("m.room.power_levels", {"users": 5}, True),  # for the auth rules to say
    ("com.example", {"membership": 5}, True),
]


class ClientContentTests(TestCase):
    def test_state_that_the_server_reads(self) -> None:
        for type, content, valid in CONTENTS:
            with self.subTest(type=type, content=content):
                if valid:
                    check_client_content(type, "", content)
                else:
                    with self.assertRaisesRegex(BadJson, "content"):
                        check_client_content(type, "", content)

    def test_what_is_not_state_is_not_checked(self) -> None:
        check_client_content("m.room.name", None, {"name": 5})
