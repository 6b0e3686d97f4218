"""Client API: `unsigned.membership`, the reader's own membership at an event."""

from typing import Any
from unittest import mock
from urllib.parse import quote

from synapse.handlers import own_memberships
from tests.rest.rooms import V3, RoomTestCase, room_path

BOB = "@bob:test"
MEMBER = "m.room.member"


def told(events: list[Any]) -> list[str | None]:
    return [event["unsigned"].get("membership") for event in events]


class OwnMembershipTests(RoomTestCase):
    """Bob comes to a room late, leaves it, is invited and comes back."""

    async def story(self) -> str:
        self.alice = await self.register("alice")
        self.bob = await self.register("bob")
        room_id = await self.create_public(self.alice)
        self.early = await self.send(self.alice, room_id, "early word")
        await self.join(self.bob, room_id)
        self.within = await self.send(self.alice, room_id, "within word")
        await self.set_state(
            self.bob, room_id, MEMBER, {"membership": "join", "displayname": "Bo"}, BOB
        )
        await self.leave(self.bob, room_id)
        self.outside = await self.send(self.alice, room_id, "outside word")
        await self.change_membership(self.alice, room_id, "invite", BOB)
        self.invited = await self.send(self.alice, room_id, "invited word")
        await self.join(self.bob, room_id)
        self.late = await self.send(self.alice, room_id, "late word")
        self.wanted = {
            self.early: "leave",
            self.within: "join",
            self.outside: "leave",
            self.invited: "invite",
            self.late: "join",
        }
        return room_id

    def check(self, events: list[Any], *, all_of_them: bool = True) -> None:
        shown = {e["event_id"]: m for e, m in zip(events, told(events), strict=True)}
        if all_of_them:
            self.assertLessEqual(set(self.wanted), set(shown))
        for event_id, membership in self.wanted.items():
            if event_id in shown:
                self.assertEqual(shown[event_id], membership)
        # At a member event of the reader's own it is the new one.
        for event in events:
            if event["type"] == MEMBER and event["state_key"] == BOB:
                self.assertEqual(event["unsigned"]["membership"], event["content"]["membership"])
            self.assertIn("membership", event["unsigned"])

    async def test_pages(self) -> None:
        room_id = await self.story()
        for direction in "bf":
            page = await self.messages(self.bob, room_id, direction, limit=50)
            self.check(page["chunk"])
        lazy = '{"lazy_load_members":true}'
        page = await self.messages(self.bob, room_id, limit=50, filter=lazy)
        self.check(page["state"], all_of_them=False)

    async def test_one_event_and_what_surrounds_it(self) -> None:
        room_id = await self.story()
        for event_id, membership in self.wanted.items():
            path = quote(event_id, safe="$")
            event = await self.ok("GET", room_path(room_id, f"/event/{path}"), token=self.bob)
            self.assertEqual(told([event]), [membership])
            path = room_path(room_id, f"/context/{path}?limit=50")
            context = await self.ok("GET", path, token=self.bob)
            around = [*context["events_before"], context["event"], *context["events_after"]]
            self.check(around)
            self.check(context["state"], all_of_them=False)

    async def test_relations_and_threads(self) -> None:
        room_id = await self.story()
        content = {"m.relates_to": {"rel_type": "m.thread", "event_id": self.early}, "body": "x"}
        reply = await self.send_event(self.alice, room_id, "m.room.message", content)
        path = quote(self.early, safe="$")
        path = f"/_matrix/client/v1/rooms/{quote(room_id, safe='!:')}/relations/{path}"
        (event,) = (await self.ok("GET", path, token=self.bob))["chunk"]
        self.assertEqual((event["event_id"], told([event])), (reply, ["join"]))
        path = f"/_matrix/client/v1/rooms/{quote(room_id, safe='!:')}/threads"
        (root,) = (await self.ok("GET", path, token=self.bob))["chunk"]
        self.assertEqual((root["event_id"], told([root])), (self.early, ["leave"]))
        self.assertIn("m.relations", root["unsigned"])

    async def test_search(self) -> None:
        await self.story()
        other = await self.create_public(self.bob)
        elsewhere = await self.send(self.bob, other, "another word")
        await self.server.discovery.search_reader.catch_up()
        body = {"search_categories": {"room_events": {"search_term": "word"}}}
        answer = await self.ok("POST", f"{V3}/search", body, token=self.bob)
        results = [r["result"] for r in answer["search_categories"]["room_events"]["results"]]
        self.wanted[elsewhere] = "join"
        self.check(results)

    async def test_a_first_sync(self) -> None:
        room_id = await self.story()
        for limit in (50, 3):
            filter = f'{{"room":{{"timeline":{{"limit":{limit}}}}}}}'
            room = (await self.sync(self.bob, filter=filter))["rooms"]["join"][room_id]
            self.check(room["timeline"]["events"], all_of_them=limit == 50)
            self.check(room["state"]["events"], all_of_them=False)
        self.assertEqual(set(told(room["state"]["events"])), {"leave", "invite"})

    async def test_state_and_lazily_loaded_members(self) -> None:
        room_id = await self.story()
        lazy = '{"room":{"state":{"lazy_load_members":true},"timeline":{"limit":2}}}'
        since = (await self.sync(self.bob))["next_batch"]
        await self.set_state(self.alice, room_id, "m.room.topic", {"topic": "new"})
        for text in "123":
            await self.send(self.alice, room_id, text)
        answer = await self.sync(self.bob, since=since, filter=lazy)
        room = answer["rooms"]["join"][room_id]
        self.assertEqual(told(room["timeline"]["events"]), ["join", "join"])
        state = {event["type"]: event for event in room["state"]["events"]}
        self.assertEqual(told([state["m.room.topic"]]), ["join"])
        # Alice had joined long before Bob.
        self.assertEqual(told([state[MEMBER]]), ["leave"])

    async def test_left_rooms(self) -> None:
        room_id = await self.story()
        since = (await self.sync(self.bob))["next_batch"]
        await self.send(self.alice, room_id)
        await self.leave(self.bob, room_id)
        await self.change_membership(self.alice, room_id, "ban", BOB)
        left = (await self.sync(self.bob, since=since))["rooms"]["leave"][room_id]
        self.assertEqual(told(left["timeline"]["events"]), ["join", "leave", "ban"])
        whole = '{"room":{"include_leave":true,"timeline":{"limit":50}}}'
        left = (await self.sync(self.bob, filter=whole))["rooms"]["leave"][room_id]
        self.check(left["timeline"]["events"], all_of_them=False)
        page = await self.messages(self.bob, room_id, limit=50)
        self.check(page["chunk"], all_of_them=False)

    async def test_who_was_never_in_the_room(self) -> None:
        room_id = await self.story()
        content = {"history_visibility": "world_readable"}
        await self.set_state(self.alice, room_id, "m.room.history_visibility", content)
        carol = await self.register("carol")
        await self.send(self.alice, room_id)
        page = await self.messages(carol, room_id, limit=1)
        self.assertEqual(told(page["chunk"]), ["leave"])

    async def test_what_is_too_long_ago(self) -> None:
        """A history of many changes is not read to its beginning: the older part isn't told."""
        with mock.patch.object(own_memberships, "_MAX_CHANGES", 2):
            room_id = await self.story()
            page = await self.messages(self.bob, room_id, limit=50)
        shown = {e["event_id"]: m for e, m in zip(page["chunk"], told(page["chunk"]), strict=True)}
        self.assertEqual(shown[self.late], "join")
        self.assertEqual(shown[self.invited], "invite")
        self.assertEqual([shown[self.outside], shown[self.within], shown[self.early]], [None] * 3)
