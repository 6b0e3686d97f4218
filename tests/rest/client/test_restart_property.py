"""A server that was started anew tells of rooms what it told before.

Some users do at random, and at the same time, what can be done in rooms. Then each of them reads
everything that they may, from a server whose memory holds all of it, and again from one that has
the database alone: whatever differs, memory and database disagreed.
"""

import random
from typing import Any
from urllib.parse import quote

from tests.rest.rooms import V3, RoomTestCase, room_path

V1 = "/_matrix/client/v1"
USERS = ("alice", "bob", "carol", "dave")
ROOMS = 3
STEPS = 60
SEEDS = 5
VERSIONS = ("1", "5", "7", "10", "11", "12")
REDACT = "org.matrix.msc4293.redact_events"
RELATIONS = ("m.thread", "m.annotation", "m.replace", "m.reference")
# Where the order is nobody's business.
UNORDERED = ("state", "joined_rooms", "members")


class RestartPropertyTests(RoomTestCase):
    async def test_memory_and_database_agree(self) -> None:
        self.tokens = {f"@{name}:test": await self.register(name) for name in USERS}
        for seed in range(SEEDS):
            self.random = random.Random(seed)
            self.rooms: list[str] = []
            self.events: dict[str, list[str]] = {}
            for _ in range(ROOMS):
                await self._create()
            for _ in range(STEPS):
                await self._act(self.random.choice([1, 3, 9]))
                await self.finish_background()
            paths = [path for room_id in self.rooms for path in self._paths(room_id)]
            before = await self._read(paths)
            self.start(self.config)
            for key, answer in (await self._read(paths)).items():
                self.assertEqual(answer, before[key], f"seed {seed}: {key}")

    # What users do.

    async def _create(self) -> None:
        levels = {"users_default": self.random.choice([0, 50]), "state_default": 50}
        room_id = await self.create_public(
            self.random.choice(list(self.tokens.values())),
            room_version=self.random.choice(VERSIONS),
            creation_content=self.random.choice([{}, {"type": "m.space"}]),
            power_level_content_override=levels,
            visibility="public",
        )
        self.rooms.append(room_id)
        self.events[room_id] = []

    async def _act(self, count: int) -> None:
        """So many things at once."""
        self.advance(self.random.choice([0, 1, 60]))
        under_way = []
        for _ in range(count):
            user_id, token = self.random.choice(list(self.tokens.items()))
            room_id = self.random.choice(self.rooms)
            acts = (self._say, self._redact, self._set_state, self._change_membership)
            method, path, body = self.random.choice(acts)(room_id, user_id)
            under_way.append((room_id, self.site.start(method, path, body, token=token)))
        for room_id, connection in under_way:
            answer = await connection.answered()
            self.assertLess(answer.status, 500, f"{answer}")
            if answer.status == 200 and "event_id" in answer.json:
                self.events[room_id].append(answer.json["event_id"])

    def _some_event(self, room_id: str) -> str:
        return self.random.choice(self.events[room_id] or ["$none"])

    def _say(self, room_id: str, user_id: str) -> tuple[str, str, Any]:
        content: dict[str, Any] = {"msgtype": "m.text", "body": f"{self.random.random()}"}
        if self.random.random() < 0.6:
            rel_type, parent = self.random.choice(RELATIONS), self._some_event(room_id)
            content["m.relates_to"] = {"rel_type": rel_type, "event_id": parent, "key": "+1"}
            content["m.new_content"] = {"msgtype": "m.text", "body": "edited"}
        return "PUT", room_path(room_id, f"/send/m.room.message/{self._txn()}"), content

    def _redact(self, room_id: str, user_id: str) -> tuple[str, str, Any]:
        event_id = quote(self._some_event(room_id), safe="$")
        body = self.random.choice([{}, {"reason": "r"}, {"with_rel_types": ["*"]}])
        return "PUT", room_path(room_id, f"/redact/{event_id}/{self._txn()}"), body

    def _set_state(self, room_id: str, user_id: str) -> tuple[str, str, Any]:
        number = str(self.random.randrange(9))
        type, key, content = self.random.choice(
            (
                ("m.room.name", "", {"name": number}),
                ("m.room.topic", "", {"topic": number}),
                ("m.room.member", user_id, {"membership": "join", "displayname": number}),
                ("m.space.child", self.random.choice(self.rooms), {"via": ["test"]}),
                (
                    "m.room.history_visibility",
                    "",
                    {"history_visibility": self.random.choice(["joined", "shared", "invited"])},
                ),
            )
        )
        return "PUT", room_path(room_id, f"/state/{type}/{quote(key, safe='@:!')}"), content

    def _change_membership(self, room_id: str, user_id: str) -> tuple[str, str, Any]:
        action = self.random.choice(
            ("join", "join", "join", "leave", "invite", "kick", "ban", "unban", "unban", "forget")
        )
        target = self.random.choice(list(self.tokens))
        body = {"user_id": target, REDACT: self.random.random() < 0.5}
        return "POST", room_path(room_id, f"/{action}"), body

    def _txn(self) -> str:
        self._txns += 1
        return f"txn{self._txns}"

    # What they read.

    def _paths(self, room_id: str) -> list[str]:
        own = [
            *("/state", "/members", "/joined_members", "/initialSync?limit=20"),
            *("/messages?dir=b&limit=200", "/messages?dir=f&limit=200"),
        ]
        newer = ("/threads", "/threads?include=participated", "/hierarchy")
        events = [quote(event_id, safe="$") for event_id in self.events[room_id][-10:]]
        return [
            *(room_path(room_id, rest) for rest in own),
            *(f"{V1}/rooms/{room_id}{rest}" for rest in newer),
            *(room_path(room_id, f"/context/{event_id}?limit=4") for event_id in events),
            *(f"{V1}/rooms/{room_id}/relations/{id}?recurse=true" for id in events),
            f"{V1}/room_summary/{room_id}",
            f"{V3}/publicRooms",
            f"{V3}/joined_rooms",
        ]

    async def _read(self, paths: list[str]) -> dict[tuple[str, str], Any]:
        answers = {}
        for user_id, token in self.tokens.items():
            for path in paths:
                answer = await self.fetch("GET", path, token=token)
                name = path.partition("?")[0].rpartition("/")[2]
                answers[user_id, path] = (answer.status, _comparable(answer.json, name))
        return answers


def _comparable(value: Any, name: str = "") -> Any:
    """An answer without what time changes, and without an order where there is none."""
    if isinstance(value, dict):
        return {key: _comparable(item, key) for key, item in value.items() if key != "age"}
    if isinstance(value, list):
        items = [_comparable(item) for item in value]
        return sorted(items, key=str) if name in UNORDERED else items
    return value
