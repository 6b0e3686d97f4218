"""The client over a network in memory: connections, their reuse and bounds, time, redirections."""

from ipaddress import ip_network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError

from synapse.http.client.client import HttpClient
from synapse.http.client.errors import Progress, Step
from synapse.http.client.limits import ClientLimits
from synapse.http.client.message import Message
from synapse.http.client.networks import IpRules
from synapse.http.client.proxies import Proxies, Proxy
from synapse.http.client.route import Route
from tests.case import TestCase
from tests.http.outbound.network import OK, Network, Outcome, Peer, start

URL = "http://one.example/x"


def found(location: str) -> bytes:
    return b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n" % location.encode()


class ClientTestCase(TestCase):
    def setUp(self) -> None:
        self.network = Network(
            {"one.example": ["192.0.2.1"], "two.example": ["192.0.2.2"], "slow.example": []}
        )
        self.limits = ClientLimits(connections=3, connections_per_route=2, waiting=3)
        self.client = self.network.client(limits=self.limits)

    def get(self, url: str = URL, client: HttpClient | None = None, **options: object) -> Outcome:
        work = (client or self.client).request("GET", url, **options)  # type: ignore[arg-type]
        return start(work)

    def connected(self, url: str = URL) -> Peer:
        """A peer whose connection is idle after one request."""
        asked = self.get(url)
        peer = self.network.accept()
        peer.send(OK)
        self.assertEqual(asked.result.status, 200)
        peer.take()
        return peer


class RequestTests(ClientTestCase):
    def test_a_request_as_it_is_written(self) -> None:
        asked = start(
            self.client.request(
                "PUT", "http://one.example:81/a?b", headers={"X-Y": "z"}, body=b"body"
            )
        )
        self.assertEqual(
            (self.network.attempts[0].host, self.network.attempts[0].port), ("192.0.2.1", 81)
        )
        peer = self.network.accept()
        self.assertEqual(
            peer.received,
            b"PUT /a?b HTTP/1.1\r\nHost: one.example:81\r\nUser-Agent: Tests\r\n"
            b"Accept-Encoding: gzip\r\nX-Y: z\r\nContent-Length: 4\r\n\r\nbody",
        )
        peer.send(OK)
        self.assertEqual(asked.result.body, b"ok")

    def test_json_in_both_directions(self) -> None:
        asked = start(self.client.post_json(URL, {"a": 1}))
        peer = self.network.accept()
        self.assertTrue(
            peer.received.endswith(
                b'Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}'
            )
        )
        peer.send(b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"b":2}')
        self.assertEqual(asked.result, {"b": 2})

    def test_json_wants_success(self) -> None:
        asked = start(self.client.get_json(URL))
        self.network.accept().send(b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(str(asked.error), "http://one.example: the answer: status 502")

    def test_what_cannot_stand_in_a_request_is_not_sent(self) -> None:
        for method, url, headers in [
            ("GET", URL, {"X": "a\r\nY: b"}),
            ("GET", URL, {"X": "ü"}),
            ("GET", URL, {"X Y": "a"}),
            ("G T", URL, {}),
            ("GET", "nonsense", {}),
        ]:
            with self.subTest(method=method, url=url, headers=headers):
                asked = start(self.client.request(method, url, headers=headers))
                self.assertEqual(asked.error.step, Step.REQUEST)
        self.assertEqual(self.network.attempts, [])

    def test_a_name_without_addresses_is_named(self) -> None:
        asked = self.get("http://none.example/")
        self.assertEqual(
            str(asked.error),
            "http://none.example: name resolution: there is no address of none.example",
        )

    def test_each_address_that_refuses_is_named(self) -> None:
        self.network.names["one.example"] = ["192.0.2.1", "2001:db8::1"]
        asked = self.get()
        self.network.attempts.pop().refuse()
        self.network.attempts.pop().refuse()
        self.assertEqual(asked.error.step, Step.TCP)
        self.assertIn("192.0.2.1:80: Connection was refused", asked.error.reason)
        self.assertIn("[2001:db8::1]:80: Connection was refused", asked.error.reason)

    def test_the_next_address_is_tried_while_the_first_is_silent(self) -> None:
        self.network.names["one.example"] = ["192.0.2.1", "192.0.2.2"]
        asked = self.get()
        self.network.advance(0.3)
        first, second = self.network.attempts
        second.accept().send(OK)
        self.assertEqual(asked.result.status, 200)
        self.assertTrue(first.is_given_up)

    def test_a_connection_that_comes_too_late_is_closed(self) -> None:
        self.network.names["one.example"] = ["192.0.2.1", "192.0.2.2"]
        self.get()
        self.network.advance(0.3)
        first, second = self.network.attempts
        second.accept()
        self.assertTrue(first.accept().is_closed)

    def test_a_name_with_very_many_addresses(self) -> None:
        self.network.names["one.example"] = [f"192.0.2.{n}" for n in range(200)]
        asked = self.get()
        for _ in range(8):
            self.network.attempts.pop().refuse()
        self.assertEqual(asked.error.step, Step.TCP)


class TimeTests(ClientTestCase):
    def test_an_answer_that_does_not_come(self) -> None:
        asked = self.get(timeout_s=10)
        peer = self.network.accept()
        self.network.advance(10)
        self.assertEqual((asked.error.step, asked.error.timed_out), (Step.HTTP, True))
        self.assertIn("no success within 10 s", str(asked.error))
        self.assertTrue(peer.is_closed)

    def test_an_answer_that_trickles_in(self) -> None:
        asked = self.get(timeout_s=10)
        peer = self.network.accept()
        for byte in b"HTTP/1.1 200 OK\r\n":
            if not peer.is_closed:
                peer.send(bytes([byte]))
            self.network.advance(1)
        self.assertEqual(asked.error.step, Step.HTTP)
        self.assertTrue(peer.is_closed)

    def test_a_name_server_that_is_silent(self) -> None:
        asked = self.get("http://slow.example/", timeout_s=10)
        self.network.advance(10)
        self.assertEqual((asked.error.step, asked.error.timed_out), (Step.DNS, True))

    def test_connecting_has_a_time_of_its_own(self) -> None:
        asked = self.get(timeout_s=1000)
        self.network.advance(30)
        self.assertEqual((asked.error.step, asked.error.timed_out), (Step.TCP, True))
        self.assertIn("connecting to 192.0.2.1:80", asked.error.reason)
        self.assertTrue(self.network.attempts[0].is_given_up)

    def test_no_timer_is_left(self) -> None:
        self.connected().close()
        self.network.advance(self.limits.sweep_s)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_who_asked_may_go_away(self) -> None:
        asked = self.get()
        peer = self.network.accept()
        asked.deferred.cancel()
        self.assertRaises(CancelledError, lambda: asked.result)
        self.assertTrue(peer.is_closed)
        self.assertEqual(self.network.getDelayedCalls(), [])
        self.connected()

    def test_who_asked_may_go_away_while_connecting(self) -> None:
        asked = self.get()
        asked.deferred.cancel()
        self.assertTrue(self.network.attempts.pop().is_given_up)
        self.assertEqual(self.network.getDelayedCalls(), [])
        self.connected()


class ReuseTests(ClientTestCase):
    def test_a_connection_serves_again(self) -> None:
        peer = self.connected()
        asked = self.get()
        peer.send(OK)
        self.assertEqual(asked.result.status, 200)
        self.assertEqual(self.network.attempts, [])

    def test_one_that_the_peer_closed_while_idle_is_not_taken(self) -> None:
        self.connected().close()
        self.get()
        self.assertEqual(len(self.network.attempts), 1)

    def test_one_on_which_something_came_unasked_is_not_taken(self) -> None:
        peer = self.connected()
        peer.send(b"HTTP/1.1 408 Timeout\r\n\r\n")
        self.assertTrue(peer.is_closed)
        self.get()
        self.assertEqual(len(self.network.attempts), 1)

    def test_a_request_that_met_the_closing_of_its_connection_is_repeated_once(self) -> None:
        peer = self.connected()
        asked = start(self.client.request("POST", URL, body=b"x"))
        sent = peer.received
        peer.close()
        second = self.network.accept()
        self.assertEqual(second.received, sent)
        second.close()
        self.assertEqual(asked.error.step, Step.HTTP)
        self.assertEqual(self.network.attempts, [])

    def test_a_request_is_not_repeated_after_a_byte_of_its_answer(self) -> None:
        peer = self.connected()
        asked = self.get()
        peer.send(b"H")
        peer.close()
        self.assertEqual(asked.error.step, Step.HTTP)
        self.assertEqual(self.network.attempts, [])

    def test_a_request_on_a_new_connection_is_not_repeated(self) -> None:
        asked = self.get()
        self.network.accept().close()
        self.assertEqual(asked.error.step, Step.HTTP)
        self.assertEqual(self.network.attempts, [])

    def test_a_faulty_answer_ends_its_connection(self) -> None:
        asked = self.get()
        peer = self.network.accept()
        peer.send(b"rubbish\r\n")
        self.assertEqual(asked.error.step, Step.HTTP)
        self.assertTrue(peer.is_closed)

    def test_idle_connections_are_closed_after_a_while(self) -> None:
        peer = self.connected()
        self.network.pump([5] * 11)
        self.assertFalse(peer.is_closed)
        self.network.pump([5] * 3)
        self.assertTrue(peer.is_closed)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_routes_that_differ_in_anything_share_nothing(self) -> None:
        self.connected()
        for route in (
            Route("one.example", 81),
            Route("one.example", 80, proxy=Proxy("192.0.2.9", 1080)),
        ):
            message = Message("GET", "/", "one.example", (), b"", 100)
            start(self.client.send(route, message, Progress()))
        self.assertEqual(len(self.network.attempts), 2)


class BoundsTests(ClientTestCase):
    def test_more_requests_than_connections_wait_in_their_order(self) -> None:
        asked = [self.get() for _ in range(4)]
        self.assertEqual(len(self.network.attempts), 2)
        first, second = self.network.accept(), self.network.accept()
        first.send(OK)
        second.send(OK)
        self.assertEqual([one.is_over for one in asked], [True, True, False, False])
        first.send(OK)
        second.send(OK)
        self.assertEqual([one.result.status for one in asked], [200] * 4)
        self.assertEqual(self.network.attempts, [])

    def test_the_bound_in_all_closes_what_was_idle_longest(self) -> None:
        oldest = self.connected()
        self.network.advance(1)
        self.connected("http://two.example/")
        self.network.names["three.example"] = self.network.names["four.example"] = ["192.0.2.3"]
        self.connected("http://three.example/")
        self.assertFalse(oldest.is_closed)
        self.connected("http://four.example/")
        self.assertTrue(oldest.is_closed)
        self.assertEqual(self.client.idle_connections, 3)

    def test_when_all_are_in_use_the_next_to_be_free_serves_who_waits(self) -> None:
        for _ in range(2):
            self.get()
        self.get("http://two.example/")
        waiting = self.get("http://two.example/")
        peers = [self.network.accept() for _ in range(3)]
        self.assertEqual(self.network.attempts, [])
        peers[0].send(OK)
        self.assertTrue(peers[0].is_closed)
        self.network.accept().send(OK)
        self.assertEqual(waiting.result.status, 200)

    def test_time_spent_waiting_counts(self) -> None:
        for _ in range(2):
            self.get(timeout_s=100)
        asked = self.get(timeout_s=10)
        self.network.advance(10)
        self.assertEqual((asked.error.step, asked.error.timed_out), (Step.POOL, True))
        self.assertIn("all connections to one.example:80 are in use", asked.error.reason)

    def test_who_waits_may_go_away(self) -> None:
        for _ in range(2):
            self.get()
        gone, waiting = self.get(), self.get()
        gone.deferred.cancel()
        self.network.accept()
        self.network.accept().send(OK)
        self.assertFalse(waiting.is_over)
        self.assertRaises(CancelledError, lambda: gone.result)

    def test_waiting_is_bounded(self) -> None:
        asked = [self.get() for _ in range(6)]
        self.assertEqual(asked[5].error.step, Step.POOL)
        self.assertFalse(asked[4].is_over)
        for one in asked[2:5]:
            one.deferred.cancel()
            self.assertRaises(CancelledError, lambda one=one: one.result)
        self.assertFalse(self.get().is_over)

    def test_thousands_that_wait_for_what_fails_at_once_do_not_overflow(self) -> None:
        limits = ClientLimits(connections_per_route=1)
        client = self.network.client(limits=limits)
        asked = [self.get(client=client) for _ in range(3000)]
        del self.network.names["one.example"]
        self.network.attempts.pop().refuse()
        self.assertEqual(asked[0].error.step, Step.TCP)
        self.assertEqual({one.error.step for one in asked[1:]}, {Step.DNS})

    def test_closing_ends_everything(self) -> None:
        idle = self.connected("http://two.example/")
        running, connecting, waiting = self.get(), self.get(), self.get()
        peer = self.network.accept()
        self.client.close()
        self.assertTrue(idle.is_closed and peer.is_closed)
        self.assertTrue(self.network.attempts[0].is_given_up)
        for one in (running, connecting, waiting, self.get()):
            self.assertIn(one.error.step, (Step.HTTP, Step.POOL))
        self.assertEqual(self.network.getDelayedCalls(), [])


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("ask", "ask", "accept", "accept", "refuse", "answer", "answer"),
                *("farewell", "rubbish", "hang-up", "cancel", "wait"),
            ]
        ),
        st.integers(0, 7),
    ),
    max_size=60,
)


class PoolFuzz(TestCase):
    """Whatever happens in whatever order, no place is lost and none given twice."""

    @settings(max_examples=150, deadline=None)
    @given(ACTIONS)
    def test_the_bounds_hold_and_every_place_comes_back(
        self, actions: list[tuple[str, int]]
    ) -> None:
        names = {f"{n}.example": [f"192.0.2.{n}"] for n in range(3)}
        network = Network(names)
        limits = ClientLimits(connections=4, connections_per_route=2, waiting=5, idle_s=20)
        client = network.client(limits=limits)
        asked: list[Outcome] = []
        peers: list[Peer] = []
        for action, number in actions:
            self.act(network, client, asked, peers, action, number)
            peers = [peer for peer in peers if not peer.is_closed]
            network.attempts = [one for one in network.attempts if not one.is_given_up]
            self.assertLessEqual(len(peers) + len(network.attempts), limits.connections)
            for address in names.values():
                used = [each for each in network.attempts if each.host == address[0]]
                self.assertLessEqual(len(used), limits.connections_per_route)
        network.advance(100)
        self.assertTrue(all(one.is_over for one in asked))
        network.pump([limits.sweep_s] * 10)
        self.assertEqual(client.idle_connections, 0)
        self.assertEqual(network.getDelayedCalls(), [])
        # As many as ever can be used again.
        network.attempts.clear()
        for n in range(8):
            start(client.request("GET", f"http://{n % 3}.example/"))
        self.assertEqual(len(network.attempts), limits.connections)

    def act(
        self,
        network: Network,
        client: HttpClient,
        asked: list[Outcome],
        peers: list[Peer],
        action: str,
        number: int,
    ) -> None:
        if action == "ask":
            work = client.request("GET", f"http://{number % 3}.example/", timeout_s=50)
            asked.append(start(work))
        elif action == "wait":
            network.advance(5)
        elif action == "cancel" and asked:
            asked[number % len(asked)].deferred.cancel()
        elif action == "accept" and network.attempts:
            peers.append(network.accept())
        elif action == "refuse" and network.attempts:
            network.attempts.pop(0).refuse()
        elif peers:
            peer = peers[number % len(peers)]
            if action == "answer":
                peer.send(OK)
            elif action == "farewell":
                peer.send(OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            elif action == "rubbish":
                peer.send(b"rubbish\r\n")
            elif action == "hang-up":
                peer.close()


class RedirectionTests(ClientTestCase):
    def test_an_answer_leads_nowhere_unless_asked_to(self) -> None:
        asked = self.get()
        self.network.accept().send(found("http://two.example/"))
        self.assertEqual(asked.result.status, 302)

    def test_an_answer_leads_on(self) -> None:
        asked = self.get(redirects=1, headers={"Authorization": "secret", "X": "y"})
        first = self.network.accept()
        first.send(found("/z"))
        self.assertIn(b"GET /z HTTP/1.1\r\nHost: one.example\r\n", first.received)
        self.assertEqual(first.received.count(b"secret"), 2)
        first.send(OK)
        self.assertEqual(asked.result.body, b"ok")

    def test_a_secret_stays_with_its_server(self) -> None:
        self.get(redirects=1, headers={"Authorization": "secret", "X": "y"})
        self.network.accept().send(found("http://two.example/"))
        second = self.network.accept()
        self.assertNotIn(b"secret", second.received)
        self.assertIn(b"X: y", second.received)

    def test_not_for_ever(self) -> None:
        asked = self.get(redirects=2)
        peer = self.network.accept()
        for _ in range(3):
            peer.send(found("/x"))
        self.assertEqual(asked.error.step, Step.REDIRECT)

    def test_not_with_a_body(self) -> None:
        asked = start(self.client.request("POST", URL, redirects=3))
        self.network.accept().send(found("/x"))
        self.assertEqual(asked.result.status, 302)

    def test_not_to_what_is_no_http_url(self) -> None:
        asked = self.get(redirects=3)
        self.network.accept().send(found("file:///etc/passwd"))
        self.assertEqual(asked.error.step, Step.REDIRECT)

    def test_not_into_a_blocked_range(self) -> None:
        client = self.network.client(rules=IpRules([ip_network("10.0.0.0/8")]))
        for location in ("http://10.0.0.1/", "http://[::ffff:10.0.0.1]/"):
            with self.subTest(location=location):
                asked = self.get(client=client, redirects=3)
                peer = self.network.accept()
                peer.send(found(location))
                self.assertEqual(asked.error.step, Step.BLOCKED)
                peer.close()


class BlockedTests(ClientTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.network.client(rules=IpRules([ip_network("10.0.0.0/8")]))

    def test_a_name_is_judged_by_its_addresses(self) -> None:
        self.network.names["one.example"] = ["10.0.0.1"]
        asked = self.get()
        self.assertEqual(
            str(asked.error),
            "http://one.example: blocked: one.example has the address 10.0.0.1, within a "
            "blocked range",
        )
        self.assertEqual(self.network.attempts, [])

    def test_only_the_addresses_that_are_allowed_are_tried(self) -> None:
        self.network.names["one.example"] = ["10.0.0.1", "192.0.2.1"]
        self.get()
        self.network.advance(1)
        self.assertEqual([attempt.host for attempt in self.network.attempts], ["192.0.2.1"])

    def test_a_name_is_resolved_once_for_judging_and_connecting(self) -> None:
        self.get()
        self.assertEqual(self.network.looked_up, ["one.example"])
        self.assertEqual(self.network.attempts[0].host, "192.0.2.1")

    def test_odd_spellings_of_an_address_are_resolved_and_judged(self) -> None:
        # As getaddrinfo understands them.
        self.network.names |= {"0x0a000001": ["10.0.0.1"], "10.1": ["10.0.0.1"]}
        for host in ("0x0a000001", "10.1"):
            with self.subTest(host=host):
                self.assertEqual(self.get(f"http://{host}/").error.step, Step.BLOCKED)


class ProxyTests(ClientTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.network.names["proxy.example"] = ["10.0.0.9"]
        proxy = Proxy("proxy.example", 1080, authorization="Basic dTpw")
        rules = IpRules([ip_network("10.0.0.0/8")])
        self.client = self.network.client(proxies=Proxies(proxy, proxy), rules=rules)

    def test_a_plain_request_is_sent_to_the_proxy_whose_address_is_not_judged(self) -> None:
        asked = self.get("http://hidden.example:81/x?y")
        self.assertEqual(
            (self.network.attempts[0].host, self.network.attempts[0].port), ("10.0.0.9", 1080)
        )
        peer = self.network.accept()
        self.assertIn(
            b"GET http://hidden.example:81/x?y HTTP/1.1\r\nHost: hidden.example:81\r\n",
            peer.received,
        )
        self.assertIn(b"Proxy-Authorization: Basic dTpw\r\n", peer.received)
        peer.send(OK)
        self.assertEqual(asked.result.body, b"ok")
        self.assertEqual(self.network.looked_up, ["proxy.example"])

    def test_a_tunnel_is_asked_for(self) -> None:
        self.get("https://hidden.example/")
        self.assertEqual(
            self.network.accept().received,
            b"CONNECT hidden.example:443 HTTP/1.1\r\nHost: hidden.example:443\r\n"
            b"Proxy-Authorization: Basic dTpw\r\n\r\n",
        )

    def test_what_a_proxy_may_do_wrong(self) -> None:
        for answer, reason in [
            (b"HTTP/1.1 407 Auth\r\nContent-Length: 3\r\n\r\nno!", "status 407 (it wants other"),
            (b"HTTP/1.1 403 No\r\n\r\n", "answers CONNECT hidden.example:443 with status 403"),
            (b"SSH-2.0\r\n", "not HTTP"),
        ]:
            with self.subTest(answer=answer):
                asked = self.get("https://hidden.example/")
                peer = self.network.accept()
                peer.send(answer)
                self.assertEqual(asked.error.step, Step.PROXY)
                self.assertIn(reason, asked.error.reason)
                self.assertTrue(peer.is_closed)

    def test_a_proxy_that_is_not_there(self) -> None:
        asked = self.get("https://hidden.example/")
        self.network.attempts.pop().refuse()
        self.assertEqual(asked.error.step, Step.PROXY)
        self.assertIn("10.0.0.9:1080: Connection was refused", asked.error.reason)

    def test_a_proxy_that_is_silent(self) -> None:
        asked = self.get("https://hidden.example/", timeout_s=10)
        self.network.accept()
        self.network.advance(10)
        self.assertEqual((asked.error.step, asked.error.timed_out), (Step.PROXY, True))
