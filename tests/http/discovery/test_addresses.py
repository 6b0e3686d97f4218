"""Which name means what, before anybody is asked."""

from synapse.http.discovery.addresses import (
    ServerAddress,
    Target,
    addresses_of,
    direct_address,
    parse_server_name,
)
from tests.case import TestCase

DIRECT = [
    # name, host, port, Host, certificate's name
    ("192.0.2.1", "192.0.2.1", 8448, "192.0.2.1", "192.0.2.1"),
    ("192.0.2.1:80", "192.0.2.1", 80, "192.0.2.1:80", "192.0.2.1"),
    ("[2001:DB8::1]", "2001:db8::1", 8448, "[2001:DB8::1]", "2001:db8::1"),
    ("[::1]:443", "::1", 443, "[::1]:443", "::1"),
    ("a.example:443", "a.example", 443, "a.example:443", "a.example"),
    ("A.Example:8448", "a.example", 8448, "A.Example:8448", "a.example"),
]


class AddressesTests(TestCase):
    def test_literals_and_ports_say_all(self) -> None:
        for text, host, port, host_header, tls_name in DIRECT:
            with self.subTest(text=text):
                self.assertEqual(
                    direct_address(parse_server_name(text)),
                    ServerAddress(host, port, host_header, tls_name),
                )

    def test_a_name_without_port_does_not(self) -> None:
        self.assertIsNone(direct_address(parse_server_name("a.example")))

    def test_without_records_the_default_port_is_meant(self) -> None:
        self.assertEqual(
            addresses_of(parse_server_name("a.example"), []),
            (ServerAddress("a.example", 8448, "a.example", "a.example"),),
        )

    def test_the_target_of_a_record_must_prove_to_be_who_points_there(self) -> None:
        self.assertEqual(
            addresses_of(parse_server_name("a.example"), [Target("b", 1), Target("c", 2)]),
            (
                ServerAddress("b", 1, "a.example", "a.example"),
                ServerAddress("c", 2, "a.example", "a.example"),
            ),
        )
