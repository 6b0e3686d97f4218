"""`kill -9` amid messages to devices: what was acknowledged or is repeated arrives once."""

import threading
from typing import Any

from tests.interop.base import InteropTestCase

SENDERS = 4
# The server is killed after so many acknowledged messages.
ENOUGH = 300
V3 = "/_matrix/client/v3"


class KillTests(InteropTestCase):
    def test_acknowledged_messages_arrive_once(self) -> None:
        self.bob = self.server.register("bob")
        senders = [self.server.register(f"sender{number}") for number in range(SENDERS)]
        self.since, self.heard = "", list[str]()
        self._sync()
        tried = self._send_until_killed(senders)
        self.server.start()
        for sender, number in tried:
            self.assertTrue(self._send(senders, sender, number))
        while self._sync():
            pass
        self.assertEqual(sorted(self.heard), sorted(f"{s}-{n}" for s, n in tried))
        for sender in range(SENDERS):
            own = [text for text in self.heard if text.startswith(f"{sender}-")]
            self.assertEqual(own, [f"{sender}-{number}" for number in range(len(own))])

    def _send_until_killed(self, tokens: list[str]) -> list[tuple[int, int]]:
        """What was tried; whoever tries in vain tries nothing more."""
        tried: list[tuple[int, int]] = []
        enough = threading.Event()

        def send(sender: int) -> None:
            for number in range(10_000):
                tried.append((sender, number))
                try:
                    if not self._send(tokens, sender, number):
                        return
                except Exception:
                    return  # it is dead
                if len(tried) >= ENOUGH:
                    enough.set()

        def receive() -> None:
            try:
                while True:
                    self._sync(timeout_ms=1_000)
            except Exception:
                return

        threads = [threading.Thread(target=send, args=(number,)) for number in range(SENDERS)]
        threads.append(threading.Thread(target=receive))
        for thread in threads:
            thread.start()
        self.assertTrue(enough.wait(60))
        self.server.kill()
        for thread in threads:
            thread.join()
        return tried

    def _send(self, tokens: list[str], sender: int, number: int) -> bool:
        path = f"{V3}/sendToDevice/org.example.hello/{number}"
        messages = {"@bob:" + self.server.server_name: {"*": {"text": f"{sender}-{number}"}}}
        status, _ = self.server.call("PUT", path, {"messages": messages}, tokens[sender])
        return status == 200

    def _sync(self, timeout_ms: int = 0) -> list[Any]:
        """Sync on; the messages that have come."""
        since = f"&since={self.since}" if self.since else ""
        path = f"{V3}/sync?timeout={timeout_ms}{since}"
        status, answer = self.server.call("GET", path, token=self.bob)
        self.assertEqual(status, 200, answer)
        self.since = answer["next_batch"]
        messages: list[Any] = answer.get("to_device", {"events": []})["events"]
        self.heard += [message["content"]["text"] for message in messages]
        return messages
