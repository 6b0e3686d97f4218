"""Client API: /rooms/{roomId}/initialSync, /initialSync, /events/{eventId}."""

from typing import Any

from tests.rest.rooms import V3, RoomTestCase, bodies, room_path

WORLD_READABLE = {
    "type": "m.room.history_visibility",
    "content": {"history_visibility": "world_readable"},
}


class SnapshotTestCase(RoomTestCase):
    async def arrange(self, **body: Any) -> None:
        """A room of alice's with 5 messages, in which bob is."""
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create_public(self.alice, **body)
        await self.join(self.bob, self.room_id)
        for n in range(5):
            await self.send(self.alice, self.room_id, str(n))

    async def snapshot(self, token: str, query: str = "") -> Any:
        path = room_path(self.room_id, "/initialSync" + query)
        return await self.ok("GET", path, token=token)


class RoomSnapshotTests(SnapshotTestCase):
    async def test_what_a_member_sees(self) -> None:
        await self.arrange(name="first")
        path = f"{V3}/user/@bob:test/rooms/{self.room_id}/account_data/x"
        await self.ok("PUT", path, {"a": 1}, token=self.bob)
        found = await self.snapshot(self.bob, "?limit=3")
        self.assertEqual((found["room_id"], found["membership"]), (self.room_id, "join"))
        self.assertEqual(bodies(found["messages"]["chunk"]), ["2", "3", "4"])
        self.assertEqual(found["visibility"], "private")
        self.assertEqual(found["account_data"], [{"type": "x", "content": {"a": 1}}])
        state = {(e["type"], e["state_key"]): e["content"] for e in found["state"]}
        self.assertEqual(state["m.room.name", ""], {"name": "first"})
        self.assertEqual(state["m.room.member", "@bob:test"]["membership"], "join")
        older = await self.messages(self.bob, self.room_id, limit=2, **self.at(found, "start"))
        self.assertEqual(bodies(older["chunk"]), ["1", "0"])
        await self.send(self.alice, self.room_id, "new")
        newer = await self.messages(self.bob, self.room_id, "f", **self.at(found, "end"))
        self.assertEqual(bodies(newer["chunk"]), ["new"])

    def at(self, snapshot: Any, side: str) -> dict[str, str]:
        return {"from": snapshot["messages"][side]}

    async def test_all_of_a_small_room_has_no_start(self) -> None:
        await self.arrange()
        self.assertNotIn("start", (await self.snapshot(self.bob, "?limit=100"))["messages"])

    async def test_whoever_left_sees_the_room_as_it_was(self) -> None:
        await self.arrange(name="first")
        await self.leave(self.bob, self.room_id)
        await self.set_state(self.alice, self.room_id, "m.room.name", {"name": "second"})
        found = await self.snapshot(self.bob, "?limit=2")
        self.assertEqual(found["membership"], "leave")
        self.assertEqual(bodies(found["messages"]["chunk"]), ["4"])
        names = [e["content"] for e in found["state"] if e["type"] == "m.room.name"]
        self.assertEqual(names, [{"name": "first"}])

    async def test_looking_into_a_room(self) -> None:
        await self.arrange(initial_state=[WORLD_READABLE], visibility="public")
        _, guest = await self.guest()
        for token in (guest, await self.register("carol")):
            found = await self.snapshot(token, "?limit=1")
            self.assertNotIn("membership", found)
            self.assertEqual(bodies(found["messages"]["chunk"]), ["4"])
            self.assertEqual((found["visibility"], found["account_data"]), ("public", []))

    async def test_who_knocks_looks_in_like_a_stranger(self) -> None:
        await self.arrange(initial_state=[WORLD_READABLE])
        knock = {"join_rule": "knock"}
        await self.set_state(self.alice, self.room_id, "m.room.join_rules", knock)
        carol = await self.register("carol")
        await self.ok("POST", f"{V3}/knock/{self.room_id}", {}, token=carol)
        self.assertNotIn("membership", await self.snapshot(carol))

    async def test_strangers(self) -> None:
        await self.arrange()
        carol = await self.register("carol")
        for room_id in (self.room_id, "!unknown:test"):
            path = room_path(room_id, "/initialSync")
            await self.refused(403, "M_FORBIDDEN", "GET", path, token=carol)
        await self.change_membership(self.alice, self.room_id, "invite", "@carol:test")
        path = room_path(self.room_id, "/initialSync")
        await self.refused(403, "M_FORBIDDEN", "GET", path, token=carol)

    async def test_wrong_limits(self) -> None:
        await self.arrange()
        path = room_path(self.room_id, "/initialSync?limit=-1")
        await self.refused(400, "M_INVALID_PARAM", "GET", path, token=self.bob)


class AllRoomsTests(SnapshotTestCase):
    async def all(self, query: str = "") -> tuple[Any, dict[str, Any]]:
        answer = await self.ok("GET", f"{V3}/initialSync{query}", token=self.bob)
        return answer, {room["room_id"]: room for room in answer["rooms"]}

    async def test_joined_invited_and_left_rooms(self) -> None:
        await self.arrange()
        invited, left, declined = [await self.create_public(self.alice) for _ in range(3)]
        for room_id in (invited, declined):
            await self.change_membership(self.alice, room_id, "invite", "@bob:test")
        await self.join(self.bob, left)
        for room_id in (left, declined):
            await self.leave(self.bob, room_id)
        answer, rooms = await self.all("?limit=2")
        self.assertEqual(set(rooms), {self.room_id, invited})
        self.assertEqual(bodies(rooms[self.room_id]["messages"]["chunk"]), ["3", "4"])
        self.assertEqual(rooms[invited]["invite"]["content"]["membership"], "invite")
        self.assertEqual(set(rooms[invited]), {"room_id", "membership", "invite"})
        self.assertIn("m.push_rules", [event["type"] for event in answer["account_data"]])
        _, rooms = await self.all("?archived=true")
        self.assertEqual(set(rooms), {self.room_id, invited, left})
        self.assertEqual(rooms[left]["membership"], "leave")

    async def test_is_the_same_as_of_each_room_alone(self) -> None:
        await self.arrange()
        for limit in (0, 1, 3, 100):
            _, rooms = await self.all(f"?limit={limit}")
            alone = await self.snapshot(self.bob, f"?limit={limit}")
            for snapshot in (rooms[self.room_id], alone):
                snapshot["state"].sort(key=lambda event: event["event_id"])
            self.assertEqual(rooms[self.room_id], alone, str(limit))

    async def test_the_stream_goes_on_from_its_end(self) -> None:
        await self.arrange()
        answer, _ = await self.all()
        sent = await self.send(self.alice, self.room_id)
        path = f"{V3}/events?from={answer['end']}"
        events = (await self.ok("GET", path, token=self.bob))["chunk"]
        self.assertEqual([event["event_id"] for event in events], [sent])


class EventAnywhereTests(SnapshotTestCase):
    async def test_an_event_of_whatever_room(self) -> None:
        await self.arrange()
        event_id = await self.send(self.alice, self.room_id, "found")
        hidden = await self.send(self.alice, await self.create(self.alice))
        found = await self.ok("GET", f"{V3}/events/{event_id}", token=self.bob)
        self.assertEqual((found["room_id"], found["content"]["body"]), (self.room_id, "found"))
        for unknown in (hidden, "$unknown"):
            path = f"{V3}/events/{unknown}"
            await self.refused(404, "M_NOT_FOUND", "GET", path, token=self.bob)
