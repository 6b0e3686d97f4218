"""The whole configuration: errors, warnings, and what one section means for another."""

import os
from unittest import TestCase

from synapse.config.caches import CachesConfig
from synapse.config.files import Settings
from synapse.config.homeserver import HomeserverConfig
from synapse.config.known_keys import FOR_SYNCTL, NOT_SUPPORTED_YET, OBSOLETE
from synapse.config.old_forms import OLD_KEYS
from synapse.config.parser import parse, parse_values, top_level_keys
from synapse.config.ratelimiting import RateLimit
from synapse.config.server import ServerConfig
from tests.config.builders import InDirectory, error_from, error_of, parsed, parsed_with_warnings

TLS_LISTENER = {"port": 8448, "tls": True, "resources": [{"names": ["client"]}]}

# The values given besides a good configuration, and what the error says.
ERRORS: list[tuple[dict[str, object], str]] = [
    ({"server_name": None}, "server_name is missing: it must be a server name"),
    ({"server_name": "no spaces"}, 'server_name is "no spaces", but must be a server name'),
    ({"bcrypt_rounds": 3}, "bcrypt_rounds is 3, but must be a whole number from 4 to 31"),
    ({"rc_login": {"address": {"per_second": "fast"}}}, 'rc_login.address.per_second is "fast"'),
    ({"rc_message": 5}, "rc_message is 5, but must be a mapping"),
    ({"database": {"name": "postgres"}}, "database.name is"),
    ({"database": {"args": {"database": 5}}}, "database.args.database is 5"),
    ({"database": {"args": {"database": ""}}}, 'database.args.database is ""'),
    (
        {"database": {"name": "psycopg2", "args": {"cp_min": 9, "cp_max": 3}}},
        "database.args.cp_min is 9, more than cp_max: 3",
    ),
    ({"database": {"name": "psycopg2", "args": {"cp_max": 0}}}, "database.args.cp_max is 0"),
    ({"daemonize": True}, "daemonize is true, but pid_file is not given"),
    ({"listeners": [TLS_LISTENER]}, "listeners[0].tls is true, but tls_certificate_path"),
    (
        {"listeners": [TLS_LISTENER], "tls_certificate_path": "/x"},
        "listeners[0].tls is true, but tls_private_key_path",
    ),
    (
        {"enable_registration": True},
        "add: enable_registration_without_verification: true",
    ),
    ({"default_room_version": "13"}, 'default_room_version is "13", but must be one of 1, 2'),
    ({"exclude_rooms_from_sync": ["#alias:a"]}, 'exclude_rooms_from_sync[0] is "#alias:a"'),
    ({"auto_join_rooms": "#a:b"}, "auto_join_rooms is"),
    (
        {"room_prejoin_state": {"additional_event_types": [["a", "b", "c"]]}},
        "room_prejoin_state.additional_event_types[0] is a list",
    ),
    (
        {"well_known_support": {"contacts": [{"role": "m.role.admin"}]}},
        "well_known_support.contacts[0] has neither matrix_id nor email_address",
    ),
    (
        {"retention": {"allowed_lifetime_min": "2d", "allowed_lifetime_max": "1d"}},
        "retention has an allowed_lifetime_min above allowed_lifetime_max",
    ),
    (
        {"retention": {"default_policy": {"min_lifetime": "2d", "max_lifetime": "1d"}}},
        "retention has a default_policy whose min_lifetime is above its max_lifetime",
    ),
    (
        {"retention": {"purge_jobs": [{"interval": 0}]}},
        "retention.purge_jobs[0].interval is 0",
    ),
    (
        {
            "retention": {
                "purge_jobs": [{"shortest_max_lifetime": "2d", "longest_max_lifetime": "1d"}]
            }
        },
        "retention.purge_jobs[0] has a shortest_max_lifetime above its longest_max_lifetime",
    ),
    ({"extra_well_known_client_content": []}, "extra_well_known_client_content is a list"),
]


class ErrorTest(TestCase):
    def test_errors_name_the_key_and_what_is_wrong(self) -> None:
        for values, expected in ERRORS:
            with self.subTest(values=values):
                self.assertIn(expected, error_of(**values))

    def test_error_begins_with_the_file_that_has_the_key(self) -> None:
        settings = Settings(
            values={"server_name": "a", "bcrypt_rounds": "x"},
            files={"server_name": "one.yaml", "bcrypt_rounds": "two.yaml"},
            last_file="three.yaml",
        )
        self.assertTrue(error_from(parse, settings).startswith("two.yaml: bcrypt_rounds is"))

    def test_secrets_are_never_shown(self) -> None:
        for values in (
            {"registration_shared_secret": ["hush"]},
            {"password_config": {"pepper": 41914191}},
            {"signing_key": 41914191},
            {"database": {"name": "psycopg2", "args": [{"password": "hush"}]}},
        ):
            with self.subTest(values=values):
                self.assertNotRegex(error_of(**values), "hush|4191")

    def test_secrets_are_not_in_the_representation(self) -> None:
        config = parsed(
            registration_shared_secret="hush",
            macaroon_secret_key="hush",
            form_secret="hush",
            signing_key="hush",
            password_config={"pepper": "hush"},
            database={"name": "psycopg2", "args": {"password": "hush"}},
        )
        self.assertNotIn("hush", repr(config))


class WarningTest(TestCase):
    def test_quiet_configuration_has_no_warnings(self) -> None:
        self.assertEqual(parsed_with_warnings()[1], [])

    def test_synapses_other_keys_are_named_in_one_line(self) -> None:
        _, warnings = parsed_with_warnings(media_store_path="/m", send_federation=True, redis={})
        self.assertEqual(
            warnings,
            ["keys not supported yet, ignored: media_store_path, send_federation, redis"],
        )

    def test_unknown_key_gets_a_suggestion(self) -> None:
        for wrong, right in (
            ("sever_name", "server_name"),
            ("enable_registraton", "enable_registration"),
            ("rc_mesage", "rc_message"),
            ("url_preview_enable", "url_preview_enabled"),
        ):
            with self.subTest(key=wrong):
                _, warnings = parsed_with_warnings(**{wrong: 1})
                self.assertEqual(
                    warnings, [f"{wrong} is not a known key, ignored; did you mean {right}?"]
                )

    def test_unknown_key_inside_a_section_is_named_with_its_path(self) -> None:
        _, warnings = parsed_with_warnings(
            password_config={"policy": {"minimum_lenght": 8}}, caches={"expire_caches": True}
        )
        self.assertEqual(
            warnings,
            [
                "caches key not supported yet, ignored: expire_caches",
                "password_config.policy.minimum_lenght is not a known key, ignored; "
                "did you mean minimum_length?",
            ],
        )

    def test_obsolete_keys_are_called_so(self) -> None:
        _, warnings = parsed_with_warnings(tls_fingerprints=[])
        self.assertEqual(warnings, ["key no longer needed, ignored: tls_fingerprints"])

    def test_keys_for_synctl_are_no_news(self) -> None:
        self.assertEqual(parsed_with_warnings(synctl_cache_factor=0.5)[1], [])

    def test_server_without_listeners_is_warned_about(self) -> None:
        _, warnings = parsed_with_warnings(listeners=[])
        self.assertIn("nobody can connect", warnings[0])

    def test_no_key_is_both_read_and_unread(self) -> None:
        read = {*top_level_keys(), *OLD_KEYS}
        self.assertEqual(read & (NOT_SUPPORTED_YET | OBSOLETE | FOR_SYNCTL), set())
        self.assertEqual(NOT_SUPPORTED_YET & OBSOLETE, set())


class SectionTest(TestCase):
    def test_defaults_are_those_of_the_classes(self) -> None:
        config = parse_values({"server_name": "example.com"})
        made = HomeserverConfig(server=ServerConfig(server_name="example.com"))
        for section in ("server", "registration", "passwords", "rate_limits", "rooms", "tls"):
            with self.subTest(section=section):
                self.assertEqual(getattr(config, section), getattr(made, section))

    def test_null_means_the_default(self) -> None:
        self.assertEqual(parsed(bcrypt_rounds=None).registration.bcrypt_rounds, 12)

    def test_public_baseurl_comes_from_the_server_name(self) -> None:
        self.assertEqual(parsed().server.public_baseurl, "https://example.com/")

    def test_signing_key_lies_beside_the_configuration(self) -> None:
        config = parse(Settings(values={"server_name": "a.b"}), config_directory="/etc/m")
        self.assertEqual(config.keys.signing_key_path, "/etc/m/a.b.signing.key")

    def test_part_of_a_rate_limit_keeps_the_rest_of_that_limit(self) -> None:
        limits = parsed(rc_login={"address": {"per_second": 1}}).rate_limits
        self.assertEqual(limits.rc_login.address, RateLimit(per_second=1, burst_count=5))
        self.assertEqual(limits.rc_login.account, RateLimit(per_second=0.003, burst_count=5))

    def test_sqlite_path_is_absolute_except_in_memory(self) -> None:
        for given, path in (
            ({"args": {"database": ":memory:"}}, ":memory:"),
            ({"args": {"database": "x.db"}}, os.path.abspath("x.db")),
            ({"name": "sqlite3"}, os.path.abspath("homeserver.db")),
        ):
            with self.subTest(given=given):
                self.assertEqual(parsed(database=given).database.sqlite_path, path)

    def test_pool_size_is_no_argument_of_libpq(self) -> None:
        args = {"host": "db", "cp_min": 2, "cp_max": 20, "cp_reconnect": True}
        database = parsed(database={"name": "psycopg2", "args": args}).database
        self.assertEqual((database.cp_min, database.cp_max), (2, 20))
        self.assertEqual(database.args, {"host": "db"})

    def test_no_tls_leaves_out_listeners_with_tls(self) -> None:
        plain = {"port": 8008, "resources": [{"names": ["client"]}]}
        config = parsed(listeners=[plain, TLS_LISTENER], no_tls="true")
        self.assertEqual([listener.port for listener in config.listeners], [8008])

    def test_mailto_contact_becomes_the_support_contact(self) -> None:
        (contact,) = parsed(admin_contact="mailto:me@example.com").server.support_contacts
        self.assertEqual(contact.email_address, "me@example.com")
        self.assertEqual(parsed(admin_contact="https://x").server.support_contacts, ())


class RegistrationTest(TestCase):
    def test_registration_opens_when_confirmed(self) -> None:
        config = parsed(enable_registration="yes", enable_registration_without_verification=1)
        self.assertTrue(config.registration.enable_registration)

    def test_registration_stays_closed_when_newcomers_must_show_what_we_cannot_ask(self) -> None:
        for key, value in (
            ("registration_requires_token", True),
            ("enable_registration_captcha", "true"),
            ("registrations_require_3pid", ["email"]),
        ):
            with self.subTest(key=key):
                config, warnings = parsed_with_warnings(
                    enable_registration=True,
                    enable_registration_without_verification=True,
                    **{key: value},
                )
                self.assertFalse(config.registration.enable_registration)
                self.assertIn(f"registration stays closed: {key} is set", warnings[-1])


class SecretFileTest(InDirectory):
    def test_secret_comes_from_a_file(self) -> None:
        path = self.write("secret", " hush\n")
        config = parsed(registration_shared_secret_path=path)
        self.assertEqual(config.registration.registration_shared_secret, "hush")

    def test_unusable_secret_files_are_errors(self) -> None:
        empty, binary = self.write("empty", " \n"), self.write("binary", b"\xff")
        for value, expected in (
            ("/nowhere", "can't be read: No such file"),
            (empty, "which is empty"),
            (binary, "it isn't UTF-8"),
            (5, "form_secret_path is 5"),
        ):
            with self.subTest(value=value):
                self.assertIn(expected, error_of(form_secret_path=value))

    def test_secret_given_twice_is_an_error(self) -> None:
        error = error_of(form_secret="x", form_secret_path="y")
        self.assertIn("form_secret and form_secret_path are both given", error)


class CacheFactorTest(TestCase):
    def factors(self, environ: dict[str, str], **caches: object) -> CachesConfig:
        values: dict[str, object] = {"server_name": "example.com", "caches": caches}
        return parse(Settings(values=values), environ=environ).caches

    def test_environment_goes_before_the_file(self) -> None:
        caches = self.factors(
            {"SYNAPSE_CACHE_FACTOR": "2", "SYNAPSE_CACHE_FACTOR_GET_USERS": "3.5", "PATH": "x"},
            global_factor=0.1,
            per_cache_factors={"get_users": 1, "*other*": 7},
        )
        self.assertEqual(caches.factor("anything"), 2)
        self.assertEqual(caches.factor("get_users"), 3.5)
        self.assertEqual(caches.factor("other"), 7)

    def test_wrong_variable_is_an_error_that_names_it(self) -> None:
        error = error_from(self.factors, {"SYNAPSE_CACHE_FACTOR": "big"})
        self.assertIn('environment variable SYNAPSE_CACHE_FACTOR is "big"', error)
