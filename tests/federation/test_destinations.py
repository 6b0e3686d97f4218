"""Admin API: other servers, and trying them again."""

import hashlib
import hmac
from typing import Any

from tests.federation.test_sending import ONE, THREE, TWO, SendingTestCase
from tests.rest.base import PASSWORD

PATH = "/_synapse/admin/v1/federation/destinations"


class DestinationTests(SendingTestCase):
    names = (ONE, TWO, THREE)

    async def arrange(self, rooms: int = 1) -> None:
        await super().arrange(rooms)
        self.root = await self.administrator()
        await self.join(THREE, f"@carol:{THREE}", self.room_id)
        await self.settle()

    async def administrator(self) -> str:
        path = "/_synapse/admin/v1/register"
        nonce = (await self.client(ONE, "GET", path))["nonce"]
        fields = {"nonce": nonce, "username": "root", "password": PASSWORD}
        signed = "\0".join([*fields.values(), "admin"]).encode()
        mac = hmac.new(b"shared", signed, hashlib.sha1).hexdigest()
        answer = await self.client(ONE, "POST", path, {**fields, "admin": True, "mac": mac})
        return str(answer["access_token"])

    async def get(self, path: str = "") -> Any:
        return await self.client(ONE, "GET", PATH + path, token=self.root)

    async def status(self, method: str, path: str) -> int:
        return (await self.fetch(ONE, method, PATH + path, token=self.root)).status

    async def test_servers_are_listed(self) -> None:
        await self.arrange()
        fine = {"retry_last_ts": 0, "retry_interval": 0, "failure_ts": None}
        answer = await self.get()
        self.assertEqual(answer["total"], 2)
        names = [one["destination"] for one in answer["destinations"]]
        self.assertEqual(names, [THREE, TWO])
        for one in answer["destinations"]:
            self.assertEqual({key: one[key] for key in fine}, fine)
        page = await self.get("?limit=1&dir=b")
        self.assertEqual([one["destination"] for one in page["destinations"]], [TWO])
        page = await self.get(f"?limit=1&dir=b&from={page['next_token']}")
        self.assertEqual([one["destination"] for one in page["destinations"]], [THREE])
        self.assertNotIn("next_token", page)
        answer = await self.get("?destination=TWO")
        self.assertEqual([one["destination"] for one in answer["destinations"]], [TWO])
        self.assertEqual((await self.get("?destination=%25"))["total"], 0)

    async def test_one_that_can_not_be_reached_is_tried_again(self) -> None:
        await self.arrange()
        self.assertEqual(await self.status("POST", f"/{TWO}/reset_connection"), 400)
        self.network.cut_off(TWO)
        failed_ms = self.clock.now_ms()
        await self.say("missed")
        await self.go_on(6)
        answer = await self.get("?order_by=failure_ts&dir=b")
        self.assertEqual(answer["destinations"][0], await self.get(f"/{TWO}"))
        one = answer["destinations"][0]
        self.assertEqual(one["retry_interval"], 600_000)
        self.assertGreater(one["failure_ts"], failed_ms)
        self.network.heal()
        self.network.transactions.clear()
        await self.client(ONE, "POST", f"{PATH}/{TWO}/reset_connection", {}, token=self.root)
        await self.settle()
        self.assertEqual(self.sent(), [["missed"]])
        self.assertIsNone((await self.get(f"/{TWO}"))["failure_ts"])

    async def test_rooms_shared_with_a_server(self) -> None:
        await self.arrange(rooms=3)
        answer = await self.get(f"/{TWO}/rooms?limit=2")
        self.assertEqual((answer["total"], answer["next_token"]), (3, "2"))
        rest = await self.get(f"/{TWO}/rooms?limit=2&from=2")
        rooms = [room["room_id"] for room in answer["rooms"] + rest["rooms"]]
        self.assertEqual(rooms, sorted(self.room_ids))
        answer = await self.get(f"/{THREE}/rooms")
        self.assertEqual([room["room_id"] for room in answer["rooms"]], [self.room_id])

    async def test_unknown_servers(self) -> None:
        await self.arrange()
        for path in ("/unknown.test", "/no%20name", "/unknown.test/rooms"):
            self.assertEqual(await self.status("GET", path), 404)
        self.assertEqual(await self.status("POST", "/unknown.test/reset_connection"), 404)
        self.assertEqual(await self.status("GET", "?order_by=1"), 400)
