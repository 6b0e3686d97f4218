"""Client API: searching for users."""

from dataclasses import replace
from typing import Any
from unittest import mock

import orjson

from synapse.config.ratelimiting import RateLimit
from synapse.storage.stores import directory
from synapse.storage.stores.directory_feed import index_users
from synapse.storage.stores.users import Deactivation
from synapse.storage.transaction import Transaction
from tests.rest.rooms import V3, RoomTestCase

ALICE, BOB, CAROL, EVE = "@alice:test", "@bob:test", "@carol:test", "@eve:elsewhere"
SEARCH = f"{V3}/user_directory/search"


class UserDirectoryTests(RoomTestCase):
    async def arrange(self) -> None:
        """Alice shares a private room with bob; carol is alone."""
        self.alice = await self.register("alice")
        self.bob = await self.register("bob")
        self.carol = await self.register("carol")
        self.room_id = await self.create(self.alice, invite=[BOB])
        await self.join(self.bob, self.room_id)

    def configure(self, **values: Any) -> None:
        directory = replace(self.config.search.user_directory, **values)
        self.reconfigure(search={"user_directory": directory})

    async def search(self, token: str, term: str, **body: Any) -> Any:
        await self.server.discovery.directory_reader.catch_up()
        return await self.ok("POST", SEARCH, {"search_term": term, **body}, token=token)

    async def found(self, token: str, term: str) -> list[str]:
        answer = await self.search(token, term)
        self.assertFalse(answer["limited"])
        return [user["user_id"] for user in answer["results"]]

    async def put(self, token: str, user: str, field: str, value: str) -> None:
        path = f"{V3}/profile/{user}/{field}"
        await self.ok("PUT", path, {field: value}, token=token)
        await self.finish_background()

    async def test_words_of_names_and_ids_are_found_by_their_beginning(self) -> None:
        await self.arrange()
        await self.put(self.bob, BOB, "displayname", "Róbert 'Bobby' 東京 Tables")
        for term in (
            "bob",
            "BOBBY",
            "robe",
            "tab rob",
            "東京",
            "京",
            "@bob",
            "@bob:te",
            "@BOB:TEST",
        ):
            self.assertEqual(await self.found(self.alice, term), [BOB], term)
        for term in ("ob", "bob alice", "@bob:elsewhere", "", "'", "@", ":", "%", "test", "@:test"):
            expected = [BOB] if term == "@:test" else []
            self.assertEqual(await self.found(self.alice, term), expected, term)

    async def test_what_is_shown(self) -> None:
        await self.arrange()
        await self.put(self.bob, BOB, "avatar_url", "mxc://a/b")
        shown = {"user_id": BOB, "display_name": "bob", "avatar_url": "mxc://a/b"}
        expected = {"results": [shown], "limited": False}
        self.assertEqual(await self.search(self.alice, "bob"), expected)
        for field in ("displayname", "avatar_url"):
            await self.ok("DELETE", f"{V3}/profile/{BOB}/{field}", token=self.bob)
        await self.finish_background()
        expected["results"] = [{"user_id": BOB}]
        self.assertEqual(await self.search(self.alice, "bob"), expected)

    async def test_who_may_be_found(self) -> None:
        await self.arrange()
        self.assertEqual(await self.found(self.alice, "carol"), [])
        self.assertEqual(await self.found(self.carol, "bob"), [])
        self.assertEqual(await self.found(self.alice, "alice"), [])
        await self.change_membership(self.alice, self.room_id, "invite", CAROL)
        self.assertEqual(await self.found(self.alice, "carol"), [])
        await self.join(self.carol, self.room_id)
        self.assertEqual(await self.found(self.alice, "carol"), [CAROL])
        self.assertEqual(await self.found(self.carol, "bob"), [BOB])
        await self.leave(self.carol, self.room_id)
        self.assertEqual(await self.found(self.alice, "carol"), [])

    async def test_members_of_open_rooms_are_found_by_everybody(self) -> None:
        await self.arrange()
        rooms = [await self.create(self.bob) for _ in range(2)]
        for room_id, type_, key, opens, closes in (
            (rooms[0], "m.room.join_rules", "join_rule", "public", "invite"),
            (
                rooms[1],
                "m.room.history_visibility",
                "history_visibility",
                "world_readable",
                "shared",
            ),
        ):
            self.assertEqual(await self.found(self.carol, "bob"), [])
            await self.set_state(self.bob, room_id, type_, {key: opens})
            self.assertEqual(await self.found(self.carol, "bob"), [BOB])
            await self.set_state(self.bob, room_id, type_, {key: closes})
            self.assertEqual(await self.found(self.carol, "bob"), [])

    async def test_a_name_in_one_room_is_for_that_room(self) -> None:
        await self.arrange()
        content = {"membership": "join", "displayname": "Secret"}
        await self.set_state(self.bob, self.room_id, "m.room.member", content, BOB)
        self.assertEqual(await self.found(self.alice, "secret"), [])
        self.assertEqual(await self.found(self.alice, "bob"), [BOB])

    async def test_closed_and_locked_accounts(self) -> None:
        self.configure(search_all_users=True)
        await self.arrange()
        self.assertEqual(await self.found(self.alice, "bob"), [BOB])
        for status in ("locked", "deactivated"):
            await self._set_status(status, 1)
            self.assertEqual(await self.found(self.alice, "bob"), [])
            await self._set_status(status, 0)
        await self._set_status("locked", 1)
        self.configure(show_locked_users=True)
        self.assertEqual(await self.found(self.alice, "bob"), [BOB])
        bob = await self.server.stores.users.user(BOB)
        assert bob is not None
        await self.server.stores.users.deactivate(Deactivation(bob.user_nid, erase=True))
        self.assertEqual(await self.found(self.alice, "bob"), [])
        row = await self.database.fetch_one(
            "SELECT displayname FROM directory_users WHERE user_nid = ?", bob.user_nid
        )
        self.assertEqual(row, (None,))

    async def _set_status(self, column: str, value: int) -> None:
        def apply(txn: Transaction, values: list[int]) -> None:
            txn.execute_many(
                f"UPDATE users SET {column} = ? WHERE name = '@bob:test'", [(v,) for v in values]
            )

        await self.database.write(apply, value)

    async def test_the_closest_come_first_and_pages_are_bounded(self) -> None:
        self.configure(search_all_users=True)
        await self.arrange()
        names = ("bobby", "bob.b", "abob", "bob2")
        for name in names:
            await self.register(name)
        await self.put(self.carol, CAROL, "displayname", "Uncle Bob")
        await self.ok("DELETE", f"{V3}/profile/{BOB}/displayname", token=self.bob)
        self.assertEqual(
            await self.found(self.alice, "bob"),
            [BOB, "@bob.b:test", CAROL, "@bob2:test", "@bobby:test"],
        )
        answer = await self.search(self.alice, "bob", limit=2)
        self.assertEqual([user["user_id"] for user in answer["results"]], [BOB, "@bob.b:test"])
        self.assertTrue(answer["limited"])
        for limit in (0, 5, 2**60):
            answer = await self.search(self.alice, "bob", limit=limit)
            self.assertEqual(
                (len(answer["results"]), answer["limited"]), (min(limit, 5), limit < 5)
            )

    async def test_who_shares_a_room_is_found_among_however_many_others(self) -> None:
        few = mock.patch.object(directory, "_MAX_EXAMINED", 3)
        few.start()
        self.addCleanup(few.stop)
        await self.arrange()
        for number in range(5):
            await self.register(f"b{number}")
        self.assertEqual(await self.found(self.alice, "b"), [BOB])
        self.assertEqual(await self.found(self.alice, "b @"), [BOB])
        self.assertEqual(await self.found(self.alice, "b alice"), [])
        self.configure(search_all_users=True)
        expected = [BOB, "@b0:test", "@b1:test", "@b2:test"]
        self.assertEqual(sorted(await self.found(self.alice, "b")), sorted(expected))

    async def test_users_from_before_the_directory(self) -> None:
        self.configure(search_all_users=True)
        await self.arrange()
        await self.server.discovery.directory_reader.catch_up()

        def forget(txn: Transaction, items: list[int]) -> None:
            for table in ("directory_changes", "directory_users", "directory_words"):
                txn.execute(f"DELETE FROM {table}")

        def update(txn: Transaction, positions: list[Any]) -> list[Any]:
            return [index_users(txn, position, 2) for position in positions]

        await self.database.write(forget, 0)
        self.assertEqual(await self.found(self.alice, "bob"), [])
        step = await self.database.write(update, {})
        self.assertEqual((step.items, await self.found(self.alice, "bob")), (2, [BOB]))
        self.assertEqual(await self.found(self.alice, "carol"), [])
        step = await self.database.write(update, step.position)
        self.assertEqual((step.items, step.position), (1, None))
        self.assertEqual(await self.found(self.alice, "carol"), [CAROL])

    async def test_users_of_other_servers(self) -> None:
        await self.arrange()
        open_room = await self.create_public(self.bob)
        await self._join_from_elsewhere(self.room_id, "Secret Eve")
        self.assertEqual(await self.found(self.alice, "eve"), [EVE])
        self.assertEqual(await self.found(self.alice, "secret"), [])
        self.assertEqual(await self.found(self.carol, "eve"), [])
        await self._join_from_elsewhere(open_room, "Public Eve\0")
        self.assertEqual(await self.found(self.carol, "public eve"), [EVE])
        self.assertEqual(await self.found(self.alice, "@eve:else"), [EVE])
        await self.put(self.bob, BOB, "displayname", "Eve")
        self.assertEqual(await self.found(self.carol, "eve"), [BOB, EVE])
        self.configure(exclude_remote_users=True)
        self.assertEqual(await self.found(self.carol, "eve"), [BOB])
        self.configure(exclude_remote_users=False, prefer_local_users=True)
        await self.put(self.bob, BOB, "displayname", "Evelyn Robert")
        self.assertEqual(await self.found(self.carol, "eve"), [BOB, EVE])
        self.configure(prefer_local_users=False)
        self.assertEqual(await self.found(self.carol, "eve"), [EVE, BOB])
        await self.set_state(self.bob, open_room, "m.room.join_rules", {"join_rule": "invite"})
        self.assertEqual(await self.found(self.alice, "eve"), [EVE, BOB])
        self.assertEqual(await self.found(self.alice, "public"), [])

    async def _join_from_elsewhere(self, room_id: str, displayname: str) -> None:
        """What is left in the tables when a user of another server has joined."""
        content = {"membership": "join", "displayname": displayname}

        def apply(txn: Transaction, rooms: list[str]) -> None:
            nid = txn.stream()
            names = self.server.stores.names.intern(txn, [EVE, "m.room.member"])
            slot = ("m.room.member", EVE)
            slot_nid = self.server.stores.slots.intern(txn, [slot])[slot]
            for name in rooms:
                ((room_nid,),) = txn.execute("SELECT room_nid FROM rooms WHERE room_id = ?", name)
                json = orjson.dumps({"type": slot[0], "content": content})
                txn.execute(
                    """INSERT INTO events (event_nid, event_id, room_nid, type_nid, sender_nid,
                           slot_nid, depth, origin_server_ts, flags, state_nid, json)
                       VALUES (?, ?, ?, ?, ?, ?, 1, 1, 1, 0, ?)""",
                    nid,
                    f"${nid}",
                    room_nid,
                    names["m.room.member"],
                    names[EVE],
                    slot_nid,
                    json,
                )
                txn.execute(
                    "INSERT INTO members (user_nid, room_nid, membership, event_nid, since)"
                    " VALUES (?, ?, 1, ?, ?)",
                    names[EVE],
                    room_nid,
                    nid,
                    nid,
                )

        await self.database.write(apply, room_id)

    async def test_wrong_requests(self) -> None:
        await self.arrange()
        for body, errcode in (
            ({}, "M_MISSING_PARAM"),
            ({"search_term": 7}, "M_BAD_JSON"),
            ({"search_term": "x", "limit": "1"}, "M_BAD_JSON"),
            ({"search_term": "x", "limit": -1}, "M_INVALID_PARAM"),
        ):
            await self.refused(400, errcode, "POST", SEARCH, body, token=self.alice)
        for term in ("\0", "@\0:\0", "\ufffd", "x" * 100_000, "@" + ":" * 1_000, "\U0010ffff"):
            self.assertEqual(await self.found(self.alice, term), [])
        _, guest = await self.guest()
        await self.refused(403, "M_GUEST_ACCESS_FORBIDDEN", "POST", SEARCH, token=guest)

    async def test_disabled(self) -> None:
        self.configure(enabled=False, search_all_users=True)
        await self.arrange()
        self.assertEqual(await self.found(self.alice, "bob"), [])

    async def test_rate_limit(self) -> None:
        limit = RateLimit(per_second=0.1, burst_count=2)
        self.reconfigure(rate_limits={"rc_user_directory": limit})
        await self.arrange()
        for _ in range(2):
            await self.search(self.alice, "bob")
        body = {"search_term": "x"}
        await self.refused(429, "M_LIMIT_EXCEEDED", "POST", SEARCH, body, token=self.alice)
