"""Two servers behind a proxy that docs/reverse_proxy.rst configures: for clients and others."""

import http.client
import json
import shutil
import time
from threading import Thread
from typing import Any

from tests.interop.pairs import PairTestCase, client, heard, ok, say, wait_for
from tests.interop.proxies import Apache, Caddy, Haproxy, Nginx, Proxy
from tests.interop.server import temporary_directory

# Another address of loopback, so that the log can tell clients from the proxy.
CLIENT = "127.0.0.2"
MEBIBYTE = 1024 * 1024
# What a proxy that decodes, merges or normalises paths would change.
HARD_SEGMENTS = ("a/b", "a%2Fb", "a//b", "/", "..", "a?b#c", "a+b c", "ä;,=&$!'()*", "%")


class ProxyTestCase(PairTestCase):
    proxy_type: type[Proxy]

    def setUp(self) -> None:
        super().setUp()
        directory = temporary_directory()
        self.addCleanup(shutil.rmtree, directory)
        behind = (self.one.port, self.two.port)
        self.proxy = self.proxy_type(directory, dict(zip(self.tls_ports, behind, strict=True)))
        self.addCleanup(self.proxy.stop)
        self.proxy.start()
        self.trust(self.proxy.certificate)
        for server in (self.one, self.two):
            server.listeners[0]["x_forwarded"] = True
            server.configure(public_baseurl=f"https://{server.server_name}/")
            server.start()
        self.alice = self.one.register("alice")

    def check(self) -> None:
        """All of it, since two servers are slow to start."""
        for check in (
            self.check_clients,
            self.check_the_clients_address_is_known,
            self.check_the_well_known_files_are_served_too,
            self.check_a_long_poll,
            self.check_paths_arrive_as_they_are,
            self.check_large_transactions_are_let_through,
            self.check_servers_federate,
        ):
            with self.subTest(check.__name__):
                check()

    def call(
        self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """One request to the first server through the proxy; status and JSON."""
        connection = http.client.HTTPSConnection(
            "localhost",
            self.tls_ports[0],
            timeout=60,
            context=self.proxy.trust,
            source_address=(CLIENT, 0),
        )
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def room_of(self, token: str, **wish: Any) -> str:
        answer = ok(self.call("POST", client("createRoom"), wish, token))
        return str(answer["room_id"])

    def check_clients(self) -> None:
        token = self.alice
        room_id = self.room_of(token, name="Behind a proxy")
        answer = ok(self.call("GET", client("sync"), token=token))
        self.assertIn(room_id, answer["rooms"]["join"])

    def check_the_clients_address_is_known(self) -> None:
        # Who claims another address is not believed.
        claim = {"X-Forwarded-For": "192.0.2.99"}
        ok(self.call("GET", "/_matrix/client/versions?mark", **claim))
        log = self.one.directory / "homeserver.log"
        text = wait_for(log.read_text, lambda text: "versions?mark" in text)
        (line,) = [line for line in text.splitlines() if "versions?mark" in line]
        self.assertIn(f" {CLIENT} - {self.one.port} - ", line)
        self.assertNotIn("192.0.2.99", text)

    def check_the_well_known_files_are_served_too(self) -> None:
        base = ok(self.call("GET", "/.well-known/matrix/client"))["m.homeserver"]["base_url"]
        self.assertEqual(base, f"https://{self.one.server_name}/")

    def check_a_long_poll(self) -> None:
        token = self.alice
        room_id = self.room_of(token)
        since = ok(self.call("GET", client("sync"), token=token))["next_batch"]
        path = client("sync") + f"?timeout=40000&since={since}"
        answers: list[Any] = []
        poll = Thread(target=lambda: answers.append(self.call("GET", path, token=token)))
        started = time.monotonic()
        poll.start()
        time.sleep(1)
        self.assertEqual(answers, [])
        say(self.one, token, room_id, "at last")
        poll.join(60)
        self.assertLess(time.monotonic() - started, 20)
        timeline = ok(answers[0])["rooms"]["join"][room_id]["timeline"]["events"]
        self.assertEqual(timeline[-1]["content"]["body"], "at last")

    def check_paths_arrive_as_they_are(self) -> None:
        token = self.alice
        # The events' ids of this version may hold slashes.
        room_id = self.room_of(token, room_version="3")
        for segment in HARD_SEGMENTS:
            with self.subTest(segment=segment):
                path = client("rooms", room_id, "state", "test.hard", segment)
                ok(self.call("PUT", path, {"said": segment}, token))
                self.assertEqual(ok(self.call("GET", path, token=token)), {"said": segment})
        event_id = ""
        for number in range(200):
            event_id = say(self.one, token, room_id, str(number))
            if "/" in event_id:
                break
        self.assertIn("/", event_id)
        answer = ok(self.call("GET", client("rooms", room_id, "event", event_id), token=token))
        self.assertEqual(answer["event_id"], event_id)

    def check_large_transactions_are_let_through(self) -> None:
        path = "/_matrix/federation/v1/send/1"
        status, answer = self.call("PUT", path, b"{%b}" % (b" " * 9 * MEBIBYTE))
        self.assertEqual((status, answer["errcode"]), (401, "M_UNAUTHORIZED"))

    def check_servers_federate(self) -> None:
        alice, bob = self.alice, self.two.register("bob/b")
        room_id = self.room_of(alice, preset="public_chat", room_version="3")
        join = client("join", room_id) + f"?via={self.one.server_name}"
        ok(self.two.call("POST", join, {}, bob))
        say(self.two, bob, room_id, "from two")
        say(self.one, alice, room_id, "from one")
        for server, token in ((self.one, alice), (self.two, bob)):
            wait_for(
                lambda server=server, token=token: set(heard(server, token, room_id)),  # type: ignore[misc]
                {"from one", "from two"}.issubset,
            )


class NginxTests(ProxyTestCase):
    proxy_type = Nginx

    def test_what_comes_through(self) -> None:
        self.check()


class ApacheTests(ProxyTestCase):
    proxy_type = Apache

    def test_what_comes_through(self) -> None:
        self.check()


class HaproxyTests(ProxyTestCase):
    proxy_type = Haproxy

    def test_what_comes_through(self) -> None:
        self.check()


class CaddyTests(ProxyTestCase):
    proxy_type = Caddy

    def test_what_comes_through(self) -> None:
        self.check()
