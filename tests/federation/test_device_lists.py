"""Devices and keys of users of two servers: asked for, told when they change, never out of date."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from twisted.internet import reactor

from synapse.federation.errors import RemoteError
from synapse.util.clock import Clock
from tests.federation.servers import Link, always, key_of
from tests.federation.test_edus import EduTestCase
from tests.federation.test_sending import ALICE, BOB, ONE, TWO
from tests.rest.client.key_owners import DeviceOwner, KeyOwner

V3 = "/_matrix/client/v3"
EVE = f"@eve:{ONE}"


class DeviceListTestCase(EduTestCase):
    """Alice is on one server, Bob on another, and they share a room."""

    settles = True  # whoever uploads waits until it was told

    async def arrange(self, rooms: int = 1) -> None:
        await super().arrange(rooms)
        self.a = DeviceOwner(ALICE, await self.device(ONE, self.alice))

    async def device(self, server: str, token: str) -> str:
        answer = await self.client(server, "GET", f"{V3}/account/whoami", token=token)
        return str(answer["device_id"])

    async def upload(self, device: DeviceOwner, token: str | None = None, **more: Any) -> None:
        body = {"device_keys": device.identity(), **more}
        await self.client(ONE, "POST", f"{V3}/keys/upload", body, token=token or self.alice)
        if self.settles:
            await self.settle()

    async def second_device(self, device_id: str) -> tuple[DeviceOwner, str]:
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": "correct horse",
            "device_id": device_id,
        }
        token = (await self.client(ONE, "POST", f"{V3}/login", body))["access_token"]
        device = DeviceOwner(ALICE, device_id)
        await self.upload(device, token)
        return device, token

    async def query(self, user_id: str = ALICE, server: str = TWO, token: str = "") -> Any:
        body = {"device_keys": {user_id: []}, "timeout": 1_000}
        token = token or (self.bob if server == TWO else self.alice)
        return await self.client(server, "POST", f"{V3}/keys/query", body, token=token)

    async def seen(self) -> set[str]:
        """The devices of Alice that Bob's client gets."""
        answer = await self.query()
        self.assertEqual(answer["failures"], {})
        return set(answer["device_keys"].get(ALICE, {}))

    async def since(self) -> str:
        return str((await self.client(TWO, "GET", f"{V3}/sync", token=self.bob))["next_batch"])

    async def told(self, since: str) -> Any:
        """What Bob's client is told since then."""
        answer = await self.client(TWO, "GET", f"{V3}/sync?since={since}", token=self.bob)
        return answer["device_lists"]

    def asked(self, part: str = "/user/") -> list[str]:
        """What Bob's server has asked Alice's since the last call."""
        found = [path for origin, _, path in self.network.log if origin == TWO and part in path]
        self.network.log.clear()
        return found

    async def tell_two(self, edu_type: str, content: Any) -> None:
        """Alice's server says something to Bob's."""
        self.told_count = getattr(self, "told_count", 0) + 1
        await Link(self.network, ONE, key_of(ONE)).request(
            TWO,
            "PUT",
            f"/_matrix/federation/v1/send/hostile{self.told_count}",
            json={
                "origin": ONE,
                "origin_server_ts": self.clock.now_ms(),
                "pdus": [],
                "edus": [{"edu_type": edu_type, "content": content}],
            },
        )
        await self.settle()


class QueryTests(DeviceListTestCase):
    async def test_a_list_is_asked_for_once(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        await self.settle()
        for _ in range(2):
            answer = await self.query()
            self.assertEqual(answer["device_keys"][ALICE], {self.a.device_id: self.a.identity()})
        self.assertEqual(self.asked(), [f"GET /_matrix/federation/v1/user/devices/{quote(ALICE)}"])

    async def test_cross_signing_keys(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        alices = KeyOwner(ALICE)
        path = f"{V3}/keys/device_signing/upload"
        await self.client(ONE, "POST", path, alices.keys(), token=self.alice)
        signed = alices.self_signing.signed(self.a.identity(), ALICE)
        body = {ALICE: {self.a.device_id: signed}}
        await self.client(ONE, "POST", f"{V3}/keys/signatures/upload", body, token=self.alice)
        answer = await self.query()
        self.assertEqual(answer["device_keys"][ALICE], {self.a.device_id: signed})
        self.assertEqual(answer["master_keys"], {ALICE: alices.keys()["master_key"]})
        self.assertEqual(answer["self_signing_keys"], {ALICE: alices.keys()["self_signing_key"]})
        self.assertEqual(answer["user_signing_keys"], {})
        # Bob vouches for Alice, which only he sees.
        bobs = KeyOwner(BOB)
        await self.client(TWO, "POST", path, bobs.keys(), token=self.bob)
        signed = bobs.user_signing.signed(alices.keys()["master_key"], BOB)
        body = {ALICE: {alices.master.public: signed}}
        answer = await self.client(
            TWO, "POST", f"{V3}/keys/signatures/upload", body, token=self.bob
        )
        self.assertEqual(answer, {"failures": {}})
        self.assertEqual((await self.query())["master_keys"], {ALICE: signed})
        dan = await self.register(TWO, "dan")
        answer = await self.query(token=dan)
        self.assertEqual(answer["master_keys"], {ALICE: alices.keys()["master_key"]})

    async def test_who_shares_no_room_is_asked_about_each_time(self) -> None:
        await self.arrange()
        eve = await self.register(ONE, "eve")
        device = DeviceOwner(EVE, await self.device(ONE, eve))
        await self.upload(device, eve)
        for _ in range(2):
            keys = (await self.query(EVE))["device_keys"]
            self.assertEqual(keys, {EVE: {device.device_id: device.identity()}})
        self.assertEqual(self.asked(), ["POST /_matrix/federation/v1/user/keys/query"] * 2)

    async def test_a_server_that_is_away(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        self.network.cut_off(ONE)
        answer = await self.query()
        self.assertEqual((answer["device_keys"], set(answer["failures"])), ({}, {ONE}))
        self.network.heal()
        self.servers[TWO].federation.backoffs.forget(ONE)
        self.assertEqual(await self.seen(), {self.a.device_id})
        # What is known needs no server.
        self.network.cut_off(ONE)
        self.assertEqual(await self.seen(), {self.a.device_id})

    async def test_one_time_keys_are_claimed_once(self) -> None:
        await self.arrange()
        keys = self.a.one_time_keys("1")
        fallback = self.a.one_time_keys("f", fallback=True)
        await self.upload(self.a, one_time_keys=keys, fallback_keys=fallback)
        body = {"one_time_keys": {ALICE: {self.a.device_id: "signed_curve25519", "x": "y"}}}
        for expected in (keys, fallback):
            answer = await self.client(TWO, "POST", f"{V3}/keys/claim", body, token=self.bob)
            claimed = {ALICE: {self.a.device_id: expected}}
            self.assertEqual(answer, {"one_time_keys": claimed, "failures": {}})
        self.network.cut_off(ONE)
        answer = await self.client(TWO, "POST", f"{V3}/keys/claim", body, token=self.bob)
        self.assertEqual((answer["one_time_keys"], set(answer["failures"])), ({}, {ONE}))

    async def test_answers_that_make_no_sense(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        good = {"user_id": ALICE, "stream_id": 1, "devices": []}
        nonsense: list[Any] = [
            [],
            {},
            {**good, "user_id": BOB},
            {**good, "stream_id": "1"},
            {**good, "stream_id": 2**63},
            {**good, "devices": {}},
        ]
        for told in nonsense:
            self.network.tampers = {"/user/devices/": always(told)}
            answer = await self.query()
            self.assertEqual((answer["device_keys"], set(answer["failures"])), ({}, {ONE}))
        devices: list[Any] = [
            1,
            {},
            {"device_id": 7},
            {"device_id": "\0"},
            {"device_id": "x" * 1_000},
            {"device_id": "nothing"},
            {"device_id": "X", "keys": {**self.a.identity(), "user_id": BOB}},
            {"device_id": "Y", "keys": self.a.identity()},
            {"device_id": "Z", "keys": 1},
            {"device_id": self.a.device_id, "keys": self.a.identity(), "device_display_name": 1},
        ]
        wrong = {**good, "devices": devices, "master_key": 1, "self_signing_key": {}}
        self.network.tampers = {"/user/devices/": lambda _: wrong}
        answer = await self.query()
        self.assertEqual(answer["device_keys"], {ALICE: {self.a.device_id: self.a.identity()}})
        self.assertEqual(answer["master_keys"], {})

    async def test_keys_that_others_are_told_for_ours(self) -> None:
        """A server tells of its own users' devices, and of what it was asked for."""
        await self.arrange()
        bobs, keys = DeviceOwner(BOB, "B").identity(), KeyOwner(EVE).keys()
        forged = {**keys["self_signing_key"], "signatures": {}}
        told = {
            "device_keys": {BOB: {"B": bobs}, EVE: {"A": bobs, "B": 1, "C": {}}},
            "master_keys": {BOB: KeyOwner(BOB).keys()["master_key"], EVE: keys["master_key"]},
            "self_signing_keys": {EVE: forged},
        }
        self.network.tampers = {"/user/keys/query": lambda _: told}
        answer = await self.query(EVE)
        self.assertEqual(answer["device_keys"], {EVE: {}})
        self.assertEqual(answer["master_keys"], {EVE: keys["master_key"]})
        self.assertEqual(answer["self_signing_keys"], {})
        good = {"a:1": "key"}
        for given in ({"b:1": "key"}, {**good, "a:2": "key"}, {"a:1": 1}, {"a": "x"}, 1, {}):
            claimed = {"one_time_keys": {ALICE: {"A": given, "B": good}, BOB: {"A": good}}}
            self.network.tampers = {"/claim": always(claimed)}
            body = {"one_time_keys": {ALICE: {"A": "a"}}}
            answer = await self.client(TWO, "POST", f"{V3}/keys/claim", body, token=self.bob)
            self.assertEqual(answer["one_time_keys"], {}, str(given))


class UpdateTests(DeviceListTestCase):
    async def test_changes_are_told_and_need_no_question(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        await self.seen()
        since = await self.since()
        other, token = await self.second_device("A2")
        await self.settle()
        update = self.edus_of("m.device_list_update")[-1]
        self.assertEqual(update["keys"], other.identity())
        self.assertEqual((await self.told(since))["changed"], [ALICE])
        self.asked()
        self.assertEqual(await self.seen(), {self.a.device_id, "A2"})
        since = await self.since()
        await self.client(ONE, "POST", f"{V3}/logout", {}, token=token)
        await self.settle()
        (gone,) = self.edus_of("m.device_list_update")
        self.assertEqual((gone["deleted"], gone["prev_id"]), (True, [update["stream_id"]]))
        self.assertEqual((await self.told(since))["changed"], [ALICE])
        self.assertEqual(await self.seen(), {self.a.device_id})
        self.assertEqual(self.asked(), [])

    async def test_cross_signing_keys_are_told(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        await self.seen()
        since = await self.since()
        keys = KeyOwner(ALICE).keys()
        path = f"{V3}/keys/device_signing/upload"
        await self.client(ONE, "POST", path, keys, token=self.alice)
        await self.settle()
        (update,) = self.edus_of("m.signing_key_update")
        del keys["user_signing_key"]
        self.assertEqual(update, {"user_id": ALICE, **keys})
        self.assertEqual((await self.told(since))["changed"], [ALICE])
        self.asked()
        answer = await self.query()
        self.assertEqual(answer["master_keys"], {ALICE: keys["master_key"]})
        self.assertEqual(answer["self_signing_keys"], {ALICE: keys["self_signing_key"]})
        # The chain of devices goes on as if nothing had been.
        await self.second_device("A2")
        await self.settle()
        self.assertEqual(await self.seen(), {self.a.device_id, "A2"})
        self.assertEqual(self.asked(), [])

    async def test_keys_that_are_told_one_by_one(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        await self.seen()
        old, new = KeyOwner(ALICE).keys(), KeyOwner(ALICE, "new").keys()
        self.asked()
        for name, keys, expected in (
            ("master_key", old, [old["master_key"], None]),
            ("self_signing_key", old, [old["master_key"], old["self_signing_key"]]),
            ("master_key", old, [old["master_key"], old["self_signing_key"]]),
            ("master_key", new, [new["master_key"], None]),
            ("self_signing_key", new, [new["master_key"], new["self_signing_key"]]),
        ):
            content = {"user_id": ALICE, name: keys[name]}
            await self.tell_two("m.signing_key_update", content)
            answer = await self.query()
            told = [answer[kind].get(ALICE) for kind in ("master_keys", "self_signing_keys")]
            self.assertEqual(told, expected)
        self.assertEqual(self.asked(), [])
        # What doesn't fit is asked for.
        content = {"user_id": ALICE, "self_signing_key": old["self_signing_key"]}
        await self.tell_two("m.signing_key_update", content)
        self.assertEqual((await self.query())["master_keys"], {})
        self.assertEqual(len(self.asked()), 1)

    async def test_the_first_keys_of_a_user(self) -> None:
        await self.arrange()
        self.assertEqual(await self.seen(), set())
        await self.upload(self.a)
        await self.settle()
        self.asked()
        self.assertEqual(await self.seen(), {self.a.device_id})
        self.assertEqual(self.asked(), [])

    async def test_names_of_devices_are_told_only_if_that_is_allowed(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        await self.seen()
        path = f"{V3}/devices/{self.a.device_id}"
        for allowed, expected in ((False, None), (True, "telephone")):
            self.servers[ONE].federation.sending.distributor._updates._tells_names = allowed
            await self.client(ONE, "PUT", path, {"display_name": "telephone"}, token=self.alice)
            await self.settle()
            update = self.edus_of("m.device_list_update")[-1]
            self.assertEqual(update.get("device_display_name"), expected)
        answer = await self.query()
        device = answer["device_keys"][ALICE][self.a.device_id]
        self.assertEqual(device["unsigned"], {"device_display_name": "telephone"})

    async def test_an_outage_is_caught_up_with(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        await self.seen()
        self.network.cut_off(TWO)
        since = await self.since()
        _, token = await self.second_device("A2")
        await self.second_device("A3")
        await self.client(ONE, "PUT", f"{V3}/devices/A2", {"display_name": "x"}, token=token)
        keys = KeyOwner(ALICE).keys()
        path = f"{V3}/keys/device_signing/upload"
        await self.client(ONE, "POST", path, keys, token=self.alice)
        await self.say("meanwhile")
        await self.go_on(2)
        self.assertEqual((await self.told(since))["changed"], [])
        self.network.heal()
        await self.go_on(20)
        self.assertEqual((await self.told(since))["changed"], [ALICE])
        self.assertEqual(await self.seen(), {self.a.device_id, "A2", "A3"})
        self.assertEqual((await self.query())["master_keys"], {ALICE: keys["master_key"]})

    async def test_a_restart_of_the_sender_loses_nothing(self) -> None:
        for crash in (False, True):
            await self.arrange() if not crash else None
            await self.upload(self.a)
            await self.seen()
            self.network.cut_off(TWO)
            await self.second_device(f"A{crash}")
            await self.settle()
            await self.stop_server(ONE, crash=crash)
            self.network.heal()
            server = self.start_server(ONE)
            await server.federation.sending.start()
            await self.go_on(20)
            self.assertIn(f"A{crash}", await self.seen())
            self.assertEqual((await self.query())["failures"], {})

    async def test_what_was_missed_is_noticed_and_fetched(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        await self.seen()
        await self.lose("A2")
        self.asked()
        since = await self.since()
        await self.second_device("A3")
        await self.settle()
        self.assertEqual(self.asked(), [f"GET /_matrix/federation/v1/user/devices/{quote(ALICE)}"])
        self.assertEqual((await self.told(since))["changed"], [ALICE])
        self.assertEqual(await self.seen(), {self.a.device_id, "A2", "A3"})
        self.assertEqual(self.asked(), [])

    async def lose(self, device_id: str) -> None:
        """A new device of which Bob's server isn't told."""
        edus = self.servers[TWO].federation.transactions._edus
        known, edus._by_type = edus._by_type, {}
        await self.second_device(device_id)
        await self.settle()
        edus._by_type = known

    async def test_what_can_not_be_fetched_is_tried_again_also_after_a_restart(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        await self.seen()
        await self.lose("A2")

        async def refuse(destination: str, path: str) -> None:
            if "/user/devices/" in path:
                raise RemoteError(destination, 500, "M_UNKNOWN", "not now")

        self.network.before = refuse
        await self.second_device("A3")
        await self.settle()
        answer = await self.query()
        self.assertEqual((answer["device_keys"], set(answer["failures"])), ({}, {ONE}))
        await self.stop_server(TWO)
        self.servers[TWO].federation.remote_devices.lists.stop()
        server = self.start_server(TWO)
        await server.federation.sending.start()
        await server.federation.remote_devices.lists.resume()
        await self.settle()
        since = await self.since()
        self.network.before = None
        await self.settle(61)
        self.asked()
        self.assertEqual((await self.told(since))["changed"], [ALICE])
        self.assertEqual(await self.seen(), {self.a.device_id, "A2", "A3"})
        self.assertEqual(self.asked(), [])

    async def test_what_changes_while_a_list_is_fetched(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        overtaken: list[str] = []
        self.settles = False

        async def overtake(destination: str, path: str) -> None:
            if "/user/devices/" in path and not overtaken:
                overtaken.append(path)
                told = await self.servers[ONE].answering.devices.of_user(ALICE)
                self.network.tampers = {"/user/devices/": lambda _: told}
                await self.second_device("A2")
                await self.wait_until(lambda: self.has_come("A2"))
                await self.wait_until(self.has_taken_up)
            elif "/user/devices/" in path:
                self.network.tampers = {}

        self.network.before = overtake
        self.assertEqual(await self.seen(), {self.a.device_id, "A2"})

    def has_come(self, device_id: str) -> bool:
        """Whether a change has come to the other server since the last look."""
        return device_id in {edu["device_id"] for edu in self.edus_of("m.device_list_update")}

    def has_taken_up(self) -> bool:
        return "take up EDUs" not in self.servers[TWO].background.names

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await Clock(reactor).sleep(0.002)


class HostileTests(DeviceListTestCase):
    async def test_updates_that_make_no_sense_change_nothing(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        before = await self.seen()
        since = await self.since()
        good = {"user_id": ALICE, "device_id": "X", "stream_id": 2**40}
        wrongs: list[dict[str, Any]] = [
            {"user_id": BOB},
            {"user_id": f"@nobody:{ONE}"},
            {"user_id": 1},
            {"device_id": ""},
            {"device_id": 1},
            {"device_id": "\0"},
            {"stream_id": "1"},
            {"stream_id": -1},
            {"stream_id": True},
            {"prev_id": ["1"]},
            {"prev_id": 1},
        ]
        for wrong in wrongs:
            await self.tell_two("m.device_list_update", {**good, **wrong})
        for wrong in ({"user_id": BOB}, {}, {"user_id": [1]}):
            await self.tell_two("m.signing_key_update", wrong)
        self.assertEqual(await self.told(since), {"changed": [], "left": []})
        self.assertEqual(await self.seen(), before)

    async def test_an_old_update_changes_nothing(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        await self.seen()
        content = {"user_id": ALICE, "device_id": self.a.device_id, "stream_id": 1, "deleted": True}
        await self.tell_two("m.device_list_update", content)
        self.assertEqual(await self.seen(), {self.a.device_id})

    async def test_what_is_made_up_is_checked_by_asking(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        await self.seen()
        content = {"user_id": ALICE, "device_id": "X", "stream_id": 2**40, "prev_id": [2**39]}
        await self.tell_two("m.device_list_update", content)
        await self.tell_two("m.signing_key_update", {"user_id": ALICE, "master_key": {"a": 1}})
        self.assertEqual(await self.seen(), {self.a.device_id})


class SharingTests(DeviceListTestCase):
    async def kept(self) -> int:
        ((count,),) = await self.servers[TWO].database.fetch(
            "SELECT count(*) FROM remote_device_lists"
        )
        return int(count)

    async def test_a_list_is_dropped_with_the_last_room(self) -> None:
        for who in ("alice", "bob"):
            await self.arrange(rooms=2) if who == "alice" else await self.meet_again()
            await self.upload(self.a)
            await self.seen()
            for room_id, kept in zip(self.room_ids, (1, 0), strict=True):
                server, token = (ONE, self.alice) if who == "alice" else (TWO, self.bob)
                path = f"{V3}/rooms/{room_id}/leave"
                await self.client(server, "POST", path, {}, token=token)
                await self.settle()
                self.assertEqual(await self.kept(), kept, f"{who} {room_id}")
            rows = await self.servers[TWO].database.fetch("SELECT count(*) FROM remote_devices")
            self.assertEqual(rows, [(0,)])

    async def meet_again(self) -> None:
        self.room_ids = [await self.create_room() for _ in range(2)]
        for room_id in self.room_ids:
            await self.join(TWO, BOB, room_id)
        await self.settle()

    async def test_a_user_who_comes_into_a_room_is_introduced(self) -> None:
        await self.arrange()
        eve = await self.register(ONE, "eve")
        await self.client(ONE, "POST", f"{V3}/join/{self.room_id}", {}, token=eve)
        await self.settle()
        self.assertEqual(self.edus_of("m.device_list_update"), [], "she has no keys")
        await self.client(ONE, "POST", f"{V3}/rooms/{self.room_id}/leave", {}, token=eve)
        device = DeviceOwner(EVE, await self.device(ONE, eve))
        await self.upload(device, eve)
        self.assertEqual(self.edus_of("m.device_list_update"), [], "nobody is with her")
        await self.client(ONE, "POST", f"{V3}/join/{self.room_id}", {}, token=eve)
        await self.settle()
        (update,) = self.edus_of("m.device_list_update")
        self.assertEqual((update["user_id"], update["keys"]), (EVE, device.identity()))

    async def test_what_changed_meanwhile_is_seen_when_they_meet_again(self) -> None:
        await self.arrange()
        await self.upload(self.a)
        await self.seen()
        since = await self.since()
        await self.client(TWO, "POST", f"{V3}/rooms/{self.room_id}/leave", {}, token=self.bob)
        await self.settle()
        self.assertEqual(await self.told(since), {"changed": [], "left": [ALICE]})
        await self.second_device("A2")
        await self.settle()
        since = await self.since()
        await self.meet_again()
        self.assertIn(ALICE, (await self.told(since))["changed"])
        self.assertEqual(await self.seen(), {self.a.device_id, "A2"})
