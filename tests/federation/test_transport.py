"""Requests to other homeservers: found, signed, answered, refused."""

from ipaddress import ip_network
from typing import Any

from synapse.crypto.signing import SigningKey, VerifyKey
from synapse.federation.authentication import authenticate
from synapse.federation.errors import RemoteError
from synapse.federation.partners import Partners
from synapse.federation.transport import FederationTransport, path_to
from synapse.http.client.errors import RequestFailed, Step
from synapse.http.client.networks import IpRules
from synapse.http.client.proxies import Proxies, Proxy
from synapse.http.client.trust import Trust
from synapse.http.discovery.discovery import Discovery
from synapse.http.discovery.srv import SrvTargets
from synapse.http.discovery.srv_order import SrvRecord
from synapse.http.discovery.well_known import WellKnown
from synapse.http.json_body import parse_json
from tests.http.discovery.test_well_known import page
from tests.http.outbound.internet import InternetTestCase
from tests.http.outbound.servers import TunnelServer

KEY = SigningKey("a_1", bytes(32))
VERSION = "/_matrix/federation/v1/version"
ANSWER = page(b'{"server": {"name": "Other"}}')


class TransportTestCase(InternetTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.transport = self.new_transport()

    def new_transport(
        self, partners: Partners | None = None, **options: Any
    ) -> FederationTransport:
        client = self.new_client(**options)
        return FederationTransport(
            client,
            Discovery(
                WellKnown(client, self.internet),
                SrvTargets(self.internet, self.internet, lambda: 0.0),
            ),
            partners or Partners("us.example"),
            self.internet,
            server_name="us.example",
            key=KEY,
            timeout_s=60.0,
        )

    async def get(self, destination: str = "a.example", **options: Any) -> Any:
        return await self.transport.request(destination, "GET", VERSION, **options)

    async def failure(self, destination: str = "a.example", **options: Any) -> RequestFailed:
        try:
            answer = await self.get(destination, **options)
        except RequestFailed as failure:
            return failure
        raise AssertionError(f"It has not failed: {answer}")

    async def remote_error(self, answer: bytes) -> RemoteError:
        self.internet.ports.clear()
        self.server_at("a.example", "192.0.2.1", 8448, answer)
        self.transport = self.new_transport()
        try:
            answered = await self.get()
        except RemoteError as error:
            return error
        raise AssertionError(f"It has not failed: {answered}")


class RequestTests(TransportTestCase):
    async def test_a_signed_request_and_its_answer(self) -> None:
        server = self.server_at("a.example", "192.0.2.1", 8448, ANSWER)
        answer = await self.transport.request(
            "a.example",
            "PUT",
            path_to("/_matrix/federation/v2/send_leave", "!r/ö:x", "$e?"),
            query={"ver": ["1", "12"], "x": "a b"},
            json={"b": [], "a": "ü"},
        )
        self.assertEqual(answer, {"server": {"name": "Other"}})
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        uri = "/_matrix/federation/v2/send_leave/%21r%2F%C3%B6%3Ax/%24e%3F?ver=1&ver=12&x=a+b"
        self.assertEqual(lines[0], f"PUT {uri} HTTP/1.1")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        self.assertEqual(headers["Host"], "a.example")
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(body, '{"a":"ü","b":[]}'.encode())

        async def find(origin: str, key_id: str) -> VerifyKey | None:
            return KEY.verify_key

        origin = await authenticate(
            headers["Authorization"],
            find,
            method="PUT",
            uri=uri,
            content=parse_json(body),
            server_name="a.example",
        )
        self.assertEqual(origin, "us.example")

    async def test_only_a_policy_server_may_have_our_own_name(self) -> None:
        server = self.server_at("us.example", "192.0.2.1", 8448, ANSWER)
        await self.transport.request("us.example", "POST", "/_matrix/policy/v1/sign", json={})
        self.assertEqual(len(server.requests), 1)
        with self.assertRaises(RequestFailed) as raised:
            await self.transport.request("us.example", "GET", "/_matrix/federation/v1/version")
        self.assertIs(raised.exception.step, Step.BLOCKED)

    async def test_content_that_is_canonical_already(self) -> None:
        server = self.server_at("a.example", "192.0.2.1", 8448, ANSWER)
        body = b'{"pdus":[{"depth":1}]}'
        await self.transport.request("a.example", "PUT", "/send/1", body=body)
        head, _, sent = server.requests[0].partition(b"\r\n\r\n")
        self.assertEqual(sent, body)
        self.assertIn(b"Content-Type: application/json", head)

        async def find(origin: str, key_id: str) -> VerifyKey | None:
            return KEY.verify_key

        lines = head.decode().split("\r\n")[1:]
        headers = dict(line.split(": ", 1) for line in lines)
        origin = await authenticate(
            headers["Authorization"],
            find,
            method="PUT",
            uri="/send/1",
            content=parse_json(body),
            server_name="a.example",
        )
        self.assertEqual(origin, "us.example")

    async def test_requests_share_a_connection_and_what_was_found_out(self) -> None:
        server = self.server_at("a.example", "192.0.2.1", 8448, ANSWER)
        for _ in range(3):
            await self.get()
        self.assertEqual(server.connection_count, 1)
        self.assertEqual(self.internet.connected.count(("192.0.2.1", 443)), 1)

    async def test_a_delegated_server_proves_the_delegated_name(self) -> None:
        self.server_at("a.example", "192.0.2.1", 443, page(b'{"m.server": "b.example:1234"}'))
        server = self.server_at("b.example", "192.0.2.2", 1234, ANSWER)
        await self.get()
        self.assertIn(b"Host: b.example:1234\r\n", server.requests[0])
        # What is signed is the name from before the delegation.
        self.assertIn(b'destination="a.example"', server.requests[0])

    async def test_the_target_of_a_srv_record_proves_the_name_that_points_there(self) -> None:
        self.internet.srv = {"_matrix-fed._tcp.a.example": [SrvRecord(1, 1, 1234, "t.example")]}
        server = self.server_at("t.example", "192.0.2.3", 1234, ANSWER, proves="a.example")
        await self.get()
        self.assertIn(b"Host: a.example\r\n", server.requests[0])

    async def test_the_next_target_is_asked_if_one_cannot_be_talked_to(self) -> None:
        self.internet.srv = {
            "_matrix-fed._tcp.a.example": [
                SrvRecord(1, 1, 1, "gone.example"),
                SrvRecord(2, 1, 2, "closed.example"),
                SrvRecord(3, 1, 3, "other.example"),
                SrvRecord(4, 1, 4, "right.example"),
            ]
        }
        self.internet.names["closed.example"] = ["192.0.2.5"]
        other = self.server_at("other.example", "192.0.2.6", 3)
        self.server_at("right.example", "192.0.2.7", 4, ANSWER, proves="a.example")
        self.assertEqual(await self.get(), {"server": {"name": "Other"}})
        self.assertEqual(other.requests, [])

    async def test_a_request_that_was_written_goes_to_no_other_target(self) -> None:
        self.internet.srv = {
            "_matrix-fed._tcp.a.example": [
                SrvRecord(1, 1, 1, "first.example"),
                SrvRecord(2, 1, 2, "second.example"),
            ]
        }
        self.server_at("first.example", "192.0.2.1", 1, b"nonsense\r\n", proves="a.example")
        second = self.server_at("second.example", "192.0.2.2", 2, ANSWER, proves="a.example")
        self.assertEqual((await self.failure()).step, Step.HTTP)
        self.assertEqual(second.requests, [])

    async def test_redirections_are_not_followed(self) -> None:
        error = await self.remote_error(page(b"", "302 Found", "Location: https://b.example/\r\n"))
        self.assertEqual(error.status, 302)

    async def test_through_a_proxy(self) -> None:
        server = self.server_at("a.example", "192.0.2.1", 8448, ANSWER)
        tunnel = self.serve(TunnelServer({"a.example:8448": server.port, "a.example:443": 1}))
        self.internet.place(tunnel, "proxy.example", "10.0.0.1", 3128)
        self.transport = self.new_transport(
            proxies=Proxies(None, Proxy("proxy.example", 3128)),
            rules=IpRules([ip_network("0.0.0.0/0")]),
        )
        self.assertEqual(await self.get("a.example:8448"), {"server": {"name": "Other"}})


class RefusalTests(TransportTestCase):
    async def test_whom_we_do_not_talk_with(self) -> None:
        self.transport = self.new_transport(Partners("us.example", allowed=["b.example"]))
        for name in ("a.example", "us.example", "not a name", "https://a.example/"):
            with self.subTest(name=name):
                self.assertEqual((await self.failure(name)).step, Step.BLOCKED)
        self.assertEqual(self.internet.connected, [])

    async def test_blocked_addresses(self) -> None:
        self.internet.names["a.example"] = ["10.0.0.1"]
        self.transport = self.new_transport(rules=IpRules([ip_network("10.0.0.0/8")]))
        for name in ("a.example", "a.example:1", "10.0.0.1"):
            with self.subTest(name=name):
                self.assertEqual((await self.failure(name)).step, Step.BLOCKED)
        self.assertEqual(self.internet.connected, [])

    async def test_nobody_of_that_name(self) -> None:
        failure = await self.failure()
        self.assertEqual(
            str(failure), "a.example: name resolution: there is no address of a.example"
        )

    async def test_names_that_no_resolver_understands(self) -> None:
        for name in ("a..example", ".", "-", "x" * 70 + ".example"):
            with self.subTest(name=name):
                self.assertEqual((await self.failure(name)).step, Step.DNS)

    async def test_nobody_at_that_address(self) -> None:
        self.internet.names["a.example"] = ["192.0.2.1"]
        failure = await self.failure()
        self.assertEqual(failure.step, Step.TCP)
        self.assertIn("192.0.2.1:8448: Connection was refused", failure.reason)

    async def test_another_certificate(self) -> None:
        server = self.server_at("a.example", "192.0.2.1", 8448, proves="b.example")
        self.assertEqual((await self.failure()).step, Step.CERTIFICATE)
        self.assertEqual(server.requests, [])

    async def test_servers_that_need_no_proof(self) -> None:
        self.server_at("a.example", "192.0.2.1", 8448, ANSWER, proves="b.example")
        trust = Trust((self.authority.path,), exempt=("a.example",))
        self.transport = self.new_transport(trust=trust)
        self.assertEqual(await self.get(), {"server": {"name": "Other"}})

    async def test_whom_a_server_without_proof_delegates_to_needs_none(self) -> None:
        delegation = page(b'{"m.server": "b.example:1"}')
        self.server_at("a.example", "192.0.2.1", 443, delegation, proves="c.example")
        self.server_at("b.example", "192.0.2.2", 1, ANSWER, proves="c.example")
        trust = Trust((self.authority.path,), exempt=("a.example",))
        self.transport = self.new_transport(trust=trust)
        self.assertEqual(await self.get(), {"server": {"name": "Other"}})

    async def test_content_that_is_not_canonical_json(self) -> None:
        with self.assertRaises(RequestFailed) as raised:
            await self.transport.request("a.example:1", "PUT", "/x", json={"a": "\ud800"})
        self.assertEqual(raised.exception.step, Step.REQUEST)


class AnswerTests(TransportTestCase):
    async def test_errors_of_the_other_server(self) -> None:
        error = await self.remote_error(
            page(
                b'{"errcode": "M_FORBIDDEN", "error": "No\\nway", "room_version": "12"}',
                "403 Forbidden",
            )
        )
        self.assertEqual((error.status, error.errcode, error.error), (403, "M_FORBIDDEN", "No?way"))
        self.assertEqual(error.content["room_version"], "12")
        self.assertEqual(str(error), "a.example answers 403 M_FORBIDDEN: No?way")

    async def test_errors_that_are_none_of_matrix(self) -> None:
        for body in (b"<html>", b"[]", b'{"errcode": 1, "error": {}}', b'{"a": 1, "a": 2}', b""):
            with self.subTest(body=body):
                error = await self.remote_error(page(body, "502 Bad Gateway"))
                self.assertEqual((error.status, error.errcode), (502, "M_UNKNOWN"))

    async def test_how_long_to_wait(self) -> None:
        for headers, body, wait_ms in [
            ("", b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 1500}', 1500),
            ("Retry-After: 3\r\n", b'{"retry_after_ms": 1500}', 3000),
            ("Retry-After: Wed, 01 Jul 2026 12:00:00 GMT\r\n", b"", None),
            ("Retry-After: 999999999\r\n", b"", 86_400_000),
            ("", b'{"retry_after_ms": -1}', None),
            ("", b'{"retry_after_ms": true}', None),
        ]:
            with self.subTest(headers=headers, body=body):
                error = await self.remote_error(page(body, "429 Slow", headers))
                self.assertEqual(error.retry_after_ms, wait_ms)

    async def test_answers_that_cannot_be_used(self) -> None:
        for answer, step in [
            (page(b"<html>"), Step.HTTP),
            (page(b'{"a": 1, "a": 2}'), Step.HTTP),
            (page(b'{"a": "' + b"x" * 2000 + b'"}'), Step.TOO_LARGE),
        ]:
            with self.subTest(answer=answer[:80]):
                self.internet.ports.clear()
                self.server_at("a.example", "192.0.2.1", 8448, answer)
                self.transport = self.new_transport()
                failure = await self.failure(max_bytes=1000)
                self.assertEqual((failure.step, failure.where), (step, "a.example"))

    async def test_a_server_that_is_silent(self) -> None:
        self.server_at("a.example", "192.0.2.1", 8448, b"")
        failure = await self.failure("a.example:8448", timeout_s=0.3)
        self.assertEqual((failure.step, failure.timed_out), (Step.HTTP, True))

    async def test_finding_the_server_counts(self) -> None:
        self.server_at("a.example", "192.0.2.1", 443, b"")
        failure = await self.failure(timeout_s=0.3)
        self.assertEqual((failure.step, failure.timed_out), (Step.DNS, True))
        self.assertIn("finding out where a.example is", failure.reason)
