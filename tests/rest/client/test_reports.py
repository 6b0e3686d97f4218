"""Client API: reporting events, rooms and users."""

from typing import Any

from synapse.config.ratelimiting import RateLimit
from tests.rest.rooms import V3, RoomTestCase, room_path


class ReportTests(RoomTestCase):
    async def arrange(self) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create_public(self.alice)
        await self.join(self.bob, self.room_id)
        self.event_id = await self.send(self.alice, self.room_id)

    def event_path(self, event_id: str | None = None, room_id: str | None = None) -> str:
        return room_path(room_id or self.room_id, f"/report/{event_id or self.event_id}")

    async def kept(self, table: str) -> list[Any]:
        """(received, reporter, what, reason, …) of each report."""
        joins, what = {
            "event_reports": ("", "r.event_id, r.reason, r.score"),
            "room_reports": (
                "JOIN rooms t ON t.room_nid = r.room_nid",
                "t.room_id, r.reason",
            ),
            "user_reports": ("JOIN names t ON t.nid = r.user_nid", "t.name, r.reason"),
        }[table]
        return await self.database.fetch(
            f"""SELECT r.received_ms, u.name, {what} FROM {table} r
                JOIN names u ON u.nid = r.reporter_nid {joins} ORDER BY r.report_id"""
        )

    async def test_events(self) -> None:
        await self.arrange()
        now_ms = self.clock.now_ms()
        for body, reason, score in (
            ({"reason": "spam", "score": -100}, "spam", -100),
            ({}, None, None),
            ({"reason": None}, None, None),
            ({"reason": ""}, "", None),
        ):
            await self.ok("POST", self.event_path(), body, token=self.bob)
            found = (await self.kept("event_reports"))[-1]
            self.assertEqual(found, (now_ms, "@bob:test", self.event_id, reason, score))

    async def test_events_that_one_does_not_see_look_like_none(self) -> None:
        await self.arrange()
        carol = await self.register("carol")
        other = await self.create(self.alice)
        elsewhere = await self.send(self.alice, other)
        refused = []
        for path, token in (
            (self.event_path("$unknown"), self.bob),
            (self.event_path(elsewhere), self.bob),
            (self.event_path(elsewhere, other), self.bob),
            (self.event_path(elsewhere, "!unknown:test"), self.bob),
            (self.event_path(), carol),
        ):
            answer = await self.refused(404, "M_NOT_FOUND", "POST", path, {}, token=token)
            refused.append(answer.json)
        self.assertEqual(refused, refused[:1] * 5)
        self.assertEqual(await self.kept("event_reports"), [])

    async def test_whoever_looks_into_a_room_or_left_it_can_not_report_its_events(self) -> None:
        await self.arrange()
        visibility = {"history_visibility": "world_readable"}
        await self.set_state(self.alice, self.room_id, "m.room.history_visibility", visibility)
        event_id = await self.send(self.alice, self.room_id)
        await self.leave(self.bob, self.room_id)
        for token in (self.bob, await self.register("carol")):
            path = self.event_path(event_id)
            await self.refused(404, "M_NOT_FOUND", "POST", path, {}, token=token)

    async def test_rooms(self) -> None:
        await self.arrange()
        other = await self.create(self.alice)
        for room_id in (self.room_id, other, "!unknown:test"):
            path = room_path(room_id, "/report")
            answer = await self.ok("POST", path, {"reason": "spam"}, token=self.bob)
            self.assertEqual(answer, {})
        found = [report[1:] for report in await self.kept("room_reports")]
        self.assertEqual(found, [("@bob:test", self.room_id, "spam"), ("@bob:test", other, "spam")])

    async def test_users(self) -> None:
        await self.arrange()
        for user_id in ("@alice:test", "@unknown:test"):
            path = f"{V3}/users/{user_id}/report"
            answer = await self.ok("POST", path, {"reason": ""}, token=self.bob)
            self.assertEqual(answer, {})
        found = [report[1:] for report in await self.kept("user_reports")]
        self.assertEqual(found, [("@bob:test", "@alice:test", "")])
        path = f"{V3}/users/alice/report"
        await self.refused(400, "M_INVALID_PARAM", "POST", path, {"reason": ""}, token=self.bob)

    async def test_wrong_bodies(self) -> None:
        await self.arrange()
        event, room = self.event_path(), room_path(self.room_id, "/report")
        user = f"{V3}/users/@alice:test/report"
        for path, body, errcode in (
            (event, {"reason": 7}, "M_BAD_JSON"),
            (event, {"score": "7"}, "M_BAD_JSON"),
            (event, {"score": 1}, "M_INVALID_PARAM"),
            (event, {"score": -101}, "M_INVALID_PARAM"),
            (event, {"reason": "x" * 10_001}, "M_INVALID_PARAM"),
            (room, {}, "M_MISSING_PARAM"),
            (room, {"reason": "a\0b"}, "M_INVALID_PARAM"),
            (user, {}, "M_MISSING_PARAM"),
            (user, {"reason": []}, "M_BAD_JSON"),
        ):
            await self.refused(400, errcode, "POST", path, body, token=self.bob)

    async def test_guests_report_nothing(self) -> None:
        await self.arrange()
        _, guest = await self.guest()
        path = f"{V3}/users/@alice:test/report"
        await self.refused(
            403, "M_GUEST_ACCESS_FORBIDDEN", "POST", path, {"reason": ""}, token=guest
        )

    async def test_the_limit_is_for_all_reports_of_a_user(self) -> None:
        await self.arrange()
        self.reconfigure(rate_limits={"rc_reports": RateLimit(per_second=0.1, burst_count=2)})
        await self.ok("POST", self.event_path(), {}, token=self.bob)
        room = room_path(self.room_id, "/report")
        await self.ok("POST", room, {"reason": ""}, token=self.bob)
        for path in (room, f"{V3}/users/@alice:test/report", self.event_path("$unknown")):
            await self.refused(
                429, "M_LIMIT_EXCEEDED", "POST", path, {"reason": ""}, token=self.bob
            )
        await self.ok("POST", self.event_path(), {}, token=self.alice)
