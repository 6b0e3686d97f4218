"""Who is reached through a proxy."""

from synapse.http.client.proxies import Proxies, Proxy
from tests.case import TestCase

PLAIN = Proxy("proxy.example", 1080)
SECURE = Proxy("secure-proxy.example", 3128)

EXCEPTIONS = [
    # exceptions, host, port, goes through the proxy
    ([], "a.example", 443, True),
    (["*"], "a.example", 443, False),
    (["a.example"], "a.example", 443, False),
    (["a.example"], "A.Example.", 443, False),
    (["a.example"], "x.a.example", 443, False),
    (["a.example"], "ba.example", 443, True),
    ([".a.example"], "x.a.example", 443, False),
    (["*.a.example"], "x.a.example", 443, False),
    (["a.example:8448"], "a.example", 8448, False),
    (["a.example:8448"], "a.example", 443, True),
    (["10.0.0.0/8"], "10.1.2.3", 443, False),
    (["10.0.0.0/8"], "11.1.2.3", 443, True),
    (["192.0.2.1"], "192.0.2.1", 443, False),
    (["192.0.2.1:8448"], "192.0.2.1", 443, True),
    (["192.0.2.1:8448"], "192.0.2.1", 8448, False),
    (["::1"], "::1", 443, False),
    (["[::1]"], "::1", 443, False),
    (["2001:db8::/32"], "2001:db8::9", 443, False),
    (["", " ", "."], "a.example", 443, True),
]


class ProxiesTests(TestCase):
    def test_exceptions(self) -> None:
        for exceptions, host, port, proxied in EXCEPTIONS:
            with self.subTest(exceptions=exceptions, host=host, port=port):
                proxies = Proxies(None, SECURE, exceptions)
                self.assertEqual(proxies.for_("https", host, port), SECURE if proxied else None)

    def test_each_scheme_has_its_proxy(self) -> None:
        proxies = Proxies(PLAIN, None)
        self.assertEqual(proxies.for_("http", "a.example", 80), PLAIN)
        self.assertIsNone(proxies.for_("https", "a.example", 443))

    def test_the_password_is_not_shown(self) -> None:
        self.assertNotIn("c2VjcmV0", repr(Proxy("p", 1, authorization="Basic c2VjcmV0")))
