"""matrix-nio and what is a user's own: push rules, account data, receipts, presence, profile."""

import asyncio
from typing import Any

from nio import AsyncClient, FullyReadEvent, PushRulesEvent, TagEvent
from nio.api import PushRuleKind, ReceiptType
from nio.events import PushEventMatch, PushNotify, PushSetTweak

from tests.interop.nio_people import NioTestCase, Seen, failed, ok, own, raw, room_of_two, say, sync
from tests.interop.server import SERVER_NAME


class NioPushRuleTests(NioTestCase):
    def test_a_keyword_highlights(self) -> None:
        self.play(_listen_for_a_word)

    def test_a_rule_is_switched_off_and_deleted(self) -> None:
        self.play(_switch_rules)

    def test_predefined_rules_get_other_actions(self) -> None:
        self.play(_silence_messages)

    def test_rules_have_an_order(self) -> None:
        self.play(_order_rules)


async def _listen_for_a_word(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    actions = [PushNotify(), PushSetTweak("highlight", True)]
    ok(
        await bob.set_pushrule(
            "global", PushRuleKind.content, "cake", actions=actions, pattern="cake"
        )
    )
    since = (await sync(bob)).next_batch
    await say(alice, room_id, "bread")
    await say(alice, room_id, "Cake!")
    news = (await sync(bob, since=since)).rooms.join[room_id]
    assert _counts(news) == (2, 1)


async def _switch_rules(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    kind = PushRuleKind.override
    mute = [PushEventMatch("room_id", room_id)]
    ok(await bob.set_pushrule("global", kind, "mute", actions=[], conditions=mute))
    await say(alice, room_id, "unheard")
    assert _counts((await sync(bob)).rooms.join[room_id]) == (0, 0)
    ok(await bob.enable_pushrule("global", kind, "mute", False))
    await say(alice, room_id, "heard")
    assert _counts((await sync(bob)).rooms.join[room_id]) == (1, 0)
    ok(await bob.delete_pushrule("global", kind, "mute"))
    assert failed(await bob.delete_pushrule("global", kind, "mute"))
    assert failed(await bob.delete_pushrule("global", kind, ".m.rule.master"))


async def _silence_messages(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    # Two people are alone in the room.
    rule_id = ".m.rule.room_one_to_one"
    ok(await bob.set_pushrule_actions("global", PushRuleKind.underride, rule_id, []))
    await say(alice, room_id, "unheard")
    assert _counts((await sync(bob)).rooms.join[room_id]) == (0, 0)


async def _order_rules(alice: AsyncClient, bob: AsyncClient) -> None:
    since = (await sync(bob)).next_batch
    kind = PushRuleKind.content
    for rule_id, more in (("b", {}), ("d", {"after": "b"}), ("a", {"before": "b"})):
        rule: dict[str, Any] = {"actions": [PushNotify()], "pattern": rule_id, **more}
        ok(await bob.set_pushrule("global", kind, rule_id, **rule))
    ok(await bob.set_pushrule("global", kind, "c", after="b", actions=[], pattern="c"))
    told = [
        event
        for event in (await sync(bob, since=since)).account_data_events
        if isinstance(event, PushRulesEvent)
    ]
    assert [rule.id for rule in told[-1].global_rules.content] == ["a", "b", "c", "d"]


def _counts(room: Any) -> tuple[int, int]:
    unread = room.unread_notifications
    return unread.notification_count, unread.highlight_count


class NioAccountDataTests(NioTestCase):
    def test_tags_are_told_to_their_user_alone(self) -> None:
        self.play(_tag)

    def test_account_data_is_told_to_other_devices(self) -> None:
        self.play(_keep_notes)

    def test_ignored_users_are_not_heard(self) -> None:
        self.play(_ignore)


async def _tag(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    tokens = {client: (await sync(client)).next_batch for client in (alice, bob)}
    path = own(bob, f"rooms/{room_id}/tags/m.favourite")
    await raw(bob, "PUT", path, {"order": 0.25})
    room = (await sync(bob, since=tokens[bob])).rooms.join[room_id]
    tags = [event.tags for event in room.account_data if isinstance(event, TagEvent)]
    assert tags == [{"m.favourite": {"order": 0.25}}]
    assert not (await sync(alice, since=tokens[alice])).rooms.join
    await raw(bob, "DELETE", path)
    assert await raw(bob, "GET", own(bob, f"rooms/{room_id}/tags")) == {"tags": {}}


async def _keep_notes(alice: AsyncClient, bob: AsyncClient) -> None:
    since = (await sync(bob)).next_batch
    waiting = asyncio.ensure_future(sync(bob, since=since, timeout=30_000))
    await raw(bob, "PUT", own(bob, "account_data/org.example.note"), {"text": "milk"})
    events = (await waiting).account_data_events
    assert [(e.type, e.content) for e in events] == [("org.example.note", {"text": "milk"})]
    status, _ = await _status(alice, "GET", own(bob, "account_data/org.example.note"))
    assert status == 403


async def _ignore(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    ignored: dict[str, Any] = {"ignored_users": {alice.user_id: {}}}
    await raw(bob, "PUT", own(bob, "account_data/m.ignored_user_list"), ignored)
    since = (await sync(bob)).next_batch
    await say(alice, room_id, "unseen")
    ok(await alice.room_put_state(room_id, "m.room.topic", {"topic": "seen"}))
    ok(await alice.room_create(invite=[bob.user_id]))
    news = await sync(bob, since=since)
    types = [event.source["type"] for event in news.rooms.join[room_id].timeline.events]
    assert types == ["m.room.topic"]
    assert not news.rooms.invite
    assert _counts(news.rooms.join[room_id]) == (0, 0)


async def _status(client: AsyncClient, method: str, path: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {client.access_token}"}
    answer = await client.send(method, f"/_matrix/client/{path}", headers=headers)
    return answer.status, await answer.json()


class NioPresenceTests(NioTestCase):
    def test_presence_and_its_text(self) -> None:
        self.play(_show_presence)

    def test_typing_stops(self) -> None:
        self.play(_type)

    def test_private_receipts_are_private(self) -> None:
        self.play(_read_in_private)

    def test_the_read_marker_goes_to_its_user(self) -> None:
        self.play(_mark_as_read)

    def test_threads_are_read_for_themselves(self) -> None:
        self.play(_read_a_thread)


async def _show_presence(alice: AsyncClient, bob: AsyncClient) -> None:
    assert failed(await bob.get_presence(alice.user_id)), "they share no room"
    await room_of_two(alice, bob)
    since = (await sync(bob)).next_batch
    ok(await alice.set_presence("unavailable", "At lunch"))
    news = await sync(bob, since=since, timeout=10_000)
    told = [event for event in news.presence_events if event.user_id == alice.user_id]
    assert (told[-1].presence, told[-1].status_msg) == ("unavailable", "At lunch")
    asked = ok(await bob.get_presence(alice.user_id))
    assert (asked.presence, asked.status_msg) == ("unavailable", "At lunch")


async def _type(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    seen = Seen()
    ok(await alice.room_typing(room_id, True, 30_000))
    await seen.until(bob, (await _begin(bob)), lambda: seen.typing == [alice.user_id])
    ok(await alice.room_typing(room_id, False))
    await seen.until(bob, seen.token, lambda: not seen.typing)


async def _begin(client: AsyncClient) -> str:
    """A token from which on typing that goes on already is told."""
    token: str = (await sync(client)).next_batch
    return token.partition("_")[0] + "_0"


async def _read_in_private(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    event_id = await say(alice, room_id, "read me")
    tokens = {client: (await sync(client)).next_batch for client in (alice, bob)}
    kind = ReceiptType.read_private
    ok(await bob.update_receipt_marker(room_id, event_id, kind, thread_id=None))
    news = (await sync(bob, since=tokens[bob])).rooms.join[room_id]
    assert _counts(news) == (0, 0)
    assert [receipt.receipt_type for receipt in news.ephemeral[0].receipts] == ["m.read.private"]
    assert not (await sync(alice, since=tokens[alice])).rooms.join


async def _mark_as_read(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    event_id = await say(alice, room_id, "read me")
    since = (await sync(bob)).next_batch
    ok(await bob.room_read_markers(room_id, event_id))
    room = (await sync(bob, since=since)).rooms.join[room_id]
    markers = [e.event_id for e in room.account_data if isinstance(e, FullyReadEvent)]
    assert markers == [event_id]


async def _read_a_thread(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    root = await say(alice, room_id, "root")
    relation = {"rel_type": "m.thread", "event_id": root}
    content = {"msgtype": "m.text", "body": "reply", "m.relates_to": relation}
    reply = ok(await alice.room_send(room_id, "m.room.message", content)).event_id
    by_thread = {"room": {"timeline": {"unread_thread_notifications": True}}}

    async def unread() -> tuple[int, dict[str, int]]:
        room = (await sync(bob, sync_filter=by_thread)).rooms.join[room_id]
        threads = room.unread_thread_notifications or {}
        return _counts(room)[0], {k: v.notification_count for k, v in threads.items()}

    assert await unread() == (1, {root: 1})
    ok(await bob.update_receipt_marker(room_id, reply, thread_id=root))
    assert await unread() == (1, {})
    ok(await bob.update_receipt_marker(room_id, root, thread_id="main"))
    assert await unread() == (0, {})


class NioProfileTests(NioTestCase):
    def test_a_profile_is_shown_in_rooms(self) -> None:
        self.play(_change_profile)

    def test_a_token_for_other_services(self) -> None:
        self.play(_ask_for_an_openid_token)


async def _change_profile(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    ok(await alice.set_displayname("Alice Margatroid"))
    ok(await alice.set_avatar(f"mxc://{SERVER_NAME}/face"))
    profile = ok(await bob.get_profile(alice.user_id))
    assert (profile.displayname, profile.avatar_url) == (
        "Alice Margatroid",
        f"mxc://{SERVER_NAME}/face",
    )
    shown = bob.rooms
    await Seen().until(
        bob,
        (await sync(bob)).next_batch,
        lambda: shown[room_id].avatar_url(alice.user_id) == f"mxc://{SERVER_NAME}/face",
    )
    assert shown[room_id].user_name(alice.user_id) == "Alice Margatroid"


async def _ask_for_an_openid_token(alice: AsyncClient, bob: AsyncClient) -> None:
    token = ok(await alice.get_openid_token(alice.user_id))
    assert (token.matrix_server_name, token.token_type) == (SERVER_NAME, "Bearer")
    assert failed(await bob.get_openid_token(alice.user_id))
