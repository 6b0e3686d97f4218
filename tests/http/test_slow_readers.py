"""Clients that ask much and read nothing, over real sockets."""

import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from synapse.config.listeners import ListenerConfig
from synapse.http.listeners import Listeners
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Response
from synapse.http.routing import Router
from synapse.http.server import HttpSite
from synapse.http.tls import ReloadableTls
from tests.case import TestCase
from tests.http.test_tls import certify

# More in all than the buffers of any kernel take.
REQUESTS = 1500
ANSWER_BYTES = 60_000
LONG_ANSWER_BYTES = 40_000_000


class Counted(Resource):
    PATHS: ClassVar[tuple[str, ...]] = ("/counted",)

    def __init__(self) -> None:
        self.begun = 0

    async def get(self, request: Request) -> Response:
        self.begun += 1
        return Response(body=b"x" * ANSWER_BYTES, content_type="text/plain")


class Long(Resource):
    PATHS: ClassVar[tuple[str, ...]] = ("/long",)

    async def get(self, request: Request) -> Response:
        return Response(body=b"x" * LONG_ANSWER_BYTES, content_type="text/plain")


class Quick(Resource):
    PATHS: ClassVar[tuple[str, ...]] = ("/quick",)

    async def get(self, request: Request) -> Response:
        return Response(body=b"", content_type="text/plain")


class SlowReaderTests(TestCase):
    tls = False

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        certificate, key = Path(directory.name, "cert.pem"), Path(directory.name, "key.pem")
        certify(certificate, key)
        self.counted = Counted()
        time: Any = reactor
        site = HttpSite(Router([self.counted, Long(), Quick()]), time, tag="test", tls=self.tls)
        listeners = Listeners(reactor, ReloadableTls(str(certificate), str(key)))
        self.addCleanup(listeners.close)
        config = ListenerConfig(type="http", port=0, bind_addresses=("127.0.0.1",), tls=self.tls)
        (self.port,) = listeners.open(config, site)

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        if not self.tls:
            return client
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(client)

    async def settled(self) -> int:
        """How many requests have been begun, when no more are."""
        before = -1
        while before != self.counted.begun:
            before = self.counted.begun
            await deferToThread(self.ask_quickly)
        return before

    def ask_quickly(self) -> None:
        with self.connect() as client:
            client.sendall(_request("/quick", close=True))
            _read_all(client)

    async def test_answers_wait_for_a_client_that_reads_none(self) -> None:
        requests = _request("/counted") * (REQUESTS - 1) + _request("/counted", close=True)

        def ask() -> socket.socket:
            client = self.connect()
            client.sendall(requests)
            return client

        with await deferToThread(ask) as client:
            self.assertLess(await self.settled(), REQUESTS // 2)
            received = await deferToThread(_read_all, client)
        self.assertEqual(self.counted.begun, REQUESTS)
        self.assertGreater(received, REQUESTS * ANSWER_BYTES)

    async def test_a_long_answer_comes_whole_and_the_next_after_it(self) -> None:
        def ask() -> int:
            with self.connect() as client:
                client.sendall(_request("/long") + _request("/counted", close=True))
                return _read_all(client)

        received = await deferToThread(ask)
        heads = received - LONG_ANSWER_BYTES - ANSWER_BYTES
        self.assertTrue(0 < heads < 5000, heads)


class SlowTlsReaderTests(SlowReaderTests):
    tls = True


def _request(path: str, *, close: bool = False) -> bytes:
    end = "Connection: close\r\n\r\n" if close else "\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: test\r\n{end}".encode()


def _read_all(client: socket.socket) -> int:
    received = 0
    while piece := client.recv(1_000_000):
        received += len(piece)
    return received
