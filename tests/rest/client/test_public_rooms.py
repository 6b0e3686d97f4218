"""The room directory."""

from typing import Any

from tests.rest.hostile import assert_survives
from tests.rest.rooms import RoomTestCase

PATH = "/_matrix/client/v3/publicRooms"


class PublicRoomsTests(RoomTestCase):
    async def arrange(self, count: int) -> list[str]:
        """Published rooms: the first has the most members."""
        self.alice = await self.register("alice")
        users = [await self.register(f"user{number}") for number in range(count)]
        rooms = []
        for size in range(count, 0, -1):
            room_id = await self.publish(name=f"Room {size}", topic="Tea" if size % 2 else "Coffee")
            for token in users[: size - 1]:
                await self.join(token, room_id)
            rooms.append(room_id)
        return rooms

    async def publish(self, **body: Any) -> str:
        answer = await self.fetch(
            "POST",
            "/_matrix/client/v3/createRoom",
            {"visibility": "public", **body},
            token=self.alice,
        )
        self.assertEqual(answer.status, 200, str(answer))
        return str(answer.json["room_id"])

    async def page(self, query: str = "", body: Any = None) -> dict[str, Any]:
        method = "GET" if body is None else "POST"
        answer = await self.fetch(method, PATH + query, body, token=self.alice)
        self.assertEqual(answer.status, 200, str(answer))
        result: dict[str, Any] = answer.json
        return result

    async def ids(self, body: Any) -> list[str]:
        return [room["room_id"] for room in (await self.page(body=body))["chunk"]]

    async def test_what_a_room_shows(self) -> None:
        self.alice = await self.register("alice")
        await self.create(self.alice)  # not published
        plain = await self.publish()
        rich = await self.publish(
            name="Tea",
            topic="No coffee",
            room_alias_name="tea",
            creation_content={"type": "m.space"},
            initial_state=[
                {"type": "m.room.avatar", "content": {"url": "mxc://test/tea"}},
                {
                    "type": "m.room.history_visibility",
                    "content": {"history_visibility": "world_readable"},
                },
                {"type": "m.room.guest_access", "content": {"guest_access": "can_join"}},
            ],
        )
        page = await self.page()
        self.assertEqual(page["total_room_count_estimate"], 2)
        self.assertNotIn("next_batch", page)
        self.assertEqual(
            page["chunk"],
            [
                {
                    "room_id": rich,
                    "name": "Tea",
                    "topic": "No coffee",
                    "canonical_alias": "#tea:test",
                    "avatar_url": "mxc://test/tea",
                    "room_type": "m.space",
                    "join_rule": "public",
                    "world_readable": True,
                    "guest_can_join": True,
                    "num_joined_members": 1,
                },
                {
                    "room_id": plain,
                    "join_rule": "public",
                    "world_readable": False,
                    "guest_can_join": False,
                    "num_joined_members": 1,
                },
            ],
        )

    async def test_pages_in_both_directions(self) -> None:
        rooms = await self.arrange(7)
        pages, query = [], "?limit=3"
        while True:
            page = await self.page(query)
            pages.append([room["room_id"] for room in page["chunk"]])
            if "next_batch" not in page:
                break
            query = f"?limit=3&since={page['next_batch']}"
        self.assertEqual(pages, [rooms[:3], rooms[3:6], rooms[6:]])
        back = await self.page(f"?limit=3&since={page['prev_batch']}")
        self.assertEqual([room["room_id"] for room in back["chunk"]], rooms[3:6])
        back = await self.page(f"?limit=3&since={back['prev_batch']}")
        self.assertEqual([room["room_id"] for room in back["chunk"]], rooms[:3])
        self.assertNotIn("prev_batch", back)
        forth = await self.page(f"?limit=3&since={back['next_batch']}")
        self.assertEqual([room["room_id"] for room in forth["chunk"]], rooms[3:6])

    async def test_filters(self) -> None:
        rooms = await self.arrange(5)
        space = await self.publish(name="Space", creation_content={"type": "m.space"})
        for wished, expected in (
            ({"generic_search_term": "room 4"}, rooms[1:2]),
            ({"generic_search_term": "TEA"}, rooms[::2]),
            ({"generic_search_term": "nothing like it"}, []),
            ({"room_types": ["m.space"]}, [space]),
            ({"room_types": [None]}, rooms),
            ({"room_types": []}, []),
            ({}, [*rooms[:4], space, rooms[4]]),
        ):
            with self.subTest(wished=wished):
                self.assertEqual(await self.ids({"filter": wished}), expected)
        self.assertEqual(await self.ids({"third_party_instance_id": "irc"}), [])

    async def test_changes_show(self) -> None:
        (room_id,) = await self.arrange(1)
        await self.page()
        await self.set_state(self.alice, room_id, "m.room.name", {"name": "Renamed"})
        (room,) = (await self.page())["chunk"]
        self.assertEqual(room["name"], "Renamed")
        await self.fetch(
            "PUT",
            f"/_matrix/client/v3/directory/list/room/{room_id}",
            {"visibility": "private"},
            token=self.alice,
        )
        self.assertEqual((await self.page())["chunk"], [])

    async def test_a_redacted_topic_is_gone(self) -> None:
        self.alice = await self.register("alice")
        room_id = await self.publish(name="Tea")
        event_id = await self.set_state(self.alice, room_id, "m.room.topic", {"topic": "Secret"})
        self.assertEqual((await self.page())["chunk"][0]["topic"], "Secret")
        await self.redact(self.alice, room_id, event_id)
        self.assertNotIn("topic", (await self.page())["chunk"][0])

    async def test_the_topic_is_shown_as_plain_text(self) -> None:
        self.alice = await self.register("alice")
        room_id = await self.publish()
        html = {"mimetype": "text/html", "body": "<b>Tea</b>"}
        for content, topic in (
            ({"topic": "Tea"}, "Tea"),
            ({"topic": "Tea", "m.topic": {"m.text": [html, {"body": "Just tea"}]}}, "Just tea"),
            (
                {"topic": "x", "m.topic": {"m.text": [{"mimetype": "text/plain", "body": "y"}]}},
                "y",
            ),
            ({"topic": "Tea", "m.topic": {"m.text": [html]}}, None),
            ({"topic": "Tea", "m.topic": "strange"}, "Tea"),
            ({"topic": "Tea", "m.topic": {"m.text": [7, {"body": 7}, {"body": "z"}]}}, "z"),
            # An empty topic is none, whatever else stands there.
            ({"topic": "", "m.topic": {"m.text": [{"body": "Tea"}]}}, None),
            ({}, None),
        ):
            await self.set_state(self.alice, room_id, "m.room.topic", content)
            (room,) = (await self.page())["chunk"]
            self.assertEqual(room.get("topic"), topic, content)

    async def test_how_rooms_that_ask_to_knock_are_shown(self) -> None:
        self.alice = await self.register("alice")
        for rule in ("knock", "knock_restricted", "restricted", "invite"):
            rules = {"type": "m.room.join_rules", "content": {"join_rule": rule}}
            await self.publish(name=rule, initial_state=[rules])
        chunk = (await self.page())["chunk"]
        self.assertEqual(len(chunk), 4)
        for room in chunk:
            self.assertEqual(room["join_rule"], room["name"])

    async def test_who_may_ask(self) -> None:
        await self.arrange(1)
        self.assertEqual((await self.fetch("GET", PATH)).status, 401)
        self.reconfigure(rooms={"allow_public_rooms_without_auth": True})
        self.assertEqual((await self.fetch("GET", PATH)).status, 200)
        self.assertEqual((await self.fetch("POST", PATH, {})).status, 401)
        self.reconfigure(rooms={"enable_room_list_search": False})
        self.assertEqual((await self.page())["chunk"], [])
        other = await self.fetch("GET", f"{PATH}?server=example.com", token=self.alice)
        self.assertEqual((other.status, other.json["chunk"]), (200, []))
        self.assertEqual(
            (await self.fetch("GET", f"{PATH}?server=test", token=self.alice)).status, 200
        )

    async def test_hostile_bodies(self) -> None:
        await self.arrange(1)
        good = {
            "limit": 3,
            "since": "f1_1",
            "filter": {"generic_search_term": "x", "room_types": ["m.space", None]},
            "include_all_networks": False,
        }
        await assert_survives(self, "POST", PATH, good, token=self.alice, may_be_empty=True)
        for token in ("x", "f", "f1", "f1_", "f-1_1", "s1_2", "f" + "9" * 30 + "_1"):
            answer = await self.fetch("GET", f"{PATH}?since={token}", token=self.alice)
            self.assertEqual((answer.status, answer.json["errcode"]), (400, "M_INVALID_PARAM"))
