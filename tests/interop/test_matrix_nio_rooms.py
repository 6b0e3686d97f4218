"""matrix-nio in rooms: what it is told of them by /sync, and what it does there besides talking."""

from typing import Any

from nio import (
    AsyncClient,
    InviteMemberEvent,
    MessageDirection,
    RoomMessagesResponse,
    RoomNameEvent,
    RoomVisibility,
    UploadFilterResponse,
)
from nio.api import RelationshipType

from tests.interop.nio_people import NioTestCase, failed, ok, own, raw, room_of_two, say, sync
from tests.interop.server import SERVER_NAME


class NioSyncTests(NioTestCase):
    def test_full_state_tells_again_what_was_told(self) -> None:
        self.play(_ask_for_full_state)

    def test_an_uploaded_filter_chooses_what_is_told(self) -> None:
        self.play(_filter)

    def test_members_are_loaded_lazily(self) -> None:
        self.play(_load_lazily)

    def test_pages_in_both_directions_are_the_same_timeline(self) -> None:
        self.play(_read_both_ways)

    def test_what_surrounds_an_event(self) -> None:
        self.play(_look_around)


async def _ask_for_full_state(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    since = (await sync(bob)).next_batch
    assert not (await sync(bob, since=since)).rooms.join
    news = await sync(bob, since=since, full_state=True)
    names = [e.name for e in news.rooms.join[room_id].state if isinstance(e, RoomNameEvent)]
    assert names == ["The Room"]
    assert not news.rooms.join[room_id].timeline.events


async def _filter(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id, other_id = await room_of_two(alice, bob), await room_of_two(alice, bob)
    uploaded = ok(
        await bob.upload_filter(
            presence={"not_types": ["*"]},
            room={
                "rooms": [room_id],
                "timeline": {"types": ["m.room.message"], "limit": 2},
                "state": {"types": []},
            },
        ),
        UploadFilterResponse,
    )
    since = (await sync(bob, sync_filter=uploaded.filter_id)).next_batch
    ok(await alice.room_put_state(room_id, "m.room.topic", {"topic": "hidden"}))
    for body in ("1", "2", "3"):
        await say(alice, room_id, body)
        await say(alice, other_id, body)
    news = await sync(bob, since=since, sync_filter=uploaded.filter_id)
    assert list(news.rooms.join) == [room_id]
    timeline = news.rooms.join[room_id].timeline
    assert [event.body for event in timeline.events] == ["2", "3"]
    assert timeline.limited
    assert not news.rooms.join[room_id].state
    assert not news.presence_events


async def _load_lazily(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    for number in range(3):
        await say(bob, room_id, str(number))
    lazy = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 2}}}
    first = await sync(bob, sync_filter=lazy)
    assert _members(first.rooms.join[room_id].state) <= {alice.user_id, bob.user_id}
    assert bob.user_id in _members(first.rooms.join[room_id].state)
    await say(bob, room_id, "again")
    news = await sync(bob, since=first.next_batch, sync_filter=lazy)
    assert not _members(news.rooms.join[room_id].state), "Bob was told before"


def _members(events: list[Any]) -> set[str]:
    return {e.source["state_key"] for e in events if e.source["type"] == "m.room.member"}


async def _read_both_ways(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    for number in range(25):
        await say(alice, room_id, str(number))
    end = (await sync(bob)).next_batch
    backwards = await _all_events(bob, room_id, end, MessageDirection.back)
    forwards = await _all_events(bob, room_id, None, MessageDirection.front)
    assert backwards[::-1] == forwards
    assert len(set(forwards)) == len(forwards) > 25
    wish = {"types": ["m.room.message"], "contains_url": False}
    page = ok(await bob.room_messages(room_id, end, limit=3, message_filter=wish))
    assert [event.body for event in page.chunk] == ["24", "23", "22"]


async def _all_events(
    client: AsyncClient, room_id: str, start: str | None, direction: MessageDirection
) -> list[str]:
    events: list[str] = []
    while True:
        page = ok(
            await client.room_messages(room_id, start, limit=7, direction=direction),
            RoomMessagesResponse,
        )
        events += [event.event_id for event in page.chunk]
        start = page.end
        if start is None:
            return events


async def _look_around(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    sent = [await say(alice, room_id, str(number)) for number in range(5)]
    around = ok(await bob.room_context(room_id, sent[2], limit=2))
    assert around.event.event_id == sent[2]
    assert [event.event_id for event in around.events_before] == [sent[1]]
    assert [event.event_id for event in around.events_after] == [sent[3]]


class NioRelationTests(NioTestCase):
    def test_threads_are_listed_and_read(self) -> None:
        self.play(_talk_in_a_thread)

    def test_reactions_are_found_by_their_event(self) -> None:
        self.play(_react)

    def test_an_edit_stands_in_for_its_message(self) -> None:
        self.play(_edit)


async def _talk_in_a_thread(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    root = await say(alice, room_id, "root")
    await say(alice, room_id, "elsewhere")
    replies = [await _relate(bob, room_id, root, "m.thread", body=str(n)) for n in range(3)]
    thread = RelationshipType.thread
    found = [e async for e in alice.room_get_event_relations(room_id, root, thread, limit=2)]
    assert [event.event_id for event in found] == replies[::-1]
    roots = [event async for event in alice.room_get_threads(room_id)]
    assert [event.event_id for event in roots] == [root]
    bundle = roots[0].source["unsigned"]["m.relations"]["m.thread"]
    assert bundle["count"] == 3
    assert bundle["latest_event"]["event_id"] == replies[-1]


async def _react(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    event_id = await say(alice, room_id, "nice weather")
    relation = {"rel_type": "m.annotation", "event_id": event_id, "key": "👍"}
    reaction = ok(await bob.room_send(room_id, "m.reaction", {"m.relates_to": relation}))
    assert failed(await bob.room_send(room_id, "m.reaction", {"m.relates_to": relation}))
    found = [
        event.event_id
        async for event in alice.room_get_event_relations(
            room_id, event_id, RelationshipType.annotation, "m.reaction"
        )
    ]
    assert found == [reaction.event_id]


async def _edit(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    event_id = await say(alice, room_id, "helo")
    new = {"msgtype": "m.text", "body": "hello"}
    edit = await _relate(
        alice, room_id, event_id, "m.replace", body="* hello", **{"m.new_content": new}
    )
    event = ok(await bob.room_get_event(room_id, event_id)).event
    assert event.body == "helo"
    bundled = event.source["unsigned"]["m.relations"]["m.replace"]
    assert (bundled["event_id"], bundled["content"]["m.new_content"]) == (edit, new)


async def _relate(
    client: AsyncClient, room_id: str, event_id: str, rel_type: str, **content: Any
) -> str:
    relation = {"rel_type": rel_type, "event_id": event_id}
    content = {"msgtype": "m.text", "m.relates_to": relation, **content}
    return str(ok(await client.room_send(room_id, "m.room.message", content)).event_id)


class NioRoomTests(NioTestCase):
    def test_spaces_tell_their_rooms(self) -> None:
        self.play(_walk_through_a_space)

    def test_a_room_is_upgraded(self) -> None:
        self.play(_upgrade)

    def test_aliases_and_the_directory(self) -> None:
        self.play(_publish)

    def test_knocking_and_being_let_in(self) -> None:
        self.play(_knock)

    def test_direct_rooms(self) -> None:
        self.play(_talk_in_private)

    def test_search_finds_messages(self) -> None:
        self.play(_search)


async def _walk_through_a_space(alice: AsyncClient, bob: AsyncClient) -> None:
    space = ok(await alice.room_create(name="Space", space=True)).room_id
    rooms = [
        ok(await alice.room_create(name=name, visibility=RoomVisibility.public)).room_id
        for name in ("One", "Two")
    ]
    for room_id, suggested in zip(rooms, (True, False), strict=True):
        child = {"via": [SERVER_NAME], "suggested": suggested}
        ok(await alice.room_put_state(space, "m.space.child", child, room_id))
    found = ok(await alice.space_get_hierarchy(space))
    assert [room["name"] for room in found.rooms] == ["Space", "One", "Two"]
    assert found.rooms[0]["room_type"] == "m.space"
    first = ok(await alice.space_get_hierarchy(space, limit=1))
    assert [room["name"] for room in first.rooms] == ["Space"]
    rest = ok(await alice.space_get_hierarchy(space, from_page=first.next_batch))
    assert [room["name"] for room in rest.rooms] == ["One", "Two"]
    suggested_rooms = ok(await alice.space_get_hierarchy(space, suggested_only=True)).rooms
    assert [room["name"] for room in suggested_rooms] == ["Space", "One"]
    assert failed(await bob.space_get_hierarchy(space)), "it is Alice's"


async def _upgrade(alice: AsyncClient, bob: AsyncClient) -> None:
    created = await alice.room_create(name="Old", alias="old", room_version="10")
    old = ok(created).room_id
    alias = f"#old:{SERVER_NAME}"
    ok(await alice.room_put_state(old, "m.room.canonical_alias", {"alias": alias}))
    new = ok(await alice.room_upgrade(old, "11")).room_id
    assert new != old
    tombstone = ok(await alice.room_get_state_event(old, "m.room.tombstone"))
    assert tombstone.content["replacement_room"] == new
    creation = ok(await alice.room_get_state_event(new, "m.room.create"))
    assert creation.content["predecessor"]["room_id"] == old
    assert creation.content["room_version"] == "11"
    assert ok(await alice.room_get_state_event(new, "m.room.name")).content["name"] == "Old"
    assert ok(await bob.room_resolve_alias(alias)).room_id == new


async def _publish(alice: AsyncClient, bob: AsyncClient) -> None:
    created = await alice.room_create(
        name="Market", topic="Come in", alias="market", visibility=RoomVisibility.public
    )
    room_id = ok(created).room_id
    assert ok(await bob.room_get_visibility(room_id)).visibility == "public"
    ok(await alice.room_put_alias(f"#fair:{SERVER_NAME}", room_id))
    found = ok(await bob.room_resolve_alias(f"#fair:{SERVER_NAME}"))
    assert (found.room_id, found.servers) == (room_id, [SERVER_NAME])
    listed = ok(await bob.list_public_rooms(filter_generic_search_term="come")).public_rooms
    assert [(room.room_id, room.name) for room in listed] == [(room_id, "Market")]
    # matrix-nio takes a refused deletion for a success.
    await bob.room_delete_alias(f"#fair:{SERVER_NAME}")
    assert ok(await bob.room_resolve_alias(f"#fair:{SERVER_NAME}")).room_id == room_id
    await alice.room_delete_alias(f"#fair:{SERVER_NAME}")
    assert failed(await bob.room_resolve_alias(f"#fair:{SERVER_NAME}"))


async def _knock(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = ok(await alice.room_create(name="Closed")).room_id
    assert failed(await bob.room_knock(room_id))
    ok(await alice.room_enable_knocking(room_id))
    ok(await bob.room_knock(room_id, "Let me in"))
    knocked = (await raw(bob, "GET", "v3/sync"))["rooms"]["knock"][room_id]["knock_state"]["events"]
    assert "Closed" in [event["content"].get("name") for event in knocked]
    member = ok(await alice.room_get_state_event(room_id, "m.room.member", bob.user_id))
    assert (member.content["membership"], member.content["reason"]) == ("knock", "Let me in")
    ok(await alice.room_invite(room_id, bob.user_id))
    assert room_id in (await sync(bob)).rooms.invite
    ok(await bob.join(room_id))
    assert room_id in (await sync(bob)).rooms.join


async def _talk_in_private(alice: AsyncClient, bob: AsyncClient) -> None:
    created = await alice.room_create(is_direct=True, invite=[bob.user_id])
    room_id = ok(created).room_id
    invited = (await sync(bob)).rooms.invite[room_id].invite_state
    invites = [e.content for e in invited if isinstance(e, InviteMemberEvent)]
    assert [
        content.get("is_direct") for content in invites if content["membership"] == "invite"
    ] == [True]
    await raw(alice, "PUT", own(alice, "account_data/m.direct"), {bob.user_id: [room_id]})
    assert ok(await alice.list_direct_rooms()).rooms == {bob.user_id: [room_id]}


async def _search(alice: AsyncClient, bob: AsyncClient) -> None:
    room_id = await room_of_two(alice, bob)
    event_id = await say(alice, room_id, "the quick brown fox")
    await say(alice, room_id, "something else")
    wish = {"search_categories": {"room_events": {"search_term": "quick fox"}}}
    found: dict[str, Any] = {"count": 0}
    while not found["count"]:  # the index follows within a second or so
        found = (await raw(bob, "POST", "v3/search", wish))["search_categories"]["room_events"]
    assert [result["result"]["event_id"] for result in found["results"]] == [event_id]
