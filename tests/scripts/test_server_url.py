"""The address of a server, from its listeners."""

from unittest import TestCase

from synapse._scripts.server_url import server_url
from synapse.config.listeners import ListenerConfig, ListenerResource

CLIENT = (ListenerResource(names=("client", "federation")),)
METRICS = (ListenerResource(names=("metrics",)),)
TLS = ListenerConfig(port=8448, resources=CLIENT, tls=True)


class ServerUrlTestCase(TestCase):
    def test_the_url_for_some_listeners(self) -> None:
        cases: list[tuple[list[ListenerConfig], str]] = [
            ([], "http://localhost:8008"),
            ([TLS, ListenerConfig(port=8009, resources=CLIENT)], "http://localhost:8009"),
            ([TLS], "https://localhost:8448"),
            ([at("10.0.0.1")], "http://10.0.0.1:9"),
            ([at("2001:db8::1")], "http://[2001:db8::1]:9"),
            ([at("::")], "http://localhost:9"),
            ([at("10.0.0.1", "127.0.0.1")], "http://localhost:9"),
            ([ListenerConfig(port=9, resources=METRICS)], "http://localhost:8008"),
            ([ListenerConfig(path="/run/socket", resources=CLIENT)], "http://localhost:8008"),
        ]
        for listeners, url in cases:
            with self.subTest(listeners=listeners):
                self.assertEqual(server_url(listeners), url)

    def test_no_tls_drops_listeners_with_tls(self) -> None:
        self.assertEqual(server_url([TLS], no_tls=True), "http://localhost:8008")


def at(*addresses: str) -> ListenerConfig:
    return ListenerConfig(port=9, bind_addresses=addresses, resources=CLIENT)
