"""`kill -9` of federating servers amid sending: what one acknowledged comes to both, once."""

import threading
import time
from typing import Any
from unittest import TestCase

from tests.interop.pairs import PairTestCase, client, ok, wait_for
from tests.interop.server import ServerProcess
from tests.storage.fresh import POSTGRES, create_postgres, drop_postgres, postgres_arguments

SENDERS = 3  # on each server
KILLS = 3  # of each server
# A server is killed after so many more events were acknowledged on both together.
_BETWEEN_KILLS = 60
# Else a server is left alone for minutes once it could not be reached.
_RETRIES = {
    "destination_min_retry_interval": 200,
    "destination_retry_multiplier": 1,
    "destination_max_retry_interval": 200,
}


class KillFederationTests(PairTestCase):
    """The one is on SQLite; the other on PostgreSQL, where there is one."""

    def database(self) -> dict[str, Any] | None:
        if POSTGRES is None:
            return None
        name = create_postgres()
        self.addCleanup(drop_postgres, name)
        return {"name": "psycopg2", "args": postgres_arguments(name)}

    def test_what_was_acknowledged_comes_to_both_once(self) -> None:
        self.listen_with_tls()
        servers = (self.one, self.two)
        for server in servers:
            server.configure(federation=_RETRIES)
            server.start()
        tokens = [server.register(f"u{number}") for number, server in enumerate(servers)]
        body = {"preset": "public_chat"}
        room_id = ok(self.one.call("POST", client("createRoom"), body, tokens[0]))["room_id"]
        path = client("join", room_id) + f"?via={self.one.server_name}"
        ok(self.two.call("POST", path, {}, tokens[1]))

        crowd = _Crowd(room_id)
        for server, token in zip(servers, tokens, strict=True):
            crowd.send_to(server, token)
        for number in range(2 * KILLS):
            crowd.wait_for_more(self, _BETWEEN_KILLS)
            victim = servers[number % 2]
            victim.kill()
            victim.start()
        acknowledged = crowd.stop()

        for server, token in zip(servers, tokens, strict=True):
            wait_for(
                lambda: set(acknowledged) - _sent(_history(server, token, room_id)),  # noqa: B023
                lambda missing: not missing,
            )
        histories = [
            _history(server, token, room_id) for server, token in zip(servers, tokens, strict=True)
        ]
        for history in histories:
            ids = [event["event_id"] for event in history]
            self.assertEqual(len(ids), len(set(ids)))
            # A request that was repeated gave the same event.
            texts = [event["content"]["body"] for event in history if "body" in event["content"]]
            self.assertEqual(len(texts), len(set(texts)))
        one, two = ({event["event_id"] for event in history} for history in histories)
        self.assertEqual(one, two)


class _Crowd:
    """Who sends, and repeats what was not acknowledged."""

    def __init__(self, room_id: str) -> None:
        self._room_id = room_id
        self._acknowledged: list[str] = []
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def send_to(self, server: ServerProcess, token: str) -> None:
        for number in range(SENDERS):
            args = (server, token, f"{server.port}-{number}")
            thread = threading.Thread(target=self._send, args=args)
            thread.start()
            self._threads.append(thread)

    def wait_for_more(self, case: TestCase, count: int) -> None:
        enough = len(self._acknowledged) + count
        deadline = time.monotonic() + 60
        while len(self._acknowledged) < enough:
            case.assertLess(time.monotonic(), deadline, "nobody can send any more")
            time.sleep(0.05)

    def stop(self) -> list[str]:
        """The ids of all events that were acknowledged."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        return self._acknowledged

    def _send(self, server: ServerProcess, token: str, name: str) -> None:
        number = 0
        while not self._over.is_set():
            text = f"{name}-{number}"
            path = client("rooms", self._room_id, "send", "m.room.message", text)
            try:
                answer = server.call("PUT", path, {"msgtype": "m.text", "body": text}, token)
            except Exception:
                time.sleep(0.05)  # it is dead: the same again
                continue
            self._acknowledged.append(ok(answer)["event_id"])
            number += 1


def _history(server: ServerProcess, token: str, room_id: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    path = client("rooms", room_id, "messages") + "?dir=b&limit=500"
    start = ""
    while True:
        page = ok(server.call("GET", path + start, token=token))
        events += page["chunk"]
        if "end" not in page:
            return events
        start = f"&from={page['end']}"


def _sent(history: list[dict[str, Any]]) -> set[str]:
    return {event["event_id"] for event in history}
