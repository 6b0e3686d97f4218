"""Client API: receipts and read markers."""

from typing import Any

from tests.rest.rooms import V3, RoomTestCase, room_path

BOB = "@bob:test"


class ReceiptTests(RoomTestCase):
    async def arrange(self) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create_public(self.alice)
        await self.join(self.bob, self.room_id)
        self.events = [await self.send(self.alice, self.room_id) for _ in range(3)]

    def receipt(self, type: str, event_id: str) -> str:
        return room_path(self.room_id, f"/receipt/{type}/{event_id}")

    async def marker(self) -> Any:
        path = f"{V3}/user/{BOB}/rooms/{self.room_id}/account_data/m.fully_read"
        return (await self.ok("GET", path, token=self.bob))["event_id"]

    async def test_wrong_receipts(self) -> None:
        await self.arrange()
        elsewhere = await self.send(self.alice, await self.create(self.alice))
        event_id = self.events[0]
        for type, target, body, status, errcode in (
            ("m.unread", event_id, {}, 400, "M_INVALID_PARAM"),
            ("m.read", event_id, {"thread_id": ""}, 400, "M_INVALID_PARAM"),
            ("m.read", event_id, {"thread_id": "x"}, 400, "M_INVALID_PARAM"),
            ("m.read", event_id, {"thread_id": 7}, 400, "M_BAD_JSON"),
            ("m.fully_read", event_id, {"thread_id": "main"}, 400, "M_INVALID_PARAM"),
            ("m.read", "$unknown", {}, 404, "M_NOT_FOUND"),
            ("m.read", "x", {}, 404, "M_NOT_FOUND"),
            ("m.read", elsewhere, {}, 404, "M_NOT_FOUND"),
        ):
            await self.refused(
                status, errcode, "POST", self.receipt(type, target), body, token=self.bob
            )

    async def test_only_in_rooms_that_one_is_in(self) -> None:
        await self.arrange()
        carol = await self.register("carol")
        await self.leave(self.bob, self.room_id)
        for token in (carol, self.bob):
            for room_id in (self.room_id, "!unknown:test"):
                for rest, body in (
                    (f"/receipt/m.read/{self.events[0]}", {}),
                    ("/read_markers", {"m.fully_read": self.events[0]}),
                    ("/read_markers", {"m.read": self.events[0]}),
                ):
                    path = room_path(room_id, rest)
                    await self.refused(403, "M_FORBIDDEN", "POST", path, body, token=token)

    async def test_the_body_may_be_missing(self) -> None:
        await self.arrange()
        answer = await self.fetch(
            "POST", self.receipt("m.read", self.events[0]), body=b"", token=self.bob
        )
        self.assertEqual((answer.status, answer.json), (200, {}))

    async def test_markers_move_forwards(self) -> None:
        await self.arrange()
        path = room_path(self.room_id, "/read_markers")
        for marked, stands in ((1, 1), (0, 1), (2, 2), (1, 2)):
            body = {"m.fully_read": self.events[marked]}
            await self.ok("POST", path, body, token=self.bob)
            self.assertEqual(await self.marker(), self.events[stands])
        await self.ok("POST", self.receipt("m.fully_read", self.events[0]), {}, token=self.bob)
        self.assertEqual(await self.marker(), self.events[2])

    async def test_markers_and_receipts_in_one(self) -> None:
        await self.arrange()
        kinds = ("m.fully_read", "m.read", "m.read.private")
        body = dict(zip(kinds, self.events, strict=True))
        path = room_path(self.room_id, "/read_markers")
        self.assertEqual(await self.ok("POST", path, body, token=self.bob), {})
        self.assertEqual(await self.marker(), self.events[0])
        room = (await self.sync(self.bob))["rooms"]["join"][self.room_id]
        content = room["ephemeral"]["events"][0]["content"]
        self.assertEqual(list(content[self.events[1]]), ["m.read"])
        self.assertEqual(list(content[self.events[2]]), ["m.read.private"])
