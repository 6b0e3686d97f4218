"""Who may do what: each endpoint of rooms and of users' own data, for each kind of stranger."""

from typing import Any

from synapse.app.resources.listeners import client_resources
from tests.rest.rooms import V3, RoomTestCase, room_path

# Needs no access token: what it answers is for everybody, or for who knows a secret.
OPEN_ADMIN_API = ("/_synapse/admin/v1/register", "/_synapse/admin/v1/server_version")
ALICE, BOB = "@alice:test", "@bob:test"
_MESSAGE = {"body": "x"}

# method, path below the room, body; then the status for: who was never in the room, who is
# invited, who has left, who is banned, a guest who was never there, a guest inside
ROOM_RIGHTS: list[tuple[Any, ...]] = [
    ("GET", "/state", None, 403, 403, 200, 200, 403, 200),
    ("GET", "/state/m.room.create", None, 403, 403, 200, 200, 403, 200),
    ("GET", "/members", None, 403, 403, 200, 200, 403, 200),
    ("GET", "/joined_members", None, 403, 403, 403, 403, 403, 200),
    ("GET", "/messages?dir=b", None, 403, 403, 200, 200, 403, 200),
    ("GET", "/event/EARLY", None, 404, 404, 200, 200, 404, 200),
    ("GET", "/event/LATE", None, 404, 404, 404, 404, 404, 200),
    ("GET", "/context/EARLY", None, 403, 403, 200, 200, 403, 200),
    ("GET", "/context/LATE", None, 403, 403, 404, 404, 403, 200),
    ("GET", "/initialSync", None, 403, 403, 200, 200, 403, 200),
    ("POST", "/report/EARLY", {}, 404, 404, 404, 404, 403, 403),
    ("GET", "/relations/EARLY", None, 404, 404, 200, 200, 404, 200),
    ("GET", "/relations/LATE", None, 404, 404, 404, 404, 404, 200),
    ("GET", "/threads", None, 403, 403, 200, 200, 403, 200),
    ("GET", "/aliases", None, 403, 403, 403, 403, 403, 200),
    ("PUT", "/send/m.room.message/t", _MESSAGE, 403, 403, 403, 403, 403, 200),
    ("PUT", "/state/x/SELF", {}, 403, 403, 403, 403, 403, 200),
    ("PUT", "/state/m.room.name", {}, 403, 403, 403, 403, 403, 403),
    ("PUT", "/state/m.room.member/@alice:test", {"membership": "leave"}, *[403] * 6),
    ("PUT", "/redact/EARLY/t", {}, 403, 403, 403, 403, 403, 403),
    ("POST", "/invite", {"user_id": "@dave:test"}, *[403] * 6),
    ("POST", "/kick", {"user_id": ALICE}, *[403] * 6),
    ("POST", "/ban", {"user_id": ALICE}, *[403] * 6),
    ("POST", "/unban", {"user_id": "@mallory:test"}, *[403] * 6),
    ("POST", "/receipt/m.read/EARLY", {}, 403, 403, 403, 403, 403, 200),
    ("POST", "/read_markers", {"m.fully_read": "EARLY"}, 403, 403, 403, 403, 403, 200),
    ("POST", "/upgrade", {"new_version": "12"}, *[403] * 6),
    ("PUT", "/typing/SELF", {"typing": True}, 403, 403, 403, 403, 403, 200),
    ("PUT", "/typing/@alice:test", {"typing": True}, *[403] * 6),
]
# Other users' data, and what is for nobody but the user: always 403 for bob.
OTHERS_DATA: list[tuple[str, str, Any]] = [
    ("GET", "/user/@alice:test/account_data/x", None),
    ("PUT", "/user/@alice:test/account_data/x", {}),
    ("GET", "/user/@alice:test/rooms/ROOM/account_data/x", None),
    ("PUT", "/user/@alice:test/rooms/ROOM/account_data/x", {}),
    ("GET", "/user/@alice:test/rooms/ROOM/tags", None),
    ("PUT", "/user/@alice:test/rooms/ROOM/tags/x", {}),
    ("DELETE", "/user/@alice:test/rooms/ROOM/tags/x", None),
    ("POST", "/user/@alice:test/openid/request_token", {}),
    ("POST", "/user/@alice:test/filter", {}),
    ("GET", "/user/@alice:test/filter/1", None),
    ("PUT", "/profile/@alice:test/displayname", {"displayname": "x"}),
    ("DELETE", "/profile/@alice:test/displayname", None),
    ("PUT", "/profile/@alice:test/avatar_url", {"avatar_url": "x"}),
    ("PUT", "/profile/@alice:test/org.example", {"org.example": "x"}),
    ("DELETE", "/profile/@alice:test/org.example", None),
    ("GET", "/presence/@alice:test/status", None),
    ("PUT", "/presence/@alice:test/status", {"presence": "online"}),
    ("PUT", "/directory/list/room/ROOM", {"visibility": "public"}),
    ("PUT", "/directory/room/%23x:test", {"room_id": "ROOM"}),
    ("DELETE", "/directory/room/%23home:test", None),
]


def endpoint(room_id: str, rest: str) -> str:
    path = room_path(room_id, rest)
    is_newer = rest.startswith(("/relations", "/threads"))
    return path.replace(V3, "/_matrix/client/v1") if is_newer else path


class RightsTests(RoomTestCase):
    async def arrange(self) -> None:
        """A room of alice's and, in the order of the table's columns, the others' tokens."""
        self.alice = await self.register("alice")
        state = [{"type": "m.room.guest_access", "content": {"guest_access": "can_join"}}]
        self.room_id = await self.create_public(
            self.alice,
            initial_state=state,
            room_alias_name="home",
            power_level_content_override={"events": {"x": 0}},
        )
        names = ("never", "invited", "left", "banned")
        self.users = [(f"@{name}:test", await self.register(name)) for name in names]
        for _, token in self.users[2:]:
            await self.join(token, self.room_id)
        await self.change_membership(self.alice, self.room_id, "ban", "@mallory:test")
        self.early = await self.send(self.alice, self.room_id)
        await self.change_membership(self.alice, self.room_id, "invite", "@invited:test")
        await self.leave(self.users[2][1], self.room_id)
        await self.change_membership(self.alice, self.room_id, "ban", "@banned:test")
        self.late = await self.send(self.alice, self.room_id)
        self.users += [await self.guest(), await self.guest()]
        await self.join(self.users[5][1], self.room_id)

    def filled(self, value: Any, user_id: str) -> Any:
        if isinstance(value, dict):
            return {key: self.filled(item, user_id) for key, item in value.items()}
        if not isinstance(value, str):
            return value
        for name, text in (
            ("EARLY", self.early),
            ("LATE", self.late),
            ("SELF", user_id),
            ("ROOM", self.room_id),
        ):
            value = value.replace(name, text)
        return value

    async def test_rooms(self) -> None:
        await self.arrange()
        for method, rest, body, *statuses in ROOM_RIGHTS:
            for (user_id, token), status in zip(self.users, statuses, strict=True):
                path = endpoint(self.room_id, self.filled(rest, user_id))
                answer = await self.fetch(method, path, self.filled(body, user_id), token=token)
                what = f"{method} {rest} by {user_id}: {answer}"
                self.assertEqual(answer.status, status, what)
                if status == 403:
                    wanted = ("M_FORBIDDEN", "M_GUEST_ACCESS_FORBIDDEN")
                    self.assertIn(answer.json["errcode"], wanted, what)

    async def test_unknown_rooms_look_like_rooms_of_others(self) -> None:
        await self.arrange()
        user_id, token = self.users[0]
        for method, rest, body, *_ in ROOM_RIGHTS:
            answers = []
            for room_id in (self.room_id, "!unknown:test"):
                path = endpoint(room_id, self.filled(rest, user_id))
                answer = await self.fetch(method, path, self.filled(body, user_id), token=token)
                answers.append((answer.status, answer.json["errcode"]))
            self.assertEqual(answers[0], answers[1], f"{method} {rest}")

    async def test_data_of_others(self) -> None:
        await self.arrange()
        token = await self.register("bob")
        for method, path, body in OTHERS_DATA:
            path = V3 + self.filled(path, BOB)
            answer = await self.fetch(method, path, self.filled(body, BOB), token=token)
            self.assertEqual(
                (answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"), f"{method} {path}"
            )

    async def test_the_admin_api_is_for_administrators(self) -> None:
        token = await self.register("bob")
        paths = [
            (method, path)
            for resource in client_resources(self.server)
            for path in resource.PATHS
            for method in ("GET", "PUT", "POST", "DELETE")
            if hasattr(resource, method.lower()) and path.startswith("/_synapse/admin/")
        ]
        for method, path in paths:
            if path not in OPEN_ADMIN_API:
                answer = await self.fetch(method, path, {}, token=token)
                self.assertEqual(
                    (answer.status, answer.json["errcode"]),
                    (403, "M_FORBIDDEN"),
                    f"{method} {path}",
                )

    async def test_what_guests_may_not(self) -> None:
        await self.arrange()
        user_id, token = self.users[4]
        for method, path, body in (
            ("POST", "/createRoom", {}),
            ("POST", "/knock/ROOM", {}),
            ("PUT", "/directory/room/%23x:test", {"room_id": "ROOM"}),
            ("PUT", "/directory/list/room/ROOM", {}),
            ("PUT", "/profile/SELF/avatar_url", {"avatar_url": "x"}),
            ("PUT", "/profile/SELF/org.example", {"org.example": "x"}),
            ("POST", "/search", {}),
            ("GET", "/notifications", None),
            ("POST", "/user_directory/search", {"search_term": "x"}),
        ):
            path = V3 + self.filled(path, user_id)
            answer = await self.fetch(method, path, self.filled(body, user_id), token=token)
            self.assertEqual(
                (answer.status, answer.json["errcode"]),
                (403, "M_GUEST_ACCESS_FORBIDDEN"),
                f"{method} {path}",
            )
