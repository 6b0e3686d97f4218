"""The judge of answers: it must be able to say no."""

from typing import Any

from tests.case import TestCase
from tests.spec.answers import complaint

EVENT = {
    "event_id": "$e",
    "type": "m.room.message",
    "sender": "@a:b",
    "origin_server_ts": 1,
    "content": {},
    "room_id": "!r:b",
}
V3 = "/_matrix/client/v3"


class ComplaintTests(TestCase):
    def judge(self, good: bool, method: str, path: str, status: int, body: Any) -> None:
        found = complaint(method, path, status, body)
        self.assertEqual(found is None, good, f"{method} {path} {body}: {found}")

    def test_answers_of_the_right_shape(self) -> None:
        self.judge(True, "GET", f"{V3}/account/whoami", 200, {"user_id": "@a:b"})
        self.judge(True, "GET", f"{V3}/rooms/!r:b/event/$e", 200, EVENT)
        self.judge(True, "GET", "/_matrix/client/r0/rooms/!r:b/event/$e", 200, EVENT)
        self.judge(True, "GET", f"{V3}/rooms/!r:b/state/m.room.name/", 200, {"name": "n"})

    def test_what_is_missing_or_of_another_type(self) -> None:
        self.judge(False, "GET", f"{V3}/account/whoami", 200, {})
        self.judge(False, "GET", f"{V3}/account/whoami?x=y", 200, {"user_id": 7})
        self.judge(False, "GET", f"{V3}/account/whoami", 200, None)
        nameless = {key: value for key, value in EVENT.items() if key != "event_id"}
        self.judge(False, "GET", f"{V3}/rooms/!r:b/event/$e", 200, nameless)
        page = {"start": "s1", "chunk": [EVENT, nameless]}
        self.judge(False, "GET", f"{V3}/rooms/!r:b/messages?dir=b", 200, page)

    def test_the_api_for_other_servers(self) -> None:
        keys = {"server_name": "a", "verify_keys": {}, "signatures": {}, "valid_until_ts": 1}
        for good, body in ((True, keys), (False, {**keys, "valid_until_ts": "1"})):
            self.judge(good, "GET", "/_matrix/key/v2/server", 200, body)
            self.judge(good, "POST", "/_matrix/key/v2/query", 200, {"server_keys": [body]})

    def test_errors(self) -> None:
        error = {"errcode": "M_FORBIDDEN", "error": "No"}
        self.judge(True, "GET", f"{V3}/account/whoami", 403, error)
        self.judge(False, "GET", f"{V3}/account/whoami", 403, {"error": "No"})
        self.judge(False, "GET", "/_matrix/client/unstable/x", 404, {"errcode": "M_NOT_FOUND"})
        self.judge(True, "DELETE", f"{V3}/devices/D", 401, {"flows": []})
        self.judge(False, "DELETE", f"{V3}/devices/D", 401, {"session": "x"})

    def test_what_the_specification_does_not_know(self) -> None:
        self.judge(True, "GET", "/_matrix/client/unstable/x", 200, {})
        self.judge(True, "GET", "/_synapse/admin/v1/server_version", 400, None)
