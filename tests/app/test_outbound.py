"""The clients for requests to other servers are as the configuration wants them."""

from typing import Any

import synapse
from synapse.app.parts.outbound import Outbound
from synapse.crypto.signing import SigningKey
from synapse.http.client.errors import Step
from tests.case import TestCase
from tests.config.builders import parsed
from tests.http.outbound.internet import Internet
from tests.http.outbound.network import Network, Outcome, start

KEY = SigningKey("a_test", bytes(32))


class OutboundTests(TestCase):
    def setUp(self) -> None:
        self.network = Network({"inside.example": ["10.0.0.1"], "proxy.example": ["10.0.0.2"]})

    def outbound(self, **values: object) -> Outbound:
        return Outbound(parsed(**values), self.network, KEY, resolver=self.network, srv=Internet())

    def get(self, client: Any, url: str = "http://inside.example/") -> Outcome:
        return start(client.request("GET", url))

    def ask(self, outbound: Outbound, destination: str = "inside.example:8448") -> Outcome:
        """A request to another homeserver."""
        return start(outbound.federation.request(destination, "GET", "/_matrix/key/v2/server"))

    def test_private_networks_are_blocked(self) -> None:
        outbound = self.outbound()
        self.assertEqual(self.get(outbound.client).error.step, Step.BLOCKED)
        self.assertEqual(self.ask(outbound).error.step, Step.BLOCKED)

    def test_federation_may_have_a_list_of_its_own(self) -> None:
        outbound = self.outbound(
            ip_range_whitelist=["10.0.0.0/8"], federation_ip_range_blacklist=["10.0.0.0/16"]
        )
        self.assertEqual(self.ask(outbound).error.step, Step.BLOCKED)
        self.get(outbound.client)
        self.assertEqual(len(self.network.attempts), 1)

    def test_federation_may_be_restricted(self) -> None:
        outbound = self.outbound(federation_domain_whitelist=["lon.example"])
        self.assertEqual(
            str(self.ask(outbound).error),
            "blocked: inside.example:8448 is not in federation_domain_whitelist",
        )

    def test_the_proxy_and_who_we_are_to_it(self) -> None:
        outbound = self.outbound(
            https_proxy="http://me:p%C3%A4ss@proxy.example:3128", no_proxy_hosts=["near.example"]
        )
        self.get(outbound.client, "https://far.example/")
        peer = self.network.accept()
        self.assertTrue(peer.received.startswith(b"CONNECT far.example:443 HTTP/1.1\r\n"))
        self.assertIn(b"Proxy-Authorization: Basic bWU6cMOkc3M=\r\n", peer.received)
        self.assertEqual(self.get(outbound.client, "https://near.example/").error.step, Step.DNS)

    def test_who_we_are(self) -> None:
        suffix = {"user_agent_suffix": "(by example)"}
        outbound = self.outbound(ip_range_whitelist=["10.0.0.0/8"], **suffix)
        self.get(outbound.client)
        agent = f"User-Agent: Synapse/{synapse.__version__} (by example)\r\n"
        self.assertIn(agent.encode(), self.network.accept().received)

    def test_certificates_of_those_who_are_no_homeservers(self) -> None:
        key = "use_insecure_ssl_client_just_for_testing_do_not_use"
        for is_blind in (False, True):
            outbound = self.outbound(**{key: is_blind})
            self.assertEqual(outbound.client.trust.is_exempt("id.example"), is_blind)
            self.assertFalse(outbound.federation_client.trust.is_exempt("id.example"))

    def test_closing_closes_what_was_made(self) -> None:
        outbound = self.outbound(ip_range_whitelist=["10.0.0.0/8"])
        self.get(outbound.client)
        peer = self.network.accept()
        outbound.close()
        self.assertTrue(peer.is_closed)
