"""Client API: /timestamp_to_event."""

from unittest.mock import patch

from synapse.handlers import event_by_time
from tests.rest.rooms import RoomTestCase, room_path

START_MS = 1_700_000_000_000


class EventByTimeTests(RoomTestCase):
    async def arrange(self, visibility: str = "shared") -> None:
        """A room with a message of alice's each minute, the first after one minute."""
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create_public(
            self.alice,
            initial_state=[
                {
                    "type": "m.room.history_visibility",
                    "content": {"history_visibility": visibility},
                }
            ],
        )
        self.sent = [await self.send_later(n) for n in range(4)]

    async def send_later(self, n: int) -> str:
        self.advance(60)
        return await self.send(self.alice, self.room_id, str(n))

    def path(self, ts_ms: object, direction: str, room_id: str | None = None) -> str:
        path = room_path(room_id or self.room_id, "/timestamp_to_event")
        return f"{path.replace('/v3/', '/v1/')}?ts={ts_ms}&dir={direction}"

    async def found(self, token: str, ts_ms: int, direction: str) -> str:
        answer = await self.ok("GET", self.path(ts_ms, direction), token=token)
        self.assertEqual(set(answer), {"event_id", "origin_server_ts"})
        return str(answer["event_id"])

    async def test_the_nearest_in_each_direction(self) -> None:
        await self.arrange()
        for offset_s, direction, wanted in (
            (60, "f", 0),
            (60, "b", 0),
            (61, "f", 1),
            (61, "b", 0),
            (239, "b", 2),
            (10_000, "b", 3),
        ):
            event_id = await self.found(self.alice, START_MS + offset_s * 1000, direction)
            self.assertEqual(event_id, self.sent[wanted], f"{offset_s}, {direction}")

    async def test_events_of_one_moment_come_in_their_order(self) -> None:
        await self.arrange()
        self.advance(60)
        both = [await self.send(self.alice, self.room_id, text) for text in ("first", "second")]
        self.assertEqual(await self.found(self.alice, START_MS + 300_000, "f"), both[0])
        self.assertEqual(await self.found(self.alice, START_MS + 300_000, "b"), both[1])

    async def test_there_is_none(self) -> None:
        await self.arrange()
        for ts_ms, direction in ((START_MS + 241_000, "f"), (START_MS - 1, "b"), (-(2**62), "b")):
            path = self.path(ts_ms, direction)
            await self.refused(404, "M_NOT_FOUND", "GET", path, token=self.alice)

    async def test_hidden_events_are_passed_over(self) -> None:
        await self.arrange("joined")
        self.advance(60)
        await self.join(self.bob, self.room_id)
        mine = await self.send_later(5)
        self.assertEqual(await self.found(self.bob, START_MS + 301_000, "f"), mine)
        joined = await self.found(self.bob, START_MS + 60_000, "f")
        event = await self.ok("GET", room_path(self.room_id, f"/event/{joined}"), token=self.bob)
        self.assertEqual(event["state_key"], "@bob:test")
        # Until the visibility was set, it was shared.
        self.assertNotIn(await self.found(self.bob, START_MS + 240_000, "b"), self.sent)

    async def test_more_hidden_events_than_are_looked_through(self) -> None:
        for bound in ("_READ_AT_ONCE", "_MAX_READ"):
            patched = patch.object(event_by_time, bound, 2)
            patched.start()
            self.addCleanup(patched.stop)
        await self.arrange("joined")
        self.advance(60)
        await self.join(self.bob, self.room_id)
        last = await self.send_later(5)
        self.assertNotIn(await self.found(self.bob, START_MS + 60_000, "f"), self.sent)
        await self.leave(self.bob, self.room_id)
        for n in range(6):
            await self.send_later(n)
        event_id = await self.found(self.bob, START_MS + 10**9, "b")
        event = await self.ok("GET", room_path(self.room_id, f"/event/{event_id}"), token=self.bob)
        self.assertTrue(event_id == last or event["content"].get("membership") == "leave")

    async def test_who_may_ask(self) -> None:
        await self.arrange()
        path = self.path(0, "f")
        await self.refused(403, "M_FORBIDDEN", "GET", path, token=self.bob)
        unknown = self.path(0, "f", "!unknown:test")
        await self.refused(403, "M_FORBIDDEN", "GET", unknown, token=self.bob)
        await self.refused(401, "M_MISSING_TOKEN", "GET", path, token=None)

    async def test_the_room_is_readable_for_all_the_world(self) -> None:
        await self.arrange("world_readable")
        self.assertEqual(await self.found(self.bob, START_MS + 61_000, "f"), self.sent[1])

    async def test_wrong_parameters(self) -> None:
        await self.arrange()
        base = self.path(0, "f").split("?")[0]
        for query, errcode in (
            ("", "M_MISSING_PARAM"),
            ("?dir=f", "M_MISSING_PARAM"),
            ("?ts=1", "M_MISSING_PARAM"),
            ("?ts=1&dir=x", "M_INVALID_PARAM"),
            ("?ts=x&dir=f", "M_INVALID_PARAM"),
            ("?ts=1.5&dir=f", "M_INVALID_PARAM"),
            (f"?ts={10**30}&dir=f", "M_INVALID_PARAM"),
        ):
            await self.refused(400, errcode, "GET", base + query, token=self.alice)
