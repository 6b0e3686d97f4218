"""What clients assemble from /sync is what the server has, whatever happens in between.

Some users write, join, leave and change state in some rooms at random, and sync now and then. Each
client keeps for every room what a client keeps: the timeline, with gaps filled by `/messages`, and
the state. In the end both must equal what the server tells directly: no event is missing, none is
there twice, and the state is the state. So must the receipts and the ignored users; some clients
filter what they get.
"""

import random
from typing import Any

import orjson
from twisted.internet.defer import Deferred, DeferredLock, gatherResults

from tests.rest.rooms import V3, RoomTestCase, ids, room_path

USERS = ("alice", "bob", "carol")
ROOMS = 3
STEPS = 150
SEEDS = 8
LAZY = {"lazy_load_members": True}
TYPES = ["m.room.message", "m.room.topic", "m.room.member"]
RECEIPT = "m.receipt"
IGNORED = "m.ignored_user_list"


class ClientRoom:
    """A joined room, as a client has it."""

    def __init__(self) -> None:
        self.timeline: list[str] = []
        self.state: dict[tuple[str, str], str] = {}
        self.senders: set[str] = set()  # of what /sync told
        self.receipts: dict[str, str] = {}  # user → the event they have read up to

    def take_state(self, events: list[Any]) -> None:
        for event in events:
            if "state_key" in event:
                self.state[event["type"], event["state_key"]] = event["event_id"]

    def take_receipts(self, ephemeral: list[Any]) -> None:
        for notice in ephemeral:
            if notice["type"] == RECEIPT:
                for event_id, kinds in notice["content"].items():
                    self.receipts.update(dict.fromkeys(kinds.get("m.read", ()), event_id))


class Client:
    """One device, which assembles what it is told."""

    def __init__(
        self,
        case: "SyncPropertyTests",
        user: str,
        token: str,
        filter: Any,
        *,
        state_after: bool = False,
    ) -> None:
        self.case = case
        self.user_id = f"@{user}:test"
        self.token = token
        self.filter = orjson.dumps(filter).decode()
        timeline = {**filter.get("room", {}).get("timeline", {}), "limit": 1000}
        self.timeline_filter = orjson.dumps(timeline).decode()
        self.ignored: set[str] = set()
        self.state_after = state_after
        self.since: str | None = None
        self.rooms: dict[str, ClientRoom] = {}
        self.invites: set[str] = set()
        self._lock = DeferredLock()

    @property
    def is_lazy(self) -> bool:
        return "lazy" in self.filter

    async def sync(self, *, is_lost: bool = False) -> None:
        """`is_lost`: the answer does not reach the client."""
        await self._lock.run(lambda: Deferred.fromCoroutine(self._sync(is_lost)))

    async def _sync(self, is_lost: bool) -> None:
        query = {"filter": self.filter, **({"since": self.since} if self.since else {})}
        if self.state_after:
            query["use_state_after"] = "true"
        answer = await self.case.sync(self.token, **query)
        if is_lost:
            return
        for item in answer.get("account_data", {"events": []})["events"]:
            if item["type"] == IGNORED and set(item["content"]["ignored_users"]) != self.ignored:
                # What is known holds events that are hidden now, or has holes.
                self.ignored = set(item["content"]["ignored_users"])
                self.since, self.rooms, self.invites = None, {}, set()
                await self._sync(is_lost=False)
                return
        rooms = answer.get("rooms", {})
        for room_id in rooms.get("leave", {}):
            self.rooms.pop(room_id, None)
            self.invites.discard(room_id)
        for room_id in rooms.get("invite", {}):
            self.rooms.pop(room_id, None)  # also if it was left in between
            self.invites.add(room_id)
        for room_id, told in rooms.get("join", {}).items():
            self.invites.discard(room_id)
            await self._take(room_id, told)
        self.since = answer["next_batch"]

    async def _take(self, room_id: str, told: Any) -> None:
        events = told["timeline"]["events"]
        state = told["state_after" if self.state_after else "state"]["events"]
        room = self.rooms.get(room_id)
        if room is None or self._has_joined(room, [*state, *events]):
            # What was before belongs to the last stay.
            self.rooms[room_id] = room = ClientRoom()
        elif told["timeline"]["limited"]:
            older = await self.case.messages(
                self.token,
                room_id,
                **{"from": told["timeline"]["prev_batch"], "to": self.since, "limit": 1000},
                filter=self.timeline_filter,
            )
            room.timeline += ids(older["chunk"])[::-1]
        room.timeline += ids(events)
        room.senders |= {event["sender"] for event in events}
        room.take_state(state)
        if not self.state_after:
            room.take_state(events)
        room.take_receipts(told["ephemeral"]["events"])

    def _has_joined(self, room: ClientRoom, events: list[Any]) -> bool:
        known = room.state.get(("m.room.member", self.user_id))
        return any(
            event.get("state_key") == self.user_id
            and event["event_id"] != known  # a lazy client may be told again
            and event["content"]["membership"] == "join"
            and event["unsigned"].get("prev_content", {}).get("membership") != "join"
            for event in events
        )


class SyncPropertyTests(RoomTestCase):
    timeout = 60
    seen = 0  # events that clients were found to have

    async def arrange(self, seed: int) -> None:
        self.seed, self.random = seed, random.Random(seed)
        self.tokens = {user: await self.register(f"{user}{seed}") for user in USERS}
        someone = f"@{self.random.choice(USERS)}{seed}:test"
        self.clients = [
            Client(self, f"{user}{seed}", token, filter, state_after=state_after)
            for user, token in self.tokens.items()
            for filter, state_after in (
                ({}, False),
                ({"room": {"timeline": {"limit": 2}}}, False),
                ({"room": {"timeline": {"limit": 0}}}, False),
                ({"room": {"timeline": {"limit": 3}}}, True),
                ({"room": {"timeline": {"limit": 0}}}, True),
                ({"room": {"state": LAZY, "timeline": {"limit": 2}}}, False),
                ({"room": {"state": LAZY, "timeline": {"limit": 1}}}, True),
                ({"room": {"timeline": {"limit": 4, "not_senders": [someone]}}}, False),
                ({"room": {"timeline": {"limit": 2, "not_senders": [someone]}}}, True),
                ({"room": {"timeline": {"limit": 5, "types": TYPES}}}, False),
            )
        ]
        host = self.tokens["alice"]
        self.rooms = [
            await self.create_public(host, power_level_content_override={"state_default": 0})
            for _ in range(ROOMS)
        ]

    async def step(self) -> None:
        user = self.random.choice(USERS)
        token, room_id = self.tokens[user], self.random.choice(self.rooms)
        action = self.random.choice(
            ["send"] * 5
            + ["topic"] * 2
            + ["join"] * 3
            + ["leave", "name", "redact", "lost", "ignore"]
            + ["read"] * 2
            + ["sync"] * 6
            + ["invite", "kick", "ban", "unban", "unban"]
        )
        if action in ("sync", "lost"):
            await self.random.choice(self.clients).sync(is_lost=action == "lost")
        elif action == "send":
            path = f"/send/m.room.message/t{self.random.random()}"
            await self.fetch("PUT", room_path(room_id, path), {"body": "x"}, token=token)
        elif action in ("topic", "name"):
            content = {action: str(self.random.randrange(5))}
            path = f"/state/m.room.{action}"
            await self.fetch("PUT", room_path(room_id, path), content, token=token)
        elif action == "redact":
            path = f"/redact/{await self.some_event(room_id)}/t{self.random.random()}"
            await self.fetch("PUT", room_path(room_id, path), {}, token=token)
        elif action == "read":
            path = f"/receipt/m.read/{await self.some_event(room_id)}"
            await self.fetch("POST", room_path(room_id, path), {}, token=token)
        elif action == "ignore":
            whom = self.random.sample(USERS, self.random.randrange(2))
            ignored: Any = {"ignored_users": {f"@{other}{self.seed}:test": {} for other in whom}}
            path = f"{V3}/user/@{user}{self.seed}:test/account_data/{IGNORED}"
            await self.fetch("PUT", path, ignored, token=token)
        elif user == "alice":
            pass  # she stays, so that the rooms live on
        elif action in ("invite", "kick", "ban", "unban"):
            body = {"user_id": f"@{user}{self.seed}:test"}
            path = room_path(room_id, f"/{action}")
            await self.fetch("POST", path, body, token=self.tokens["alice"])
        else:
            await self.fetch("POST", room_path(room_id, f"/{action}"), {}, token=token)

    async def some_event(self, room_id: str) -> str:
        page = await self.messages(self.tokens["alice"], room_id, limit=3)
        return str(self.random.choice(page["chunk"])["event_id"])

    async def check(self, client: Client) -> None:
        joined = await self.ok("GET", "/_matrix/client/v3/joined_rooms", token=client.token)
        self.assertEqual(set(client.rooms), set(joined["joined_rooms"]))
        fresh = await self.fresh(client)
        for room_id, room in client.rooms.items():
            wish = client.timeline_filter
            truth = await self.messages(client.token, room_id, limit=1000, filter=wish)
            # The client's timeline may begin later, but from there on it is the room's.
            newest = ids(truth["chunk"])[: len(room.timeline)][::-1]
            self.assertEqual(room.timeline, newest)
            self.seen += len(newest)
            state = await self.state(client.token, room_id)
            expected = {slot: event["event_id"] for slot, event in state.items()}
            if client.is_lazy:
                known = {key for type, key in room.state if type == "m.room.member"}
                self.assertLessEqual(room.senders, known)
                expected = {
                    slot: event_id
                    for slot, event_id in expected.items()
                    if slot[0] != "m.room.member" or slot[1] in known
                }
            self.assertEqual(room.state, expected)
            self.assertEqual(room.receipts, fresh.rooms[room_id].receipts)
        self.assertEqual(client.invites, fresh.invites)
        self.assertEqual(client.ignored, fresh.ignored)

    async def fresh(self, client: Client) -> Client:
        """What a client of the same user has after a first sync."""
        other = Client(self, client.user_id, client.token, {})
        await other.sync()
        return other

    async def test_clients_have_what_the_server_has(self) -> None:
        seeds = SEEDS if not self.on_postgres else 2
        for seed in range(seeds):
            await self.arrange(seed)
            for step in range(STEPS):
                await self.step()
                if step == STEPS // 2:
                    self.start(self.config)  # as after a restart: nothing is in memory
            for client in self.clients:
                await client.sync()
                await self.check(client)
        self.assertGreater(self.seen, 50 * seeds)

    async def test_with_everything_at_once(self) -> None:
        """The same with requests that overlap."""
        seeds = SEEDS if not self.on_postgres else 3
        for seed in range(100, 100 + seeds):
            await self.arrange(seed)
            for _ in range(STEPS // 6):
                await self.all_at_once([self.step() for _ in range(6)])
            for client in self.clients:
                await client.sync()
                await self.check(client)
        self.assertGreater(self.seen, 50 * seeds)

    async def all_at_once(self, steps: list[Any]) -> None:
        await gatherResults([Deferred.fromCoroutine(step) for step in steps], consumeErrors=True)
