"""Keys of devices: uploading, asking for them, claiming one-time keys."""

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from synapse.app.wiring import Server
from synapse.storage.stores.device_keys import MAX_ONE_TIME_KEYS, Claim
from synapse.util.clock import Clock
from tests.rest.base import KEY, AtOnce
from tests.rest.client.key_owners import DeviceOwner
from tests.rest.client.test_account import password_stage
from tests.rest.rooms import V3, RoomTestCase

ALICE, BOB = "@alice:test", "@bob:test"
CURVE = "signed_curve25519"


class KeyTestCase(RoomTestCase):
    async def people(self) -> None:
        self.alice = await self.register(
            "alice", device_id="A", initial_device_display_name="Alice's telephone"
        )
        self.bob = await self.register("bob", device_id="B")
        self.a, self.b = DeviceOwner(ALICE, "A"), DeviceOwner(BOB, "B")

    async def upload(self, token: str, **body: Any) -> dict[str, int]:
        answer = await self.post(token, f"{V3}/keys/upload", body)
        counts: dict[str, int] = answer["one_time_key_counts"]
        return counts

    async def fails(self, path: str, body: Any, token: str | None = None) -> tuple[int, str]:
        answer = await self.fetch("POST", f"{V3}{path}", body, token=token or self.alice)
        return answer.status, answer.json["errcode"]

    async def post(self, token: str, path: str, json: Any) -> Any:
        return await self.ok("POST", path, json, token=token)

    async def query(self, token: str, **device_keys: Any) -> Any:
        wanted = {f"@{name}:test": devices for name, devices in device_keys.items()}
        return await self.post(token, f"{V3}/keys/query", {"device_keys": wanted})

    async def claim(self, token: str, user_id: str, device_id: str, algorithm: str = CURVE) -> Any:
        body = {"one_time_keys": {user_id: {device_id: algorithm}}}
        answer = await self.post(token, f"{V3}/keys/claim", body)
        return answer["one_time_keys"].get(user_id, {}).get(device_id, {})


class UploadTests(KeyTestCase):
    async def test_identity_keys_are_told_as_they_were_uploaded(self) -> None:
        await self.people()
        identity = self.a.identity(more={"of": ["any", 1, None]})
        self.assertEqual(await self.upload(self.alice, device_keys=identity), {CURVE: 0})
        told = (await self.query(self.bob, alice=[]))["device_keys"][ALICE]
        self.assertEqual(told["A"].pop("unsigned"), {"device_display_name": "Alice's telephone"})
        self.assertEqual(told, {"A": identity})

    async def test_other_peoples_signatures_and_unsigned_are_left_out(self) -> None:
        await self.people()
        identity = self.b.key.signed(self.a.identity(), BOB) | {"unsigned": {"a": 1}}
        await self.upload(self.alice, device_keys=identity)
        told = (await self.query(self.bob, alice=["A"]))["device_keys"][ALICE]["A"]
        self.assertEqual(set(told["signatures"]), {ALICE})
        self.assertEqual(set(told["unsigned"]), {"device_display_name"})

    async def test_one_time_keys_are_counted(self) -> None:
        await self.people()
        keys = self.a.one_time_keys("1", "2")
        for more, expected in (({}, 2), ({"curve25519:x": "text"}, 2)):
            counts = await self.upload(self.alice, one_time_keys={**keys, **more})
            self.assertEqual(counts[CURVE], expected)
        self.assertEqual(counts["curve25519"], 1)
        self.assertEqual(await self.upload(self.alice), counts)
        self.assertEqual(await self.upload(self.bob), {CURVE: 0})

    async def test_another_key_with_a_known_id_is_refused(self) -> None:
        await self.people()
        await self.upload(self.alice, one_time_keys=self.a.one_time_keys("1"))
        other = self.a.one_time_keys("1", more=1) | self.a.one_time_keys("2")
        failed = await self.fails("/keys/upload", {"one_time_keys": other})
        self.assertEqual(failed, (400, "M_INVALID_PARAM"))
        self.assertEqual(await self.upload(self.alice), {CURVE: 1})

    async def test_a_device_can_have_so_many(self) -> None:
        await self.people()
        for start in range(0, MAX_ONE_TIME_KEYS + 500, 500):
            keys = {f"x:{n}": "key" for n in range(start, start + 500)}
            counts = await self.upload(self.alice, one_time_keys=keys)
        self.assertEqual(counts, {CURVE: 0, "x": MAX_ONE_TIME_KEYS})
        keys = {f"x:{n}": "key" for n in range(501)}
        failed = await self.fails("/keys/upload", {"one_time_keys": keys})
        self.assertEqual(failed, (413, "M_TOO_LARGE"))

    async def test_what_is_no_key_is_refused(self) -> None:
        await self.people()
        good = self.a.identity()
        wrongs: list[dict[str, Any]] = [
            {"user_id": BOB},
            {"device_id": "B"},
            {"algorithms": "x"},
            {"algorithms": [1]},
            {"keys": {"a": 1}},
            {"keys": []},
            {"signatures": {ALICE: {"ed25519:A": 1}}},
            {"signatures": []},
            {"more": 1.5},
            {"more": 2**60},
        ]
        for wrong in wrongs:
            body = {"device_keys": {**good, **wrong}}
            failed = await self.fails("/keys/upload", body)
            self.assertEqual(failed, (400, "M_INVALID_PARAM"), str(wrong))
        for keys in ({"x": "a"}, {"x:": "a"}, {":1": "a"}, {"x:1": 1}, {"x:1": {"key": 1}}):
            for name in ("one_time_keys", "fallback_keys"):
                failed = await self.fails("/keys/upload", {name: keys})
                self.assertEqual(failed, (400, "M_INVALID_PARAM"), str(keys))
        large = {"device_keys": {**good, "more": "x" * 40_000}}
        self.assertEqual(await self.fails("/keys/upload", large), (413, "M_TOO_LARGE"))
        self.assertEqual((await self.query(self.bob, alice=[]))["device_keys"], {ALICE: {}})

    async def test_keys_go_with_their_device(self) -> None:
        await self.people()
        other = (await self.login("alice", device_id="C")).json["access_token"]
        await self.upload(
            other,
            device_keys=DeviceOwner(ALICE, "C").identity(),
            one_time_keys={"x:1": "key"},
            fallback_keys={"x:2": "key"},
        )
        body = {"devices": ["C"], "auth": password_stage()}
        await self.post(self.alice, f"{V3}/delete_devices", body)
        self.assertEqual((await self.query(self.bob, alice=[]))["device_keys"], {ALICE: {}})
        self.assertEqual(await self.claim(self.bob, ALICE, "C", "x"), {})
        for table in ("device_keys", "one_time_keys", "fallback_keys"):
            rows = await self.database.fetch(f"SELECT count(*) FROM {table}")
            self.assertEqual(rows, [(0,)], table)


class QueryTests(KeyTestCase):
    async def test_only_what_is_asked_for(self) -> None:
        await self.people()
        other = (await self.login("alice", device_id="C")).json["access_token"]
        await self.upload(self.alice, device_keys=self.a.identity())
        await self.upload(other, device_keys=DeviceOwner(ALICE, "C").identity())
        for devices, expected in (([], {"A", "C"}), (["C"], {"C"}), (["nothing"], set())):
            told = (await self.query(self.bob, alice=devices))["device_keys"]
            self.assertEqual(set(told[ALICE]), expected)
        answer = await self.query(self.bob, bob=[], nobody=[])
        self.assertEqual(answer["device_keys"], {BOB: {}})
        self.assertEqual(answer["failures"], {})

    async def test_bounds(self) -> None:
        await self.people()
        wrong: list[Any] = [{"alice": []}, {ALICE: {}}, {ALICE: [1]}, {ALICE: ["x"] * 10_001}]
        for asked in [*wrong, {key: [] for key in [f"@u{n}:test" for n in range(1001)]}]:
            failed = await self.fails("/keys/query", {"device_keys": asked})
            self.assertEqual(failed, (400, "M_BAD_JSON"))
        failed = await self.fails("/keys/query", {"device_keys": {}, "timeout": -1})
        self.assertEqual(failed, (400, "M_INVALID_PARAM"))

    async def test_servers_that_do_not_answer(self) -> None:
        await self.people()
        await self.upload(self.alice, device_keys=self.a.identity())
        self.network.answers["good.example"] = {}
        users = (ALICE, "@x:gone.example", "@y:good.example")
        asked: dict[str, list[str]] = {key: [] for key in users}
        body = {"device_keys": asked, "timeout": 5_000}
        answer = await self.post(self.bob, f"{V3}/keys/query", body)
        self.assertEqual(set(answer["device_keys"]), {ALICE})
        self.assertEqual(set(answer["failures"]), {"gone.example"})
        # In time, that is.
        waits = self.network.waits_for = Deferred()
        waiting = self.site.start("POST", f"{V3}/keys/query", body, token=self.bob)
        started = self.time.seconds()
        while not waiting.sent:
            self.advance(0.5)
            await Clock(reactor).sleep(0.01)
        waits.callback(None)
        self.assertGreaterEqual(self.time.seconds(), started + 5)
        answer = (await waiting.answered()).json
        self.assertEqual(set(answer["device_keys"]), {ALICE})
        self.assertEqual(set(answer["failures"]), {"gone.example", "good.example"})
        self.network.waits_for = None
        claims = {"@x:gone.example": {"D": CURVE}, ALICE: {"A": CURVE}}
        answer = await self.post(self.bob, f"{V3}/keys/claim", {"one_time_keys": claims})
        self.assertEqual(answer["one_time_keys"], {})
        self.assertEqual(set(answer["failures"]), {"gone.example"})


class ClaimTests(KeyTestCase):
    async def test_each_key_is_given_once_the_oldest_first_and_then_the_fallback_key(self) -> None:
        await self.people()
        fallback = self.a.one_time_keys("f", fallback=True)
        await self.upload(
            self.alice, one_time_keys=self.a.one_time_keys("9"), fallback_keys=fallback
        )
        await self.upload(self.alice, one_time_keys=self.a.one_time_keys("1"))
        for expected in ("9", "1"):
            claimed = await self.claim(self.bob, ALICE, "A")
            self.assertEqual(claimed, self.a.one_time_keys(expected))
        for _ in range(2):
            self.assertEqual(await self.claim(self.bob, ALICE, "A"), fallback)
        self.assertEqual(await self.claim(self.bob, ALICE, "A", "other"), {})
        self.assertEqual(await self.claim(self.bob, ALICE, "B"), {})

    async def test_many_at_once_get_different_keys(self) -> None:
        await self.people()
        await self.upload(self.alice, one_time_keys={f"x:{n}": f"key{n}" for n in range(20)})
        body = {"one_time_keys": {ALICE: {"A": "x"}}}
        running = [
            Deferred.fromCoroutine(self.fetch("POST", f"{V3}/keys/claim", body, token=self.bob))
            for _ in range(25)
        ]
        keys: list[str] = []
        for one in running:
            keys += (await one).json["one_time_keys"].get(ALICE, {}).get("A", {})
        self.assertEqual(sorted(keys), sorted(f"x:{n}" for n in range(20)))

    async def test_two_processes_give_out_different_keys(self) -> None:
        await self.people()
        await self.upload(self.alice, one_time_keys={f"x:{n}": f"key{n}" for n in range(20)})
        other = Server(self.config, self.open(), self.clock, AtOnce(), KEY)
        stores = (self.server.device_keys.store, other.device_keys.store)
        running = [
            Deferred.fromCoroutine(stores[n % 2].claim([Claim(ALICE, "A", "x")])) for n in range(22)
        ]
        keys: list[str] = []
        for one in running:
            keys += (await one).get((ALICE, "A"), {})
        self.assertEqual(sorted(keys), sorted(f"x:{n}" for n in range(20)))

    async def test_a_fallback_key_is_unused_until_it_is_claimed_or_replaced(self) -> None:
        await self.people()

        async def unused() -> list[str]:
            answer = await self.sync(self.alice)
            types: list[str] = answer["device_unused_fallback_key_types"]
            return types

        self.assertEqual(await unused(), [])
        fallback = self.a.one_time_keys("f", fallback=True)
        await self.upload(self.alice, fallback_keys=fallback)
        self.assertEqual(await unused(), [CURVE])
        await self.claim(self.bob, ALICE, "A")
        self.assertEqual(await unused(), [])
        # The same once more is not a new one.
        await self.upload(self.alice, fallback_keys=fallback)
        self.assertEqual(await unused(), [])
        await self.upload(self.alice, fallback_keys=self.a.one_time_keys("g", fallback=True))
        self.assertEqual(await unused(), [CURVE])
        two = self.a.one_time_keys("f", "g", fallback=True)
        failed = await self.fails("/keys/upload", {"fallback_keys": two})
        self.assertEqual(failed, (400, "M_INVALID_PARAM"))

    async def test_bounds(self) -> None:
        await self.people()
        algorithms = {str(n): str(n) for n in range(21)}
        wrong: list[Any] = [{ALICE: []}, {ALICE: {"A": 1}}, {"x": {}}, {ALICE: algorithms}]
        for asked in wrong:
            failed = await self.fails("/keys/claim", {"one_time_keys": asked})
            self.assertEqual(failed, (400, "M_BAD_JSON"))
        self.assertEqual(await self.claim(self.alice, ALICE, "\0", "x\0"), {})
