"""Device management."""

from typing import Any

from tests.rest.base import PASSWORD, RestTestCase
from tests.rest.client.test_account import password_stage
from tests.rest.hostile import assert_survives, assert_survives_paths

DEVICES = "/_matrix/client/v3/devices"
DELETE = "/_matrix/client/v3/delete_devices"


class DevicesTests(RestTestCase):
    async def ids(self, token: str) -> list[str]:
        answer = await self.fetch("GET", DEVICES, token=token)
        return [device["device_id"] for device in answer.json["devices"]]

    async def test_list_shows_when_a_device_was_last_seen(self) -> None:
        token = await self.register("alice", device_id="A", initial_device_display_name="Phone")
        await self.whoami(token)
        await self.finish_background()
        answer = await self.fetch("GET", DEVICES, token=token)
        self.assertEqual(
            answer.json["devices"],
            [
                {
                    "device_id": "A",
                    "display_name": "Phone",
                    "last_seen_ip": "192.0.2.7",
                    "last_seen_ts": 1_700_000_000_000,
                }
            ],
        )

    async def test_last_seen_is_written_at_most_every_five_minutes(self) -> None:
        token = await self.register("alice", device_id="A")
        for seconds, expected in ((0, 0), (299, 0), (1, 300)):
            self.advance(seconds)
            await self.whoami(token)
            await self.finish_background()
            device = (await self.fetch("GET", f"{DEVICES}/A", token=token)).json
            self.assertEqual(device["last_seen_ts"], (1_700_000_000 + expected) * 1000)

    async def test_rename(self) -> None:
        token = await self.register("alice", device_id="A")
        for body, name in (({"display_name": "Phone"}, "Phone"), ({}, "Phone")):
            answer = await self.fetch("PUT", f"{DEVICES}/A", body, token=token)
            self.assertEqual((answer.status, answer.json), (200, {}))
            device = await self.fetch("GET", f"{DEVICES}/A", token=token)
            self.assertEqual(device.json["display_name"], name)

    async def test_other_users_devices_do_not_exist(self) -> None:
        token = await self.register("alice")
        await self.register("bob", device_id="B")
        for method, body in (("GET", None), ("PUT", {"display_name": "x"}), ("PUT", {})):
            answer = await self.fetch(method, f"{DEVICES}/B", body, token=token)
            self.assertEqual((answer.status, answer.json["errcode"]), (404, "M_NOT_FOUND"))

    async def test_deleting_needs_the_password_and_ends_the_session(self) -> None:
        token = await self.register("alice", device_id="A")
        other = (await self.login("alice", device_id="B")).json["access_token"]
        await self.whoami(other)
        asked = await self.fetch("DELETE", f"{DEVICES}/B", {}, token=token)
        self.assertEqual(asked.status, 401)
        auth = password_stage(session=asked.json["session"])
        answer = await self.fetch("DELETE", f"{DEVICES}/B", {"auth": auth}, token=token)
        self.assertEqual((answer.status, answer.json), (200, {}))
        self.assertEqual((await self.whoami(other)).status, 401)
        self.assertEqual(await self.ids(token), ["A"])

    async def test_deleting_what_is_gone_succeeds(self) -> None:
        token = await self.register("alice", device_id="A")
        body = {"devices": ["B", "\0"], "auth": password_stage()}
        self.assertEqual((await self.fetch("POST", DELETE, body, token=token)).status, 200)
        self.assertEqual(await self.ids(token), ["A"])

    async def test_a_confirmed_session_deletes_nothing_else(self) -> None:
        token = await self.register("alice", device_id="A")
        for device_id in ("B", "C"):
            await self.login("alice", device_id=device_id)
        auth = password_stage(session="abcdefgh")
        body: dict[str, Any] = {"devices": ["B"], "auth": auth}
        self.assertEqual((await self.fetch("POST", DELETE, body, token=token)).status, 200)
        body = {"devices": ["C"], "auth": {"session": "abcdefgh"}}
        self.assertEqual((await self.fetch("POST", DELETE, body, token=token)).status, 403)
        answer = await self.fetch("DELETE", f"{DEVICES}/C", {"auth": auth}, token=token)
        self.assertEqual(answer.status, 403)
        self.assertEqual(await self.ids(token), ["A", "C"])

    async def test_session_of_one_user_is_no_use_to_another(self) -> None:
        token = await self.register("alice")
        bob = await self.register("bob", device_id="B")
        auth = password_stage(session="abcdefgh")
        await self.fetch("POST", DELETE, {"devices": ["B"], "auth": auth}, token=token)
        body = {"devices": ["B"], "auth": {"session": "abcdefgh"}}
        self.assertEqual((await self.fetch("POST", DELETE, body, token=bob)).status, 403)

    async def test_hostile_requests(self) -> None:
        token = await self.register("alice", device_id="A")
        auth = {"type": "m.login.password", "user": "alice", "password": PASSWORD}
        await assert_survives(self, "POST", DELETE, {"devices": ["B"], "auth": auth}, token=token)
        name = {"display_name": "Phone"}
        await assert_survives(self, "PUT", f"{DEVICES}/A", name, token=token)
        await assert_survives(
            self, "DELETE", f"{DEVICES}/B", {"auth": auth}, token=token, may_be_empty=True
        )
        for method, body in (("GET", None), ("PUT", name), ("DELETE", {"auth": auth})):
            await assert_survives_paths(self, method, f"{DEVICES}/{{}}", body, token=token)
