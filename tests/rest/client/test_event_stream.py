"""Client API: /events, of all rooms and of one that is looked into."""

from typing import Any
from unittest.mock import patch
from urllib.parse import quote, urlencode

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from synapse.handlers import event_stream
from synapse.util.clock import Clock
from tests.http.client import Connection
from tests.rest.rooms import V3, RoomTestCase, bodies, ids

BOB = "@bob:test"
WORLD_READABLE = {
    "type": "m.room.history_visibility",
    "content": {"history_visibility": "world_readable"},
}


class EventStreamTests(RoomTestCase):
    async def arrange(self, **body: Any) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create_public(self.alice, **body)

    def path(self, **query: Any) -> str:
        return f"{V3}/events?{urlencode(query)}"

    async def events(self, token: str, **query: Any) -> Any:
        return await self.ok("GET", self.path(**query), token=token)

    def poll(self, token: str, **query: Any) -> Connection:
        return self.site.start("GET", self.path(timeout=30_000, **query), token=token)

    async def now(self, token: str) -> str:
        return str((await self.events(token))["end"])

    async def test_events_of_joined_rooms_in_their_order(self) -> None:
        await self.arrange()
        other = await self.create_public(self.alice)
        for room_id in (self.room_id, other):
            await self.join(self.bob, room_id)
        start = await self.now(self.bob)
        for n, room_id in enumerate([self.room_id, other, self.room_id]):
            await self.send(self.alice, room_id, str(n))
        await self.send(self.alice, await self.create(self.alice), "not for bob")
        for restarted in (False, True):
            if restarted:
                self.start(self.config)
            page = await self.events(self.bob, **{"from": start})
            self.assertEqual(bodies(page["chunk"]), ["0", "1", "2"])
            self.assertEqual(page["chunk"][1]["room_id"], other)
            self.assertEqual(page["start"], start)
            after = await self.events(self.bob, **{"from": page["end"]})
            self.assertEqual(after["chunk"], [])

    async def test_memberships_of_ones_own(self) -> None:
        await self.arrange()
        start = await self.now(self.bob)
        await self.change_membership(self.alice, self.room_id, "invite", "@bob:test")
        await self.send(self.alice, self.room_id, "hidden")
        page = await self.events(self.bob, **{"from": start})
        self.assertEqual([e["content"]["membership"] for e in page["chunk"]], ["invite"])
        await self.leave(self.bob, self.room_id)
        page = await self.events(self.bob, **{"from": page["end"]})
        self.assertEqual(page["chunk"], [])
        await self.join(self.bob, self.room_id)
        await self.leave(self.bob, self.room_id)
        await self.send(self.alice, self.room_id, "after")
        page = await self.events(self.bob, **{"from": page["end"]})
        self.assertEqual(
            [e["content"]["membership"] for e in page["chunk"]][-2:], ["join", "leave"]
        )

    async def test_long_news_come_in_pages(self) -> None:
        await self.arrange()
        await self.join(self.bob, self.room_id)
        other = await self.create_public(self.bob)
        token = await self.now(self.bob)
        sent = []
        for n in range(230):
            sent.append(await self.send(self.bob, other if n % 10 == 0 else self.room_id))
        found: list[str] = []
        while events := (page := await self.events(self.bob, **{"from": token}))["chunk"]:
            found += ids(events)
            token = page["end"]
        self.assertEqual(found, sent)

    async def test_news_of_many_rooms_come_in_pages(self) -> None:
        await self.arrange()
        await self.join(self.bob, self.room_id)
        token = await self.now(self.bob)
        rooms = [self.room_id, *[await self.create_public(self.bob) for _ in range(4)]]
        for room_id in rooms * 3:
            await self.send(self.bob, room_id)
        for n in range(3):
            await self.create_public(self.alice, invite=[BOB], name=f"{n}")
        whole = ids((await self.events(self.bob, **{"from": token}))["chunk"])
        with patch.object(event_stream, "_MAX_EVENTS", 2):
            found: list[str] = []
            while events := (page := await self.events(self.bob, **{"from": token}))["chunk"]:
                self.assertLessEqual(len(events), 2)
                found += ids(events)
                token = page["end"]
        self.assertEqual(found, whole)

    async def test_waits_for_news(self) -> None:
        await self.arrange()
        await self.join(self.bob, self.room_id)
        waiting = self.poll(self.bob, **{"from": await self.now(self.bob)})
        self.assertEqual(waiting.sent, b"")
        sent = await self.send(self.alice, self.room_id)
        self.assertEqual(ids((await waiting.answered()).json["chunk"]), [sent])

    async def test_time_is_up(self) -> None:
        await self.arrange(initial_state=[WORLD_READABLE])
        for query in ({}, {"room_id": self.room_id}):
            waiting = self.poll(self.bob, **query)
            self.advance(29)
            self.assertEqual(waiting.sent, b"")
            while not waiting.sent:
                await Clock(reactor).sleep(0.01)  # for the database's threads
                self.advance(31)
            self.assertEqual((await waiting.answered()).json["chunk"], [])

    async def test_looking_into_a_room(self) -> None:
        await self.arrange(initial_state=[WORLD_READABLE])
        _, guest = await self.guest()
        query = {"room_id": self.room_id, "from": await self.now(self.bob)}
        waiting = [self.poll(token, **query) for token in (guest, self.bob)]
        await self.send(self.alice, await self.create(self.alice))
        self.assertEqual([poll.sent for poll in waiting], [b"", b""])
        sent = await self.send(self.alice, self.room_id)
        for poll in waiting:
            answer = (await poll.answered()).json
            self.assertEqual(ids(answer["chunk"]), [sent])
        query["from"] = answer["end"]
        self.assertEqual((await self.events(guest, **query))["chunk"], [])

    async def test_looking_ends_when_the_room_is_closed(self) -> None:
        await self.arrange(initial_state=[WORLD_READABLE])
        query = {"room_id": self.room_id, "from": await self.now(self.bob)}
        waiting = self.poll(self.bob, **query)
        closed = {"history_visibility": "shared"}
        end = await self.set_state(self.alice, self.room_id, "m.room.history_visibility", closed)
        answer = await waiting.answered()
        if answer.status == 200:  # whose look began before, and saw the end
            self.assertEqual(ids(answer.json["chunk"]), [end])
            answer = await self.poll(self.bob, **query).answered()
        self.assertEqual(answer.status, 403)

    async def test_whoever_goes_away_is_forgotten(self) -> None:
        await self.arrange(initial_state=[WORLD_READABLE])
        waiting = self.poll(self.bob, room_id=self.room_id)
        while not self.server.streams.followers._watchers:
            await Clock(reactor).sleep(0.01)  # for the database's threads
        waiting.hang_up()
        await self.send(self.alice, self.room_id)
        self.assertEqual(self.server.streams.followers._watchers, {})

    async def test_the_server_stops(self) -> None:
        await self.arrange(initial_state=[WORLD_READABLE])
        now = await self.now(self.bob)
        waiting = self.poll(self.bob, room_id=self.room_id, **{"from": now})
        while not self.server.streams.followers._watchers:
            await Clock(reactor).sleep(0.01)  # for the database's threads
        Deferred.fromCoroutine(self.site.site.stop())
        answer = (await waiting.answered()).json
        self.assertEqual(answer, {"start": now, "end": now, "chunk": []})

    async def test_strangers(self) -> None:
        await self.arrange()
        for room_id in (self.room_id, "!unknown:test"):
            path = self.path(room_id=room_id)
            await self.refused(403, "M_FORBIDDEN", "GET", path, token=self.bob)

    async def test_wrong_parameters(self) -> None:
        await self.arrange()
        for query in ("from=x", "from=", "from=t5", "timeout=x", "timeout=-1"):
            path = f"{V3}/events?{quote(query, safe='=')}"
            await self.refused(400, "M_INVALID_PARAM", "GET", path, token=self.alice)
