"""Answers are bounded: a list has no more than its maximum, whatever a client asks for."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

from synapse.handlers import mutual_rooms, search_scope
from synapse.rest.client import (
    public_rooms,
    room_reading,
    search,
    snapshots,
    spaces,
    user_directory,
)
from tests.rest.base import PASSWORD
from tests.rest.rooms import V3, RoomTestCase, sync_path

V1 = "/_matrix/client/v1"
MANY = 10**9
PASSWORD_STAGE = {
    "type": "m.login.password",
    "identifier": {"type": "m.id.user", "user": "alice"},
    "password": PASSWORD,
}


class Bound(NamedTuple):
    """A maximum, and a request that asks for more; ROOM stands for a room's id."""

    module: ModuleType
    name: str  # of the maximum in the module
    value: int
    method: str
    path: str
    body: Any
    count: Callable[[Any], int]  # how many an answer has


def _search(**criteria: Any) -> dict[str, Any]:
    return {"search_categories": {"room_events": {"search_term": "hello"} | criteria}}


def _results(answer: Any) -> Any:
    return answer["search_categories"]["room_events"]["results"]


def _around(context: Any) -> int:
    return len(context["events_before"]) + len(context["events_after"])


def _chunk(answer: Any) -> int:
    return len(answer["chunk"])


BOUNDS = (
    Bound(
        room_reading,
        "MAX_EVENTS",
        1_000,
        "GET",
        f"{V3}/rooms/ROOM/messages?dir=b&limit={MANY}",
        None,
        _chunk,
    ),
    Bound(
        room_reading,
        "MAX_EVENTS",
        1_000,
        "GET",
        f"{V3}/rooms/ROOM/messages?dir=f&filter=%7B%22limit%22:{MANY}%7D",
        None,
        _chunk,
    ),
    Bound(
        room_reading,
        "MAX_EVENTS",
        1_000,
        "GET",
        f"{V3}/rooms/ROOM/context/EVENT?limit={MANY}",
        None,
        _around,
    ),
    Bound(
        snapshots,
        "_MAX_LIMIT",
        100,
        "GET",
        f"{V3}/rooms/ROOM/initialSync?limit={MANY}",
        None,
        lambda answer: _chunk(answer["messages"]),
    ),
    Bound(
        snapshots,
        "_MAX_LIMIT",
        100,
        "GET",
        f"{V3}/initialSync?limit={MANY}",
        None,
        lambda answer: max(_chunk(room["messages"]) for room in answer["rooms"]),
    ),
    Bound(public_rooms, "MAX_ROOMS", 500, "GET", f"{V3}/publicRooms?limit={MANY}", None, _chunk),
    Bound(public_rooms, "MAX_ROOMS", 500, "POST", f"{V3}/publicRooms", {"limit": MANY}, _chunk),
    Bound(
        user_directory,
        "MAX_RESULTS",
        50,
        "POST",
        f"{V3}/user_directory/search",
        {"search_term": "user", "limit": MANY},
        lambda answer: len(answer["results"]),
    ),
    Bound(
        spaces,
        "MAX_ROOMS",
        50,
        "GET",
        f"{V1}/rooms/SPACE/hierarchy?limit={MANY}&max_depth={MANY}",
        None,
        lambda answer: len(answer["rooms"]),
    ),
    Bound(
        mutual_rooms,
        "_PAGE",
        100,
        "GET",
        f"{V1}/mutual_rooms?user_id=@user1:test",
        None,
        lambda answer: len(answer["joined"]),
    ),
    Bound(
        search_scope,
        "_MAX_LIMIT",
        100,
        "POST",
        f"{V3}/search",
        _search(filter={"limit": MANY}),
        lambda answer: len(_results(answer)),
    ),
    Bound(
        search,
        "_MAX_CONTEXT",
        20,
        "POST",
        f"{V3}/search",
        _search(event_context={"before_limit": 0, "after_limit": MANY}),
        lambda answer: max(_around(result["context"]) for result in _results(answer)),
    ),
    Bound(
        search,
        "_MAX_CONTEXT",
        20,
        "POST",
        f"{V3}/search",
        _search(event_context={"before_limit": MANY, "after_limit": 0}),
        lambda answer: max(_around(result["context"]) for result in _results(answer)),
    ),
)

# Requests with thousands of something, and whether they are refused.
_IDS = [f"id{n}" for n in range(3_000)]
_USERS = [f"@user{n}:test" for n in range(3_000)]
_ROOMS = [f"!room{n}:test" for n in range(3_000)]
HUGE: tuple[tuple[str, str, Any, bool], ...] = (
    ("POST", "/delete_devices", {"devices": _IDS, "auth": PASSWORD_STAGE}, False),
    ("POST", "/createRoom", {"invite": _USERS}, True),
    ("POST", "/createRoom", {"creation_content": {"additional_creators": _USERS}}, False),
    (
        "POST",
        "/createRoom",
        {"initial_state": [{"type": id, "content": {}} for id in _IDS]},
        True,
    ),
    ("POST", "/rooms/ROOM/upgrade", {"new_version": "12", "additional_creators": _USERS}, True),
    ("POST", "/publicRooms", {"filter": {"room_types": _IDS}}, False),
    ("POST", "/search", _search(filter={"rooms": _ROOMS, "senders": _USERS}), False),
    ("POST", "/search", _search(search_term=" ".join(_IDS)), False),
    ("POST", "/search", _search(keys=["content.body"] * 3_000), False),
    ("POST", "/user_directory/search", {"search_term": " ".join(_IDS)}, False),
    ("POST", "/user/@alice:test/filter", {"room": {"rooms": _ROOMS}}, False),
    (
        "PUT",
        "/user/@alice:test/account_data/m.ignored_user_list",
        {"ignored_users": {user: {} for user in _USERS}},
        False,
    ),
    ("PUT", "/profile/@alice:test/org.example", {"org.example": _IDS}, False),
    (
        "PUT",
        "/rooms/ROOM/state/m.room.power_levels",
        {"users": dict.fromkeys(_USERS[:2_000], 50)},
        False,
    ),
)


class BoundsTests(RoomTestCase):
    async def arrange(self) -> None:
        """Four of everything."""
        self.alice = await self.register("alice")
        others = [await self.register(f"user{n}") for n in range(4)]
        self.space = await self.create_public(self.alice, creation_content={"type": "m.space"})
        rooms = [await self.create_public(self.alice, visibility="public") for _ in range(4)]
        for room_id in rooms:
            await self.set_state(
                self.alice, self.space, "m.space.child", {"via": ["test"]}, room_id
            )
            for token in others:
                await self.join(token, room_id)
        self.room_id = rooms[0]
        sent = [await self.send(self.alice, self.room_id, "hello") for _ in range(9)]
        self.event_id = sent[4]
        await self.server.discovery.search_reader.catch_up()
        await self.server.discovery.directory_reader.catch_up()

    async def test_no_list_is_longer_than_its_maximum(self) -> None:
        await self.arrange()
        for bound in BOUNDS:
            what = f"{bound.method} {bound.path}"
            path = bound.path.replace("ROOM", self.room_id).replace("SPACE", self.space)
            path = path.replace("EVENT", self.event_id)
            self.assertEqual(getattr(bound.module, bound.name), bound.value, what)
            for maximum in (2, 3):
                with patch.object(bound.module, bound.name, maximum):
                    answer = await self.ok(bound.method, path, bound.body, token=self.alice)
                self.assertEqual(bound.count(answer), maximum, what)

    async def test_long_lists_are_not_asked_about_item_by_item(self) -> None:
        await self.arrange()
        for method, path, body, is_refused in HUGE:
            what = f"{method} {path} {str(body)[:80]}"
            before = self.questions()
            path = V3 + path.replace("ROOM", self.room_id)
            answer = await self.fetch(method, path, body, token=self.alice)
            self.assertEqual(answer.status, 400 if is_refused else 200, f"{what}: {answer}")
            self.assertLess(self.questions() - before, 30, what)

    def questions(self) -> int:
        """How many reads and writes there were."""
        return sum(timing.count for timing in self.database.timings.values())

    async def test_timelines_of_a_sync(self) -> None:
        self.assertEqual(self.config.server.filter_timeline_limit, 100)
        self.reconfigure(server={"filter_timeline_limit": 2})
        await self.arrange()
        filter = f'{{"room":{{"timeline":{{"limit":{MANY}}}}}}}'
        first = await self.ok("GET", sync_path(filter=filter), token=self.alice)
        for _ in range(4):
            await self.send(self.alice, self.room_id)
        path = sync_path(filter=filter, since=first["next_batch"])
        for answer in (first, await self.ok("GET", path, token=self.alice)):
            timeline = answer["rooms"]["join"][self.room_id]["timeline"]
            self.assertEqual(len(timeline["events"]), 2)
            self.assertTrue(timeline["limited"])
