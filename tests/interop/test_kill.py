"""`kill -9` amid sending: what was acknowledged is there, once; what is repeated is not doubled."""

import threading
from typing import Any
from urllib.parse import quote

from tests.interop.base import InteropTestCase

SENDERS = 8
ROOMS = 4
# The server is killed after so many acknowledged events.
ENOUGH = 150


class KillTests(InteropTestCase):
    def test_acknowledged_events_survive_and_are_not_doubled(self) -> None:
        token = self.server.register("alice")
        rooms = [self._create_room(token) for _ in range(ROOMS)]
        acknowledged = self._send_until_killed(token, rooms)
        self.server.start()

        # The same transaction ids give the same events, acknowledged or not.
        for (room_id, txn_id), event_id in acknowledged.items():
            self.assertEqual(self._send(token, room_id, txn_id), event_id)
        for room_id in rooms:
            for number in range(5):
                self.assertIsNotNone(self._send(token, room_id, f"after-{number}"))
            self._check_room(token, room_id, acknowledged)

    def _send_until_killed(self, token: str, rooms: list[str]) -> dict[tuple[str, str], str]:
        acknowledged: dict[tuple[str, str], str] = {}
        enough = threading.Event()

        def send(sender: int) -> None:
            room_id = rooms[sender % len(rooms)]
            for number in range(10_000):
                txn_id = f"{sender}-{number}"
                try:
                    event_id = self._send(token, room_id, txn_id)
                except Exception:
                    return  # it is dead
                if event_id is not None:
                    acknowledged[room_id, txn_id] = event_id
                if len(acknowledged) >= ENOUGH:
                    enough.set()

        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
        for thread in threads:
            thread.start()
        self.assertTrue(enough.wait(60))
        self.server.kill()
        for thread in threads:
            thread.join()
        return acknowledged

    def _check_room(
        self, token: str, room_id: str, acknowledged: dict[tuple[str, str], str]
    ) -> None:
        events = self._history(token, room_id)
        ids = [event["event_id"] for event in events]
        self.assertEqual(len(ids), len(set(ids)))
        expected = {event for (room, _), event in acknowledged.items() if room == room_id}
        self.assertEqual(expected - set(ids), set())
        txn_ids = [
            event["unsigned"]["transaction_id"]
            for event in events
            if event["type"] == "m.room.message"
        ]
        self.assertEqual(len(txn_ids), len(set(txn_ids)))

    def _history(self, token: str, room_id: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        start = ""
        while True:
            status, page = self.server.call(
                "GET",
                f"/_matrix/client/v3/rooms/{quote(room_id)}/messages?dir=b&limit=100{start}",
                token=token,
            )
            self.assertEqual(status, 200, page)
            events += page["chunk"]
            if "end" not in page:
                return events
            start = f"&from={page['end']}"

    def _create_room(self, token: str) -> str:
        status, answer = self.server.call("POST", "/_matrix/client/v3/createRoom", {}, token)
        self.assertEqual(status, 200, answer)
        return str(answer["room_id"])

    def _send(self, token: str, room_id: str, txn_id: str) -> str | None:
        status, answer = self.server.call(
            "PUT",
            f"/_matrix/client/v3/rooms/{quote(room_id)}/send/m.room.message/{txn_id}",
            {"msgtype": "m.text", "body": txn_id},
            token,
        )
        return str(answer["event_id"]) if status == 200 else None
