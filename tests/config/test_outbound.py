"""Requests to other servers: ranges of addresses, and proxies."""

from ipaddress import ip_network
from unittest import TestCase

from synapse.config.errors import ConfigError
from synapse.config.files import Settings
from synapse.config.outbound import OutboundConfig, ProxyAddress
from synapse.config.parser import parse
from tests.config.builders import QUIET, error_of, parsed, parsed_with_warnings


def with_environment(environ: dict[str, str], **values: object) -> OutboundConfig:
    return parse(Settings(values={**QUIET, **values}), environ=environ).outbound


PROXIES = [
    ("proxy.example", ProxyAddress("proxy.example", 1080)),
    ("proxy.example:3128", ProxyAddress("proxy.example", 3128)),
    ("http://proxy.example:3128/", ProxyAddress("proxy.example", 3128)),
    ("https://10.0.0.1", ProxyAddress("10.0.0.1", 1080, uses_tls=True)),
    ("http://[::1]:3128", ProxyAddress("::1", 3128)),
    ("u:p%40x@proxy.example", ProxyAddress("proxy.example", 1080, False, "u", "p@x")),
    ("http://u@proxy.example", ProxyAddress("proxy.example", 1080, False, "u", None)),
]


class OutboundTest(TestCase):
    def test_ranges(self) -> None:
        config = parsed(ip_range_blacklist=["10.0.0.0/8", "192.0.2.7", "10.1.2.3/16", "fd00::/8"])
        self.assertEqual(
            config.outbound.ip_range_blacklist,
            tuple(
                ip_network(text)
                for text in ("10.0.0.0/8", "192.0.2.7/32", "10.1.0.0/16", "fd00::/8")
            ),
        )

    def test_federation_has_a_list_of_its_own_only_if_given(self) -> None:
        self.assertIsNone(parsed().federation.federation_ip_range_blacklist)
        self.assertEqual(
            parsed(federation_ip_range_blacklist=[]).federation.federation_ip_range_blacklist, ()
        )

    def test_no_range_at_all_may_be_blocked(self) -> None:
        self.assertEqual(parsed(ip_range_blacklist=[]).outbound.ip_range_blacklist, ())

    def test_a_faulty_range_is_named(self) -> None:
        self.assertEqual(
            error_of(ip_range_blacklist=["10.0.0.0/8", "10.0.0.0/99"]),
            'ip_range_blacklist[1] is "10.0.0.0/99", but must be a range of IP addresses, or one '
            'address; for example: "192.168.0.0/16"',
        )

    def test_proxies(self) -> None:
        for text, proxy in PROXIES:
            with self.subTest(text=text):
                self.assertEqual(parsed(https_proxy=text).outbound.https_proxy, proxy)

    def test_a_faulty_proxy_is_named_but_not_shown(self) -> None:
        for text in ("socks5://u:hidden@p", "http://", "u:hidden@p:x", "http://p/hidden", 7, "p p"):
            with self.subTest(text=text):
                error = error_of(http_proxy=text)
                self.assertIn("http_proxy has a value that isn't shown", error)
                self.assertNotIn("hidden", error)

    def test_the_environment_says_what_the_configuration_does_not(self) -> None:
        environ = {"HTTP_PROXY": "a:1", "https_proxy": "b:2", "no_proxy": "x.example, 10.0.0.0/8"}
        config = with_environment(environ, https_proxy="c:3")
        self.assertEqual(config.http_proxy, ProxyAddress("a", 1))
        self.assertEqual(config.https_proxy, ProxyAddress("c", 3))
        self.assertEqual(config.no_proxy_hosts, ("x.example", "10.0.0.0/8"))

    def test_a_faulty_variable_is_named(self) -> None:
        with self.assertRaises(ConfigError) as raised:
            with_environment({"http_proxy": "u:hidden@"})
        self.assertIn("environment variable http_proxy has a value", str(raised.exception))

    def test_nothing_is_unknown(self) -> None:
        _, warnings = parsed_with_warnings(
            ip_range_blacklist=[],
            ip_range_whitelist=[],
            federation_ip_range_blacklist=[],
            http_proxy="p",
            https_proxy="p",
            no_proxy_hosts=[],
        )
        self.assertEqual(warnings, [])
