"""matrix-nio, a client library from PyPI, against a real server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from nio import (
    AsyncClient,
    InviteMemberEvent,
    JoinedMembersResponse,
    MessageDirection,
    ReceiptEvent,
    RedactedEvent,
    RoomGetStateEventResponse,
    RoomMessagesResponse,
    RoomMessageText,
    SyncResponse,
    TypingNoticeEvent,
)

from tests.interop.base import InteropTestCase
from tests.interop.server import SERVER_NAME

T = TypeVar("T")
PASSWORD = "correct horse"
# So many that a sync's timeline does not hold them.
MESSAGES = 200


class NioTests(InteropTestCase):
    def test_two_users_share_a_room(self) -> None:
        asyncio.run(self._with_clients(_share_a_room))

    def test_history_is_read_back_page_by_page(self) -> None:
        asyncio.run(self._with_clients(_read_history))

    def test_profiles_typing_receipts_and_redactions_arrive(self) -> None:
        asyncio.run(self._with_clients(_look_alive))

    def test_leaving_kicking_and_banning(self) -> None:
        asyncio.run(self._with_clients(_part))

    def test_logging_in_again_continues_where_it_was(self) -> None:
        asyncio.run(self._with_clients(_log_in_again))

    async def _with_clients(
        self, play: Callable[[AsyncClient, AsyncClient], Awaitable[None]]
    ) -> None:
        clients = [AsyncClient(self.server.url, f"@{name}:{SERVER_NAME}") for name in ("a", "b")]
        try:
            for client in clients:
                name = client.user[1:].partition(":")[0]
                _ok(await client.register(name, PASSWORD, f"{name}'s phone"))
            await asyncio.wait_for(play(*clients), 60)
        finally:
            for client in clients:
                await client.close()


async def _share_a_room(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await _room_of_two(alice, bob)
    for number in range(5):
        for client in (alice, bob):
            await _say(client, room_id, f"{client.user_id} {number}")
    for client in (alice, bob):
        await client.sync(timeout=0, full_state=True)
        room = client.rooms[room_id]
        assert room.joined_count == 2, room.joined_count
        assert room.name == "The Room", room.name
        assert set(room.users) == {alice.user_id, bob.user_id}
        members = _ok(await client.joined_members(room_id), JoinedMembersResponse)
        assert len(members.members) == 2


async def _read_history(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await _room_of_two(alice, bob)
    first = await _sync(bob)
    await asyncio.gather(*(_say(alice, room_id, str(n)) for n in range(MESSAGES)))
    news = await _sync(bob, since=first.next_batch)
    timeline = news.rooms.join[room_id].timeline
    assert timeline.limited
    bodies = [e.body for e in timeline.events if isinstance(e, RoomMessageText)]
    token: str | None = timeline.prev_batch
    while token is not None and len(bodies) < MESSAGES:
        page = _ok(
            await bob.room_messages(room_id, token, limit=37, direction=MessageDirection.back),
            RoomMessagesResponse,
        )
        bodies += [event.body for event in page.chunk if isinstance(event, RoomMessageText)]
        token = page.end
    assert sorted(bodies, key=int) == [str(n) for n in range(MESSAGES)], bodies


async def _look_alive(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await _room_of_two(alice, bob)
    token = (await _sync(bob)).next_batch

    _ok(await alice.set_displayname("Alice Margatroid"))
    _ok(await alice.room_typing(room_id, True, 30_000))
    event_id = await _say(alice, room_id, "to be taken back")
    _ok(await alice.room_read_markers(room_id, event_id, event_id))

    seen = _Seen()
    await seen.until(bob, token, lambda: seen.typing and seen.receipts and seen.messages)
    assert seen.typing == [alice.user_id]
    assert seen.receipts == [(event_id, alice.user_id)]
    await seen.until(
        bob, seen.token, lambda: bob.rooms[room_id].user_name(alice.user_id) == "Alice Margatroid"
    )

    _ok(await alice.room_redact(room_id, event_id, reason="second thoughts"))
    await seen.until(bob, seen.token, lambda: "m.room.redaction" in seen.types)
    page = _ok(await bob.room_messages(room_id, seen.token, limit=50), RoomMessagesResponse)
    redacted = [event for event in page.chunk if isinstance(event, RedactedEvent)]
    assert [event.event_id for event in redacted] == [event_id]


async def _part(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await _room_of_two(alice, bob)
    _ok(await alice.room_kick(room_id, bob.user_id, "out"))
    news = await _sync(bob)
    assert room_id not in news.rooms.join
    _ok(await alice.room_invite(room_id, bob.user_id))
    _ok(await bob.join(room_id))
    _ok(await alice.room_ban(room_id, bob.user_id))
    assert _failed(await bob.join(room_id))
    _ok(await alice.room_unban(room_id, bob.user_id))
    state = _ok(
        await alice.room_get_state_event(room_id, "m.room.member", bob.user_id),
        RoomGetStateEventResponse,
    )
    assert state.content["membership"] == "leave"
    _ok(await alice.room_leave(room_id))
    _ok(await alice.room_forget(room_id))
    assert _failed(await alice.room_messages(room_id, "", limit=1))


async def _log_in_again(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await _room_of_two(alice, bob)
    token = (await _sync(bob)).next_batch
    _ok(await bob.logout())
    await _say(alice, room_id, "while you were out")
    _ok(await bob.login(PASSWORD, "b's other phone"))
    news = await _sync(bob, since=token)
    events = news.rooms.join[room_id].timeline.events
    assert [e.body for e in events if isinstance(e, RoomMessageText)] == ["while you were out"]
    devices = await bob.devices()
    assert [device.display_name for device in devices.devices] == ["b's other phone"]


class _Seen:
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
            news = await _sync(client, since=self.token, timeout=10_000)
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


async def _room_of_two(alice: AsyncClient, bob: AsyncClient) -> str:
    created = _ok(await alice.room_create(name="The Room", invite=[bob.user_id]))
    room_id: str = created.room_id
    news = await _sync(bob)
    invites = news.rooms.invite[room_id].invite_state
    assert any(isinstance(e, InviteMemberEvent) and e.membership == "invite" for e in invites)
    _ok(await bob.join(room_id))
    return room_id


async def _say(client: AsyncClient, room_id: str, body: str) -> str:
    sent = _ok(
        await client.room_send(room_id, "m.room.message", {"msgtype": "m.text", "body": body})
    )
    event_id: str = sent.event_id
    return event_id


async def _sync(client: AsyncClient, since: str | None = None, timeout: int = 0) -> SyncResponse:
    return _ok(await client.sync(timeout=timeout, since=since, full_state=False), SyncResponse)


def _ok(response: Any, kind: type[T] | None = None) -> Any:
    assert not _failed(response), response
    assert kind is None or isinstance(response, kind), response
    return response


def _failed(response: Any) -> bool:
    return "Error" in type(response).__name__
