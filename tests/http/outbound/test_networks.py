"""Which addresses are blocked."""

from ipaddress import ip_network

from synapse.config.outbound import OutboundConfig
from synapse.http.client.networks import IpRules
from tests.case import TestCase

DEFAULT = [
    # address, allowed by the default list
    ("127.0.0.1", False),
    ("127.255.0.9", False),
    ("10.0.0.1", False),
    ("172.16.0.1", False),
    ("172.32.0.1", True),
    ("192.168.1.1", False),
    ("100.64.0.1", False),
    ("169.254.169.254", False),
    ("224.0.0.1", False),
    ("0.0.0.0", False),
    ("93.184.216.34", True),
    ("::", False),
    ("::1", False),
    ("fe80::1", False),
    ("fe80::1%2", False),
    ("fd00::1", False),
    ("ff02::1", False),
    ("2001:db8::1", False),
    ("2606:4700::1111", True),
    ("::ffff:127.0.0.1", False),
    ("::ffff:7f00:1", False),
    ("::ffff:93.184.216.34", True),
    ("64:ff9b::7f00:1", False),
    ("64:ff9b::5db8:d822", True),
    ("2002:7f00:1::", False),
    ("not an address", False),
]


class IpRulesTests(TestCase):
    def test_the_default_list(self) -> None:
        rules = IpRules(OutboundConfig().ip_range_blacklist)
        for address, allowed in DEFAULT:
            with self.subTest(address=address):
                self.assertEqual(rules.allows(address), allowed)

    def test_an_exception_wins(self) -> None:
        rules = IpRules([ip_network("10.0.0.0/8")], [ip_network("10.1.0.0/16")])
        for address, allowed in [
            ("10.1.2.3", True),
            ("10.2.2.3", False),
            ("::ffff:10.1.2.3", True),
            ("64:ff9b::a02:203", False),
        ]:
            with self.subTest(address=address):
                self.assertEqual(rules.allows(address), allowed)

    def test_what_is_no_address_is_blocked_even_without_a_list(self) -> None:
        self.assertFalse(IpRules().allows("0.0.0.0"))
        self.assertTrue(IpRules().allows("127.0.0.1"))
