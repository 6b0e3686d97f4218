"""Client API: /messages, /event, /context, and who may see which event."""

from typing import Any
from urllib.parse import quote

from tests.rest.rooms import RoomTestCase, bodies, ids, room_path

ALICE, BOB = "@alice:test", "@bob:test"

# What bob sees of five messages: sent before his invite, while he was invited, while he was
# joined, after he left, and after he came back.
_ALL = ["before", "invited", "joined", "after", "again"]
VISIBLE = [
    # history visibility, how far bob gets, what he sees (None: nothing at all, 403)
    ("joined", "never", None),
    ("joined", "invited", None),
    ("joined", "joined", ["joined"]),
    ("joined", "left", ["joined"]),
    ("joined", "again", ["joined", "again"]),
    ("invited", "never", None),
    ("invited", "invited", None),
    ("invited", "joined", ["invited", "joined"]),
    ("invited", "left", ["invited", "joined"]),
    ("invited", "again", ["invited", "joined", "again"]),
    ("shared", "never", None),
    ("shared", "invited", None),
    ("shared", "joined", ["before", "invited", "joined"]),
    ("shared", "left", ["before", "invited", "joined"]),
    ("shared", "again", _ALL),
    ("world_readable", "never", _ALL),
    ("world_readable", "invited", _ALL),
    ("world_readable", "joined", _ALL),
    ("world_readable", "left", _ALL),
    ("world_readable", "again", _ALL),
]


class ReadingTestCase(RoomTestCase):
    async def arrange(self, **body: Any) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create_public(self.alice, **body)
        await self.join(self.bob, self.room_id)

    def path(self, rest: str) -> str:
        return room_path(self.room_id, rest)


class HistoryVisibilityTests(RoomTestCase):
    async def history(self, visibility: str, how_far: str) -> tuple[str, dict[str, str]]:
        """The room, and the messages' event ids by their texts."""
        setting = {"history_visibility": visibility}
        room_id = await self.create_public(
            self.alice,
            initial_state=[{"type": "m.room.history_visibility", "content": setting}],
        )
        sent = {"before": await self.send(self.alice, room_id, "before")}
        if how_far != "never":
            await self.change_membership(self.alice, room_id, "invite", BOB)
        sent["invited"] = await self.send(self.alice, room_id, "invited")
        if how_far in ("joined", "left", "again"):
            await self.join(self.bob, room_id)
        sent["joined"] = await self.send(self.alice, room_id, "joined")
        if how_far in ("left", "again"):
            await self.leave(self.bob, room_id)
        if how_far != "joined":
            sent["after"] = await self.send(self.alice, room_id, "after")
            if how_far == "again":
                await self.join(self.bob, room_id)
            sent["again"] = await self.send(self.alice, room_id, "again")
        return room_id, sent

    async def test_table(self) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        for visibility, how_far, visible in VISIBLE:
            room_id, sent = await self.history(visibility, how_far)
            for restarted in (False, True):
                what = f"{visibility}, {how_far}, restarted: {restarted}"
                if restarted:
                    self.start(self.config)
                    self.advance(1)
                if visible is None:
                    path = room_path(room_id, "/messages?dir=b")
                    await self.refused(403, "M_FORBIDDEN", "GET", path, token=self.bob)
                    seen = []
                else:
                    seen = [text for text in visible if text in sent]
                    for direction in "bf":
                        found = await self.messages(self.bob, room_id, direction, limit=100)
                        texts = bodies(found["chunk"])
                        if direction == "b":
                            texts.reverse()
                        if (
                            direction == "b"
                            and how_far == "left"
                            and visibility == "world_readable"
                        ):
                            # Reading back begins where one left.
                            self.assertEqual(texts, ["before", "invited", "joined"], what)
                            continue
                        self.assertEqual(texts, seen, f"{what}, {direction}")
                for text, event_id in sent.items():
                    for rest in (f"/event/{event_id}", f"/context/{event_id}"):
                        answer = await self.fetch("GET", room_path(room_id, rest), token=self.bob)
                        wanted = (200,) if text in seen else (403, 404)
                        self.assertIn(answer.status, wanted, f"{what}, {rest}, {text}")

    async def test_visibility_that_changes(self) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        room_id = await self.create_public(self.alice)
        for visibility in ("joined", "shared", "joined", "world_readable", "invited"):
            setting = {"history_visibility": visibility}
            await self.set_state(self.alice, room_id, "m.room.history_visibility", setting)
            await self.send(self.alice, room_id, visibility)
        await self.join(self.bob, room_id)
        found = await self.messages(self.bob, room_id, limit=100)
        self.assertEqual(bodies(found["chunk"]), ["world_readable", "shared"])
        synced = (await self.sync(self.bob))["rooms"]["join"][room_id]["timeline"]["events"]
        self.assertEqual(bodies(synced), ["shared", "world_readable"])


class MessagesTests(ReadingTestCase):
    async def test_pages_in_both_directions(self) -> None:
        await self.arrange()
        for n in range(73):  # more than memory holds
            await self.send(self.alice, self.room_id, str(n))
        whole = ids((await self.messages(self.bob, self.room_id, limit=1000))["chunk"])
        self.assertEqual(len(whole), 73 + 7)
        for direction, wanted in (("b", whole), ("f", whole[::-1])):
            for limit in (1, 7, 40, 80, 81):
                found: list[str] = []
                query: dict[str, Any] = {"limit": limit}
                while True:
                    page = await self.messages(self.bob, self.room_id, direction, **query)
                    self.assertLessEqual(len(page["chunk"]), limit)
                    if "from" in query:
                        self.assertEqual(page["start"], query["from"])
                    found += ids(page["chunk"])
                    if "end" not in page:
                        break
                    query["from"] = page["end"]
                self.assertEqual(found, wanted, f"{direction}, {limit}")

    async def test_tokens_of_sync(self) -> None:
        await self.arrange()
        tokens = []
        for n in range(4):
            await self.send(self.alice, self.room_id, str(n))
            tokens.append((await self.sync(self.bob))["next_batch"])
        for _ in range(2):
            for direction, start, stop, wanted in (
                ("b", tokens[2], tokens[0], ["2", "1"]),
                ("f", tokens[0], tokens[2], ["1", "2"]),
                ("f", tokens[2], None, ["3"]),
                ("f", tokens[3], None, []),
                ("b", tokens[0], None, ["0"]),
                ("f", "s0_0", None, ["0", "1", "2", "3"]),
                ("b", "s0_0", None, []),
            ):
                query = {"from": start, **({"to": stop} if stop else {}), "limit": 50}
                page = await self.messages(self.bob, self.room_id, direction, **query)
                self.assertEqual(bodies(page["chunk"]), wanted, f"{direction} {start} {stop}")
            for n in range(60):
                await self.send_event(self.alice, self.room_id, "x", {"n": n})
            tokens[3] = (await self.sync(self.bob))["next_batch"]

    async def test_new_events_after_the_last_page(self) -> None:
        await self.arrange()
        page = await self.messages(self.bob, self.room_id, limit=1)
        await self.send(self.alice, self.room_id, "new")
        query = {"from": page["start"]}
        self.assertEqual(
            bodies((await self.messages(self.bob, self.room_id, "f", **query))["chunk"]), ["new"]
        )

    async def test_filters(self) -> None:
        await self.arrange()
        await self.send(self.bob, self.room_id, "1")
        await self.send(self.alice, self.room_id, "2", url="mxc://a/b")
        await self.send_event(self.alice, self.room_id, "x", {"body": "3"})
        for filter, wanted in (
            ('{"types":["m.room.message"]}', ["2", "1"]),
            ('{"not_types":["m.*"]}', ["3"]),
            ('{"senders":["@bob:test"],"types":["m.room.message"]}', ["1"]),
            ('{"contains_url":true}', ["2"]),
            ('{"types":["m.room.message"],"limit":1}', ["2"]),
            ('{"rooms":[]}', []),
        ):
            page = await self.messages(self.bob, self.room_id, filter=filter)
            self.assertEqual(bodies(page["chunk"]), wanted, filter)

    async def test_lazily_loaded_members(self) -> None:
        await self.arrange()
        await self.send(self.bob, self.room_id, "1")
        page = await self.messages(
            self.alice, self.room_id, limit=1, filter='{"lazy_load_members":true}'
        )
        self.assertEqual([e["state_key"] for e in page["state"]], [BOB])

    async def test_wrong_queries(self) -> None:
        await self.arrange()
        for query in (
            "",
            "dir=x",
            "dir=b&from=x",
            "dir=b&from=",
            "dir=b&to=x",
            "dir=b&limit=-1",
            "dir=b&limit=x",
            "dir=b&filter=7",
            "dir=b&filter={",
            'dir=b&filter={"types":7}',
        ):
            path = self.path("/messages?" + quote(query, safe="=&"))
            answer = await self.fetch("GET", path, token=self.bob)
            self.assertEqual(answer.status, 400, query)

    async def test_limits(self) -> None:
        await self.arrange()
        page = await self.messages(self.bob, self.room_id, limit=0)
        self.assertEqual(page["chunk"], [])
        page = await self.messages(self.bob, self.room_id, limit=10**12)
        self.assertEqual(len(page["chunk"]), 7)


class ContextTests(ReadingTestCase):
    async def test_what_stands_around(self) -> None:
        await self.arrange()
        sent = [await self.send(self.alice, self.room_id, str(n)) for n in range(9)]
        for limit, before, after in (
            (4, ["3", "2"], ["5", "6"]),
            (3, ["3"], ["5", "6"]),
            (1, [], ["5"]),
            (0, [], []),
        ):
            path = self.path(f"/context/{sent[4]}?limit={limit}")
            around = await self.ok("GET", path, token=self.bob)
            self.assertEqual(around["event"]["event_id"], sent[4])
            self.assertEqual(bodies(around["events_before"]), before)
            self.assertEqual(bodies(around["events_after"]), after)
            query = {"from": around["start"], "limit": 1}
            older = await self.messages(self.bob, self.room_id, "b", **query)
            self.assertEqual(bodies(older["chunk"]), [str(3 - len(before))])
            query = {"from": around["end"], "limit": 1}
            newer = await self.messages(self.bob, self.room_id, "f", **query)
            self.assertEqual(bodies(newer["chunk"]), [str(5 + len(after))])

    async def test_state_is_that_of_the_last_event(self) -> None:
        await self.arrange(name="first")
        event_id = await self.send(self.alice, self.room_id, "here")
        await self.set_state(self.alice, self.room_id, "m.room.name", {"name": "second"})
        for limit, wanted in ((0, "first"), (2, "second")):
            around = await self.ok(
                "GET", self.path(f"/context/{event_id}?limit={limit}"), token=self.bob
            )
            names = [e["content"] for e in around["state"] if e["type"] == "m.room.name"]
            self.assertEqual(names, [{"name": wanted}])

    async def test_lazily_loaded_members_and_filters(self) -> None:
        await self.arrange()
        event_id = await self.send(self.bob, self.room_id, "here")
        filter = '{"lazy_load_members":true,"types":["m.room.member"]}'
        around = await self.ok(
            "GET",
            self.path(f"/context/{event_id}?limit=0&filter={quote(filter)}"),
            token=self.alice,
        )
        self.assertEqual([e["state_key"] for e in around["state"]], [BOB])

    async def test_unknown_events(self) -> None:
        await self.arrange()
        elsewhere = await self.send(self.alice, await self.create(self.alice))
        for event_id in ("$unknown", "x", elsewhere):
            for kind in ("event", "context"):
                await self.refused(
                    404, "M_NOT_FOUND", "GET", self.path(f"/{kind}/{event_id}"), token=self.alice
                )
