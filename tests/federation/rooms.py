"""Rooms shared by several servers of ours, with a user on each."""

from typing import Any
from urllib.parse import quote

import orjson

from synapse.rooms.room import Room
from tests.federation.servers import FederationTestCase

ONE, TWO, THREE = "one.test", "two.test", "three.test"
V3 = "/_matrix/client/v3"


def path(room_id: str, rest: str) -> str:
    """A path of the client API below a room."""
    return f"{V3}/rooms/{quote(room_id, safe='')}{rest}"


class SharedRoomTestCase(FederationTestCase):
    """alice on one.test, bob on two.test, carol on three.test."""

    said = 0
    carried = 0

    maxDiff = None

    async def arrange(self, *names: str, **sections: Any) -> None:
        self.tokens: dict[str, str] = {}
        users = {ONE: "alice", TWO: "bob", THREE: "carol"}
        for name in names or (ONE, TWO):
            self.add_server(name, **sections)
            self.tokens[users[name]] = await self.register(name, users[name])
        self.homes = {"alice": ONE, "bob": TWO, "carol": THREE}

    def user(self, name: str) -> str:
        return f"@{name}:{self.homes[name]}"

    async def ask(self, name: str, method: str, path: str, json: Any = None) -> Any:
        """What a user's request is answered, which must be 200."""
        return await self.client(self.homes[name], method, path, json, token=self.tokens[name])

    async def refused(self, name: str, method: str, path: str, json: Any = None) -> tuple[int, str]:
        """Status and `errcode` of a request that fails."""
        answer = await self.fetch(self.homes[name], method, path, json, token=self.tokens[name])
        self.assertGreaterEqual(answer.status, 400, str(answer))
        return answer.status, answer.json["errcode"]

    async def create(self, who: str = "alice", **wish: Any) -> str:
        """A new room's id; everybody may join unless the wish says otherwise."""
        body = {"preset": "public_chat", **wish}
        return str((await self.ask(who, "POST", f"{V3}/createRoom", body))["room_id"])

    async def join(self, name: str, room_id: str, *via: str) -> None:
        query = "&".join(f"via={server}" for server in via)
        await self.ask(name, "POST", f"{V3}/join/{quote(room_id, safe='')}?{query}", {})

    async def say(self, name: str, room_id: str) -> str:
        """A message's event id."""
        self.said += 1
        url = path(room_id, f"/send/m.room.message/{self.said}")
        return str((await self.ask(name, "PUT", url, {"body": "x"}))["event_id"])

    async def carry(self, here: str, there: str, *event_ids: str) -> None:
        """Bring events from one server to another, as its sender would."""
        events = await self.servers[here].stores.events.get_many(event_ids)
        pdus = [orjson.loads(events[event_id].json) for event_id in event_ids]
        self.carried += 1
        answer = await self.network.links[here].request(
            there,
            "PUT",
            f"/_matrix/federation/v1/send/{self.carried}",
            json={"origin": here, "origin_server_ts": self.clock.now_ms(), "pdus": pdus},
        )
        self.assertEqual(answer["pdus"], {event_id: {} for event_id in event_ids})
        await self.servers[there].background.finish()

    async def room(self, server: str, room_id: str) -> Room:
        return await self.servers[server].rooms.cache.get(room_id)

    async def membership(self, server: str, room_id: str, user_id: str) -> str | None:
        """A user's membership as a server sees it."""
        cache = self.servers[server].rooms.cache
        event = await cache.current(await cache.get(room_id), "m.room.member", user_id)
        return None if event is None else event.membership

    async def state_ids(self, server: str, room_id: str) -> dict[tuple[str, str], str]:
        """The room's state as a server has it."""
        room = await self.room(server, room_id)
        state = await self.servers[server].stores.states.events_at(room.view_nid)
        return {slot: event.event_id for slot, event in state.items()}

    def requests(self, *parts: str) -> list[tuple[str, str, str]]:
        """The requests between servers whose line has one of these in it."""
        return [entry for entry in self.network.log if any(part in entry[2] for part in parts)]
