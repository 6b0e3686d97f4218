"""People with matrix-nio, a client library from PyPI, at a real server."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import quote

from nio import (
    AsyncClient,
    AsyncClientConfig,
    InviteMemberEvent,
    ReceiptEvent,
    RoomMessageText,
    SyncResponse,
    TypingNoticeEvent,
)

from tests.interop.base import InteropTestCase
from tests.interop.server import SERVER_NAME

T = TypeVar("T")
PASSWORD = "correct horse"
_PLAIN = AsyncClientConfig(encryption_enabled=False)


class NioTestCase(InteropTestCase):
    def play(self, play: Callable[[AsyncClient, AsyncClient], Awaitable[None]]) -> None:
        """Two registered clients do something, within a minute."""
        asyncio.run(self._with_clients(play))

    async def _with_clients(
        self, play: Callable[[AsyncClient, AsyncClient], Awaitable[None]]
    ) -> None:
        clients = [
            AsyncClient(self.server.url, f"@{name}:{SERVER_NAME}", config=_PLAIN)
            for name in ("a", "b")
        ]
        try:
            for client in clients:
                name = client.user[1:].partition(":")[0]
                ok(await client.register(name, PASSWORD, f"{name}'s phone"))
            await asyncio.wait_for(play(*clients), 60)
        finally:
            for client in clients:
                await client.close()


class Seen:
    """What a client noticed while it synced."""

    def __init__(self) -> None:
        self.token = ""
        self.typing: list[str] = []
        self.receipts: list[tuple[str, str]] = []
        self.messages: list[str] = []
        self.types: set[str] = set()

    async def until(self, client: AsyncClient, token: str, enough: Callable[[], Any]) -> None:
        """Sync on from a token until there is enough."""
        self.token = token
        while not enough():
            news = await sync(client, since=self.token, timeout=10_000)
            self.token = news.next_batch
            for room in news.rooms.join.values():
                self._note(room)

    def _note(self, room: Any) -> None:
        for event in room.timeline.events:
            self.types.add(event.source["type"])
            if isinstance(event, RoomMessageText):
                self.messages.append(event.body)
        for event in room.ephemeral:
            if isinstance(event, TypingNoticeEvent):
                self.typing = event.users
            elif isinstance(event, ReceiptEvent):
                self.receipts += [(r.event_id, r.user_id) for r in event.receipts]


async def room_of_two(alice: AsyncClient, bob: AsyncClient) -> str:
    created = ok(await alice.room_create(name="The Room", invite=[bob.user_id]))
    room_id: str = created.room_id
    news = await sync(bob)
    invites = news.rooms.invite[room_id].invite_state
    assert any(isinstance(e, InviteMemberEvent) and e.membership == "invite" for e in invites)
    ok(await bob.join(room_id))
    return room_id


async def say(client: AsyncClient, room_id: str, body: str) -> str:
    sent = ok(
        await client.room_send(room_id, "m.room.message", {"msgtype": "m.text", "body": body})
    )
    event_id: str = sent.event_id
    return event_id


async def sync(
    client: AsyncClient, since: str | None = None, timeout: int = 0, **more: Any
) -> SyncResponse:
    more.setdefault("full_state", False)
    # Without `since`, matrix-nio goes on from what it has synced before.
    client.next_batch = ""
    return ok(await client.sync(timeout=timeout, since=since, **more), SyncResponse)


async def raw(client: AsyncClient, method: str, path: str, body: Any = None) -> Any:
    """The JSON of a request of the client API that matrix-nio has no method for."""
    answer = await client.send(
        method,
        f"/_matrix/client/{path}",
        None if body is None else json.dumps(body),
        headers={
            "Authorization": f"Bearer {client.access_token}",
            "Content-Type": "application/json",
        },
    )
    assert answer.status == 200, await answer.text()
    return await answer.json()


def own(client: AsyncClient, path: str) -> str:
    """A path below the client's user."""
    return f"v3/user/{quote(client.user_id)}/{path}"


def ok(response: Any, kind: type[T] | None = None) -> Any:
    assert not failed(response), response
    assert kind is None or isinstance(response, kind), response
    return response


def failed(response: Any) -> bool:
    return "Error" in type(response).__name__
