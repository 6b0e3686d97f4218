"""Sliding sync: windows, what is new in rooms, connections."""

from typing import Any
from unittest.mock import patch

from twisted.internet.defer import ensureDeferred

from tests.rest.client.sliding import SlidingTestCase, a_list, sliding_path, slots
from tests.rest.hostile import assert_survives
from tests.rest.rooms import bodies, ids, room_path

ALICE, BOB = "@alice:test", "@bob:test"
MEMBER = "m.room.member"


class _Case(SlidingTestCase):
    async def arrange(self, rooms: int = 1) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.rooms_ = [await self.create_public(self.alice, name=f"Room {n}") for n in range(rooms)]
        self.room_id = self.rooms_[0]


class WindowTests(_Case):
    async def test_a_window_slides(self) -> None:
        await self.arrange(4)
        lists = {"top": a_list((0, 1))}
        first = await self.sliding(self.alice, lists=lists)
        self.assertEqual(first["lists"], {"top": {"count": 4}})
        self.assertNotIn("txn_id", first)
        self.assertEqual(set(first["rooms"]), set(self.rooms_[2:]))

        await self.send(self.alice, self.rooms_[0], "up")
        second = await self.sliding(self.alice, first["pos"], lists=lists)
        self.assertEqual(list(second["rooms"]), [self.rooms_[0]])
        part = second["rooms"][self.rooms_[0]]
        self.assertTrue(part["initial"])
        self.assertEqual((bodies(part["timeline"]), part["num_live"]), (["up"], 1))

        third = await self.sliding(self.alice, second["pos"], lists={"top": a_list((0, 3))})
        self.assertEqual(list(third["rooms"]), [self.rooms_[1]])

    async def test_a_room_comes_back_with_a_gap(self) -> None:
        await self.arrange(2)
        other, top = self.rooms_
        lists = {"top": a_list((0, 0), limit=2, required_state=[["m.room.topic", ""]])}
        first = await self.sliding(self.alice, lists=lists)
        self.assertEqual(list(first["rooms"]), [top])
        await self.send(self.alice, other)
        second = await self.sliding(self.alice, first["pos"], lists=lists)
        self.assertEqual(list(second["rooms"]), [other])
        await self.set_state(self.alice, top, "m.room.topic", {"topic": "missed"})
        for n in range(3):
            await self.send(self.alice, top, str(n))
        third = await self.sliding(self.alice, second["pos"], lists=lists)
        part = third["rooms"][top]
        self.assertNotIn("initial", part)
        self.assertTrue(part["limited"])
        self.assertEqual(bodies(part["timeline"]), ["1", "2"])
        self.assertEqual(slots(part), {("m.room.topic", "")})
        older = await self.messages(self.alice, top, **{"from": part["prev_batch"], "limit": 1})
        self.assertEqual(bodies(older["chunk"]), ["0"])

    async def test_many_rooms_come_in_several_answers(self) -> None:
        await self.arrange(5)
        lists = {"all": a_list()}
        pos: str | None = None
        told: list[str] = []
        with patch("synapse.handlers.sliding_sync.handler.MAX_ROOMS", 2):
            for expected in (2, 2, 1, 0):
                answer = await self.sliding(self.alice, pos, lists=lists)
                self.assertEqual(len(answer["rooms"]), expected)
                self.assertEqual(answer["lists"]["all"]["count"], 5)
                pos, told = answer["pos"], [*told, *answer["rooms"]]
        self.assertEqual(set(told), set(self.rooms_))

    async def test_the_timeline_is_not_longer_than_configured(self) -> None:
        self.reconfigure(server={"filter_timeline_limit": 3})
        await self.arrange()
        part = (await self.rooms(self.alice, limit=50))[self.room_id]
        self.assertEqual(len(part["timeline"]), 3)

    async def test_clients_are_told_of_it(self) -> None:
        answer = await self.ok("GET", "/_matrix/client/versions", token=None)
        self.assertTrue(answer["unstable_features"]["org.matrix.simplified_msc3575"])

    async def test_subscriptions(self) -> None:
        await self.arrange(2)
        hidden = await self.create(self.bob)
        subscribed = {
            self.rooms_[0]: {"timeline_limit": 1, "required_state": []},
            hidden: {"timeline_limit": 1, "required_state": []},
            "!none:test": {"timeline_limit": 1, "required_state": []},
        }
        answer = await self.sliding(self.alice, room_subscriptions=subscribed)
        self.assertEqual(list(answer["rooms"]), [self.rooms_[0]])
        await self.send(self.alice, self.rooms_[1])
        answer = await self.sliding(self.alice, answer["pos"], room_subscriptions=subscribed)
        self.assertEqual(answer["rooms"], {})

    async def test_configurations_are_combined(self) -> None:
        await self.arrange()
        lists = {
            "a": a_list(limit=1, required_state=[["m.room.name", ""]]),
            "b": a_list(limit=3, required_state=[["m.room.create", ""]]),
        }
        part = (await self.sliding(self.alice, lists=lists))["rooms"][self.room_id]
        self.assertEqual(len(part["timeline"]), 3)
        self.assertEqual(slots(part), {("m.room.name", ""), ("m.room.create", "")})


class NewsTests(_Case):
    async def first(self, **config: Any) -> None:
        await self.arrange()
        self.lists = {"all": a_list(**config)}
        answer = await self.sliding(self.alice, lists=self.lists)
        self.part, self.pos = answer["rooms"][self.room_id], answer["pos"]

    async def next(self, **config: Any) -> Any:
        """What the next answer tells of the room."""
        if config:
            self.lists = {"all": a_list(**config)}
        answer = await self.sliding(self.alice, self.pos, lists=self.lists)
        self.pos = answer["pos"]
        return answer["rooms"].get(self.room_id, {})

    async def test_a_new_room(self) -> None:
        await self.first(limit=1)
        self.assertEqual(
            {key: self.part[key] for key in ("name", "initial", "is_dm", "joined_count")},
            {"name": "Room 0", "initial": True, "is_dm": False, "joined_count": 1},
        )
        self.assertEqual((self.part["num_live"], self.part["limited"]), (0, True))
        self.assertEqual((self.part["notification_count"], self.part["highlight_count"]), (0, 0))

    async def test_only_news(self) -> None:
        await self.first()
        self.assertEqual(await self.next(), {})
        event_id = await self.send(self.alice, self.room_id)
        part = await self.next()
        self.assertEqual(ids(part["timeline"]), [event_id])
        self.assertIn("transaction_id", part["timeline"][0]["unsigned"])
        self.assertFalse(part["limited"])
        self.assertNotIn("name", part)
        self.assertGreater(part["bump_stamp"], self.part["bump_stamp"])
        await self.set_state(self.alice, self.room_id, "m.room.name", {"name": "New"})
        self.assertEqual((await self.next())["name"], "New")
        await self.set_state(self.alice, self.room_id, "m.room.name", {})
        self.assertIsNone((await self.next())["name"])

    async def test_wildcards(self) -> None:
        await self.first(required_state=[["*", "*"], [MEMBER, "$LAZY"], [MEMBER, "$ME"]])
        self.assertLessEqual({("m.room.create", ""), (MEMBER, ALICE)}, slots(self.part))
        await self.set_state(self.alice, self.room_id, "x", {}, "key")
        self.assertEqual(slots(await self.next()), {("x", "key")})
        self.assertEqual(slots(await self.next(required_state=[["x", "*"]])), set())
        await self.set_state(self.alice, self.room_id, "y", {}, "key")
        self.assertEqual(slots(await self.next()), set())
        self.assertEqual(slots(await self.next(required_state=[["*", "key"]])), {("y", "key")})

    async def test_lazy_members(self) -> None:
        await self.first(limit=1, required_state=[[MEMBER, "$LAZY"]])
        for name in ("carol", "dave"):
            token = await self.register(name)
            await self.join(token, self.room_id)
        await self.send(token, self.room_id)
        part = await self.next()
        self.assertTrue(part["limited"])
        self.assertEqual(slots(part), {(MEMBER, "@dave:test")})
        self.assertEqual(part["joined_count"], 3)
        await self.send(token, self.room_id)
        self.assertEqual(slots(await self.next()), set())

    async def test_required_state_grows(self) -> None:
        await self.first(required_state=[["m.room.create", ""]])
        part = await self.next(required_state=[["m.room.create", ""], ["m.room.name", ""]])
        self.assertEqual(slots(part), {("m.room.name", "")})
        self.assertEqual(await self.next(), {})

    async def test_the_timeline_grows(self) -> None:
        await self.first(limit=1)
        part = await self.next(limit=3)
        self.assertTrue(part["unstable_expanded_timeline"])
        self.assertEqual((len(part["timeline"]), part["num_live"]), (3, 0))
        self.assertEqual(await self.next(limit=1), {})
        self.assertEqual(await self.next(limit=3), {})

    async def test_direct_rooms(self) -> None:
        await self.first()
        path = f"/_matrix/client/v3/user/{ALICE}/account_data/m.direct"
        await self.ok("PUT", path, {BOB: [self.room_id]}, token=self.alice)
        self.assertTrue((await self.next())["is_dm"])
        await self.ok("PUT", path, {BOB: 7}, token=self.alice)
        self.assertFalse((await self.next())["is_dm"])

    async def test_heroes(self) -> None:
        await self.first()
        await self.set_state(self.alice, self.room_id, "m.room.name", {})
        await self.join(self.bob, self.room_id)
        part = await self.next()
        self.assertEqual(part["heroes"], [{"user_id": BOB, "displayname": "bob"}])


class MembershipTests(_Case):
    async def test_an_invitation_then_the_room(self) -> None:
        await self.arrange()
        await self.change_membership(self.alice, self.room_id, "invite", BOB)
        lists = {"all": a_list(required_state=[["m.room.create", ""]])}
        first = await self.sliding(self.bob, lists=lists)
        part = first["rooms"][self.room_id]
        self.assertIn(MEMBER, {event["type"] for event in part["invite_state"]})
        self.assertNotIn("timeline", part)
        await self.send(self.alice, self.room_id)
        answer = await self.sliding(self.bob, first["pos"], lists=lists)
        self.assertEqual(answer["rooms"], {})
        await self.join(self.bob, self.room_id)
        part = (await self.sliding(self.bob, answer["pos"], lists=lists))["rooms"][self.room_id]
        self.assertTrue(part["initial"])
        self.assertEqual(slots(part), {("m.room.create", "")})

    async def gone(self, action: str) -> tuple[Any, str]:
        """Bob's room after he is gone, and its last event that he may see."""
        await self.arrange()
        await self.join(self.bob, self.room_id)
        lists = {"all": a_list()}
        first = await self.sliding(self.bob, lists=lists)
        last = await self.send(self.alice, self.room_id, "last")
        if action == "leave":
            await self.leave(self.bob, self.room_id)
        else:
            await self.change_membership(self.alice, self.room_id, action, BOB)
        await self.send(self.alice, self.room_id, "secret")
        answer = await self.sliding(self.bob, first["pos"], lists=lists)
        again = await self.sliding(self.bob, answer["pos"], lists=lists)
        self.assertEqual(again["rooms"], {})
        part = answer["rooms"][self.room_id]
        self.assertEqual(part["timeline"][-1]["content"]["membership"], part["membership"])
        return part, last

    async def test_leaving(self) -> None:
        part, last = await self.gone("leave")
        self.assertEqual(part["membership"], "leave")
        self.assertEqual(ids(part["timeline"])[-2:-1], [last])
        # Who left knows it: a new connection does not hear of it.
        self.assertEqual(await self.rooms(self.bob), {})

    async def test_being_kicked(self) -> None:
        await self._removed("kick", "leave")

    async def test_being_banned(self) -> None:
        await self._removed("ban", "ban")

    async def _removed(self, action: str, membership: str) -> None:
        part, last = await self.gone(action)
        self.assertEqual(part["membership"], membership)
        self.assertEqual(ids(part["timeline"])[-2:-1], [last])
        fresh = (await self.rooms(self.bob, required_state=[["m.room.name", ""]]))[self.room_id]
        self.assertEqual(bodies(fresh["timeline"]), ["last"])
        self.assertEqual(slots(fresh), {("m.room.name", "")})
        self.assertEqual(fresh["membership"], membership)

    async def test_what_never_was_seen_stays_hidden(self) -> None:
        await self.arrange()
        await self.change_membership(self.alice, self.room_id, "invite", BOB)
        await self.change_membership(self.alice, self.room_id, "kick", BOB)
        everything: Any = {"required_state": [["*", "*"]]}
        part = (await self.rooms(self.bob, **everything))[self.room_id]
        self.assertEqual(slots(part), {(MEMBER, BOB)})
        self.assertEqual(len(part["timeline"]), 1)
        carol = await self.register("carol")
        await self.change_membership(self.alice, self.room_id, "ban", "@carol:test")
        self.assertEqual(await self.rooms(carol, **everything), {})

    async def test_history_before_a_join(self) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        visibility = {"type": "m.room.history_visibility", "content": {}}
        visibility["content"] = {"history_visibility": "joined"}
        self.room_id = await self.create_public(self.alice, initial_state=[visibility])
        await self.send(self.alice, self.room_id, "secret")
        await self.join(self.bob, self.room_id)
        part = (await self.rooms(self.bob, limit=20))[self.room_id]
        self.assertEqual(part["timeline"][-1]["state_key"], BOB)
        self.assertEqual(bodies(part["timeline"]), [])


class ConnectionTests(_Case):
    async def test_a_lost_answer_is_made_again(self) -> None:
        await self.arrange()
        lists = {"all": a_list()}
        first = await self.sliding(self.alice, lists=lists)
        event_id = await self.send(self.alice, self.room_id)
        lost = await self.sliding(self.alice, first["pos"], lists=lists)
        again = await self.sliding(self.alice, first["pos"], lists=lists)
        for answer in (lost, again):
            self.assertEqual(ids(answer["rooms"][self.room_id]["timeline"]), [event_id])
        answer = await self.sliding(self.alice, again["pos"], lists=lists)
        self.assertEqual(answer["rooms"], {})

    async def test_positions_of_others(self) -> None:
        await self.arrange()
        first = await self.sliding(self.alice)
        second = await self.sliding(self.alice, first["pos"])
        await self.sliding(self.alice, second["pos"])
        for token, pos, body in (
            (self.alice, first["pos"], {}),
            (self.alice, second["pos"], {"conn_id": "other"}),
            (self.bob, second["pos"], {}),
            (self.alice, "nonsense", {}),
        ):
            await self.refused(400, "M_UNKNOWN_POS", "POST", sliding_path(pos), body, token=token)

    async def test_connections_of_a_device_are_bounded(self) -> None:
        await self.arrange()
        first = await self.sliding(self.alice, conn_id="first", txn_id="mine")
        self.assertEqual(first["txn_id"], "mine")
        for n in range(10):
            await self.sliding(self.alice, conn_id=str(n))
        path = sliding_path(first["pos"])
        body = {"conn_id": "first"}
        await self.refused(400, "M_UNKNOWN_POS", "POST", path, body, token=self.alice)

    async def test_a_restart(self) -> None:
        await self.arrange()
        first = await self.sliding(self.alice)
        self.start(self.config)
        path = sliding_path(first["pos"])
        await self.refused(400, "M_UNKNOWN_POS", "POST", path, {}, token=self.alice)

    async def test_waiting(self) -> None:
        await self.arrange()
        lists = {"all": a_list()}
        first = await self.sliding(self.alice, lists=lists)
        waiting = ensureDeferred(
            self.sliding(self.alice, first["pos"], timeout=30_000, lists=lists)
        )
        await self.send(self.bob, await self.create(self.bob))
        self.assertFalse(waiting.called)
        event_id = await self.send(self.alice, self.room_id)
        answer = await waiting
        self.assertEqual(ids(answer["rooms"][self.room_id]["timeline"]), [event_id])
        waiting = ensureDeferred(
            self.sliding(self.alice, answer["pos"], timeout=30_000, lists=lists)
        )
        self.advance(31)
        self.assertEqual((await waiting)["rooms"], {})

    async def test_an_idle_request_asks_the_database_nothing(self) -> None:
        await self.arrange(3)
        body: Any = {
            "lists": {"all": a_list(required_state=[["*", "*"]], filters={"is_encrypted": False})},
            "extensions": {
                name: {"enabled": True} for name in ("account_data", "receipts", "typing")
            },
        }
        first = await self.sliding(self.alice, **body)
        second = await self.sliding(self.alice, first["pos"], **body)

        def refuse(*args: object) -> None:
            self.fail(f"asked for {args}")

        with (
            patch.object(self.database, "fetch", refuse),
            patch.object(self.database, "fetch_one", refuse),
        ):
            third = await self.sliding(self.alice, second["pos"], **body)
        self.assertEqual(third["rooms"], {})

    async def test_hostile_bodies(self) -> None:
        await self.arrange()
        good = {
            "conn_id": "c",
            "txn_id": "t",
            "lists": {"a": a_list(filters={"is_dm": True, "spaces": [], "not_tags": []})},
            "room_subscriptions": {self.room_id: {"timeline_limit": 1, "required_state": []}},
            "extensions": {"typing": {"enabled": True, "lists": ["*"], "rooms": ["*"]}},
        }
        # Anything may be called a list, a room or an extension.
        await assert_survives(self, "POST", sliding_path(), good, token=self.alice)

    async def test_too_much(self) -> None:
        await self.arrange()
        room = {"timeline_limit": 1, "required_state": []}
        for body in (
            {"lists": {str(n): a_list() for n in range(101)}},
            {"lists": {"a": a_list(*[(0, 1)] * 21)}},
            {"lists": {"a": a_list((2, 1))}},
            {"lists": {"a": a_list((-1, 1))}},
            {"lists": {"a": a_list(limit=-1)}},
            {"lists": {"a": a_list(required_state=[["a", "b"]] * 101)}},
            {"room_subscriptions": {f"!{n}:test": room for n in range(101)}},
            {"lists": {"a": a_list(required_state=[["x" * 256, ""]])}},
            {"conn_id": "x" * 256},
        ):
            await self.refused(
                400, "M_INVALID_PARAM", "POST", sliding_path(), body, token=self.alice
            )


class FilterTests(_Case):
    async def matching(self, **filters: Any) -> set[str]:
        answer = await self.sliding(self.alice, lists={"l": a_list(filters=filters)})
        self.assertEqual(answer["lists"]["l"]["count"], len(answer["rooms"]))
        return set(answer["rooms"])

    async def test_filters(self) -> None:
        await self.arrange(2)
        plain, secret = self.rooms_
        await self.set_state(self.alice, secret, "m.room.encryption", {"algorithm": "x"})
        space = await self.create(self.alice, creation_content={"type": "m.space"}, name="Space")
        await self.set_state(self.alice, space, "m.space.child", {"via": ["test"]}, plain)
        invited = await self.create(self.bob, invite=[ALICE])
        data = f"/_matrix/client/v3/user/{ALICE}"
        tags = f"{data}/rooms/{plain}/account_data/m.tag"
        await self.ok("PUT", tags, {"tags": {"m.favourite": {}}}, token=self.alice)
        direct = f"{data}/account_data/m.direct"
        await self.ok("PUT", direct, {BOB: [secret]}, token=self.alice)
        every = {plain, secret, space, invited}
        for filters, expected in (
            ({}, every),
            ({"is_dm": True}, {secret}),
            ({"is_dm": False}, every - {secret}),
            ({"is_encrypted": True}, {secret}),
            ({"is_encrypted": False}, every - {secret}),
            ({"is_invite": True}, {invited}),
            ({"is_invite": False}, every - {invited}),
            ({"room_types": ["m.space"]}, {space}),
            ({"room_types": [None]}, every - {space}),
            ({"not_room_types": ["m.space"]}, every - {space}),
            ({"room_name_like": "room 1"}, {secret}),
            ({"tags": ["m.favourite"]}, {plain}),
            ({"not_tags": ["m.favourite"]}, every - {plain}),
            ({"spaces": [space]}, {plain}),
            ({"spaces": ["!none:test"]}, set()),
        ):
            self.assertEqual(await self.matching(**filters), expected, filters)
        await self.set_state(self.alice, space, "m.space.child", {}, plain)
        self.assertEqual(await self.matching(spaces=[space]), set())
        await self.set_state(self.alice, plain, "m.room.name", {"name": "Other"})
        self.assertEqual(await self.matching(room_name_like="other"), {plain})
        await self.send(self.alice, plain)
        await self.redact(
            self.alice, plain, await self.set_state(self.alice, plain, "m.room.name", {"name": "x"})
        )
        self.assertEqual(await self.matching(room_name_like="x"), set())
        await self.set_state(self.alice, plain, "m.room.encryption", {"algorithm": "x"})
        await self.send(self.alice, plain)
        self.assertEqual(await self.matching(is_encrypted=True), {plain, secret})


class ExtensionTests(_Case):
    async def test_extensions(self) -> None:
        await self.arrange()
        await self.join(self.bob, self.room_id)
        event_id = await self.send(self.alice, self.room_id)
        threads = "io.element.msc4308.thread_subscriptions"
        names = ("to_device", "e2ee", "account_data", "receipts", "typing", threads)
        body: Any = {
            "lists": {"all": a_list()},
            "extensions": {name: {"enabled": True} for name in names},
        }
        first = await self.sliding(self.alice, **body)
        extensions = first["extensions"]
        self.assertEqual(set(extensions), set(names))
        self.assertEqual(extensions["to_device"]["events"], [])
        self.assertEqual(extensions[threads], {})
        types = [event["type"] for event in extensions["account_data"]["global"]]
        self.assertEqual(types, ["m.push_rules"])
        second = await self.sliding(self.alice, first["pos"], **body)
        self.assertEqual(second["extensions"]["account_data"], {"global": [], "rooms": {}})

        receipt = room_path(self.room_id, f"/receipt/m.read/{event_id}")
        await self.ok("POST", receipt, {}, token=self.bob)
        typing = room_path(self.room_id, f"/typing/{BOB}")
        await self.ok("PUT", typing, {"typing": True, "timeout": 30000}, token=self.bob)
        tag = f"/_matrix/client/v3/user/{ALICE}/rooms/{self.room_id}/account_data/x"
        await self.ok("PUT", tag, {"a": 1}, token=self.alice)
        for pos in (second["pos"], None):  # as news, and for a new client
            answer = await self.sliding(self.alice, pos, **body)
            extensions = answer["extensions"]
            rooms = extensions["receipts"]["rooms"]
            self.assertEqual(list(rooms[self.room_id]["content"]), [event_id])
            typists = extensions["typing"]["rooms"][self.room_id]["content"]["user_ids"]
            self.assertEqual(typists, [BOB])
            of_room = extensions["account_data"]["rooms"][self.room_id]
            self.assertEqual(of_room, [{"type": "x", "content": {"a": 1}}])

    async def test_extensions_of_some_lists(self) -> None:
        await self.arrange()
        tag = f"/_matrix/client/v3/user/{ALICE}/rooms/{self.room_id}/account_data/x"
        await self.ok("PUT", tag, {"a": 1}, token=self.alice)
        for lists, expected in ((["all"], 1), (["none"], 0), ([], 0)):
            answer = await self.sliding(
                self.alice,
                lists={"all": a_list()},
                extensions={"account_data": {"enabled": True, "lists": lists}},
            )
            self.assertEqual(len(answer["extensions"]["account_data"]["rooms"]), expected)
