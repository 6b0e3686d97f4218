"""`kill -9` amid sending server notices: each user has one room, whole, with each notice once."""

import subprocess
import sys
import threading
from typing import Any
from urllib.parse import quote

from tests.interop.base import InteropTestCase

V3 = "/_matrix/client/v3"
USERS = 12
# The server is killed after so many acknowledged notices.
ENOUGH = 9


class KillNoticesTests(InteropTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.server.stop()
        self.server.configure(server_notices={"system_mxid_localpart": "notices"})
        self.server.start()

    def test_no_room_is_doubled_or_half_made(self) -> None:
        root = self._administrator()
        tokens = {f"@u{n}:test": self.server.register(f"u{n}") for n in range(USERS)}
        acknowledged = self._notify_until_killed(root, list(tokens))
        self.server.start()

        # A room that was made before the kill has its tag, whether a notice is in it or not.
        for user_id, token in tokens.items():
            for room_id in self._invites(token):
                self.assertIn("m.server_notice", self._tags(token, user_id, room_id))
        for user_id, token in tokens.items():
            event_id = self._notify(root, user_id)
            self.assertIn(acknowledged.get(user_id), (None, event_id))
            (room_id,) = self._invites(token)
            self.assertIn("m.server_notice", self._tags(token, user_id, room_id))
            self._call("POST", f"/rooms/{quote(room_id)}/join", {}, token)
            page = self._call(
                "GET", f"/rooms/{quote(room_id)}/messages?dir=b&limit=50", None, token
            )
            notices = [e["event_id"] for e in page["chunk"] if e["type"] == "m.room.message"]
            self.assertEqual(notices, [event_id])

    def _notify_until_killed(self, root: str, user_ids: list[str]) -> dict[str, str]:
        acknowledged: dict[str, str] = {}
        enough = threading.Event()

        def send(mine: list[str]) -> None:
            for user_id in mine:
                try:
                    acknowledged[user_id] = self._notify(root, user_id)
                except Exception:
                    return  # it is dead
                if len(acknowledged) >= ENOUGH:
                    enough.set()

        threads = [threading.Thread(target=send, args=(user_ids[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        self.assertTrue(enough.wait(60))
        self.server.kill()
        for thread in threads:
            thread.join()
        return acknowledged

    def _administrator(self) -> str:
        """The access token of an administrator."""
        made = [sys.executable, "-m", "synapse._scripts.register_new_matrix_user"]
        subprocess.run(
            [*made, "-c", "homeserver.yaml", "-u", "root", "-p", "secret", "-a", self.server.url],
            cwd=self.server.directory,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )
        identifier = {"type": "m.id.user", "user": "root"}
        body = {"type": "m.login.password", "identifier": identifier, "password": "secret"}
        return str(self._call("POST", "/login", body, None)["access_token"])

    def _notify(self, root: str, user_id: str) -> str:
        status, answer = self.server.call(
            "PUT",
            "/_synapse/admin/v1/send_server_notice/once",
            {"user_id": user_id, "content": {"msgtype": "m.text", "body": "hello"}},
            root,
        )
        self.assertEqual(status, 200, answer)
        return str(answer["event_id"])

    def _invites(self, token: str) -> list[str]:
        return list(self._call("GET", "/sync", None, token).get("rooms", {}).get("invite", {}))

    def _tags(self, token: str, user_id: str, room_id: str) -> Any:
        return self._call("GET", f"/user/{user_id}/rooms/{quote(room_id)}/tags", None, token)[
            "tags"
        ]

    def _call(self, method: str, path: str, body: Any, token: str | None) -> Any:
        status, answer = self.server.call(method, V3 + path, body, token)
        self.assertEqual(status, 200, answer)
        return answer
