"""Rooms and their users, for tests of the client API."""

import hashlib
import hmac
from typing import Any
from urllib.parse import quote, urlencode

from tests.http.client import Answer
from tests.rest.base import PASSWORD, RestTestCase

V3 = "/_matrix/client/v3"


def room_path(room_id: str, rest: str = "") -> str:
    return f"{V3}/rooms/{quote(room_id, safe='!:')}{rest}"


class RoomTestCase(RestTestCase):
    """`@alice:test`, `@bob:test` and others write in rooms."""

    def setUp(self) -> None:
        super().setUp()
        self._txns = 0

    async def ok(self, method: str, path: str, json: Any = None, *, token: str | None) -> Any:
        """The JSON of a request that must succeed."""
        answer = await self.fetch(method, path, json, token=token)
        self.assertEqual(answer.status, 200, f"{method} {path}: {answer}")
        return answer.json

    async def refused(
        self,
        status: int,
        errcode: str,
        method: str,
        path: str,
        json: Any = None,
        *,
        token: str | None,
    ) -> Answer:
        """A request that must fail so."""
        answer = await self.fetch(method, path, json, token=token)
        self.assertEqual(
            (answer.status, (answer.json or {}).get("errcode")),
            (status, errcode),
            f"{method} {path}: {answer}",
        )
        return answer

    async def admin(self, username: str = "root") -> str:
        """The token of a new administrator of the server."""
        path = "/_synapse/admin/v1/register"
        nonce = (await self.ok("GET", path, token=None))["nonce"]
        fields = {"nonce": nonce, "username": username, "password": PASSWORD}
        signed = "\0".join([*fields.values(), "admin"]).encode()
        mac = hmac.new(b"shared", signed, hashlib.sha1).hexdigest()
        body = {**fields, "admin": True, "mac": mac}
        return str((await self.ok("POST", path, body, token=None))["access_token"])

    async def create(self, token: str, **body: Any) -> str:
        return str((await self.ok("POST", f"{V3}/createRoom", body, token=token))["room_id"])

    async def create_public(self, token: str, **body: Any) -> str:
        return await self.create(token, preset="public_chat", **body)

    async def guest(self) -> tuple[str, str]:
        """A guest's user id and token."""
        answer = await self.fetch("POST", f"{V3}/register?kind=guest", {})
        self.assertEqual(answer.status, 200, str(answer))
        return answer.json["user_id"], answer.json["access_token"]

    async def join(self, token: str, room_id: str) -> None:
        await self.ok("POST", room_path(room_id, "/join"), {}, token=token)

    async def leave(self, token: str, room_id: str) -> None:
        await self.ok("POST", room_path(room_id, "/leave"), {}, token=token)

    async def change_membership(self, token: str, room_id: str, action: str, user: str) -> None:
        """`action` is "invite", "kick", "ban" or "unban"."""
        await self.ok("POST", room_path(room_id, f"/{action}"), {"user_id": user}, token=token)

    async def send(self, token: str, room_id: str, body: str = "hello", **content: Any) -> str:
        """Send a text message; its event id."""
        return await self.send_event(
            token, room_id, "m.room.message", {"msgtype": "m.text", "body": body, **content}
        )

    async def send_event(self, token: str, room_id: str, type: str, content: Any) -> str:
        self._txns += 1
        path = room_path(room_id, f"/send/{type}/txn{self._txns}")
        return str((await self.ok("PUT", path, content, token=token))["event_id"])

    async def redact(self, token: str, room_id: str, event_id: str) -> str:
        self._txns += 1
        path = room_path(room_id, f"/redact/{quote(event_id, safe='$')}/txn{self._txns}")
        return str((await self.ok("PUT", path, {}, token=token))["event_id"])

    async def set_state(
        self, token: str, room_id: str, type: str, content: Any, state_key: str = ""
    ) -> str:
        path = room_path(room_id, f"/state/{type}/{quote(state_key, safe='@:')}")
        return str((await self.ok("PUT", path, content, token=token))["event_id"])

    async def state(self, token: str, room_id: str) -> dict[tuple[str, str], Any]:
        """(type, state key) → event"""
        events = await self.ok("GET", room_path(room_id, "/state"), token=token)
        return {(event["type"], event["state_key"]): event for event in events}

    async def content(self, token: str, room_id: str, type: str, state_key: str = "") -> Any:
        path = room_path(room_id, f"/state/{type}/{quote(state_key, safe='@:')}")
        return await self.ok("GET", path, token=token)

    async def membership(self, token: str, room_id: str, user: str) -> str:
        content = await self.content(token, room_id, "m.room.member", user)
        return str(content["membership"])

    async def messages(self, token: str, room_id: str, direction: str = "b", **query: Any) -> Any:
        text = urlencode({"dir": direction, **query})
        return await self.ok("GET", room_path(room_id, f"/messages?{text}"), token=token)

    async def sync(self, token: str, **query: Any) -> Any:
        return await self.ok("GET", sync_path(**query), token=token)


def sync_path(**query: Any) -> str:
    return f"{V3}/sync?{urlencode(query)}"


def ids(events: list[Any]) -> list[str]:
    return [event["event_id"] for event in events]


def bodies(events: list[Any]) -> list[str]:
    """The texts of the messages among events."""
    return [event["content"]["body"] for event in events if "body" in event["content"]]
