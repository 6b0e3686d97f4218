"""Device lists: who is told, by both kinds of sync and `/keys/changes`, that devices changed."""

from typing import Any

from synapse.streams.followers import DEVICE_MOVES_KEPT
from tests.http.client import Connection
from tests.rest.client.key_owners import DeviceOwner, KeyOwner
from tests.rest.client.test_account import password_stage
from tests.rest.client.test_device_keys import ALICE, BOB, CURVE, KeyTestCase
from tests.rest.rooms import V3, sync_path

CAROL = "@carol:test"
SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"


class DeviceListTestCase(KeyTestCase):
    async def people(self) -> None:
        await super().people()
        self.carol = await self.register("carol", device_id="C")
        self.c = DeviceOwner(CAROL, "C")
        self.since = dict.fromkeys((self.alice, self.bob, self.carol), "")
        self.pos: dict[str, str] = {}
        await self.settle()

    async def settle(self) -> None:
        """All that happened until now has been told."""
        for token in self.since:
            self.since[token] = (await self.sync(token))["next_batch"]
            self.pos[token] = (await self.slide(token, None))["pos"]

    async def slide(self, token: str, pos: str | None) -> Any:
        path = SLIDING if pos is None else f"{SLIDING}?pos={pos}"
        return await self.post(token, path, {"extensions": {"e2ee": {"enabled": True}}})

    async def told(self, token: str) -> tuple[set[str], set[str]]:
        """Who changed and who left since `settle`, which all ways of asking agree on."""
        since = self.since[token]
        found = [
            (await self.sync(token, since=since))["device_lists"],
            (await self.slide(token, self.pos[token]))["extensions"]["e2ee"]["device_lists"],
            await self.ok("GET", f"{V3}/keys/changes?from={since}&to={since}", token=token),
        ]
        # A follower that begins now asks the database.
        self.server.streams.followers._by_user.clear()
        self.server.streams.followers._by_room.clear()
        found.append((await self.sync(token, since=since))["device_lists"])
        sets = [(set(one["changed"]), set(one["left"])) for one in found]
        for number, one in enumerate(sets):
            self.assertEqual(one, sets[0], f"way {number}")
        return sets[0]

    async def shared_room(self, *tokens: str, **more: Any) -> str:
        room_id = await self.create_public(tokens[0], **more)
        for token in tokens[1:]:
            await self.join(token, room_id)
        return room_id


class WhoIsToldTests(DeviceListTestCase):
    async def test_who_shares_a_room_and_the_user(self) -> None:
        await self.people()
        await self.shared_room(self.alice, self.bob)
        await self.settle()
        await self.upload(self.alice, device_keys=self.a.identity())
        for token, expected in (
            (self.alice, {ALICE}),
            (self.bob, {ALICE}),
            (self.carol, set[str]()),
        ):
            self.assertEqual(await self.told(token), (expected, set()))
        await self.settle()
        # The same keys are no change, and one-time keys are nobody's business.
        await self.upload(
            self.alice, device_keys=self.a.identity(), one_time_keys=self.a.one_time_keys("1")
        )
        self.assertEqual(await self.told(self.bob), (set(), set()))

    async def test_whatever_changes(self) -> None:
        await self.people()
        await self.shared_room(self.alice, self.bob)
        await self.upload(self.alice, device_keys=self.a.identity())
        second = (await self.login("alice", device_id="A2")).json["access_token"]
        other = DeviceOwner(ALICE, "A2")
        keys = KeyOwner(ALICE)
        signed = keys.self_signing.signed(other.identity(), ALICE)
        delete = {"devices": ["A2"], "auth": password_stage()}
        for method, path, body in (
            ("POST", "/keys/upload", {"device_keys": other.identity()}),
            ("PUT", "/devices/A2", {"display_name": "second"}),
            ("POST", "/keys/device_signing/upload", keys.keys()),
            ("POST", "/keys/signatures/upload", {ALICE: {"A2": signed}}),
            ("POST", "/delete_devices", delete),
        ):
            await self.settle()
            token = second if path == "/keys/upload" else self.alice
            await self.ok(method, V3 + path, body, token=token)
            self.assertEqual(await self.told(self.bob), ({ALICE}, set()), path)
        await self.settle()
        third = (await self.login("alice", device_id="A3")).json["access_token"]
        await self.ok("PUT", f"{V3}/devices/A3", {"display_name": "x"}, token=self.alice)
        await self.post(third, f"{V3}/logout", {})
        self.assertEqual(await self.told(self.bob), (set(), set()), "it had no keys")
        await self.post(self.alice, f"{V3}/logout", {})
        self.assertEqual(await self.told(self.bob), ({ALICE}, set()), "logout")

    async def test_whom_a_user_vouches_for_the_own_devices_are_told(self) -> None:
        await self.people()
        alices, bobs = KeyOwner(ALICE), KeyOwner(BOB)
        await self.post(self.alice, f"{V3}/keys/device_signing/upload", alices.keys())
        await self.post(self.bob, f"{V3}/keys/device_signing/upload", bobs.keys())
        await self.settle()
        signed = alices.user_signing.signed(bobs.keys()["master_key"], ALICE)
        body = {BOB: {bobs.master.public: signed}}
        await self.post(self.alice, f"{V3}/keys/signatures/upload", body)
        self.assertEqual(await self.told(self.alice), ({BOB}, set()))
        self.assertEqual(await self.told(self.bob), (set(), set()))


class MembershipTests(DeviceListTestCase):
    async def test_joining(self) -> None:
        await self.people()
        room_id = await self.shared_room(self.alice, self.bob)
        await self.settle()
        await self.join(self.carol, room_id)
        self.assertEqual(await self.told(self.carol), ({ALICE, BOB}, set()))
        self.assertEqual(await self.told(self.alice), ({CAROL}, set()))
        await self.settle()
        path = f"{V3}/profile/{CAROL}/displayname"
        await self.ok("PUT", path, {"displayname": "C."}, token=self.carol)
        await self.finish_background()
        self.assertEqual(await self.told(self.alice), (set(), set()))

    async def test_leaving(self) -> None:
        await self.people()
        first = await self.shared_room(self.alice, self.bob, self.carol)
        second = await self.shared_room(self.alice, self.bob)
        await self.settle()
        await self.leave(self.bob, first)
        self.assertEqual((await self.told(self.alice))[1], set(), "there is another room")
        self.assertEqual(await self.told(self.carol), (set(), {BOB}))
        changed, left = await self.told(self.bob)
        self.assertEqual((changed - {ALICE}, left), (set(), {CAROL}))
        await self.settle()
        await self.leave(self.alice, second)
        self.assertEqual(await self.told(self.alice), (set(), {BOB}))
        self.assertEqual(await self.told(self.bob), (set(), {ALICE}))

    async def test_whoever_was_never_there_does_not_learn_who_is(self) -> None:
        await self.people()
        room_id = await self.create(self.alice)
        await self.change_membership(self.alice, room_id, "invite", BOB)
        await self.settle()
        await self.leave(self.bob, room_id)
        self.assertEqual(await self.told(self.bob), (set(), set()))
        await self.change_membership(self.alice, room_id, "invite", BOB)
        await self.change_membership(self.alice, room_id, "ban", BOB)
        self.assertEqual(await self.told(self.bob), (set(), set()))

    async def test_coming_and_going_between_two_syncs(self) -> None:
        await self.people()
        room_id = await self.shared_room(self.alice, self.bob)
        await self.settle()
        await self.leave(self.bob, room_id)
        await self.upload(self.bob, device_keys=self.b.identity())
        await self.join(self.bob, room_id)
        self.assertEqual(await self.told(self.alice), ({BOB}, set()))
        await self.settle()
        await self.join(self.carol, room_id)
        await self.leave(self.carol, room_id)
        self.assertEqual((await self.told(self.carol))[0], set())
        self.assertEqual((await self.told(self.alice))[0], set())


class WaitingTests(DeviceListTestCase):
    def poll(self, token: str) -> Connection:
        path = sync_path(since=self.since[token], timeout=30_000)
        return self.site.start("GET", path, token=token)

    async def test_a_sync_that_waits_is_answered(self) -> None:
        await self.people()
        await self.shared_room(self.alice, self.bob)
        await self.settle()
        waiting, stranger = self.poll(self.bob), self.poll(self.carol)
        await self.upload(self.alice, device_keys=self.a.identity())
        answer = (await waiting.answered()).json
        self.assertEqual(answer["device_lists"]["changed"], [ALICE])
        self.assertEqual(stranger.sent, b"")
        self.advance(31)
        answer = (await stranger.answered()).json
        self.assertEqual(answer["device_lists"], {"changed": [], "left": []})

    async def test_a_device_learns_that_its_keys_were_taken(self) -> None:
        await self.people()
        await self.upload(self.alice, one_time_keys=self.a.one_time_keys("1", "2"))
        second = (await self.login("alice", device_id="A2")).json["access_token"]
        self.since[second] = ""
        await self.settle()
        waiting, other = self.poll(self.alice), self.poll(second)
        sliding = self.site.start(
            "POST",
            f"{SLIDING}?pos={self.pos[self.alice]}&timeout=30000",
            {"extensions": {"e2ee": {"enabled": True}}},
            token=self.alice,
        )
        await self.claim(self.bob, ALICE, "A")
        answer = (await waiting.answered()).json
        self.assertEqual(answer["device_one_time_keys_count"], {CURVE: 1})
        extension = (await sliding.answered()).json["extensions"]["e2ee"]
        self.assertEqual(extension["device_one_time_keys_count"], {CURVE: 1})
        self.assertEqual(other.sent, b"")
        self.advance(31)
        answer = (await other.answered()).json
        self.assertEqual(answer["device_one_time_keys_count"], {CURVE: 0})

    async def test_more_than_a_follower_keeps(self) -> None:
        await self.people()
        room_id = await self.shared_room(self.alice, self.bob)
        await self.settle()
        await self.upload(self.alice, device_keys=self.a.identity())
        follower = self.server.streams.followers.get(await self.server.stores.names.nid(BOB) or 0)
        assert follower is not None
        room = await self.server.rooms.cache.get(room_id)
        for number in range(DEVICE_MOVES_KEPT):
            self.server.streams.followers.member_moved(
                room.nid, f"@{number}:test", follower.device_moves[ALICE].position, is_gone=True
            )
        self.assertEqual(len(follower.device_moves), DEVICE_MOVES_KEPT)
        self.assertEqual(await self.told(self.bob), ({ALICE}, set()))

    async def test_a_sync_without_news_asks_the_database_nothing(self) -> None:
        await self.people()
        await self.shared_room(self.alice, self.bob)
        await self.upload(self.alice, one_time_keys=self.a.one_time_keys("1"))
        await self.settle()
        before = sum(timing.count for timing in self.database.timings.values())
        answer = await self.sync(self.alice, since=self.since[self.alice])
        after = sum(timing.count for timing in self.database.timings.values())
        self.assertEqual(after, before)
        self.assertEqual(answer["device_one_time_keys_count"], {CURVE: 1})
