"""Order, deadlines, back-pressure and hanging up."""

from collections.abc import AsyncIterator
from unittest import TestCase

from twisted.internet.defer import Deferred

from synapse.http.limits import Limits
from synapse.http.response import Response
from tests.http.client import FakeSite
from tests.http.resources import Poll, router, site

GET = b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"
POLL = b"GET /poll HTTP/1.1\r\nHost: a\r\n\r\n"


class OrderTests(TestCase):
    def test_pipelined_requests_are_answered_one_at_a_time_and_in_order(self) -> None:
        poll = Poll()
        connection = site(poll).connect()
        connection.send(b"GET /echo?q=1 HTTP/1.1\r\nHost: a\r\n\r\n" + POLL + POLL)
        connection.send(b"GET /echo?q=2 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(len(poll.waiting), 1)
        self.assertEqual([a.json["query"] for a in connection.answers()], ["1"])
        poll.waiting[0].callback({"query": "first"})
        self.assertEqual(len(poll.waiting), 2)
        poll.waiting[1].callback({"query": "second"})
        queries = [a.json["query"] for a in connection.answers()]
        self.assertEqual(queries, ["1", "first", "second", "2"])

    def test_bad_request_is_answered_after_the_good_ones_before_it(self) -> None:
        connection = site().connect()
        connection.send(GET + b"nonsense\r\n\r\n" + GET)
        self.assertEqual([a.status for a in connection.answers()], [200, 405])

    def test_nothing_after_a_last_request_is_answered(self) -> None:
        connection = site().connect()
        connection.send(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
        self.assertEqual(len(connection.answers()), 1)
        self.assertTrue(connection.closed)

    def test_reading_pauses_when_too_much_is_sent_ahead(self) -> None:
        poll = Poll()
        connection = site(poll).connect()
        connection.send(POLL)
        for _ in range(120):
            connection.send(GET * 20)
        self.assertTrue(connection.reading_paused)
        poll.waiting[0].callback({})
        self.assertFalse(connection.reading_paused)
        self.assertEqual(len(connection.answers()), 2401)


class SlowReaderTests(TestCase):
    """Who asks without reading the answers must not fill the server's memory with them."""

    def test_no_further_request_is_answered_until_the_client_reads(self) -> None:
        fake = site()
        connection = fake.connect()
        connection.is_full = True
        connection.send(GET * 3)
        connection.send(GET)
        self.assertEqual(len(connection.answers()), 1)
        connection.drain()
        self.assertEqual(len(connection.answers()), 4)

    def test_what_it_sends_meanwhile_is_bounded(self) -> None:
        connection = site().connect()
        connection.is_full = True
        for _ in range(120):
            connection.send(GET * 20)
        self.assertTrue(connection.reading_paused)
        self.assertEqual(len(connection.answers()), 1)
        connection.drain()
        self.assertFalse(connection.reading_paused)
        self.assertEqual(len(connection.answers()), 2400)

    def test_it_is_cut_off_at_last(self) -> None:
        fake = site()
        connection = fake.connect()
        connection.is_full = True
        connection.send(GET * 2)
        fake.clock.pump([2] * 29)
        self.assertFalse(connection.closed)
        fake.clock.pump([2] * 2)
        self.assertTrue(connection.aborted)

    def test_an_idle_deadline_follows_when_it_has_read(self) -> None:
        fake = site()
        connection = fake.connect()
        connection.is_full = True
        connection.send(GET)
        connection.drain()
        fake.clock.pump([2] * 36)
        self.assertFalse(connection.closed)
        fake.clock.pump([2] * 3)
        self.assertTrue(connection.closed)
        self.assertFalse(connection.aborted)


class ContinueTests(TestCase):
    HEAD = b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"

    def test_client_that_asks_is_told_to_go_on(self) -> None:
        connection = site().connect()
        connection.send(self.HEAD % 2)
        self.assertEqual(connection.sent, b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sent = b""
        connection.send(b"hi")
        self.assertEqual(connection.answer().json, {"body": "hi"})

    def test_body_that_would_be_refused_is_refused_instead(self) -> None:
        connection = site().connect()
        connection.send(self.HEAD % 2000)
        self.assertEqual(connection.answer().status, 413)

    def test_unknown_path_is_answered_before_the_body(self) -> None:
        connection = site().connect()
        connection.send((self.HEAD % 2).replace(b"/echo", b"/nowhere"))
        self.assertEqual(connection.answer().status, 404)

    def test_client_that_does_not_wait_is_not_told(self) -> None:
        connection = site().connect()
        connection.send(self.HEAD % 2 + b"hi")
        self.assertEqual(connection.answer().status, 200)


class DeadlineTests(TestCase):
    def test_headers_must_come_in_time_however_they_trickle(self) -> None:
        fake = site()
        connection = fake.connect()
        connection.send(b"GET /echo HTTP/1.1\r\n")
        for _ in range(30):
            connection.send(b"A: b\r\n")
            fake.clock.advance(1)
        self.assertEqual(connection.answer().status, 408)
        fake.clock.pump([2, 2, 2])
        self.assertTrue(connection.closed)

    def test_body_must_not_pause_for_long(self) -> None:
        fake = site()
        connection = fake.connect()
        connection.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        fake.clock.pump([2] * 14)
        connection.send(b"x")
        fake.clock.pump([2] * 14)
        self.assertEqual(connection.sent, b"")
        fake.clock.pump([2] * 3)
        self.assertEqual(connection.answer().status, 408)

    def test_body_must_not_trickle_for_ever(self) -> None:
        fake = site()
        connection = fake.connect()
        connection.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n")
        for _ in range(70):
            connection.send(b"x")
            fake.clock.advance(1)
        self.assertEqual(connection.answer().status, 408)

    def test_idle_connection_is_closed_without_a_word(self) -> None:
        fake = site()
        connection = fake.connect()
        fake.clock.pump([2] * 37)
        self.assertFalse(connection.closed)
        connection.send(GET)
        connection.answer()
        fake.clock.pump([2] * 37)
        self.assertFalse(connection.closed)
        fake.clock.pump([2] * 2)
        self.assertTrue(connection.closed)
        self.assertEqual(connection.sent, b"")

    def test_handler_may_take_its_time(self) -> None:
        poll = Poll()
        fake = site(poll)
        connection = fake.connect()
        connection.send(POLL)
        fake.clock.pump([2] * 100)
        self.assertFalse(connection.closed)

    def test_sweep_rests_when_nobody_is_connected(self) -> None:
        fake = site()
        connection = fake.connect()
        connection.hang_up()
        fake.clock.pump([2, 2])
        self.assertEqual(fake.clock.getDelayedCalls(), [])


class HangingUpTests(TestCase):
    def test_long_poll_ends_with_its_client(self) -> None:
        poll = Poll()
        connection = site(poll).connect()
        connection.send(POLL)
        connection.hang_up()
        self.assertEqual(poll.cancelled, 1)

    def test_other_work_goes_on_without_its_client(self) -> None:
        poll = Poll()
        connection = site(poll).connect()
        connection.send(POLL.replace(b"GET", b"POST"))
        connection.hang_up()
        self.assertEqual(poll.cancelled, 0)
        poll.waiting[0].callback({})

    def test_client_that_closes_its_half_still_gets_its_answers(self) -> None:
        poll = Poll()
        connection = site(poll).connect()
        connection.send(POLL.replace(b"GET", b"POST") + GET)
        connection.send_no_more()
        poll.waiting[0].callback({})
        self.assertEqual([a.status for a in connection.answers()], [200, 200])
        self.assertTrue(connection.closed)

    def test_half_a_request_is_answered_too(self) -> None:
        connection = site().connect()
        connection.send(b"GET /echo HT")
        connection.send_no_more()
        self.assertEqual(connection.answer().status, 400)
        self.assertTrue(connection.closed)

    def test_nothing_is_begun_for_a_client_that_left_in_the_middle_of_an_answer(self) -> None:
        poll = Poll()
        connection = site(poll).connect()
        connection.is_full = True
        connection.send(b"GET /bodies/large HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        connection.send(POLL.replace(b"GET", b"POST") * 3000)
        self.assertTrue(connection.reading_paused)
        connection.hang_up()
        self.assertEqual(poll.waiting, [])
        self.assertTrue(connection.reading_paused)

    def test_after_a_refusal_the_rest_is_thrown_away_before_closing(self) -> None:
        fake = site()
        connection = fake.connect()
        connection.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n")
        self.assertEqual(connection.answer().status, 413)
        connection.send(b"x" * 1_000_000)
        self.assertFalse(connection.closed)
        fake.clock.pump([2, 2])
        self.assertTrue(connection.closed)

    def test_too_many_connections_are_told_so(self) -> None:
        fake = FakeSite(router(), limits=Limits(connections=1))
        fake.connect()
        self.assertEqual(fake.connect().answer().status, 503)


class BodyTests(TestCase):
    def test_bodies_of_all_kinds_arrive(self) -> None:
        for kind, body in [
            ("raw", b'{"raw":1}'),
            ("large", b"x" * 300_000),
            ("pieces", b'{"a":1}'),
            ("stream", b"abc"),
        ]:
            with self.subTest(kind=kind):
                connection = site().start("GET", f"/bodies/{kind}")
                self.assertEqual(connection.answer().body, body)
                connection.send(GET)
                self.assertEqual(connection.answer().status, 200)

    def test_a_stream_is_let_go_if_the_client_went_before_it_began(self) -> None:
        poll = Poll()
        connection = site(poll).connect()
        connection.send(b"POST /poll HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        connection.hang_up()
        stream = _Stream()
        poll.waiting[0].callback(Response(body=stream))
        self.assertTrue(stream.was_let_go)

    def test_stream_to_an_old_client_ends_with_the_connection(self) -> None:
        connection = site().connect()
        connection.send(b"GET /bodies/stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.assertTrue(connection.sent.endswith(b"\r\n\r\nabc"))
        self.assertTrue(connection.closed)

    def test_large_body_waits_for_the_client(self) -> None:
        fake = site()
        connection = fake.connect()
        connection.is_full = True
        connection.send(b"GET /bodies/large HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        self.assertLess(len(connection.sent), 100_000)
        fake.clock.pump([2] * 20)
        connection.drain()
        self.assertEqual([len(a.body) > 1000 for a in connection.answers()], [True, False])

    def test_client_that_reads_nothing_is_cut_off(self) -> None:
        fake = site()
        connection = fake.connect()
        connection.is_full = True
        connection.send(b"GET /bodies/large HTTP/1.1\r\nHost: a\r\n\r\n")
        fake.clock.pump([2] * 31)
        self.assertTrue(connection.aborted)

    def test_answer_that_breaks_off_is_seen_to_be_broken(self) -> None:
        for kind in ("failing", "short"):
            with self.subTest(kind=kind), self.assertLogs("synapse.http", "ERROR"):
                connection = site().start("GET", f"/bodies/{kind}")
                self.assertTrue(connection.aborted)
                self.assertEqual(connection.answers(), [])

    def test_head_has_the_length_and_no_body(self) -> None:
        answer = site().request("HEAD", "/bodies/large")
        self.assertEqual((answer.headers["content-length"], answer.body), ("300000", b""))


class StopTests(TestCase):
    def test_idle_connections_close_and_running_requests_finish(self) -> None:
        poll = Poll()
        fake = site(poll)
        idle, busy, polling = fake.connect(), fake.connect(), fake.connect()
        busy.send(POLL.replace(b"GET", b"POST"))
        polling.send(POLL)
        stopped = self._stop(fake)
        self.assertTrue(idle.closed)
        self.assertEqual(polling.answer().status, 503)
        self.assertFalse(stopped.called)
        poll.waiting[0].callback({})
        self.assertEqual(busy.answer().headers["connection"], "close")
        self.assertTrue(stopped.called)

    def test_what_takes_too_long_is_cut_off(self) -> None:
        fake = site(Poll())
        connection = fake.connect()
        connection.send(POLL.replace(b"GET", b"POST"))
        stopped = self._stop(fake)
        fake.clock.pump([2] * 5)
        self.assertTrue(connection.aborted)
        self.assertTrue(stopped.called)

    def _stop(self, fake: FakeSite) -> Deferred[None]:
        return Deferred.fromCoroutine(fake.site.stop())


class _Stream(AsyncIterator[bytes]):
    was_let_go = False

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.was_let_go = True
