"""Clients that assemble what `/sync` tells, and users who do whatever comes to their minds.

Some users write, join, leave and change state in some rooms at random, and sync now and then. Each
client keeps for every room what a client keeps: the timeline, with gaps filled by `/messages`, and
the state. In the end both must equal what the server tells directly: no event is missing, none is
there twice, and the state is the state. So must the receipts, the counts of unread events and of
members, the heroes and the account data; some clients filter what they get, and some wait for news.
"""

import random
from typing import Any
from unittest.mock import patch

import orjson
from twisted.internet.defer import Deferred, DeferredLock, gatherResults

from synapse.rooms import cache
from synapse.rooms import room as room_module
from tests.rest.rooms import V3, RoomTestCase, ids, room_path

USERS = ("alice", "bob", "carol")
ROOMS = 3
STEPS = 150
SEEDS = 8
LAZY = {"lazy_load_members": True}
SYNCS = ["sync"] * 6 + ["lost"] * 3
WRITES = (
    ["send"] * 6
    + ["topic"] * 2
    + ["join"] * 3
    + ["leave", "name", "redact", "ignore"]
    + ["read"] * 2
    + ["read privately", "tag", "note", "note"]
    + ["invite", "kick", "ban", "unban", "unban"]
)
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
        self.summary: dict[str, Any] = {}
        self.unread: Any = None
        self.account_data: dict[str, Any] = {}

    def take_numbers(self, told: Any) -> None:
        """What counts until something else is said."""
        self.summary |= told.get("summary", {})
        if "unread_notifications" in told:
            self.unread = (
                told["unread_notifications"],
                told.get("unread_thread_notifications"),
            )
        take_account_data(self.account_data, told.get("account_data", {"events": []})["events"])

    def take_state(self, events: list[Any]) -> None:
        for event in events:
            if "state_key" in event:
                self.state[event["type"], event["state_key"]] = event["event_id"]

    def take_receipts(self, ephemeral: list[Any]) -> None:
        for notice in ephemeral:
            if notice["type"] == RECEIPT:
                for event_id, kinds in notice["content"].items():
                    self.receipts.update(dict.fromkeys(kinds.get("m.read", ()), event_id))


def take_account_data(known: dict[str, Any], events: list[Any]) -> None:
    for event in events:
        known[event["type"]] = event["content"]
        if not event["content"]:  # it was deleted
            del known[event["type"]]


class Client:
    """One device, which assembles what it is told."""

    def __init__(
        self,
        case: "SyncPropertyCase",
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
        self.hides_events = not timeline.keys().isdisjoint(("types", "not_senders"))
        self.timeline_filter = orjson.dumps(timeline).decode()
        self.ignored: set[str] = set()
        self.state_after = state_after
        self.since: str | None = None
        self.rooms: dict[str, ClientRoom] = {}
        self.invites: set[str] = set()
        self.account_data: dict[str, Any] = {}
        self._lock = DeferredLock()

    @property
    def is_lazy(self) -> bool:
        return "lazy" in self.filter

    async def sync(self, *, is_lost: bool = False, timeout_ms: int = 0) -> None:
        """`is_lost`: the answer does not reach the client."""
        await self._lock.run(lambda: Deferred.fromCoroutine(self._sync(is_lost, timeout_ms)))

    async def _sync(self, is_lost: bool, timeout_ms: int = 0) -> None:
        query: dict[str, Any] = {"filter": self.filter, "timeout": timeout_ms}
        if self.since:
            query["since"] = self.since
        if self.state_after:
            query["use_state_after"] = "true"
        answer = await self.case.sync(self.token, **query)
        if is_lost:
            return
        account_data = answer.get("account_data", {"events": []})["events"]
        for item in account_data:
            if item["type"] == IGNORED and set(item["content"]["ignored_users"]) != self.ignored:
                # What is known holds events that are hidden now, or has holes.
                self.ignored = set(item["content"]["ignored_users"])
                self.since, self.rooms, self.invites = None, {}, set()
                self.account_data.clear()
                await self._sync(is_lost=False)
                return
        take_account_data(self.account_data, account_data)
        rooms = answer.get("rooms", {})
        for room_id, told in rooms.get("leave", {}).items():
            known = self.rooms.pop(room_id, ClientRoom())
            again = set(known.timeline) & set(ids(told["timeline"]["events"]))
            self.case.assertEqual(again, set())
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
        if room is None or self._has_joined(room, state, events):
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
        room.take_numbers(told)

    def _has_joined(self, room: ClientRoom, state: list[Any], timeline: list[Any]) -> bool:
        known = room.state.get(("m.room.member", self.user_id))
        return any(
            event.get("state_key") == self.user_id
            and event["event_id"] != known  # a lazy client may be told again
            and event["content"]["membership"] == "join"
            and event["unsigned"].get("prev_content", {}).get("membership") != "join"
            for event in (*state, *timeline)
        )


class SyncPropertyCase(RoomTestCase):
    client_class = Client
    room_count = ROOMS
    diligence = 1.0  # how often clients sync when they could
    seen = 0  # events that clients were found to have
    unread_seen = 0

    async def arrange(self, seed: int) -> None:
        self.seed, self.random = seed, random.Random(seed)
        # Now and then, memory holds little of a room, as if much had happened in it.
        for module in (cache, room_module):
            patcher = patch.object(module, "TAIL_LENGTH", (50, 4)[seed % 2])
            patcher.start()
            self.addCleanup(patcher.stop)
        self.tokens = {user: await self.register(f"{user}{seed}") for user in USERS}
        someone = f"@{self.random.choice(USERS)}{seed}:test"
        self.clients = [
            self.client_class(self, f"{user}{seed}", token, filter, state_after=state_after)
            for user, token in self.tokens.items()
            for filter, state_after in (
                ({}, False),
                ({"room": {"timeline": {"limit": 2, "unread_thread_notifications": True}}}, False),
                ({"room": {"timeline": {"limit": 0}}}, False),
                ({"room": {"timeline": {"limit": 3}, "ephemeral": {"types": []}}}, True),
                ({"room": {"timeline": {"limit": 0}}}, True),
                ({"room": {"state": LAZY, "timeline": {"limit": 2}}}, False),
                ({"room": {"state": LAZY, "timeline": {"limit": 1}}}, True),
                ({"room": {"timeline": {"limit": 4, "not_senders": [someone]}}}, False),
                ({"room": {"timeline": {"limit": 2, "not_senders": [someone]}}}, True),
                ({"room": {"timeline": {"limit": 5, "types": TYPES}}}, False),
            )
        ]
        host = self.tokens["alice"]
        self.rooms = [await self.create_room(host) for _ in range(self.room_count)]

    async def create_room(self, host: str) -> str:
        return await self.create_public(host, power_level_content_override={"state_default": 0})

    async def step(self) -> None:
        user = self.random.choice(USERS)
        token, room_id = self.tokens[user], self.random.choice(self.rooms)
        action = self.random.choice(SYNCS + WRITES)
        if action in SYNCS:
            client = self.random.choice(self.clients)
            if self.random.random() < self.diligence:
                await client.sync(is_lost=action == "lost")
        else:
            await self.write(action, user, token, room_id)

    async def some_write(self) -> None:
        user = self.random.choice(USERS)
        room_id = self.random.choice(self.rooms)
        await self.write(self.random.choice(WRITES), user, self.tokens[user], room_id)

    async def write(self, action: str, user: str, token: str, room_id: str) -> None:
        own = f"{V3}/user/@{user}{self.seed}:test"
        if action == "send":
            path = f"/send/m.room.message/t{self.random.random()}"
            content: dict[str, Any] = {"body": "x"}
            if self.random.random() < 0.3:
                mentioned = f"@{self.random.choice(USERS)}{self.seed}:test"
                content["m.mentions"] = {"user_ids": [mentioned]}
            if self.random.random() < 0.3:
                root = await self.some_event(room_id)
                content["m.relates_to"] = {"rel_type": "m.thread", "event_id": root}
            await self.fetch("PUT", room_path(room_id, path), content, token=token)
        elif action == "tag":
            method, path = self.random.choice(["PUT", "DELETE"]), f"{own}/rooms/{room_id}/tags/u.x"
            tag = {"order": self.random.randrange(4) / 4} if method == "PUT" else None
            await self.fetch(method, path, tag, token=token)
        elif action == "note":
            number = self.random.randrange(3)
            path = f"{own}/account_data/org.example.{number}"
            if self.random.random() < 0.3:
                path = path.replace("/v3/", "/unstable/org.matrix.msc3391/")
                await self.fetch("DELETE", path, token=token)
            else:
                await self.fetch("PUT", path, {"n": self.random.random()}, token=token)
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
        elif action == "read privately":
            path = f"/receipt/m.read.private/{await self.some_event(room_id)}"
            thread = {"thread_id": "main"} if self.random.random() < 0.5 else {}
            await self.fetch("POST", room_path(room_id, path), thread, token=token)
        elif action == "ignore":
            whom = self.random.sample(USERS, self.random.randrange(2))
            ignored: Any = {"ignored_users": {f"@{other}{self.seed}:test": {} for other in whom}}
            await self.fetch("PUT", f"{own}/account_data/{IGNORED}", ignored, token=token)
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

    async def assert_timeline(self, client: Client, room_id: str, told: list[str]) -> None:
        """A client's timeline may begin later, but from there on it is the room's."""
        wish = client.timeline_filter
        truth = await self.messages(client.token, room_id, limit=1000, filter=wish)
        newest = ids(truth["chunk"])[: len(told)][::-1]
        self.assertEqual(told, newest)
        self.seen += len(newest)

    async def check(self, client: Client) -> None:
        joined = await self.ok("GET", "/_matrix/client/v3/joined_rooms", token=client.token)
        self.assertEqual(set(client.rooms), set(joined["joined_rooms"]))
        fresh = await self.fresh(client)
        for room_id, room in client.rooms.items():
            await self.assert_timeline(client, room_id, room.timeline)
            state = await self.state(client.token, room_id)
            expected = {slot: event["event_id"] for slot, event in state.items()}
            untold = await self.untold(room_id)
            for slot in set(room.state) & untold - set(expected):
                del room.state[slot]
            if client.is_lazy:
                known = {key for type, key in room.state if type == "m.room.member"}
                self.assertLessEqual(room.senders - {key for _, key in untold}, known)
                expected = {
                    slot: event_id
                    for slot, event_id in expected.items()
                    if slot[0] != "m.room.member" or slot[1] in known
                }
            self.assertEqual(room.state, expected)
            if "ephemeral" not in client.filter:
                self.assertEqual(room.receipts, fresh.rooms[room_id].receipts)
            self.check_numbers(client, room, fresh.rooms[room_id])
        self.assertEqual(client.invites, fresh.invites)
        self.assertEqual(client.ignored, fresh.ignored)
        self.assertEqual(client.account_data, fresh.account_data)

    def check_numbers(self, client: Client, room: ClientRoom, fresh: ClientRoom) -> None:
        self.assertEqual(room.account_data, fresh.account_data)
        # Heroes are told for rooms without a name; once told, they stay with the client.
        self.assertEqual(room.summary | fresh.summary, room.summary)
        totals, threads = room.unread
        by_thread = "unread_thread_notifications" in client.filter
        self.assertEqual(threads is not None, by_thread)
        if by_thread:
            totals = {
                name: number + sum(thread[name] for thread in threads.values())
                for name, number in totals.items()
            }
        if not client.hides_events:
            # Of events that a filter hides, also their number is no news.
            self.assertEqual(totals, fresh.unread[0])
        self.unread_seen += totals["notification_count"]

    async def untold(self, room_id: str) -> set[tuple[str, str]]:
        """Slots that a client may take for filled although nothing fills them any more."""
        return set()

    async def fresh(self, client: Client) -> Client:
        """What a client of the same user has after a first sync."""
        other = self.client_class(self, client.user_id, client.token, {})
        await other.sync()
        return other

    async def check_all(self) -> None:
        """In the end everybody speaks and reads, and each answer is lost once."""
        for endings in (self.speak, self.read_all):
            await self.sync_all()
            for token in self.tokens.values():
                for room_id in self.rooms:
                    await endings(token, room_id)
            await self.sync_all(is_lost=True)
        await self.sync_all()
        for client in self.clients:
            await self.check(client)

    async def sync_all(self, *, is_lost: bool = False) -> None:
        for client in self.clients:
            await client.sync(is_lost=is_lost)

    async def speak(self, token: str, room_id: str) -> None:
        path = f"/send/m.room.message/t{self.random.random()}"
        await self.fetch("PUT", room_path(room_id, path), {"body": "x"}, token=token)

    async def read_all(self, token: str, room_id: str) -> None:
        kind = self.random.choice(["m.read", "m.read.private"])
        path = f"/receipt/{kind}/{await self.some_event(room_id)}"
        await self.fetch("POST", room_path(room_id, path), {}, token=token)

    async def all_at_once(self, steps: list[Any]) -> None:
        await gatherResults([Deferred.fromCoroutine(step) for step in steps], consumeErrors=True)
