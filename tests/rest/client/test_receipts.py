"""Client API: receipts and read markers."""

from typing import Any

from synapse.app.resources.listeners import client_resources
from synapse.app.wiring import Server
from synapse.http.routing import Router
from tests.http.client import FakeSite
from tests.rest.base import KEY, AtOnce
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
            ("m.read", event_id, {"thread_id": 7}, 400, "M_INVALID_PARAM"),
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

    async def read(self) -> list[str]:
        """Where bob's receipts stand, as alice sees them."""
        room = (await self.sync(self.alice))["rooms"]["join"][self.room_id]
        return [
            event_id
            for event in room["ephemeral"]["events"]
            if event["type"] == "m.receipt"
            for event_id, receipts in event["content"].items()
            if BOB in receipts["m.read"]
        ]

    async def test_a_receipt_for_the_room_stands_before_one_for_a_thread(self) -> None:
        """MSC4102: of two for the same event, a client gets the one without a thread."""
        await self.arrange()
        since = (await self.sync(self.alice))["next_batch"]
        event_id = self.events[0]
        in_thread = {"thread_id": "main"}
        orders: list[list[dict[str, str]]] = [[{}, in_thread], [in_thread, {}]]
        for bodies in orders:
            event_id = await self.send(self.alice, self.room_id)
            for body in bodies:
                await self.ok("POST", self.receipt("m.read", event_id), body, token=self.bob)
            for query in ({}, {"since": since}):
                answer = await self.sync(self.alice, **query)
                [told] = answer["rooms"]["join"][self.room_id]["ephemeral"]["events"]
                self.assertEqual(list(told["content"][event_id]["m.read"][BOB]), ["ts"])

    async def test_receipts_at_once_do_not_move_backwards(self) -> None:
        await self.arrange()
        for order in ((0, 1), (2, 1, 0)):
            paths = [self.receipt("m.read", self.events[n]) for n in order]
            asked = [self.site.start("POST", path, {}, token=self.bob) for path in paths]
            for request in asked:
                self.assertEqual((await request.answered()).status, 200)
            self.assertEqual(await self.read(), [self.events[max(order)]])

    async def test_both_kinds_of_receipts_at_once(self) -> None:
        await self.arrange()
        paths = [
            self.receipt("m.read", self.events[1]),
            self.receipt("m.read.private", self.events[2]),
        ]
        asked = [self.site.start("POST", path, {}, token=self.bob) for path in paths]
        for request in asked:
            self.assertEqual((await request.answered()).status, 200)
        room = (await self.sync(self.bob))["rooms"]["join"][self.room_id]
        self.assertEqual(room["unread_notifications"]["notification_count"], 0)

    async def test_a_receipt_behind_wakes_nobody(self) -> None:
        await self.arrange()
        await self.ok("POST", self.receipt("m.read", self.events[1]), {}, token=self.bob)
        since = (await self.sync(self.alice))["next_batch"]
        for n in (0, 1):
            await self.ok("POST", self.receipt("m.read", self.events[n]), {}, token=self.bob)
            self.assertNotIn("rooms", await self.sync(self.alice, since=since))
        await self.ok("POST", self.receipt("m.read", self.events[2]), {}, token=self.bob)
        self.assertIn("rooms", await self.sync(self.alice, since=since))

    async def test_two_processes_do_not_move_receipts_backwards(self) -> None:
        await self.arrange()
        other = Server(self.config, self.open(), self.clock, AtOnce(), KEY)
        self.addCleanup(other.streams.presence_changes.close)
        sites = [self.site, FakeSite(Router(client_resources(other)))]
        for in_turn, marked in ((sites, (1, 0)), (sites[::-1], (2, 0))):
            asked = [
                site.start("POST", self.receipt("m.read", self.events[n]), {}, token=self.bob)
                for site, n in zip(in_turn, marked, strict=True)
            ]
            for request in asked:
                self.assertEqual((await request.answered()).status, 200)
            room = await self.server.rooms.cache.get(self.room_id)
            stored = await self.server.streams.receipt_store.since([room.nid], 0)
            self.assertEqual([r.event_id for r in stored], [self.events[max(marked)]])
