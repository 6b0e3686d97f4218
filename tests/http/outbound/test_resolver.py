"""Names are looked up in threads, of which there are few."""

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address

from synapse.http.client.errors import Step
from synapse.http.client.resolver import SystemResolver
from tests.case import TestCase
from tests.http.outbound.network import start


class Reactor:
    """Its name resolver answers when the test says so."""

    def __init__(self) -> None:
        self.nameResolver = self
        self.asked: list[tuple[str, Any]] = []

    def resolveHostName(self, receiver: Any, host: str, port: int) -> None:
        self.asked.append((host, receiver))

    def answer(self, *addresses: Any) -> None:
        """Answer the oldest question."""
        _, receiver = self.asked.pop(0)
        receiver.resolutionBegan(None)
        for address in addresses:
            receiver.addressResolved(address)
        receiver.resolutionComplete()


V4 = IPv4Address("TCP", "192.0.2.1", 0)
V6 = IPv6Address("TCP", "2001:db8::1", 0)


class SystemResolverTests(TestCase):
    def setUp(self) -> None:
        self.reactor = Reactor()
        self.resolver = SystemResolver(self.reactor)

    def test_addresses_in_their_order_and_once(self) -> None:
        asked = start(self.resolver.addresses("a.example"))
        self.reactor.answer(V6, V4, V6)
        self.assertEqual(asked.result, ["2001:db8::1", "192.0.2.1"])

    def test_a_name_without_address(self) -> None:
        asked = start(self.resolver.addresses("a.example"))
        self.reactor.answer()
        self.assertEqual(str(asked.error), "name resolution: there is no address of a.example")

    def test_those_who_ask_for_the_same_name_share_a_thread(self) -> None:
        asked = [start(self.resolver.addresses("a.example")) for _ in range(3)]
        self.assertEqual(len(self.reactor.asked), 1)
        self.reactor.answer(V4)
        self.assertEqual([one.result for one in asked], [["192.0.2.1"]] * 3)

    def test_silent_name_servers_do_not_take_all_threads(self) -> None:
        asked = [start(self.resolver.addresses(f"{n}.example")) for n in range(10)]
        self.assertEqual(len(self.reactor.asked), 6)
        for one in asked[:7]:
            one.deferred.cancel()
        # The threads are still busy, whether anybody waits or not.
        self.assertEqual(len(self.reactor.asked), 6)
        self.reactor.answer(V4)
        # For 6.example nobody waits any more.
        self.assertEqual(self.reactor.asked[-1][0], "7.example")

    def test_what_is_no_name_never_reaches_a_thread(self) -> None:
        for host in ("a..example", "x" * 64, "", ".", "a b", "a\0b", "ü.example"):
            with self.subTest(host=host):
                asked = start(self.resolver.addresses(host))
                self.assertEqual(asked.error.step, Step.DNS)
        self.assertEqual(self.reactor.asked, [])
