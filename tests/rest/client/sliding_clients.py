"""What clients assemble from sliding sync is what the server has, whatever happens in between.

Some users write, join, leave and change state at random, while clients with windows of changing
size ask, at times lose an answer or begin anew. In the end each client's window holds the rooms
that moved last, its timelines end as the rooms' do, without a hole, and its state is the state.
"""

import random
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.rest.client.sliding import SlidingTestCase, a_list
from tests.rest.rooms import ids, room_path

USERS = ("alice", "bob", "carol")
MEMBER = "m.room.member"
ROOMS = 4
STEPS = 100
REQUIRED: dict[str, list[list[str]]] = {
    "all": [["*", "*"]],
    "some": [["m.room.topic", ""], [MEMBER, "$ME"]],
    "lazy": [["*", "*"], [MEMBER, "$LAZY"]],
}


class ClientRoom:
    """A joined room, as a client has it: from the last gap on."""

    def __init__(self) -> None:
        self.timeline: list[str] = []
        self.state: dict[tuple[str, str], str] = {}

    def take(self, part: Any) -> None:
        if part.get("limited") or part.get("unstable_expanded_timeline"):
            self.timeline = []
        self.timeline += ids(part.get("timeline", []))
        for event in part.get("required_state", []):
            self.state[event["type"], event["state_key"]] = event["event_id"]


class Client:
    def __init__(self, case: "SlidingPropertyCase", user: str, token: str, kind: str) -> None:
        self.case = case
        self.user_id = f"@{user}:test"
        self.token = token
        self.kind = kind
        self.pos: str | None = None
        self.rooms: dict[str, ClientRoom] = {}
        self.counted = 0

    async def sync(self, *, whole: bool = False) -> bool:
        """Whether there was news."""
        chance = self.case.random.random()
        if chance < 0.1 and not whole:
            self.pos, self.rooms = None, {}
        limit = self.case.random.choice((0, 1, 2, 10))
        window = (0, 99) if whole else (0, self.case.random.randrange(3))
        config = a_list(window, limit=limit, required_state=REQUIRED[self.kind])
        answer = await self.case.sliding(
            self.token, self.pos, conn_id=self.kind, lists={"all": config}
        )
        if chance > 0.8 and self.pos is not None and not whole:
            return True  # it was lost
        self.pos = answer["pos"]
        self.counted = answer["lists"]["all"]["count"]
        for room_id, part in answer["rooms"].items():
            if part["membership"] != "join":
                self.rooms.pop(room_id, None)
                continue
            if part.get("initial"):
                self.rooms[room_id] = ClientRoom()
            self.rooms[room_id].take(part)
        return bool(answer["rooms"])


class SlidingPropertyCase(SlidingTestCase):
    seen = 0  # events that clients were found to have

    async def arrange(self, seed: int) -> None:
        self.seed, self.random = seed, random.Random(seed)
        self.tokens = {user: await self.register(f"{user}{seed}") for user in USERS}
        self.clients = [
            Client(self, f"{user}{seed}", token, kind)
            for user, token in self.tokens.items()
            for kind in REQUIRED
        ]
        self.room_ids = [await self.create_room(self.tokens["alice"]) for _ in range(ROOMS)]

    async def create_room(self, host: str) -> str:
        power = {"state_default": 0}
        return await self.create_public(host, power_level_content_override=power)

    async def write(self) -> None:
        user = self.random.choice(USERS)
        token, room_id = self.tokens[user], self.random.choice(self.room_ids)
        action = self.random.choice(["send"] * 5 + ["topic"] * 2 + ["join"] * 3 + ["leave"])
        if action == "send":
            path = f"/send/m.room.message/t{self.random.random()}"
            await self.fetch("PUT", room_path(room_id, path), {"body": "x"}, token=token)
        elif action == "topic":
            content = {"topic": str(self.random.randrange(5))}
            path = room_path(room_id, "/state/m.room.topic")
            await self.fetch("PUT", path, content, token=token)
        elif user != "alice":  # who stays, so that the rooms live on
            await self.fetch("POST", room_path(room_id, f"/{action}"), {}, token=token)

    async def step(self) -> None:
        """Some writes, and clients that ask meanwhile."""
        work = [self.write() for _ in range(self.random.randrange(3))]
        asking = self.random.sample(self.clients, self.random.randrange(3))
        work += [self._sync(client) for client in asking]
        self.random.shuffle(work)
        await gatherResults([Deferred.fromCoroutine(part) for part in work])

    async def _sync(self, client: Client) -> None:
        await client.sync()

    async def check(self, client: Client) -> None:
        joined = await self.ok("GET", "/_matrix/client/v3/joined_rooms", token=client.token)
        self.assertEqual(set(client.rooms), set(joined["joined_rooms"]))
        for room_id, room in client.rooms.items():
            page = await self.messages(client.token, room_id, limit=200)
            truth = await self.live(ids(page["chunk"])[::-1])
            timeline = await self.live(room.timeline)
            self.assertEqual(timeline, truth[len(truth) - len(timeline) :])
            self.seen += len(room.timeline)
            state = {
                slot: event["event_id"]
                for slot, event in (await self.state(client.token, room_id)).items()
            }
            untold = await self.untold(room_id)
            for slot in set(room.state) & untold - set(state):
                del room.state[slot]
            if client.kind == "all":
                self.assertEqual(room.state, state)
            elif client.kind == "some":
                own = (MEMBER, client.user_id)
                wanted = {k: v for k, v in state.items() if k in (own, ("m.room.topic", ""))}
                self.assertEqual(room.state, wanted)
            else:
                others = {slot for slot in state if slot[0] != MEMBER}
                self.assertLessEqual(others, set(room.state))
                self.assertLessEqual(room.state.items(), state.items())

    async def live(self, event_ids: list[str]) -> list[str]:
        """Those of the events that came as news."""
        return event_ids

    async def untold(self, room_id: str) -> set[tuple[str, str]]:
        """Slots that a client may take for filled although nothing fills them any more."""
        return set()

    async def check_order(self, client: Client) -> None:
        """A new client's window shows the rooms that moved last."""
        newest = [await self._joined_newest(room_id) for room_id in client.rooms]
        expected = [room_id for _, room_id in sorted(newest, reverse=True)[:2]]
        config = a_list((0, 1))
        answer = await self.sliding(client.token, conn_id="order", lists={"top": config})
        self.assertEqual(set(answer["rooms"]), set(expected))

    async def _joined_newest(self, room_id: str) -> tuple[int, str]:
        return (await self.server.rooms.cache.get(room_id)).last_nid, room_id

    async def run_seed(self, seed: int) -> None:
        await self.arrange(seed)
        for _ in range(STEPS):
            await self.step()
        for client in self.clients:
            await client.sync(whole=True)
            self.assertFalse(await self._settled(client))
            await self.check(client)
            await self.check_order(client)

    async def _settled(self, client: Client) -> bool:
        """Whether there is still news after another look; a longer timeline may be some."""
        await client.sync(whole=True)
        for _ in range(3):
            await client.sync(whole=True)
        limit = a_list(limit=1, required_state=REQUIRED[client.kind])
        answer = await self.sliding(
            client.token, client.pos, conn_id=client.kind, lists={"all": limit}
        )
        client.pos = answer["pos"]
        return bool(answer["rooms"])
