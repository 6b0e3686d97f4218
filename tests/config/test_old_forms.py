"""Keys of earlier days mean what they meant."""

from pathlib import Path
from unittest import TestCase

from synapse.config.homeserver import HomeserverConfig
from synapse.config.old_forms import OLD_KEYS
from synapse.config.parser import parse_values
from synapse.config.ratelimiting import FederationLimits, RateLimit
from tests.config.builders import error_from


def parsed(**values: object) -> HomeserverConfig:
    return parse_values({"server_name": "example.com", **values})


DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.rst"


class OldFormTest(TestCase):
    def test_disable_registration_is_the_opposite(self) -> None:
        config = parsed(disable_registration="false", enable_registration_without_verification=True)
        self.assertTrue(config.registration.enable_registration)

    def test_new_key_goes_before_the_old_one(self) -> None:
        config = parsed(disable_registration=False, enable_registration=False)
        self.assertFalse(config.registration.enable_registration)

    def test_flat_rate_of_messages(self) -> None:
        config = parsed(rc_messages_per_second=0.5, rc_message_burst_count=20)
        self.assertEqual(config.rate_limits.rc_message, RateLimit(per_second=0.5, burst_count=20))
        config = parsed(rc_message_burst_count=20)
        self.assertEqual(config.rate_limits.rc_message, RateLimit(per_second=0.2, burst_count=20))

    def test_flat_limits_of_federation(self) -> None:
        config = parsed(federation_rc_sleep_limit=20, federation_rc_concurrent=5)
        self.assertEqual(
            config.rate_limits.rc_federation, FederationLimits(sleep_limit=20, concurrent=5)
        )

    def test_database_path(self) -> None:
        self.assertEqual(parsed(database_path="/x.db").database.sqlite_path, "/x.db")

    def test_one_of_several_databases_is_the_database(self) -> None:
        only = {"name": "psycopg2", "data_stores": ["main", "state"], "args": {"host": "db"}}
        database = parsed(databases={"all": only}).database
        self.assertEqual((database.name, database.args), ("psycopg2", {"host": "db"}))

    def test_split_databases_are_refused(self) -> None:
        # To ignore the key would mean to start with an empty database.
        error = error_from(parsed, databases={"main": {}, "state": {}})
        self.assertIn("databases splits the data over several databases", error)

    def test_oldest_form_of_listeners(self) -> None:
        tls = {"tls_certificate_path": "/c", "tls_private_key_path": "/k"}
        secure, plain = parsed(bind_port=8448, bind_host="127.0.0.1", **tls).listeners
        self.assertEqual(
            (secure.port, secure.tls, plain.port, plain.tls), (8448, True, 8048, False)
        )
        self.assertEqual(secure.bind_addresses, ("127.0.0.1",))
        self.assertEqual(secure.names(), ("client", "federation"))
        (only,) = parsed(bind_port=8448, unsecure_port=8008, no_tls=True).listeners
        self.assertEqual(only.port, 8008)
        (only,) = parsed(bind_port=8448, unsecure_port=0, **tls).listeners
        self.assertEqual(only.port, 8448)

    def test_metrics_port_is_a_listener(self) -> None:
        (listener,) = parsed(metrics_port=9100).listeners
        self.assertEqual(
            (listener.type, listener.port, listener.bind_addresses),
            ("metrics", 9100, ("127.0.0.1",)),
        )

    def test_room_invite_state_types_replace_the_defaults(self) -> None:
        state = parsed(room_invite_state_types=["m.room.name"]).rooms.room_prejoin_state
        self.assertTrue(state.disable_default_event_types)
        self.assertEqual(state.additional_event_types, (("m.room.name", None),))

    def test_old_spelling_of_underscores(self) -> None:
        config = parsed(allow_underscore_prefixed_localpart=True)
        self.assertTrue(config.registration.allow_underscore_prefixed_registration)

    def test_use_presence(self) -> None:
        self.assertEqual(parsed(use_presence=False).presence.enabled, "false")
        config = parsed(use_presence=False, presence={"idle_timeout": "1m"})
        self.assertEqual(
            (config.presence.enabled, config.presence.idle_timeout_ms), ("false", 60_000)
        )
        config = parsed(use_presence=False, presence={"enabled": "untracked"})
        self.assertEqual(config.presence.enabled, "untracked")

    def test_wrong_old_values_name_the_old_key(self) -> None:
        for key, value in (
            ("bind_port", "x"),
            ("metrics_port", -1),
            ("rc_messages_per_second", "x"),
            ("federation_rc_window_size", "x"),
            ("disable_registration", "x"),
            ("use_presence", "x"),
        ):
            with self.subTest(key=key):
                self.assertIn(f"{key} is ", error_from(parsed, **{key: value}))

    def test_every_old_key_is_documented(self) -> None:
        text = DOCUMENT.read_text()
        self.assertEqual([key for key in OLD_KEYS if f"``{key}``" not in text], [])
