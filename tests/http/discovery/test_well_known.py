"""`/.well-known/matrix/server` of servers that have it, don't have it, or have had it."""

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock

from synapse.http.discovery.well_known import WellKnown
from tests.http.outbound.internet import InternetTestCase
from tests.http.outbound.servers import Server

HOUR = 3600.0


def page(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


DELEGATES = page(b'{"m.server": "b.example:443"}')
OUTAGE = page(b"", "503 Unavailable")

NOTHING = [
    page(b"", "404 Not Found"),
    page(b'{"m.server": "b.example"}', "201 Created"),
    page(b"<html>"),
    page(b'{"m.server": 7}'),
    page(b'{"m.server": ""}'),
    page(b'{"m.server": "b.example/x"}'),
    page(b'{"m.server": "https://b.example"}'),
    page(b'["m.server"]'),
    page(b"{}"),
    page(b'{"m.server": "b.example", "x": "%b"}' % (b"x" * 60_000)),
    page(b"", "302 Found", "Location: http://a.example/x\r\n"),
    page(b"", "302 Found", "Location: /.well-known/matrix/server\r\n"),
    b"nonsense\r\n\r\n",
]


class WellKnownTests(InternetTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.well_known = WellKnown(self.new_client(), self.clock)

    def site(self, *answers: bytes) -> Server:
        return self.server_at("a.example", "192.0.2.1", 443, *answers)

    async def delegate(self) -> str | None:
        return await self.well_known.delegate_of("a.example")

    async def test_a_delegation(self) -> None:
        site = self.site(DELEGATES)
        self.assertEqual(await self.delegate(), "b.example:443")
        self.assertTrue(
            site.requests[0].startswith(
                b"GET /.well-known/matrix/server HTTP/1.1\r\nHost: a.example\r\n"
            )
        )

    async def test_redirections_are_followed(self) -> None:
        self.site(page(b"", "301 Moved", "Location: https://c.example/x\r\n"))
        other = self.server_at("c.example", "192.0.2.3", 443, DELEGATES)
        self.assertEqual(await self.delegate(), "b.example:443")
        self.assertTrue(other.requests[0].startswith(b"GET /x HTTP/1.1\r\n"))

    async def test_what_delegates_to_nobody(self) -> None:
        for answer in NOTHING:
            with self.subTest(answer=answer[:80]):
                self.internet.ports.clear()
                self.well_known = WellKnown(self.new_client(), self.clock)
                self.site(answer)
                self.assertIsNone(await self.delegate())

    async def test_nobody_there_is_no_delegation(self) -> None:
        self.assertIsNone(await self.delegate())

    async def test_another_certificate_is_no_delegation(self) -> None:
        self.server_at("a.example", "192.0.2.1", 443, DELEGATES, proves="c.example")
        self.assertIsNone(await self.delegate())

    async def test_a_delegation_is_remembered_for_a_day(self) -> None:
        site = self.site(DELEGATES)
        await self.delegate()
        self.clock.advance(24 * HOUR - 1)
        await self.delegate()
        self.assertEqual(len(site.requests), 1)
        self.clock.advance(1)
        await self.delegate()
        self.assertEqual(len(site.requests), 2)

    async def test_those_who_ask_at_once_share_one_request(self) -> None:
        site = self.site(DELEGATES)
        asked = [Deferred.fromCoroutine(self.delegate()) for _ in range(5)]
        self.assertEqual(await gatherResults(asked), ["b.example:443"] * 5)
        self.assertEqual(len(site.requests), 1)

    async def test_one_who_goes_away_does_not_stop_the_others(self) -> None:
        self.site(DELEGATES)
        first, second = (Deferred.fromCoroutine(self.delegate()) for _ in range(2))
        first.addErrback(lambda _: None)
        first.cancel()
        self.assertEqual(await second, "b.example:443")

    async def test_failures_are_remembered_for_longer_each_time(self) -> None:
        site = self.site(page(b"", "404 Not Found"))
        for wait_s in (60, 120, 240):
            await self.delegate()
            before = len(site.requests)
            self.clock.advance(wait_s - 1)
            await self.delegate()
            self.assertEqual(len(site.requests), before)
            self.clock.advance(1)

    async def test_an_outage_does_not_end_a_delegation_before_two_days(self) -> None:
        self.site(DELEGATES, OUTAGE)
        await self.delegate()
        self.clock.advance(24 * HOUR)
        self.assertEqual(await self.delegate(), "b.example:443")
        self.clock.advance(23 * HOUR)
        self.assertEqual(await self.delegate(), "b.example:443")
        self.clock.advance(HOUR)
        self.assertIsNone(await self.delegate())

    async def test_waiting_after_failures_does_not_prolong_a_delegation(self) -> None:
        self.site(DELEGATES, OUTAGE)
        await self.delegate()
        self.clock.advance(24.5 * HOUR)
        for _ in range(23):
            await self.delegate()
            self.clock.advance(HOUR)
        self.assertEqual(await self.delegate(), "b.example:443")
        self.clock.advance(0.75 * HOUR)
        self.assertIsNone(await self.delegate())

    async def test_a_file_that_is_gone_ends_a_delegation(self) -> None:
        self.site(DELEGATES, page(b"", "404 Not Found"))
        await self.delegate()
        self.clock.advance(24 * HOUR)
        self.assertIsNone(await self.delegate())
