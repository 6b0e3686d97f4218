"""Real sockets: TCP, both address families, Unix sockets."""

import os
import socket
import stat
import tempfile
from typing import Any
from unittest.mock import patch

from twisted.internet import reactor, tcp
from twisted.internet.threads import deferToThread

from synapse.config.listeners import ListenerConfig
from synapse.http.health import Health
from synapse.http.listeners import ListenError, Listeners
from synapse.http.routing import Router
from synapse.http.server import HttpSite
from tests.case import TestCase

REQUEST = b"GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


class ListenerTests(TestCase):
    def setUp(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.listeners = Listeners(reactor)
        self.addCleanup(self.listeners.close)

    def open(self, **config: Any) -> list[int]:
        time: Any = reactor
        site = HttpSite(Router([Health()]), time, tag="test")
        return self.listeners.open(ListenerConfig(type="http", **config), site)

    async def ask(self, address: Any, family: int = socket.AF_INET) -> bytes:
        def ask() -> bytes:
            with socket.socket(family) as client:
                client.settimeout(10)
                client.connect(address)
                client.sendall(REQUEST)
                answer = b""
                while piece := client.recv(1000):
                    answer += piece
                return answer

        return await deferToThread(ask)

    async def test_tcp(self) -> None:
        with self.assertLogs("synapse.http.listeners", "INFO") as logs:
            (port,) = self.open(port=0, bind_addresses=("127.0.0.1",))
        self.assertIn(f"Synapse now listening on TCP port {port}", logs.output[0])
        self.assertTrue((await self.ask(("127.0.0.1", port))).endswith(b"\r\n\r\nOK"))

    async def test_answers_do_not_wait_to_be_confirmed(self) -> None:
        with patch.object(tcp.Server, "setTcpNoDelay", autospec=True) as no_delay:
            (port,) = self.open(port=0, bind_addresses=("127.0.0.1",))
            await self.ask(("127.0.0.1", port))
            path = os.path.join(self.directory.name, "socket")
            self.open(path=path)
            await self.ask(path, socket.AF_UNIX)
        # Not for the Unix socket, which has no such option.
        self.assertEqual([call.args[1] for call in no_delay.call_args_list], [True])

    async def test_all_addresses_of_both_families(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.open(port=port, bind_addresses=("::", "0.0.0.0"))
        self.assertIn(b"200 OK", await self.ask(("127.0.0.1", port)))
        if socket.has_ipv6:
            self.assertIn(b"200 OK", await self.ask(("::1", port), socket.AF_INET6))

    async def test_unix_socket(self) -> None:
        path = os.path.join(self.directory.name, "socket")
        self.open(path=path, mode=0o660)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)
        self.assertIn(b"200 OK", await self.ask(path, socket.AF_UNIX))
        with self.assertRaises(ListenError):
            self.open(path=path, mode=0o660)

    async def test_a_port_in_use(self) -> None:
        (port,) = self.open(port=0, bind_addresses=("127.0.0.1",))
        with self.assertRaises(ListenError) as raised:
            self.open(port=port, bind_addresses=("127.0.0.1",))
        self.assertIn(str(port), str(raised.exception))

    async def test_after_closing_nobody_is_let_in(self) -> None:
        (port,) = self.open(port=0, bind_addresses=("127.0.0.1",))
        await self.listeners.close()
        with self.assertRaises(ConnectionRefusedError):
            await self.ask(("127.0.0.1", port))
