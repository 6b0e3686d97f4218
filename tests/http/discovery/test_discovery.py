"""The steps of "Resolving server names", with all that can be asked."""

from twisted.internet.task import Clock

from synapse.http.discovery.addresses import ServerAddress
from synapse.http.discovery.discovery import Discovery
from synapse.http.discovery.srv import SrvTargets
from synapse.http.discovery.srv_order import SrvRecord
from synapse.http.discovery.well_known import WellKnown
from tests.http.discovery.test_well_known import page
from tests.http.outbound.internet import InternetTestCase

NEW, OLD = "_matrix-fed._tcp.", "_matrix._tcp."

STEPS = [
    # step, name, what a.example delegates to, SRV records, host, port, Host, certificate's name
    ("1", "192.0.2.9", None, {}, "192.0.2.9", 8448, "192.0.2.9", "192.0.2.9"),
    ("2", "a.example:80", "b.example", {}, "a.example", 80, "a.example:80", "a.example"),
    ("3.1", "a.example", "192.0.2.9", {}, "192.0.2.9", 8448, "192.0.2.9", "192.0.2.9"),
    ("3.1", "a.example", "[::9]:1", {}, "::9", 1, "[::9]:1", "::9"),
    ("3.2", "a.example", "b.example:1", {NEW + "b.example": ("s", 2)}, "b.example", 1,
     "b.example:1", "b.example"),
    ("3.3", "a.example", "b.example", {NEW + "b.example": ("s", 2), OLD + "b.example": ("t", 3)},
     "s", 2, "b.example", "b.example"),
    ("3.4", "a.example", "b.example", {OLD + "b.example": ("t", 3), NEW + "a.example": ("u", 4)},
     "t", 3, "b.example", "b.example"),
    ("3.5", "a.example", "b.example", {}, "b.example", 8448, "b.example", "b.example"),
    ("4", "a.example", None, {NEW + "a.example": ("s", 2), OLD + "a.example": ("t", 3)}, "s", 2,
     "a.example", "a.example"),
    ("5", "a.example", None, {OLD + "a.example": ("t", 3)}, "t", 3, "a.example", "a.example"),
    ("6", "a.example", None, {}, "a.example", 8448, "a.example", "a.example"),
]  # fmt: skip


class DiscoveryTests(InternetTestCase):
    async def test_each_step(self) -> None:
        for step, name, delegate, srv, host, port, host_header, tls_name in STEPS:
            with self.subTest(step=step, name=name):
                clock = Clock()
                discovery = Discovery(
                    WellKnown(self.new_client(), clock), SrvTargets(self.internet, clock)
                )
                answer = page(b"", "404 Not Found")
                if delegate is not None:
                    answer = page(b'{"m.server": "%b"}' % delegate.encode())
                self.server_at("a.example", "192.0.2.1", 443, answer)
                self.internet.srv = {
                    service: [SrvRecord(1, 1, target_port, target)]
                    for service, (target, target_port) in srv.items()
                }
                self.assertEqual(
                    await discovery.addresses(name),
                    (ServerAddress(host, port, host_header, tls_name),),
                )
