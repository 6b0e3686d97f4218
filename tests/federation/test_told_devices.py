"""What other servers are told when they ask about devices and keys of ours."""

from typing import Any
from urllib.parse import quote

from tests.federation.shared_rooms import ALICE, BOB, ONE, TWO, V3
from tests.federation.test_queries import QueryTestCase
from tests.rest.client.key_owners import DeviceOwner, KeyOwner

_MISUSES: list[Any] = [{BOB: []}, {"x": {}}, {ALICE: 7}]


class DeviceTests(QueryTestCase):
    async def publish(self) -> DeviceOwner:
        """Alice's device has keys, and a name."""
        answer = await self.client(ONE, "GET", f"{V3}/account/whoami", token=self.alice)
        device = DeviceOwner(ALICE, answer["device_id"])
        body = {
            "device_keys": device.identity(),
            "one_time_keys": device.one_time_keys("1"),
        }
        await self.client(ONE, "POST", f"{V3}/keys/upload", body, token=self.alice)
        name = {"display_name": "telephone"}
        path = f"{V3}/devices/{device.device_id}"
        await self.client(ONE, "PUT", path, name, token=self.alice)
        return device

    async def test_devices(self) -> None:
        await self.arrange()
        path = "/user/devices/" + quote(ALICE)
        expected = {"user_id": ALICE, "stream_id": 0, "devices": []}
        self.assertEqual(await self.ask(TWO).get(path), expected)
        device = await self.publish()
        told = await self.ask(TWO).get(path)
        self.assertEqual(
            told["devices"], [{"device_id": device.device_id, "keys": device.identity()}]
        )
        self.assertGreater(told["stream_id"], 0)
        keys = KeyOwner(ALICE).keys()
        upload = f"{V3}/keys/device_signing/upload"
        await self.client(ONE, "POST", upload, keys, token=self.alice)
        del keys["user_signing_key"]
        self.assertEqual(await self.ask(TWO).get(path), {**told, **keys})
        for user_id, error in (
            ("@nobody:one.test", (404, "M_NOT_FOUND")),
            (BOB, (400, "M_INVALID_PARAM")),
            ("x", (400, "M_INVALID_PARAM")),
        ):
            refused = await self.refused(self.ask(TWO).get("/user/devices/" + quote(user_id)))
            self.assertEqual(refused, error)

    async def test_names_of_devices_are_told_if_the_administrator_allows_it(self) -> None:
        await self.arrange()
        device = await self.publish()
        self.one.answering.devices._tells_names = True
        told = await self.ask(TWO).get("/user/devices/" + quote(ALICE))
        self.assertEqual(told["devices"][-1]["device_display_name"], "telephone")
        answer = await self.ask(TWO).post("/user/keys/query", {"device_keys": {ALICE: []}})
        unsigned = answer["device_keys"][ALICE][device.device_id]["unsigned"]
        self.assertEqual(unsigned, {"device_display_name": "telephone"})

    async def test_keys(self) -> None:
        await self.arrange()
        device, asker = await self.publish(), self.ask(TWO)
        keys = KeyOwner(ALICE).keys()
        upload = f"{V3}/keys/device_signing/upload"
        await self.client(ONE, "POST", upload, keys, token=self.alice)
        answer = await asker.post("/user/keys/query", {"device_keys": {ALICE: []}})
        self.assertEqual(
            answer,
            {
                "device_keys": {ALICE: {device.device_id: device.identity()}},
                "master_keys": {ALICE: keys["master_key"]},
                "self_signing_keys": {ALICE: keys["self_signing_key"]},
            },
        )
        asked = {"one_time_keys": {ALICE: {device.device_id: "signed_curve25519", "D": "x"}}}
        for expected in ({ALICE: {device.device_id: device.one_time_keys("1")}}, {}):
            answer = await asker.post("/user/keys/claim", asked)
            self.assertEqual(answer, {"one_time_keys": expected})

    async def test_what_can_not_be_asked(self) -> None:
        await self.arrange()
        for name, path in (("device_keys", "query"), ("one_time_keys", "claim")):
            many: dict[str, Any] = {f"@u{number}:one.test": [] for number in range(1001)}
            for asked in [*_MISUSES, many]:
                error = await self.refused(self.ask(TWO).post(f"/user/keys/{path}", {name: asked}))
                self.assertEqual(error, (400, "M_BAD_JSON"))
