"""`kill -9` amid indexing: what was sent is found once, and what was redacted is not."""

import time
from typing import Any
from urllib.parse import quote

from tests.interop.base import InteropTestCase

ROUNDS = 2
MESSAGES = 40
V3 = "/_matrix/client/v3"


class SearchAfterKillTests(InteropTestCase):
    def test_the_index_is_whole_after_each_kill(self) -> None:
        self.token = self.server.register("alice")
        room_id = self._call("POST", f"{V3}/createRoom", {})["room_id"]
        room = f"{V3}/rooms/{quote(room_id)}"
        expected: list[str] = []
        for number in range(ROUNDS):
            for message in range(MESSAGES):
                path = f"{room}/send/m.room.message/{number}-{message}"
                body = {"msgtype": "m.text", "body": f"hello {message}"}
                expected.append(self._call("PUT", path, body)["event_id"])
                if message == 10:
                    self._until_found(expected[-1])
            redacted = expected.pop(-20)
            self._call("PUT", f"{room}/redact/{quote(redacted)}/r{number}", {})
            self.server.kill()
            self.server.start()
        last = self._call(
            "PUT", f"{room}/send/m.room.message/last", {"msgtype": "m.text", "body": "hello"}
        )["event_id"]
        self._until_found(last)
        self.assertEqual(self._search(limit=100), [last, *expected[::-1]])
        self.assertEqual(len(expected), ROUNDS * (MESSAGES - 1))

    def _until_found(self, event_id: str) -> None:
        """Wait for the reader, which comes by once a second."""
        give_up = time.monotonic() + 60
        while event_id not in self._search(limit=1):
            self.assertLess(time.monotonic(), give_up)
            time.sleep(0.1)

    def _search(self, limit: int) -> list[str]:
        criteria = {"search_term": "hello", "order_by": "recent", "filter": {"limit": limit}}
        body = {"search_categories": {"room_events": criteria}}
        answer = self._call("POST", f"{V3}/search", body)["search_categories"]["room_events"]
        return [result["result"]["event_id"] for result in answer["results"]]

    def _call(self, method: str, path: str, body: Any) -> Any:
        status, answer = self.server.call(method, path, body, self.token)
        self.assertEqual(status, 200, answer)
        return answer
