"""Two server processes that federate with each other over TLS on loopback."""

import shutil
import time
from collections.abc import Callable
from typing import Any, TypeVar
from unittest import TestCase
from urllib.parse import quote

from tests.interop.server import ServerProcess, free_port, temporary_directory

T = TypeVar("T")


class PairTestCase(TestCase):
    """`self.one` and `self.two`: configured, not started. A server's name is the address of its TLS
    port (`self.tls_ports`), so that they find each other without DNS."""

    one: ServerProcess
    two: ServerProcess

    def setUp(self) -> None:
        self.tls_ports = (free_port(), free_port())
        self.one = self._new_server(self.tls_ports[0], None)
        self.two = self._new_server(self.tls_ports[1], self.database())

    def database(self) -> dict[str, Any] | None:
        """What the second server keeps its data in: see `ServerProcess`."""
        return None

    def _new_server(self, tls_port: int, database: dict[str, Any] | None) -> ServerProcess:
        directory = temporary_directory()
        self.addCleanup(shutil.rmtree, directory)
        server = ServerProcess(directory, database=database, server_name=f"localhost:{tls_port}")
        self.addCleanup(server.kill)
        return server

    def trust(self, *certificates: str) -> None:
        """What both need to talk with each other, and with nobody else."""
        for server in (self.one, self.two):
            server.configure(
                federation_custom_ca_list=list(certificates),
                ip_range_blacklist=[],
                trusted_key_servers=[],
            )

    def listen_with_tls(self) -> None:
        """Both serve their TLS port themselves, and trust each other's certificate."""
        certificates = []
        for server, port in zip((self.one, self.two), self.tls_ports, strict=True):
            listener = server.listeners[0] | {"port": port, "tls": True}
            server.configure(listeners=[*server.listeners, listener])
            certificates.append(str(server.directory / f"{server.server_name}.tls.crt"))
        self.trust(*certificates)


def client(*segments: str) -> str:
    """A path of the client API, whatever characters its segments have."""
    return "/".join(["/_matrix/client/v3", *(quote(segment, safe="") for segment in segments)])


def ok(answer: tuple[int, Any]) -> Any:
    """The answer of a request that must succeed."""
    assert answer[0] == 200, answer
    return answer[1]


def say(server: ServerProcess, token: str, room_id: str, text: str) -> str:
    """Send a message; the event's id."""
    path = client("rooms", room_id, "send", "m.room.message", text)
    answer = ok(server.call("PUT", path, {"msgtype": "m.text", "body": text}, token))
    return str(answer["event_id"])


def heard(server: ServerProcess, token: str, room_id: str) -> list[str]:
    """The texts of a room's last messages."""
    path = client("rooms", room_id, "messages") + "?dir=b&limit=50"
    chunk = ok(server.call("GET", path, token=token))["chunk"]
    return [event["content"]["body"] for event in reversed(chunk) if "body" in event["content"]]


def wait_for(read: Callable[[], T], is_it: Callable[[T], bool]) -> T:
    """What is read once it is so."""
    deadline = time.monotonic() + 30
    while True:
        value = read()
        if is_it(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"In vain: {value!r}")
        time.sleep(0.1)
