"""Client config: account data."""

from typing import Any

from synapse.storage.transaction import Transaction
from tests.rest.base import RestTestCase
from tests.rest.hostile import BROKEN_BODIES, assert_survives_paths
from tests.rest.rooms import RoomTestCase, room_path

ALICE = "/_matrix/client/v3/user/@alice:test"
MSC3391 = "/_matrix/client/unstable/org.matrix.msc3391/user/@alice:test"
ROOM_ID = "!room:test"


class AccountDataTests(RestTestCase):
    async def make_room(self) -> None:
        def apply(txn: Transaction, items: list[str]) -> None:
            for room_id in items:
                txn.execute(
                    "INSERT INTO rooms (room_id, version, head, pos, first_pos, depth, last_nid,"
                    " tips, state_nid, joined, invited, local_joined, created_ms)"
                    " VALUES (?, '12', 0, 0, 0, 0, 0, '[]', 0, 0, 0, 0, 0)",
                    room_id,
                )

        await self.database.write(apply, ROOM_ID)

    async def test_global_data_comes_back(self) -> None:
        token = await self.register("alice")
        path = f"{ALICE}/account_data/org.example.config"
        missing = await self.fetch("GET", path, token=token)
        self.assertEqual((missing.status, missing.json["errcode"]), (404, "M_NOT_FOUND"))
        contents: list[Any] = [{"a": [1, 2.5, None]}, {"a": {}}]
        for content in contents:
            answer = await self.fetch("PUT", path, content, token=token)
            self.assertEqual((answer.status, answer.json), (200, {}))
            self.assertEqual((await self.fetch("GET", path, token=token)).json, content)

    async def test_room_data_is_apart_from_global_data(self) -> None:
        token = await self.register("alice")
        await self.make_room()
        paths = (f"{ALICE}/rooms/{ROOM_ID}/account_data/m.tag", f"{ALICE}/account_data/m.tag")
        for n, path in enumerate(paths):
            await self.fetch("PUT", path, {"n": n}, token=token)
        for n, path in enumerate(paths):
            self.assertEqual((await self.fetch("GET", path, token=token)).json, {"n": n})

    async def test_room_must_exist_and_be_a_room(self) -> None:
        token = await self.register("alice")
        for room_id, status, errcode in (
            ("!unknown:test", 404, "M_NOT_FOUND"),
            ("@alice:test", 400, "M_INVALID_PARAM"),
            ("!%00:test", 400, "M_INVALID_PARAM"),
        ):
            path = f"{ALICE}/rooms/{room_id}/account_data/m.tag"
            for method, body in (("PUT", {}), ("GET", None)):
                answer = await self.fetch(method, path, body, token=token)
                self.assertEqual((answer.status, answer.json["errcode"]), (status, errcode))

    async def test_it_belongs_to_its_user_alone(self) -> None:
        await self.register("alice")
        token = await self.register("bob")
        for path in (f"{ALICE}/account_data/x", f"{ALICE}/rooms/{ROOM_ID}/account_data/x"):
            for method, body in (("PUT", {}), ("GET", None)):
                answer = await self.fetch(method, path, body, token=token)
                self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"))

    async def test_what_the_server_manages_cannot_be_set(self) -> None:
        token = await self.register("alice")
        for scope in ("", f"/rooms/{ROOM_ID}"):
            for type in ("m.fully_read", "m.push_rules"):
                path = f"{ALICE}{scope}/account_data/{type}"
                answer = await self.fetch("PUT", path, {}, token=token)
                self.assertEqual((answer.status, answer.json["errcode"]), (405, "M_BAD_JSON"))

    async def test_only_objects_of_a_sane_size(self) -> None:
        token = await self.register("alice")
        path = f"{ALICE}/account_data/x"
        for name, body in BROKEN_BODIES.items():
            answer = await self.fetch("PUT", path, body=body, token=token)
            self.assertEqual(answer.status, 400, name)
        answer = await self.fetch("PUT", path, {"a": "x" * 2_000_000}, token=token)
        self.assertEqual((answer.status, answer.json["errcode"]), (413, "M_TOO_LARGE"))

    async def test_what_the_server_goes_by_must_be_right(self) -> None:
        token = await self.register("alice")
        for type, content, status, errcode in (
            ("m.ignored_user_list", {"ignored_users": {"@bob:test": {}}}, 200, None),
            ("m.ignored_user_list", {"ignored_users": {}, "more": 1}, 200, None),
            ("m.ignored_user_list", {}, 200, None),
            ("m.ignored_user_list", {"ignored": {}}, 400, "M_MISSING_PARAM"),
            ("m.ignored_user_list", {"ignored_users": ["@bob:test"]}, 400, "M_BAD_JSON"),
            ("m.ignored_user_list", {"ignored_users": {"bob": {}}}, 400, "M_BAD_JSON"),
            ("m.ignored_user_list", {"ignored_users": {"@bob:test": 1}}, 400, "M_BAD_JSON"),
            ("m.ignored_user_list", {"ignored_users": {"@alice:test": {}}}, 400, "M_INVALID_PARAM"),
            ("m.direct", {"@bob:test": ["!a:test"], "bob@example.com": []}, 200, None),
            # Clients write back what they have read: junk of one must not lock out another.
            ("m.direct", {"@bob:test": "!a:test", "b": [1]}, 200, None),
        ):
            path = f"{ALICE}/account_data/{type}"
            answer = await self.fetch("PUT", path, content, token=token)
            wanted = (status, errcode)
            self.assertEqual((answer.status, answer.json.get("errcode")), wanted, content)

    async def test_hostile_paths(self) -> None:
        token = await self.register("alice")
        for method, body in (("PUT", {"a": 1}), ("GET", None)):
            for pattern in (
                f"{ALICE}/account_data/{{}}",
                "/_matrix/client/v3/user/{}/account_data/x",
                f"{ALICE}/rooms/{{}}/account_data/x",
                f"{ALICE}/rooms/{ROOM_ID}/account_data/{{}}",
            ):
                await assert_survives_paths(self, method, pattern, body, token=token)

    async def test_sync_finds_what_changed(self) -> None:
        token = await self.register("alice")
        user = await self.server.stores.users.user("@alice:test")
        assert user is not None
        for type in ("a", "b", "a"):
            await self.fetch("PUT", f"{ALICE}/account_data/{type}", {"t": type}, token=token)
        store = self.server.streams.account_data_store
        everything = await store.changes_since(user.user_nid, 0)
        self.assertEqual(
            [(entry.room_nid, entry.type, entry.content) for entry in everything],
            [(0, "b", b'{"t":"b"}'), (0, "a", b'{"t":"a"}')],
        )
        later = await store.changes_since(user.user_nid, everything[0].stream)
        self.assertEqual(later, everything[1:])


class DeletedAccountDataTests(RoomTestCase):
    async def test_what_was_deleted_is_not_there(self) -> None:
        token = await self.register("alice")
        room_id = await self.create(token)
        for scope in ("", f"/rooms/{room_id}"):
            path, gone = f"{ALICE}{scope}/account_data/x", f"{MSC3391}{scope}/account_data/x"
            await self.ok("DELETE", gone, token=token)
            await self.ok("PUT", path, {"n": 1}, token=token)
            for _ in range(2):
                await self.ok("DELETE", gone, token=token)
                await self.refused(404, "M_NOT_FOUND", "GET", path, token=token)
            await self.ok("PUT", path, {"n": 2}, token=token)
            self.assertEqual(await self.ok("GET", path, token=token), {"n": 2})

    async def test_syncs_tell_of_it_but_first_ones(self) -> None:
        token = await self.register("alice")
        room_id = await self.create(token)
        for scope in ("", f"/rooms/{room_id}"):
            await self.ok("PUT", f"{ALICE}{scope}/account_data/x", {"n": 1}, token=token)
        since = (await self.sync(token))["next_batch"]
        for scope in ("", f"/rooms/{room_id}"):
            await self.ok("DELETE", f"{MSC3391}{scope}/account_data/x", token=token)
        for query, wanted in (({"since": since}, [{"type": "x", "content": {}}]), ({}, [])):
            answer = await self.sync(token, **query)
            found = [e for e in answer["account_data"]["events"] if e["type"] == "x"]
            self.assertEqual(found, wanted)
            in_room = answer["rooms"]["join"][room_id]["account_data"]["events"]
            self.assertEqual(in_room, wanted)
        snapshot = await self.ok("GET", room_path(room_id, "/initialSync"), token=token)
        self.assertEqual(snapshot["account_data"], [])
        since = answer["next_batch"]
        await self.ok("DELETE", f"{MSC3391}/account_data/x", token=token)
        self.assertNotIn("account_data", await self.sync(token, since=since))

    async def test_an_empty_object_deletes(self) -> None:
        token = await self.register("alice")
        room_id = await self.create(token)
        since = (await self.sync(token))["next_batch"]
        for scope in ("", f"/rooms/{room_id}"):
            path = f"{ALICE}{scope}/account_data/x"
            for content in ({}, {"n": 1}, {}):
                await self.ok("PUT", path, content, token=token)
            await self.refused(404, "M_NOT_FOUND", "GET", path, token=token)
            # Who put it waits for it, also if nothing was there.
            await self.ok("PUT", path.replace("data/x", "data/y"), {}, token=token)
        news = await self.sync(token, since=since)
        in_room = news["rooms"]["join"][room_id]["account_data"]["events"]
        deleted = [{"type": "x", "content": {}}, {"type": "y", "content": {}}]
        for told in (news["account_data"]["events"], in_room):
            self.assertEqual(told, deleted)
        answer = await self.sync(token)
        types = {event["type"] for event in answer["account_data"]["events"]}
        self.assertEqual(types, {"m.push_rules"})
        self.assertEqual(answer["rooms"]["join"][room_id]["account_data"]["events"], [])

    async def test_who_asks_for_all_is_told_of_what_was_deleted(self) -> None:
        token = await self.register("alice")
        await self.ok("PUT", f"{ALICE}/account_data/x", {"n": 1}, token=token)
        await self.ok("PUT", f"{ALICE}/account_data/y", {"n": 1}, token=token)
        since = (await self.sync(token))["next_batch"]
        await self.ok("DELETE", f"{MSC3391}/account_data/x", token=token)
        events = (await self.sync(token, since=since, full_state="true"))["account_data"]["events"]
        told = {event["type"]: event["content"] for event in events}
        self.assertEqual((told["x"], told["y"]), ({}, {"n": 1}))

    async def test_only_ones_own_and_only_what_can_be_set(self) -> None:
        token = await self.register("bob")
        bob = MSC3391.replace("alice", "bob")
        for scope in ("", f"/rooms/{ROOM_ID}"):
            path = f"{MSC3391}{scope}/account_data/x"
            await self.refused(403, "M_FORBIDDEN", "DELETE", path, token=token)
            for type in ("m.fully_read", "m.push_rules"):
                path = f"{bob}{scope}/account_data/{type}"
                await self.refused(405, "M_BAD_JSON", "DELETE", path, token=token)


class FilterTests(RestTestCase):
    async def upload(self, token: str, definition: Any) -> str:
        answer = await self.fetch("POST", f"{ALICE}/filter", definition, token=token)
        self.assertEqual(answer.status, 200, str(answer))
        return str(answer.json["filter_id"])

    async def test_filter_comes_back_and_has_one_id(self) -> None:
        token = await self.register("alice")
        definition = {"room": {"timeline": {"limit": 5}}, "org.example.unknown": [1.5]}
        filter_id = await self.upload(token, definition)
        self.assertEqual(await self.upload(token, definition), filter_id)
        self.assertNotEqual(await self.upload(token, {}), filter_id)
        for _ in range(2):
            answer = await self.fetch("GET", f"{ALICE}/filter/{filter_id}", token=token)
            self.assertEqual(answer.json, definition)

    async def test_unknown_filters(self) -> None:
        token = await self.register("alice")
        for filter_id in ("1", "-1", "x", "1" * 30, "9" * 19, "%C2%B2"):
            answer = await self.fetch("GET", f"{ALICE}/filter/{filter_id}", token=token)
            self.assertEqual((answer.status, answer.json["errcode"]), (404, "M_NOT_FOUND"))

    async def test_they_belong_to_their_user_alone(self) -> None:
        await self.upload(await self.register("alice"), {})
        token = await self.register("bob")
        for method, path in (("POST", "/filter"), ("GET", "/filter/1")):
            answer = await self.fetch(method, ALICE + path, {}, token=token)
            self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"))

    async def test_wrong_bodies(self) -> None:
        token = await self.register("alice")
        for name, body in BROKEN_BODIES.items():
            answer = await self.fetch("POST", f"{ALICE}/filter", body=body, token=token)
            # The one with the deepest nest is also longer than any filter may be.
            self.assertIn(answer.status, (400, 413), name)
        answer = await self.fetch("POST", f"{ALICE}/filter", {"room": []}, token=token)
        self.assertEqual((answer.status, answer.json["errcode"]), (400, "M_BAD_JSON"))
