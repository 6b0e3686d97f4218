"""The walk to another server: every step's fault is named, and nothing else is called one."""

import json
from ipaddress import ip_network
from typing import Any

from twisted.internet import reactor

from synapse.federation.inspection import Finding, Inspection
from synapse.federation.partners import Partners
from synapse.federation.transport import FederationTransport
from synapse.http.client.networks import IpRules
from synapse.http.discovery.discovery import Discovery
from synapse.http.discovery.srv import SrvTargets
from synapse.http.discovery.srv_order import SrvRecord
from synapse.http.discovery.well_known import WellKnown
from synapse.util import base64
from synapse.util.clock import Clock
from tests.crypto.key_documents import DAY_MS, document_of, key_of
from tests.http.discovery.test_well_known import page
from tests.http.outbound.internet import InternetTestCase
from tests.http.outbound.servers import Server

VERSION = page(b'{"server": {"name": "Other", "version": "1.2"}}')
NOT_FOUND = page(b'{"errcode": "M_NOT_FOUND", "error": "No such alias"}', "404 Not Found")
UNAUTHORISED = page(b'{"errcode": "M_UNAUTHORIZED", "error": "No key"}', "401 Unauthorized")


def keys(server: str = "a.example", until_ms: int | None = None, **more: Any) -> bytes:
    """The answer with a server's key document, which is valid for a day."""
    if until_ms is None:
        until_ms = Clock(reactor).now_ms() + DAY_MS
    return page(json.dumps(document_of(server, until_ms=until_ms, **more)).encode())


class InspectionTestCase(InternetTestCase):
    def new_inspection(
        self, partners: Partners | None = None, rules: IpRules | None = None
    ) -> Inspection:
        client = self.new_client(rules=rules)
        well_known = WellKnown(client, self.internet)
        srv = SrvTargets(self.internet, self.internet, lambda: 0.0)
        discovery = Discovery(well_known, srv)
        transport = FederationTransport(
            client,
            discovery,
            partners or Partners("us.example"),
            self.internet,
            server_name="us.example",
            key=key_of("us.example"),
            timeout_s=60.0,
        )
        clock = Clock(self.internet)
        return Inspection(client, well_known, srv, discovery, transport, clock, self.internet)

    async def findings(self, server: str = "a.example", **options: Any) -> list[Finding]:
        inspection = self.new_inspection(**options)
        await inspection.walk_to(server)
        return inspection.findings

    async def fault(self, server: str = "a.example", **options: Any) -> Finding:
        """The only one."""
        (fault,) = [each for each in await self.findings(server, **options) if each.is_fault]
        return fault

    async def text(self, step: str, server: str = "a.example") -> str:
        """What a step without fault says."""
        (text,) = [
            each.text
            for each in await self.findings(server)
            if each.step == step and not each.is_fault
        ]
        return text

    def good_server(self, *answers: bytes) -> Server:
        answers = answers or (VERSION, keys())
        return self.server_at("a.example", "192.0.2.1", 8448, *answers)


class WayTests(InspectionTestCase):
    async def test_a_server_without_fault(self) -> None:
        self.good_server()
        found = await self.findings()
        self.assertEqual([each for each in found if each.is_fault], [])
        steps = [each.step for each in found]
        self.assertEqual(steps, [".well-known", "SRV", "HTTP", "keys", "certificate"])
        self.assertEqual(found[2].text, "a.example:8448 is Other 1.2")
        self.assertEqual(found[3].text, "ed25519:a, valid for 24 hours")

    async def test_a_bad_name(self) -> None:
        for name in ("https://a.example", "a.example/", "", "a b"):
            with self.subTest(name=name):
                fault = await self.fault(name)
                self.assertEqual(fault.step, "name")
                self.assertIn("not a server's name", fault.text)
        self.assertEqual(self.internet.connected, [])

    async def test_a_name_with_a_port(self) -> None:
        self.server_at("a.example", "192.0.2.1", 8450, VERSION, keys("a.example:8450"))
        self.assertIn("says its address itself", await self.text("name", "a.example:8450"))
        self.assertEqual(self.internet.srv_asked, [])

    async def test_a_name_without_address(self) -> None:
        fault = await self.fault()
        self.assertEqual(fault.step, "name resolution")
        self.assertIn("there is no address of a.example", fault.text)

    async def test_why_a_well_known_file_is_not_used(self) -> None:
        self.good_server()
        self.assertIn("delegates to nobody (", await self.text(".well-known"))
        for answer, reason in (
            (page(b"", "404 Not Found"), "it answers 404"),
            (page(b"<html>"), "it is not a JSON object"),
            (page(b'{"m.server": "https://b.example"}'), "its m.server is not a server's name"),
        ):
            with self.subTest(reason=reason):
                self.good_server()
                self.server_at("a.example", "192.0.2.1", 443, answer)
                text = await self.text(".well-known")
                self.assertEqual(text, f"https://a.example delegates to nobody ({reason})")

    async def test_a_well_known_file_behind_another_certificate(self) -> None:
        self.good_server()
        self.server_at("a.example", "192.0.2.1", 443, proves="b.example")
        text = await self.text(".well-known")
        self.assertIn("the certificate: is valid, but not for a.example", text)

    async def test_a_delegation(self) -> None:
        self.server_at("a.example", "192.0.2.1", 443, page(b'{"m.server": "b.example:443"}'))
        self.server_at("b.example", "192.0.2.2", 443, VERSION, keys())
        text = await self.text(".well-known")
        self.assertEqual(text, "https://a.example delegates to b.example:443")

    async def test_targets_of_srv_records(self) -> None:
        self.internet.srv = {"_matrix-fed._tcp.a.example": [SrvRecord(1, 1, 1234, "t.example")]}
        self.server_at("t.example", "192.0.2.3", 1234, VERSION, keys(), proves="a.example")
        self.assertEqual(await self.text("SRV"), "a.example points to t.example:1234")
        self.internet.srv = {"_matrix-fed._tcp.a.example": [SrvRecord(0, 0, 0, "")]}
        self.assertEqual((await self.fault()).step, "SRV")

    async def test_each_of_several_addresses_is_tried(self) -> None:
        self.internet.srv = {
            "_matrix-fed._tcp.a.example": [
                SrvRecord(1, 1, 1, "gone.example"),
                SrvRecord(2, 1, 2, "here.example"),
            ]
        }
        self.server_at("here.example", "192.0.2.3", 2, VERSION, keys(), proves="a.example")
        fault = await self.fault()
        self.assertEqual(fault.step, "name resolution")
        self.assertIn("gone.example:1", fault.text)

    async def test_nobody_listens(self) -> None:
        self.internet.names["a.example"] = ["192.0.2.1"]
        fault = await self.fault()
        self.assertEqual(fault.step, "connecting")
        self.assertIn("192.0.2.1:8448", fault.text)

    async def test_a_blocked_address(self) -> None:
        self.good_server()
        fault = await self.fault(rules=IpRules([ip_network("192.0.2.0/24")]))
        self.assertEqual(fault.step, "blocked")
        self.assertIn("192.0.2.1", fault.text)

    async def test_no_tls(self) -> None:
        self.internet.place(self.serve(Server(b"SSH-2.0\r\n")), "a.example", "192.0.2.1", 8448)
        self.assertEqual((await self.fault()).step, "TLS")

    async def test_the_certificate_of_another_name(self) -> None:
        self.server_at("a.example", "192.0.2.1", 8448, VERSION, proves="b.example")
        fault = await self.fault()
        self.assertEqual(fault.step, "the certificate")
        self.assertIn("not for a.example: it is for b.example", fault.text)

    async def test_an_expired_certificate(self) -> None:
        identity = self.authority.issue("a.example", from_days=-3, to_days=-1)
        self.internet.place(self.serve(Server(VERSION), identity), "a.example", "192.0.2.1", 8448)
        fault = await self.fault()
        self.assertEqual(fault.step, "the certificate")
        self.assertIn("it has expired", fault.text)


class AnswerTests(InspectionTestCase):
    async def test_something_else_answers(self) -> None:
        for answer in (page(b"<html>"), page(b"", "502 Bad Gateway"), page(b"[]")):
            with self.subTest(answer=answer):
                self.good_server(answer, keys())
                self.assertEqual((await self.fault()).step, "HTTP")

    async def test_what_a_server_calls_itself_does_no_harm(self) -> None:
        self.good_server(page(b'{"server": {"name": "\\u001b[2J", "version": []}}'), keys())
        self.assertEqual(await self.text("HTTP"), "a.example:8448 is ?[2J []")

    async def test_no_keys(self) -> None:
        self.good_server(VERSION, page(b"", "404 Not Found"))
        fault = await self.fault()
        self.assertEqual(fault.step, "HTTP")
        self.assertIn("404 to /_matrix/key/v2/server", fault.text)

    async def test_keys_of_another_server(self) -> None:
        self.good_server(VERSION, keys("b.example"))
        fault = await self.fault()
        self.assertEqual(fault.step, "keys")
        self.assertIn("server_name is another server's", fault.text)

    async def test_expired_keys(self) -> None:
        self.good_server(VERSION, keys(until_ms=1_700_000_000_000))
        fault = await self.fault()
        self.assertEqual((fault.step, fault.text), ("keys", "ed25519:a: no longer valid"))

    async def test_whether_the_certificate_is_published(self) -> None:
        identity = self.authority.issue("a.example")
        digest = identity.fingerprint
        own = {"sha256": base64.encode(digest).decode()}
        for published, expected in (
            ([own], "as published in tls_fingerprints"),
            ([{"sha256": "AAAA"}, own], "as published in tls_fingerprints"),
            ([{"sha256": "AAAA"}, 7, {"sha256": []}], "tls_fingerprints name other ones"),
            ([], "no tls_fingerprints are published"),
            ("AAAA", "no tls_fingerprints are published"),
        ):
            with self.subTest(published=published):
                server = Server(VERSION, keys(tls_fingerprints=published))
                self.internet.place(self.serve(server, identity), "a.example", "192.0.2.1", 8448)
                text = await self.text("certificate")
                self.assertIn(digest.hex(":").upper(), text)
                self.assertIn(expected, text)


class SignatureTests(InspectionTestCase):
    async def asked(self, answer: bytes, **options: Any) -> Finding:
        self.good_server(answer)
        inspection = self.new_inspection(**options)
        await inspection.ask_signed("a.example")
        (finding,) = inspection.findings
        return finding

    async def test_a_signature_that_is_accepted(self) -> None:
        for answer in (NOT_FOUND, page(b'{"room_id": "!r", "servers": []}')):
            finding = await self.asked(answer)
            self.assertFalse(finding.is_fault)
            self.assertIn("accepts requests that we sign", finding.text)

    async def test_a_signature_that_is_refused(self) -> None:
        finding = await self.asked(UNAUTHORISED)
        self.assertTrue(finding.is_fault)
        self.assertEqual(finding.step, "signature")
        self.assertIn("No key", finding.text)

    async def test_something_else_is_wrong(self) -> None:
        for answer in (page(b"", "404 Not Found"), page(b"", "502 Bad Gateway")):
            finding = await self.asked(answer)
            self.assertTrue(finding.is_fault)
            self.assertEqual(finding.step, "HTTP")

    async def test_a_server_with_which_we_do_not_talk(self) -> None:
        finding = await self.asked(
            NOT_FOUND, partners=Partners("us.example", allowed=["b.example"])
        )
        self.assertTrue(finding.is_fault)
        self.assertEqual(finding.step, "blocked")
