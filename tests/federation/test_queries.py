"""Profiles, aliases, directories, spaces: told to other servers, and asked of them."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from synapse.app.resources.listeners import resources_of
from synapse.app.wiring import Server
from synapse.config.listeners import ListenerConfig, ListenerResource
from synapse.federation.errors import RemoteError
from synapse.http.client.errors import RequestFailed, Step
from synapse.http.routing import Router
from synapse.metrics.exposition import Registry
from tests.federation.shared_rooms import (
    ALICE,
    FEDERATION,
    ONE,
    THIRD,
    TWO,
    V3,
    SharedRoomTestCase,
    ids,
)
from tests.http.client import Answer, FakeSite
from tests.rest.base import check_answer, default_config

V1 = "/_matrix/client/v1"


class Liars:
    """A `Transport` to servers that answer as a test says."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    async def request(self, destination: str, method: str, path: str, **options: Any) -> Any:
        self.asked.append((destination, f"{method} {path}"))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


# What may come instead of an answer, and what a client is told then.
FAILURES: list[tuple[Exception, int, str]] = [
    (RequestFailed(Step.TCP, "refused"), 502, "M_UNKNOWN"),
    (RequestFailed(Step.HTTP, "slow", timed_out=True), 504, "M_UNKNOWN"),
    (RequestFailed(Step.BLOCKED, "not in the list"), 403, "M_FORBIDDEN"),
    (RemoteError(ONE, 404, "M_NOT_FOUND", "none"), 404, "M_NOT_FOUND"),
    (RemoteError(ONE, 403, "M_FORBIDDEN", "no"), 403, "M_FORBIDDEN"),
    (RemoteError(ONE, 500, "M_UNKNOWN", "broken"), 502, "M_UNKNOWN"),
    (RemoteError(ONE, 401, "M_UNAUTHORIZED", "who?"), 502, "M_UNKNOWN"),
    (RemoteError(ONE, 429, "M_LIMIT_EXCEEDED", "slowly"), 429, "M_LIMIT_EXCEEDED"),
]
NONSENSE: list[Any] = [[], "text", None, 7, {"chunk": 7}, {"room_id": 7, "servers": []}]


class QueryTestCase(SharedRoomTestCase):
    def configuration(self, name: str) -> Any:
        return default_config(name)

    def resources(self, server: Server, *names: str) -> FakeSite:
        """What a listener with these resources serves."""
        listener = ListenerConfig(port=1, resources=(ListenerResource(names=names),))
        return FakeSite(Router(resources_of(server, listener, Registry(ONE))), check=check_answer)

    async def refused(self, request: Any) -> tuple[int, str]:
        with self.assertRaises(RemoteError) as raised:
            await request
        return raised.exception.status, raised.exception.errcode

    async def read(self, path: str, server: str = TWO, token: str = "") -> Answer:
        """What a client of two.test is answered."""
        return await self.fetch(server, "GET", path, token=token or self.carol)


class ProfileTests(QueryTestCase):
    async def test_profiles_are_told(self) -> None:
        await self.arrange()
        await self.set_profile(displayname="Alice", **{"org.example": {"a": 1}})
        asker = self.ask(TWO)
        whole = await asker.get("/query/profile", user_id=ALICE)
        self.assertEqual(whole, {"displayname": "Alice", "org.example": {"a": 1}})
        for field, expected in (("displayname", {"displayname": "Alice"}), ("avatar_url", {})):
            answer = await asker.get("/query/profile", user_id=ALICE, field=field)
            self.assertEqual(answer, expected)
        for query, expected_error in (
            ({"user_id": "@nobody:one.test"}, (404, "M_NOT_FOUND")),
            ({"user_id": "@carol:two.test"}, (400, "M_INVALID_PARAM")),
            ({"user_id": "nonsense"}, (400, "M_INVALID_PARAM")),
            ({}, (400, "M_MISSING_PARAM")),
        ):
            error = await self.refused(asker.get("/query/profile", **query))
            self.assertEqual(error, expected_error)

    async def set_profile(self, **fields: Any) -> None:
        for name, value in fields.items():
            path = f"{V3}/profile/{ALICE}/{name}"
            await self.client(ONE, "PUT", path, {name: value}, token=self.alice)
        await self.one.background.finish()

    async def test_profiles_of_users_of_other_servers(self) -> None:
        await self.arrange()
        await self.set_profile(displayname="Alice")
        answer = await self.read(f"{V3}/profile/{ALICE}")
        self.assertEqual((answer.status, answer.json), (200, {"displayname": "Alice"}))
        answer = await self.read(f"{V3}/profile/{ALICE}/displayname")
        self.assertEqual(answer.json, {"displayname": "Alice"})
        asked = [path for _, _, path in self.network.log if "query/profile" in path]
        self.assertEqual(len(asked), 1)  # remembered
        await self.set_profile(displayname="Alicia")
        self.time.advance(61)
        answer = await self.read(f"{V3}/profile/{ALICE}")
        self.assertEqual(answer.json, {"displayname": "Alicia"})
        for user_id, status in (("@nobody:one.test", 404), ("@x:nowhere.test", 502)):
            self.assertEqual((await self.read(f"{V3}/profile/{user_id}")).status, status)

    async def test_what_others_say_is_taken_with_care(self) -> None:
        await self.arrange()
        remote = self.two.users.profiles._remote
        answer = {"displayname": 7, "avatar_url": None, "m.tz": [], "org.example": [1]}
        remote._transport = Liars(answer)  # type: ignore[attr-defined]
        shown = await self.read(f"{V3}/profile/{ALICE}")
        self.assertEqual((shown.status, shown.json), (200, {"org.example": [1]}))

    async def test_failures(self) -> None:
        await self.arrange()
        remote = self.two.users.profiles._remote
        for number, (failure, status, errcode) in enumerate(FAILURES):
            remote._transport = Liars(failure)  # type: ignore[attr-defined]
            answer = await self.read(f"{V3}/profile/@user{number}:one.test")
            self.assertEqual((answer.status, answer.json["errcode"]), (status, errcode))
            self.assertNotIn("refused", answer.json["error"])
        nonsense: Any
        for number, nonsense in enumerate([[], "text", None, 7]):
            remote._transport = Liars(nonsense)  # type: ignore[attr-defined]
            answer = await self.read(f"{V3}/profile/@other{number}:one.test")
            self.assertEqual(answer.status, 502)


class AliasTests(QueryTestCase):
    async def test_aliases_lead_to_rooms_of_other_servers(self) -> None:
        await self.arrange(room_alias_name="home")
        answer = await self.ask(TWO).get("/query/directory", room_alias="#home:one.test")
        self.assertEqual(answer, {"room_id": self.room_id, "servers": [ONE, THIRD]})
        shown = await self.read(f"{V3}/directory/room/%23home:one.test")
        self.assertEqual((shown.status, shown.json), (200, answer | {"servers": [ONE, THIRD]}))
        for alias, status in (
            ("#none:one.test", 404),
            ("#x:nowhere.test", 502),
            ("#x:two.test", 404),
        ):
            shown = await self.read(f"{V3}/directory/room/{quote(alias)}")
            self.assertEqual(shown.status, status, alias)

    async def test_questions_that_make_no_sense(self) -> None:
        await self.arrange()
        asker = self.ask(TWO)
        for query, expected in (
            ({"room_alias": "#none:one.test"}, (404, "M_NOT_FOUND")),
            ({"room_alias": "#home:two.test"}, (404, "M_NOT_FOUND")),
            ({"room_alias": "nonsense"}, (400, "M_INVALID_PARAM")),
            ({}, (400, "M_MISSING_PARAM")),
        ):
            self.assertEqual(await self.refused(asker.get("/query/directory", **query)), expected)
        self.assertEqual(await self.refused(asker.get("/query/else")), (404, "M_NOT_FOUND"))

    async def test_answers_that_make_no_sense(self) -> None:
        await self.arrange()
        remote = self.two.entering.aliases._remote
        for number, nonsense in enumerate([*NONSENSE, {"room_id": "!a:b", "servers": {}}]):
            remote._transport = Liars(nonsense)  # type: ignore[attr-defined]
            answer = await self.read(f"{V3}/directory/room/%23a{number}:one.test")
            self.assertEqual((answer.status, answer.json["errcode"]), (502, "M_UNKNOWN"))
        servers = ["good.test", 7, "not a name", "x" * 500, "good.test", *["a.test"] * 100]
        remote._transport = Liars({"room_id": "!a:b", "servers": servers})  # type: ignore[attr-defined]
        answer = await self.read(f"{V3}/directory/room/%23a:one.test")
        self.assertEqual(answer.json["servers"], ["good.test", "a.test", ONE])

    async def test_a_canonical_alias_may_be_of_another_server(self) -> None:
        await self.arrange(room_alias_name="home")
        content = {"alt_aliases": ["#home:one.test"]}
        room = await self.client(TWO, "POST", f"{V3}/createRoom", {}, token=self.carol)
        path = f"{V3}/rooms/{quote(room['room_id'])}/state/m.room.canonical_alias"
        answer = await self.fetch(TWO, "PUT", path, content, token=self.carol)
        self.assertEqual((answer.status, answer.json["errcode"]), (400, "M_BAD_ALIAS"))


class DirectoryTests(QueryTestCase):
    async def arrange_directory(self, *, allowed: bool = True) -> None:
        await self.arrange(visibility="public", name="Home")
        for name in ("Garden", "Cellar"):
            body = {"preset": "public_chat", "visibility": "public", "name": name}
            await self.client(ONE, "POST", f"{V3}/createRoom", body, token=self.alice)
        self.allow(allowed)

    def allow(self, allowed: bool) -> None:
        config = self.one.config
        rooms = replace(config.rooms, allow_public_rooms_over_federation=allowed)
        self.one.config = replace(config, rooms=rooms)
        self.network.sites[ONE] = self.resources(self.one, "client", "federation")

    async def test_the_directory_is_told_if_the_administrator_allows_it(self) -> None:
        await self.arrange_directory(allowed=False)
        asker = self.ask(TWO)
        for request in (asker.get("/publicRooms"), asker.post("/publicRooms", {})):
            self.assertEqual(await self.refused(request), (403, "M_FORBIDDEN"))
        self.allow(True)
        self.assertEqual(len((await asker.get("/publicRooms"))["chunk"]), 3)
        page = await asker.get("/publicRooms", limit="2")
        self.assertEqual(len(page["chunk"]), 2)
        rest = await asker.get("/publicRooms", limit="2", since=page["next_batch"])
        self.assertEqual(len(rest["chunk"]), 1)
        found = await asker.post(
            "/publicRooms", {"limit": 5, "filter": {"generic_search_term": "gard"}}
        )
        self.assertEqual([room["name"] for room in found["chunk"]], ["Garden"])
        network = await asker.post("/publicRooms", {"third_party_instance_id": "irc"})
        self.assertEqual(network["chunk"], [])

    async def test_clients_read_the_directory_of_another_server(self) -> None:
        await self.arrange_directory()
        page = (await self.read(f"{V3}/publicRooms?server=one.test&limit=2")).json
        self.assertEqual(len(page["chunk"]), 2)
        path = f"{V3}/publicRooms?server=one.test&limit=2&since={page['next_batch']}"
        self.assertEqual(len((await self.read(path)).json["chunk"]), 1)
        body = {"filter": {"generic_search_term": "cell", "room_types": [None]}}
        answer = await self.fetch(
            TWO, "POST", f"{V3}/publicRooms?server=one.test", body, token=self.carol
        )
        self.assertEqual([room["name"] for room in answer.json["chunk"]], ["Cellar"])
        self.assertEqual((await self.read(f"{V3}/publicRooms?server=one.test")).status, 200)
        for server, status in (("nowhere.test", 502), ("not%20a%20name", 400), (THIRD, 403)):
            answer = await self.read(f"{V3}/publicRooms?server={server}")
            self.assertEqual(answer.status, status, server)

    async def test_answers_that_make_no_sense(self) -> None:
        await self.arrange()
        remote = self.two.discovery.public_rooms._remote
        for nonsense in NONSENSE:
            remote._transport = Liars(nonsense)  # type: ignore[attr-defined]
            answer = await self.read(f"{V3}/publicRooms?server=one.test")
            self.assertEqual((answer.status, answer.json["errcode"]), (502, "M_UNKNOWN"))
        rooms: list[Any] = [
            {"room_id": "!a:b", "num_joined_members": -1, "name": 7, "world_readable": 1},
            {"room_id": "nonsense", "num_joined_members": 5},
            "text",
            {"room_id": "!c:d", "num_joined_members": 5, "topic": "x" * 20_000},
        ]
        told = {"chunk": rooms * 1_000, "next_batch": "x" * 5_000, "prev_batch": 7}
        remote._transport = Liars(told)  # type: ignore[attr-defined]
        answer = await self.read(f"{V3}/publicRooms?server=one.test")
        self.assertEqual(set(answer.json), {"chunk"})
        self.assertEqual(
            answer.json["chunk"][0],
            {
                "room_id": "!a:b",
                "num_joined_members": 0,
                "world_readable": False,
                "guest_can_join": False,
            },
        )
        self.assertLessEqual(len(answer.json["chunk"]), 500)


class SpaceTests(QueryTestCase):
    async def arrange_space(self) -> None:
        """A space of alice's with a public room, a private one, and one of carol's."""
        await self.arrange(name="Attic")
        self.private = await self.create(ONE, self.alice, preset="private_chat", name="Secret")
        self.garden = await self.create(TWO, self.carol, preset="public_chat", name="Garden")
        self.space = await self.create(
            ONE,
            self.alice,
            preset="public_chat",
            name="House",
            creation_content={"type": "m.space"},
        )
        for room_id, server in ((self.room_id, ONE), (self.private, ONE), (self.garden, TWO)):
            path = f"{V3}/rooms/{quote(self.space)}/state/m.space.child/{quote(room_id)}"
            content = {"via": [server], "suggested": room_id == self.room_id}
            await self.client(ONE, "PUT", path, content, token=self.alice)

    async def create(self, server: str, token: str, **body: Any) -> str:
        answer = await self.client(server, "POST", f"{V3}/createRoom", body, token=token)
        return str(answer["room_id"])

    async def test_spaces_are_told_as_far_as_a_server_may_see(self) -> None:
        await self.arrange_space()
        told = await self.ask(TWO).get(f"/hierarchy/{quote(self.space)}")
        self.assertEqual(told["room"]["name"], "House")
        self.assertEqual(len(told["room"]["children_state"]), 3)
        self.assertEqual([room["name"] for room in told["children"]], ["Attic"])
        self.assertEqual(told["inaccessible_children"], [self.private])
        told = await self.ask(TWO).get(f"/hierarchy/{quote(self.space)}", suggested_only="true")
        self.assertEqual(len(told["room"]["children_state"]), 1)
        for room_id in (self.private, "!unknown:one.test", "nonsense"):
            error = await self.refused(self.ask(TWO).get(f"/hierarchy/{quote(room_id)}"))
            self.assertEqual(error, (404, "M_NOT_FOUND"))

    async def test_rooms_that_admit_a_servers_users(self) -> None:
        await self.arrange_space()
        path = f"{V3}/rooms/{quote(self.private)}/state/m.room.join_rules"
        allow = [{"type": "m.room_membership", "room_id": self.room_id}]
        rules = {"join_rule": "restricted", "allow": allow}
        await self.client(ONE, "PUT", path, rules, token=self.alice)
        self.assertEqual(
            (await self.ask(TWO).get(f"/hierarchy/{quote(self.space)}"))["inaccessible_children"],
            [self.private],
        )
        told = await self.ask(THIRD).get(f"/hierarchy/{quote(self.space)}")
        self.assertEqual(told["inaccessible_children"], [])  # bob is in the room that it names
        # Carol isn't told of it by her own server either, though that one knows.
        await self.enter()
        path = f"{V1}/rooms/{quote(self.space)}/hierarchy?via=one.test"
        answer = await self.read(path)
        names = {room["name"] for room in answer.json["rooms"]}
        self.assertEqual(names, {"House", "Attic", "Garden", "Secret"})
        dave = await self.register(TWO, "dave")
        answer = await self.read(path, token=dave)
        self.assertNotIn("Secret", {room["name"] for room in answer.json["rooms"]})

    async def test_a_tree_with_rooms_on_other_servers(self) -> None:
        await self.arrange_space()
        mine = await self.create(TWO, self.carol, name="Town", creation_content={"type": "m.space"})
        path = f"{V3}/rooms/{quote(mine)}/state/m.space.child/{quote(self.space)}"
        await self.client(TWO, "PUT", path, {"via": [ONE]}, token=self.carol)
        answer = await self.read(f"{V1}/rooms/{quote(mine)}/hierarchy")
        names = [room["name"] for room in answer.json["rooms"]]
        self.assertEqual(names, ["Town", "House", *names[2:]])
        self.assertEqual(set(names[2:]), {"Attic", "Garden"})
        # The space told its rooms: they were not asked for one by one.
        asked = [path for _, _, path in self.network.log if "/hierarchy/" in path]
        self.assertEqual(len(asked), 1)
        one_by_one: list[str] = []
        token = ""
        for _ in range(10):
            query = f"?limit=1{'&from=' + token if token else ''}"
            page = (await self.read(f"{V1}/rooms/{quote(mine)}/hierarchy{query}")).json
            one_by_one += [room["name"] for room in page["rooms"]]
            token = page.get("next_batch", "")
            if not token:
                break
        self.assertEqual(one_by_one, names)

    async def test_one_room_of_another_server(self) -> None:
        await self.arrange_space()
        for path, status in (
            (f"{quote(self.room_id)}?via=one.test", 200),
            (f"{quote(self.space)}?via=nowhere.test&via=one.test", 200),
            (f"{quote(self.private)}?via=one.test", 404),
            (f"{quote(self.private)}?via=nowhere.test", 404),
        ):
            answer = await self.read(f"{V1}/room_summary/{path}")
            self.assertEqual(answer.status, status, path)
            if status == 200:
                self.assertEqual(answer.json["membership"], "leave")

    async def test_answers_that_make_no_sense(self) -> None:
        await self.arrange()
        remote = self.two.discovery.room_previews._remote
        child = {
            "type": "m.space.child",
            "state_key": "!x:one.test",
            "sender": ALICE,
            "content": {"via": [ONE]},
            "origin_server_ts": 1,
        }
        room = {"room_id": "!space:one.test", "room_type": "m.space", "join_rule": "public"}
        for number, told in enumerate(
            (
                *NONSENSE,
                {"room": {"room_id": "!other:one.test"}},
                {"room": {**room, "children_state": 7}, "children": 7},
                {"room": {**room, "children_state": [7, {}, {**child, "content": 7}]}},
                {"room": {**room, "children_state": [{**child, "content": {"via": [7]}}]}},
                {"room": {**room, "children_state": [child] * 5_000}, "children": [7, {}, room]},
                {"room": {**room, "children_state": [child]}, "inaccessible_children": [7, {}]},
            )
        ):
            remote._transport = Liars(told)  # type: ignore[attr-defined]
            remote._known._known.clear()  # type: ignore[attr-defined]
            remote._silent.clear()  # type: ignore[attr-defined]
            path = f"{V1}/rooms/{quote('!space:one.test')}/hierarchy?via=one.test"
            answer = await self.read(path)
            self.assertIn(answer.status, (200, 403), str(number))
            self.assertLessEqual(len(answer.json.get("rooms", [])), 50)

    async def test_spaces_that_hold_each_other(self) -> None:
        await self.arrange()
        remote = self.two.discovery.room_previews._remote

        class Endless:
            asked = 0

            async def request(self, server: str, method: str, path: str, **options: Any) -> Any:
                # Each space holds two more, without end.
                Endless.asked += 1
                room_id = "!" + path.rpartition("%21")[2].replace("%3A", ":")
                name = room_id[1:].partition(":")[0]
                children = [
                    {
                        "type": "m.space.child",
                        "state_key": f"!{name}{digit}:one.test",
                        "sender": ALICE,
                        "content": {"via": [ONE]},
                        "origin_server_ts": 1,
                    }
                    for digit in "01"
                ]
                room = {"room_id": room_id, "room_type": "m.space", "children_state": children}
                return {"room": room, "children": [], "inaccessible_children": []}

        remote._transport = Endless()  # type: ignore[attr-defined]
        path = f"{V1}/rooms/{quote('!s:one.test')}/hierarchy?via=one.test"
        answer = await self.read(path)
        self.assertEqual(answer.status, 200)
        self.assertLessEqual(Endless.asked, 30)


class OpenToAllTests(QueryTestCase):
    async def test_the_version(self) -> None:
        await self.arrange()
        answer = await self.fetch(ONE, "GET", f"{FEDERATION}/version")
        self.assertEqual(answer.json["server"]["name"], "Synapse")

    async def test_openid_tokens_prove_who_somebody_is(self) -> None:
        await self.arrange()
        path = f"{V3}/user/{quote(ALICE)}/openid/request_token"
        token = (await self.client(ONE, "POST", path, {}, token=self.alice))["access_token"]
        for names in (("federation",), ("openid",)):
            site = self.resources(self.one, *names)
            path = f"{FEDERATION}/openid/userinfo"
            answer = await site.fetch("GET", f"{path}?access_token={token}")
            self.assertEqual((answer.status, answer.json), (200, {"sub": ALICE}))
            for query, errcode in (
                ("?access_token=wrong", "M_UNKNOWN_TOKEN"),
                ("", "M_MISSING_TOKEN"),
            ):
                answer = await site.fetch("GET", path + query)
                self.assertEqual((answer.status, answer.json["errcode"]), (401, errcode))
        self.time.advance(3601)
        answer = await site.fetch("GET", f"{path}?access_token={token}")
        self.assertEqual(answer.status, 401)

    async def test_other_listeners_do_not_answer_other_servers(self) -> None:
        await self.arrange()
        site = self.resources(self.one, "openid")
        self.assertEqual((await site.fetch("GET", f"{FEDERATION}/version")).status, 404)


class TimeTests(QueryTestCase):
    async def test_a_time_in_history_that_is_not_here(self) -> None:
        await self.arrange()
        said = []
        for number in range(30):
            self.time.advance(60)
            said.append(await self.say(str(number)))
        self.time.advance(60)
        join = await self.enter()
        early = self.clock.now_ms() - 25 * 60_000
        path = f"{V1}/rooms/{quote(self.room_id)}/timestamp_to_event?dir=f&ts={early}"
        answer = await self.read(path)
        self.assertEqual(answer.json["event_id"], said[5])
        around = await self.read(f"{V3}/rooms/{quote(self.room_id)}/context/{said[5]}?limit=2")
        self.assertEqual(ids(around.json["events_before"]), [said[4]])
        late = self.clock.now_ms() - 1_000
        path = f"{V1}/rooms/{quote(self.room_id)}/timestamp_to_event?dir=f&ts={late}"
        self.assertEqual((await self.read(path)).json["event_id"], join.event_id)

    async def test_nobody_answers(self) -> None:
        await self.arrange()
        await self.say("long ago")
        self.time.advance(60)
        join = await self.enter()
        self.network.cut_off(TWO)
        path = f"{V1}/rooms/{quote(self.room_id)}/timestamp_to_event?dir=f&ts=0"
        self.assertEqual((await self.read(path)).json["event_id"], join.event_id)
