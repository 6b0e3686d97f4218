"""What a URL says: where to connect, and what to ask for."""

from synapse.http.client.errors import RequestFailed, Step
from synapse.http.client.urls import Url, parse_url
from tests.case import TestCase

URLS = [
    # text, scheme, host, port, target, Host (None: the host)
    ("http://a.example", "http", "a.example", 80, "/", "a.example"),
    ("HTTPS://A.Example:443/x?y=1#z", "https", "a.example", 443, "/x?y=1", "a.example"),
    ("http://a.example:8080/", "http", "a.example", 8080, "/", "a.example:8080"),
    ("https://[2001:DB8::1]/x", "https", "2001:db8::1", 443, "/x", "[2001:db8::1]"),
    ("https://[::1]:8448/", "https", "::1", 8448, "/", "[::1]:8448"),
    ("http://192.0.2.1/%41/ü b?q=ö", "http", "192.0.2.1", 80, "/%41/%C3%BC%20b?q=%C3%B6", None),
    ("https://bücher.example/", "https", "xn--bcher-kva.example", 443, "/", None),
    ("http://a.example/?", "http", "a.example", 80, "/", "a.example"),
    ("http://a_b.example.?x", "http", "a_b.example.", 80, "/?x", "a_b.example."),
]  # fmt: skip

FAULTY = [
    "", "a.example", "/path", "ftp://a.example/", "file:///etc/passwd", "http://", "http:///x",
    "http://a.example:0/", "http://a.example:99999/", "http://a.example:x/", "http://[::1/",
    "http://user:secret@a.example/", "http://user@a.example/", "http://a b.example/",
    "http://a.example\\@b.example/", "http://[fe80::1%25eth0]/", "http://" + "a" * 300 + "/",
    "http://-a.example/", "http://a.example/" + "x" * 9000, "http://\u30fc\u202e/", "http://a%00b/",
    "http://a.example/\ud800",
]  # fmt: skip


class UrlTests(TestCase):
    def test_the_parts_of_urls(self) -> None:
        for text, scheme, host, port, target, authority in URLS:
            with self.subTest(text=text):
                url = parse_url(text)
                self.assertEqual(url, Url(scheme, host, port, target))
                self.assertEqual(url.authority, authority or host)

    def test_faulty_urls_are_named(self) -> None:
        for text in FAULTY:
            with self.subTest(text=text), self.assertRaises(RequestFailed) as raised:
                parse_url(text)
            self.assertEqual(raised.exception.step, Step.REQUEST)
            self.assertNotIn("secret", str(raised.exception))

    def test_where_a_location_leads(self) -> None:
        url = parse_url("https://a.example/x/y?z=1")
        for location, whole in [
            ("/w", "https://a.example/w"),
            ("w", "https://a.example/x/w"),
            ("//b.example/", "https://b.example/"),
            ("http://c.example:81/v?u", "http://c.example:81/v?u"),
            ("?q", "https://a.example/x/y?q"),
        ]:
            with self.subTest(location=location):
                joined = url.joined(location)
                self.assertEqual(joined.origin + joined.target, whole)

    def test_a_location_that_leads_nowhere_is_a_faulty_redirection(self) -> None:
        url = parse_url("https://a.example/x/y?z=1")
        for location in ("ftp://a.example/", "http://[", "javascript:alert(1)"):
            with self.subTest(location=location), self.assertRaises(RequestFailed) as raised:
                url.joined(location)
            self.assertEqual(raised.exception.step, Step.REDIRECT)
