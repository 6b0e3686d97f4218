"""The client over real sockets: plain, with TLS, and through proxies."""

import gzip
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred

from synapse.http.client.answer import Answer
from synapse.http.client.client import HttpClient
from synapse.http.client.deadline import bounded
from synapse.http.client.errors import Progress, RequestFailed, Step
from synapse.http.client.message import Message
from synapse.http.client.proxies import Proxies, Proxy
from synapse.http.client.resolver import SystemResolver
from synapse.http.client.route import Route
from synapse.http.client.trust import Trust
from tests.http.outbound.authority import Authority, Identity
from tests.http.outbound.servers import (
    OK,
    Names,
    Server,
    SocketTestCase,
    TunnelServer,
    reactor,
)


class ClientTestCase(SocketTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.new_client(trust=Trust((self.authority.path,)))

    def new_client(self, **options: Any) -> HttpClient:
        client = HttpClient(reactor, Names(), user_agent="Tests", **options)
        self.addCleanup(client.close)
        return client

    async def error_of(self, work: Any) -> RequestFailed:
        try:
            answer = await work
        except RequestFailed as error:
            return error
        raise AssertionError(f"It has not failed: {answer}")


class PlainTests(ClientTestCase):
    async def test_requests_share_a_connection(self) -> None:
        server = self.serve(Server())
        for _ in range(3):
            answer = await self.client.request("PUT", f"http://a.example:{server.port}/", body=b"x")
            self.assertEqual(answer.body, b"ok")
        self.assertEqual(server.connection_count, 1)

    async def test_the_system_resolves(self) -> None:
        server = self.serve(Server())
        client = HttpClient(reactor, SystemResolver(reactor), user_agent="Tests")
        self.addCleanup(client.close)
        answer = await client.request("GET", f"http://localhost:{server.port}/")
        self.assertEqual(answer.status, 200)
        error = await self.error_of(client.request("GET", "http://does-not-exist.invalid/"))
        self.assertEqual(error.step, Step.DNS)

    async def test_a_large_compressed_answer(self) -> None:
        text = b"[%b]" % b",".join(b'"%d"' % n for n in range(100_000))
        body = gzip.compress(text)
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        server = self.serve(Server(head % len(body) + body))
        answer = await self.client.request(
            "GET", f"http://a.example:{server.port}/", max_bytes=10_000_000
        )
        self.assertEqual(answer.body, text)

    async def test_an_answer_that_ends_with_its_connection(self) -> None:
        server = self.serve(Server(b"HTTP/1.0 200 OK\r\n\r\nhello", closes=True))
        answer = await self.client.request("GET", f"http://a.example:{server.port}/")
        self.assertEqual(answer.body, b"hello")

    async def test_a_truncated_answer(self) -> None:
        server = self.serve(Server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhe", closes=True))
        error = await self.error_of(self.client.request("GET", f"http://a.example:{server.port}/"))
        self.assertEqual(error.step, Step.HTTP)
        self.assertIn("ends early", error.reason)

    async def test_a_server_that_closes_without_saying_so_is_asked_anew(self) -> None:
        server = self.serve(Server(closes=True))
        for _ in range(3):
            answer = await self.client.request("GET", f"http://a.example:{server.port}/")
            self.assertEqual(answer.status, 200)
        self.assertEqual(server.connection_count, 3)

    async def test_nobody_listens(self) -> None:
        error = await self.error_of(self.client.request("GET", "http://a.example:1/"))
        self.assertEqual(error.step, Step.TCP)
        self.assertIn("127.0.0.1:1: Connection was refused", str(error))

    async def test_a_silent_server(self) -> None:
        server = self.serve(Server(b""))
        error = await self.error_of(
            self.client.request("GET", f"http://a.example:{server.port}/", timeout_s=0.1)
        )
        self.assertEqual((error.step, error.timed_out), (Step.HTTP, True))


class TlsTests(ClientTestCase):
    async def ask(
        self, server: Server, name: str, *, timeout_s: float = 60, **options: Any
    ) -> Answer:
        route = Route("127.0.0.1", server.port, tls_name=name, **options)
        progress = Progress()
        message = Message("GET", "/", name, (), b"", 100)
        work = self.client.send(route, message, progress)
        return await bounded(reactor, timeout_s, progress, work)

    async def refusal(self, identity: Identity, name: str = "a.example") -> RequestFailed:
        """Why a server of this identity is not believed; it must not have heard of the request."""
        server = self.serve(Server(), identity)
        error = await self.error_of(self.ask(server, name))
        self.assertEqual(server.requests, [])
        return error

    async def test_a_server_that_proves_its_name(self) -> None:
        identity = self.authority.issue("a.example")
        server = self.serve(Server(), identity)
        for _ in range(2):
            answer = await self.client.request("GET", f"https://a.example:{server.port}/")
            self.assertEqual(answer.body, b"ok")
        self.assertEqual(server.connection_count, 1)
        self.assertEqual(identity.names_asked, [b"a.example"])

    async def test_a_wildcard(self) -> None:
        server = self.serve(Server(), self.authority.issue("*.b.example"))
        self.assertEqual((await self.ask(server, "a.b.example")).status, 200)

    async def test_an_address_is_a_name_but_not_for_sni(self) -> None:
        identity = self.authority.issue("127.0.0.1")
        server = self.serve(Server(), identity)
        answer = await self.client.request("GET", f"https://127.0.0.1:{server.port}/")
        self.assertEqual(answer.status, 200)
        self.assertEqual(identity.names_asked, [None])

    async def test_another_name(self) -> None:
        error = await self.refusal(self.authority.issue("b.example", "c.example"))
        self.assertEqual(
            str(error),
            "the certificate: is valid, but not for a.example: it is for b.example, c.example",
        )

    async def test_another_address(self) -> None:
        error = await self.refusal(self.authority.issue("127.0.0.2"), "127.0.0.1")
        self.assertEqual(error.step, Step.CERTIFICATE)

    async def test_no_name_at_all(self) -> None:
        self.assertEqual((await self.refusal(self.authority.issue())).step, Step.CERTIFICATE)

    async def test_an_expired_certificate(self) -> None:
        error = await self.refusal(self.authority.issue("a.example", from_days=-9, to_days=-2))
        self.assertEqual(error.step, Step.CERTIFICATE)
        self.assertIn("it has expired", error.reason)

    async def test_a_certificate_of_tomorrow(self) -> None:
        error = await self.refusal(self.authority.issue("a.example", from_days=1, to_days=2))
        self.assertIn("it is not valid yet", error.reason)

    async def test_an_authority_that_nobody_knows(self) -> None:
        stranger = Authority()
        self.addCleanup(stranger.close)
        error = await self.refusal(stranger.issue("a.example"))
        self.assertEqual(error.step, Step.CERTIFICATE)
        self.assertIn("authority that is not trusted", error.reason)

    async def test_the_systems_authorities_are_the_ones_unless_others_are_named(self) -> None:
        server = self.serve(Server(), self.authority.issue("a.example"))
        self.client = self.new_client()
        error = await self.error_of(self.ask(server, "a.example"))
        self.assertEqual(error.step, Step.CERTIFICATE)

    async def test_a_route_may_do_without_proof(self) -> None:
        server = self.serve(Server(), self.authority.issue("b.example", from_days=-3, to_days=-2))
        self.assertEqual((await self.ask(server, "a.example", verify=False)).status, 200)
        # But it is no proof for others.
        error = await self.error_of(self.ask(server, "a.example"))
        self.assertEqual(error.step, Step.CERTIFICATE)

    async def test_a_server_with_old_tls_only(self) -> None:
        identity = self.authority.issue("a.example", newest_tls=SSL.TLS1_2_VERSION)
        server = self.serve(Server(), identity)
        self.assertEqual((await self.ask(server, "a.example")).status, 200)
        trust = Trust((self.authority.path,), minimum_version="1.3")
        self.client = self.new_client(trust=trust)
        error = await self.error_of(self.ask(server, "a.example"))
        self.assertEqual(error.step, Step.TLS)
        self.assertIn("protocol version", error.reason)

    async def test_a_server_without_tls(self) -> None:
        server = self.serve(Server(b"HTTP/1.1 400 Bad\r\n\r\n"))
        error = await self.error_of(self.ask(server, "a.example", timeout_s=0.2))
        self.assertEqual(error.step, Step.TLS)

    async def test_who_asked_may_go_away_in_the_midst_of_the_handshake(self) -> None:
        server = self.serve(Server(b""))
        asked = Deferred.fromCoroutine(self.ask(server, "a.example"))
        await self.until(lambda: bool(server.connections))
        asked.cancel()
        with self.assertRaises(CancelledError):
            await asked
        await self.until(lambda: not server.connections)

    async def test_a_truncated_body_is_noticed(self) -> None:
        # Whoever cuts the connection can't say TLS's farewell.
        server = self.serve(
            Server(b"HTTP/1.0 200 OK\r\n\r\nhel"), self.authority.issue("a.example")
        )
        asked = self.ask(server, "a.example")

        running = Deferred.fromCoroutine(self.error_of(asked))
        await self.until(lambda: bool(server.requests))
        await self.turn()
        for connection in list(server.connections):
            connection.transport.transport.loseConnection()  # type: ignore[union-attr]
        self.assertIn("ends early", (await running).reason)

    async def test_authorities_that_cannot_be_read(self) -> None:
        server = self.serve(Server(), self.authority.issue("a.example"))
        self.client = self.new_client(trust=Trust(("/nowhere.pem",)))
        error = await self.error_of(self.ask(server, "a.example"))
        self.assertIn("/nowhere.pem can't be read", error.reason)


class ProxyTests(ClientTestCase):
    async def test_tls_through_a_tunnel(self) -> None:
        server = self.serve(Server(), self.authority.issue("a.example"))
        tunnel = self.serve(TunnelServer({"a.example:443": server.port}))
        proxy = Proxy("proxy.example", tunnel.port, authorization="Basic dTpw")
        client = self.new_client(trust=Trust((self.authority.path,)), proxies=Proxies(None, proxy))
        for _ in range(2):
            answer = await client.request("GET", "https://a.example/")
            self.assertEqual(answer.body, b"ok")
        (asked,) = tunnel.requests
        self.assertIn(b"Proxy-Authorization: Basic dTpw\r\n", asked)
        self.assertNotIn(b"Proxy-Authorization", server.requests[0])

    async def test_a_proxy_that_speaks_tls_itself(self) -> None:
        server = self.serve(Server(), self.authority.issue("a.example"))
        tunnel = self.serve(
            TunnelServer({"a.example:443": server.port}), self.authority.issue("proxy.example")
        )
        proxy = Proxy("proxy.example", tunnel.port, uses_tls=True)
        client = self.new_client(trust=Trust((self.authority.path,)), proxies=Proxies(None, proxy))
        answer = await client.request("GET", "https://a.example/")
        self.assertEqual(answer.body, b"ok")

    async def test_a_proxy_with_a_bad_certificate(self) -> None:
        tunnel = self.serve(TunnelServer({}), self.authority.issue("b.example"))
        proxy = Proxy("proxy.example", tunnel.port, uses_tls=True)
        client = self.new_client(trust=Trust((self.authority.path,)), proxies=Proxies(None, proxy))
        error = await self.error_of(client.request("GET", "https://a.example/"))
        self.assertEqual(error.step, Step.PROXY)
        self.assertIn("not for proxy.example", error.reason)

    async def test_the_name_is_checked_through_a_tunnel_too(self) -> None:
        server = self.serve(Server(), self.authority.issue("b.example"))
        tunnel = self.serve(TunnelServer({"a.example:443": server.port}))
        proxy = Proxy("proxy.example", tunnel.port)
        client = self.new_client(trust=Trust((self.authority.path,)), proxies=Proxies(None, proxy))
        error = await self.error_of(client.request("GET", "https://a.example/"))
        self.assertEqual(error.step, Step.CERTIFICATE)
        self.assertEqual(server.requests, [])

    async def test_a_plain_request_to_a_proxy(self) -> None:
        server = self.serve(Server(OK))
        client = self.new_client(proxies=Proxies(Proxy("proxy.example", server.port)))
        await client.request("GET", "http://a.example/x")
        self.assertTrue(server.requests[0].startswith(b"GET http://a.example/x HTTP/1.1\r\n"))
