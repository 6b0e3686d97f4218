"""The line that every request leaves."""

import logging
import re

from synapse.http.access_log import AccessLog, without_token
from tests.case import TestCase
from tests.http.client import FakeSite
from tests.http.resources import Poll, router

LINE = re.compile(
    r"(?P<ip>\S+) - (?P<tag>\S+) - \{(?P<user>.*?)\} Processed request: "
    r"[\d.]+sec/[\d.]+sec \([\d.]+sec, [\d.]+sec\) \([\d.]+sec/[\d.]+sec/\d+\) "
    r'(?P<bytes>\d+)B (?P<status>!?\d+) "(?P<request>.*)" "(?P<agent>.*)" \[0 dbevts\]'
)


class AccessLogTests(TestCase):
    def setUp(self) -> None:
        self.poll = Poll()
        self.site = FakeSite(router(self.poll))

    def line(self, *args: str, **headers: str) -> dict[str, str]:
        with self.assertLogs("synapse.access.http.test", "INFO") as logs:
            self.site.request(*args, headers=headers)
        (record,) = logs.records
        match = LINE.fullmatch(record.getMessage())
        assert match is not None, record.getMessage()
        return match.groupdict()

    def test_one_line_for_each_request(self) -> None:
        line = self.line("GET", "/echo?q=1", **{"User-Agent": "curl"})
        self.assertEqual((line["ip"], line["tag"], line["agent"]), ("192.0.2.7", "test", "curl"))
        self.assertEqual((line["status"], line["request"]), ("200", "GET /echo?q=1 HTTP/1.1"))
        self.assertGreater(int(line["bytes"]), 0)

    def test_errors_too(self) -> None:
        self.assertEqual(self.line("GET", "/nowhere")["status"], "404")
        self.assertEqual(self.line("DELETE", "/echo")["status"], "405")

    def test_tokens_stay_out_of_it(self) -> None:
        for name in ("access_token", "access%5Ftoken", "ACCESS_TOKEN"):
            line = self.line("GET", f"/echo?q=1&{name}=secret&x=2")
            self.assertNotIn("secret", line["request"])
            self.assertIn("q=1", line["request"])
        self.assertEqual(without_token("/a?b=c"), "/a?b=c")

    def test_a_client_cannot_forge_lines(self) -> None:
        line = self.line("GET", "/echo", **{"User-Agent": 'x" 200 "\tother'})
        self.assertNotIn('"', line["agent"])
        self.assertNotIn("\t", line["agent"])

    def test_who_left_before_the_answer_is_marked(self) -> None:
        with self.assertLogs("synapse.access.http.test", "INFO") as logs:
            self.site.start("GET", "/poll").hang_up()
        self.assertIn("B !", logs.records[0].getMessage())

    def test_nothing_is_measured_when_nobody_reads_it(self) -> None:
        log = AccessLog("quiet")
        logger = logging.getLogger("synapse.access.http.quiet")
        logger.setLevel(logging.WARNING)
        self.assertFalse(log.wanted)
        logger.setLevel(logging.INFO)
        self.assertTrue(log.wanted)


class ForwardedTests(TestCase):
    def ip(self, header: str | None, *, trusted: bool = True) -> str:
        site = FakeSite(router(), x_forwarded=trusted)
        headers = {} if header is None else {"X-Forwarded-For": header}
        return str(site.request("GET", "/echo", headers=headers).json["ip"])

    def test_the_proxy_says_who_the_client_is(self) -> None:
        for header, ip in (
            ("198.51.100.1", "198.51.100.1"),
            ("198.51.100.1, 10.0.0.1", "198.51.100.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("198.51.100.1:5000", "198.51.100.1"),
            ("nobody", "192.0.2.7"),
            ("", "192.0.2.7"),
            (None, "192.0.2.7"),
        ):
            with self.subTest(header=header):
                self.assertEqual(self.ip(header), ip)

    def test_others_are_not_believed(self) -> None:
        self.assertEqual(self.ip("198.51.100.1", trusted=False), "192.0.2.7")

    def test_request_ids_of_the_proxy(self) -> None:
        site = FakeSite(router(), request_id_header="X-Request-ID")
        answer = site.request("GET", "/echo", headers={"X-Request-ID": "abc-1"})
        self.assertEqual(answer.json["id"], "GET-abc-1")
        for bad in ("", "x" * 200, "a b"):
            answer = site.request("GET", "/echo", headers={"X-Request-ID": bad})
            self.assertRegex(answer.json["id"], r"^GET-\d+$")


class CompressionTests(TestCase):
    def test_long_texts_are_compressed_for_who_takes_it(self) -> None:
        site = FakeSite(router(), compress=True)
        long = "/echo?q=" + "x" * 3000
        for accepts, compressed in (("gzip, deflate", True), ("gzip;q=0", False), ("br", False)):
            answer = site.request("GET", long, headers={"Accept-Encoding": accepts})
            self.assertEqual("content-encoding" in answer.headers, compressed, accepts)
        answer = site.request("GET", "/echo", headers={"Accept-Encoding": "gzip"})
        self.assertNotIn("content-encoding", answer.headers)
