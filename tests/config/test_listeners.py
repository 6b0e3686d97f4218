"""Listeners in all the ways in which deployments write them."""

import os
from unittest import TestCase

from synapse.config.listeners import ListenerConfig
from tests.config.builders import error_of, parsed, parsed_with_warnings

CLIENT = [{"names": ["client"]}]

ERRORS: list[tuple[object, str]] = [
    ("8008", "listeners is"),
    ([5], "listeners[0] is 5, but must be a mapping"),
    ([{"port": "http"}], 'listeners[0].port is "http", but must be a whole number from 1 to 65535'),
    ([{"port": 70000}], "listeners[0].port is 70000"),
    ([{"type": "http"}], "listeners[0] must have either port or path"),
    ([{"port": 1, "path": "/s"}], "listeners[0] must have either port or path"),
    ([{"path": "/s", "tls": True}], "a Unix socket has no TLS"),
    ([{"port": 1, "bind_addresses": []}], "listeners[0] has no bind_addresses"),
    ([{"port": 1, "bind_address": "a", "bind_addresses": ["b"]}], "keep only one"),
    ([{"port": 1, "type": "ftp"}], 'listeners[0].type is "ftp", but must be one of http, metrics'),
    ([{"port": 1, "resources": [{"names": [5]}]}], "listeners[0].resources[0].names[0] is 5"),
    ([{"port": 1, "resources": ["client"]}], "listeners[0].resources[0] is"),
    ([{"path": "/s", "mode": "999"}], "listeners[0].mode is"),
    ([{"port": 1, "request_id_header": "a b"}], "listeners[0].request_id_header is"),
]


def listener(**values: object) -> ListenerConfig:
    return parsed(listeners=[{"port": 8008, "resources": CLIENT, **values}]).listeners[0]


class ListenerTest(TestCase):
    def test_errors_name_the_listener(self) -> None:
        for value, expected in ERRORS:
            with self.subTest(value=value):
                self.assertIn(expected, error_of(listeners=value))

    def test_addresses_in_every_form(self) -> None:
        for values, addresses in (
            ({}, ("::", "0.0.0.0")),
            ({"bind_addresses": ["::1", "127.0.0.1"]}, ("::1", "127.0.0.1")),
            ({"bind_addresses": "::1"}, ("::1",)),
            ({"bind_address": "127.0.0.1"}, ("127.0.0.1",)),
            ({"bind_address": ""}, ("::", "0.0.0.0")),
        ):
            with self.subTest(values=values):
                self.assertEqual(listener(**values).bind_addresses, addresses)

    def test_booleans_may_be_words(self) -> None:
        self.assertTrue(listener(x_forwarded="yes").x_forwarded)

    def test_unix_socket_has_a_path_and_a_mode(self) -> None:
        for mode, number in (("660", 0o660), ("0o660", 0o660), (0o660, 0o660)):
            with self.subTest(mode=mode):
                unix = listener(port=None, path="sock", mode=mode)
                self.assertEqual((unix.path, unix.mode), (os.path.abspath("sock"), number))

    def test_tag_is_the_port_or_the_path_unless_given(self) -> None:
        self.assertEqual(listener().site_tag, "8008")
        self.assertEqual(listener(port=None, path="/sock").site_tag, "/sock")
        self.assertEqual(listener(tag="inner").site_tag, "inner")

    def test_names_are_those_of_all_resources(self) -> None:
        resources = [{"names": ["client", "health"]}, {"names": "client", "compress": True}]
        made = listener(resources=resources)
        self.assertEqual(made.names(), ("client", "health"))
        self.assertTrue(made.resources[1].compress)

    def test_resources_that_nobody_serves_are_named_once(self) -> None:
        resources = [{"names": ["client", "media", "consent", "clinet"]}]
        _, warnings = parsed_with_warnings(
            listeners=[{"port": 1, "resources": resources}, {"port": 2, "resources": resources}]
        )
        self.assertEqual(len(warnings), 2)
        self.assertIn("listeners name resources that this version doesn't serve: media, consent",
                      warnings[0])  # fmt: skip
        self.assertIn("listeners name unknown resources: clinet", warnings[1])

    def test_manhole_is_left_out_with_a_warning(self) -> None:
        config, warnings = parsed_with_warnings(
            listeners=[{"port": 9000, "type": "manhole"}, {"port": 1, "resources": CLIENT}]
        )
        self.assertEqual([made.port for made in config.listeners], [1])
        self.assertIn("listeners[0] is of type manhole", warnings[0])

    def test_additional_resources_are_ignored_with_a_warning(self) -> None:
        _, warnings = parsed_with_warnings(
            listeners=[{"port": 1, "resources": CLIENT, "additional_resources": {"/x": {}}}]
        )
        self.assertEqual(
            warnings, ["listeners[0] key not supported yet, ignored: additional_resources"]
        )

    def test_listener_without_resources_is_warned_about(self) -> None:
        _, warnings = parsed_with_warnings(listeners=[{"port": 1}])
        self.assertIn("listeners[0] has no resources", warnings[0])
