"""Keys: our old ones, and whom we believe about those of others."""

from unittest import TestCase

from synapse.config.keys import OldSigningKey, TrustedKeyServer
from synapse.config.parser import parse_values
from tests.config.builders import error_of, parsed, parsed_with_warnings

KEY = "Noi6WqcDj0QmPxCNQqgezwTlBKrfqehY1u2FyWP9uYw"
PINNED = {"server_name": "a.example", "verify_keys": {"ed25519:auto": KEY}}

ERRORS: list[tuple[str, object, str]] = [
    ("trusted_key_servers", {}, "trusted_key_servers is a mapping, but must be a list"),
    ("trusted_key_servers", ["a"], "trusted_key_servers[0] is"),
    ("trusted_key_servers", [{}], "trusted_key_servers[0].server_name is missing"),
    ("trusted_key_servers", [{"server_name": "a b"}], "[0].server_name is"),
    (
        "trusted_key_servers",
        [{"server_name": "a", "verify_keys": {"ed25519:a": "AAAA"}}],
        "[0].verify_keys.ed25519:a is",
    ),
    (
        "trusted_key_servers",
        [{"server_name": "a", "verify_keys": {"auto": KEY}}],
        "verify_keys.auto is not a key's id",
    ),
    ("old_signing_keys", [], "old_signing_keys is"),
    ("old_signing_keys", {"ed25519:a": {"key": KEY}}, "ed25519:a.expired_ts is missing"),
    ("old_signing_keys", {"ed25519:a": {"key": 7, "expired_ts": 1}}, "ed25519:a.key is"),
    ("old_signing_keys", {"a": {"key": KEY, "expired_ts": 1}}, "old_signing_keys.a is not a key"),
    ("key_refresh_interval", "soon", "key_refresh_interval is"),
    ("perspectives", [], "perspectives is"),
    ("perspectives", {"servers": {"a": 7}}, "perspectives.servers.a is"),
]


class KeysTests(TestCase):
    def test_errors(self) -> None:
        for key, value, expected in ERRORS:
            with self.subTest(key=key, value=value):
                self.assertIn(expected, error_of(**{key: value}))

    def test_old_keys(self) -> None:
        keys = parsed(old_signing_keys={"ed25519:a": {"key": KEY, "expired_ts": 7}}).keys
        self.assertEqual(keys.old_signing_keys, {"ed25519:a": OldSigningKey(key=KEY, expired_ts=7)})

    def test_matrix_org_is_trusted_unless_others_are(self) -> None:
        servers = parse_values({"server_name": "example.com"}).keys.trusted_key_servers
        self.assertEqual(servers, (TrustedKeyServer(server_name="matrix.org"),))
        self.assertEqual(parsed(trusted_key_servers=[]).keys.trusted_key_servers, ())
        (server,) = parsed(trusted_key_servers=[PINNED]).keys.trusted_key_servers
        self.assertEqual(server.verify_keys, {"ed25519:auto": KEY})

    def test_trusting_matrix_org_without_a_word_is_warned_about(self) -> None:
        matrix_org = [{"server_name": "matrix.org"}]
        for servers, suppressed, warned in (
            (None, False, True),
            (None, True, False),
            (matrix_org, False, True),
            (matrix_org, True, False),
            ([PINNED], False, False),
            ([], False, False),
        ):
            with self.subTest(servers=servers, suppressed=suppressed):
                _, warnings = parsed_with_warnings(
                    trusted_key_servers=servers, suppress_key_server_warning=suppressed
                )
                self.assertEqual(bool(warnings), warned)
                if warned:
                    self.assertIn("holds matrix.org", warnings[0])

    def test_a_key_server_that_nothing_vouches_for_is_refused(self) -> None:
        unpinned = {"server_name": "a.example"}
        values = {"federation_verify_certificates": False}
        error = error_of(trusted_key_servers=[PINNED, unpinned], **values)
        self.assertIn("trusted_key_servers[1] has no verify_keys", error)
        parsed(trusted_key_servers=[PINNED], **values)
        parsed(trusted_key_servers=[{**unpinned, "accept_keys_insecurely": True}], **values)

    def test_the_old_form(self) -> None:
        old = {"servers": {"a.example": {"verify_keys": {"ed25519:auto": {"key": KEY}}}}}
        pinned = parsed(trusted_key_servers=[PINNED]).keys
        self.assertEqual(parsed(perspectives=old).keys, pinned)
        other: dict[str, object] = {"servers": {"b.example": {}}}
        self.assertEqual(parsed(perspectives=other, trusted_key_servers=[PINNED]).keys, pinned)
        self.assertEqual(parsed(perspectives={"servers": {}}).keys.trusted_key_servers, ())
