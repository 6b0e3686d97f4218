"""matrix-nio, a client library from PyPI, against a real server."""

import asyncio

from nio import (
    AsyncClient,
    JoinedMembersResponse,
    MessageDirection,
    RedactedEvent,
    RoomGetStateEventResponse,
    RoomMessagesResponse,
    RoomMessageText,
    ToDeviceMessage,
)

from tests.interop.nio_people import PASSWORD, NioTestCase, Seen, failed, ok, room_of_two, say, sync

# So many that a sync's timeline does not hold them.
MESSAGES = 200


class NioTests(NioTestCase):
    def test_two_users_share_a_room(self) -> None:
        self.play(_share_a_room)

    def test_history_is_read_back_page_by_page(self) -> None:
        self.play(_read_history)

    def test_profiles_typing_receipts_and_redactions_arrive(self) -> None:
        self.play(_look_alive)

    def test_messages_to_devices_arrive_once(self) -> None:
        self.play(_send_to_devices)

    def test_leaving_kicking_and_banning(self) -> None:
        self.play(_part)

    def test_logging_in_again_continues_where_it_was(self) -> None:
        self.play(_log_in_again)


async def _share_a_room(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    for number in range(5):
        for client in (alice, bob):
            await say(client, room_id, f"{client.user_id} {number}")
    for client in (alice, bob):
        await client.sync(timeout=0, full_state=True)
        room = client.rooms[room_id]
        assert room.joined_count == 2, room.joined_count
        assert room.name == "The Room", room.name
        assert set(room.users) == {alice.user_id, bob.user_id}
        members = ok(await client.joined_members(room_id), JoinedMembersResponse)
        assert len(members.members) == 2


async def _send_to_devices(alice: AsyncClient, bob: AsyncClient) -> None:
    since = (await sync(bob)).next_batch
    for number in range(150):
        content = {"number": number}
        device_id = bob.device_id if number else "*"
        message = ToDeviceMessage("org.example.number", bob.user_id, device_id, content)
        ok(await alice.to_device(message))
    numbers: list[int] = []
    while len(numbers) < 150:
        news = await sync(bob, since=since, timeout=10_000)
        since = news.next_batch
        assert len(news.to_device_events) <= 100
        for event in news.to_device_events:
            assert event.sender == alice.user_id
            numbers.append(event.source["content"]["number"])
    assert numbers == list(range(150)), numbers
    for token in (since, None):  # they are confirmed, so nobody is told again
        assert (await sync(bob, since=token)).to_device_events == []


async def _read_history(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    first = await sync(bob)
    await asyncio.gather(*(say(alice, room_id, str(n)) for n in range(MESSAGES)))
    news = await sync(bob, since=first.next_batch)
    timeline = news.rooms.join[room_id].timeline
    assert timeline.limited
    bodies = [e.body for e in timeline.events if isinstance(e, RoomMessageText)]
    token: str | None = timeline.prev_batch
    while token is not None and len(bodies) < MESSAGES:
        page = ok(
            await bob.room_messages(room_id, token, limit=37, direction=MessageDirection.back),
            RoomMessagesResponse,
        )
        bodies += [event.body for event in page.chunk if isinstance(event, RoomMessageText)]
        token = page.end
    assert sorted(bodies, key=int) == [str(n) for n in range(MESSAGES)], bodies


async def _look_alive(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    token = (await sync(bob)).next_batch

    ok(await alice.set_displayname("Alice Margatroid"))
    ok(await alice.room_typing(room_id, True, 30_000))
    event_id = await say(alice, room_id, "to be taken back")
    ok(await alice.room_read_markers(room_id, event_id, event_id))

    seen = Seen()
    await seen.until(bob, token, lambda: seen.typing and seen.receipts and seen.messages)
    assert seen.typing == [alice.user_id]
    assert seen.receipts == [(event_id, alice.user_id)]
    await seen.until(
        bob, seen.token, lambda: bob.rooms[room_id].user_name(alice.user_id) == "Alice Margatroid"
    )

    ok(await alice.room_redact(room_id, event_id, reason="second thoughts"))
    await seen.until(bob, seen.token, lambda: "m.room.redaction" in seen.types)
    page = ok(await bob.room_messages(room_id, seen.token, limit=50), RoomMessagesResponse)
    redacted = [event for event in page.chunk if isinstance(event, RedactedEvent)]
    assert [event.event_id for event in redacted] == [event_id]


async def _part(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    ok(await alice.room_kick(room_id, bob.user_id, "out"))
    news = await sync(bob)
    assert room_id not in news.rooms.join
    ok(await alice.room_invite(room_id, bob.user_id))
    ok(await bob.join(room_id))
    ok(await alice.room_ban(room_id, bob.user_id))
    assert failed(await bob.join(room_id))
    ok(await alice.room_unban(room_id, bob.user_id))
    state = ok(
        await alice.room_get_state_event(room_id, "m.room.member", bob.user_id),
        RoomGetStateEventResponse,
    )
    assert state.content["membership"] == "leave"
    ok(await alice.room_leave(room_id))
    ok(await alice.room_forget(room_id))
    assert failed(await alice.room_messages(room_id, "", limit=1))


async def _log_in_again(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    token = (await sync(bob)).next_batch
    ok(await bob.logout())
    await say(alice, room_id, "while you were out")
    ok(await bob.login(PASSWORD, "b's other phone"))
    news = await sync(bob, since=token)
    events = news.rooms.join[room_id].timeline.events
    assert [e.body for e in events if isinstance(e, RoomMessageText)] == ["while you were out"]
    devices = await bob.devices()
    assert [device.display_name for device in devices.devices] == ["b's other phone"]
