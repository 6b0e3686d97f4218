"""Rooms that several servers share, without the joins that servers make with each other."""

import random
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.app.wiring import Server
from synapse.crypto.signing import SigningKey
from synapse.events.auth_selection import auth_slots
from synapse.events.builder import build
from synapse.events.event import Event
from synapse.federation.pdus import Verified
from synapse.rooms.arrivals import Arrival
from synapse.rooms.receiver import Verdict
from synapse.rooms.writer import Draft
from tests.federation.servers import FederationTestCase, Link
from tests.rooms.elsewhere import Elsewhere

ONE, TWO, THIRD = "one.test", "two.test", "elsewhere"
ALICE, BOB, CAROL = "@alice:one.test", "@bob:elsewhere", "@carol:two.test"
V3 = "/_matrix/client/v3"
FEDERATION = "/_matrix/federation/v1"
VERSIONS = ("1", "6", "12")


def key_of(server: str) -> SigningKey:
    """The key that `FederationTestCase.add_server` gives a server."""
    return SigningKey("a_" + server.partition(".")[0], server.encode().ljust(32, b".")[:32])


class SharedRoomTestCase(FederationTestCase):
    """Alice of one.test has a room, in which bob of "elsewhere" is; two.test has carol.

    What bob's server does is made by the test (`self.third`); only its keys are real.
    """

    async def arrange(self, version: str = "12", **body: Any) -> None:
        for name in (ONE, TWO, THIRD):
            self.add_server(name)
        self.one, self.two = self.servers[ONE], self.servers[TWO]
        self.alice = await self.register(ONE, "alice")
        self.carol = await self.register(TWO, "carol")
        self.sent = 0
        answer = await self.client(
            ONE,
            "POST",
            f"{V3}/createRoom",
            {"preset": "public_chat", "room_version": version, **body},
            token=self.alice,
        )
        self.room_id = answer["room_id"]
        self.third = Elsewhere.of(
            ROOM_VERSIONS[version], await self.timeline(self.one), key=key_of(THIRD)
        )
        await self.tell_one(self.third.join(BOB))

    async def timeline(self, server: Server, room_id: str | None = None) -> list[Event]:
        """A server's events of the room with a place, oldest first."""
        room = await server.rooms.cache.get(room_id or self.room_id)
        return await server.stores.events.after(room.nid, -(2**60), 10_000)

    async def tell_one(self, *events: Event) -> list[Verdict]:
        """one.test takes up events of bob's server."""
        verdicts = []
        for event in events:
            known = await self.one.stores.events.get_many(event.auth_event_ids())
            auth_events = [known[event_id] for event_id in event.auth_event_ids()]
            arrival = Arrival(self.third.arrival(event).event, auth_events, frozenset({THIRD}))
            verdicts += await self.one.rooms.receiver.receive(event.room_id, [arrival])
        return verdicts

    async def say(self, body: str, *, server: str = ONE, token: str = "") -> str:
        """A message of alice's; its event id."""
        self.sent += 1
        path = f"{V3}/rooms/{quote(self.room_id)}/send/m.room.message/{self.sent}"
        content = {"msgtype": "m.text", "body": body}
        answer = await self.client(server, "PUT", path, content, token=token or self.alice)
        return str(answer["event_id"])

    async def set_state(self, type: str, content: Any, key: str = "") -> str:
        path = f"{V3}/rooms/{quote(self.room_id)}/state/{type}/{quote(key)}"
        answer = await self.client(ONE, "PUT", path, content, token=self.alice)
        return str(answer["event_id"])

    async def invite(self, user_id: str) -> str:
        """Alice's server invites somebody of another one, without telling that one."""
        draft = Draft("m.room.member", ALICE, {"membership": "invite"}, user_id)
        return (await self.one.rooms.writer.send(self.room_id, draft)).event_id

    async def enter(
        self, user_id: str = CAROL, server: str = TWO, *, membership: str = "join"
    ) -> Event:
        """A user of another server enters alice's room: the state comes from one.test."""
        join = await self.tell_membership(user_id, server, membership)
        if membership == "join":
            ours = self.servers[server]
            version = join.version
            await ours.rooms.entrances.open(self.room_id, version)
            room = await ours.rooms.cache.get(self.room_id)
            state = await ours.federation.graph.state_before(ONE, room, join.event_id)
            events = await ours.stores.events.by_nids([n for n in state.changes.values() if n])
            (one,) = await ours.federation.pdus.verify(
                version, self.room_id, [orjson.loads(join.json)]
            )
            assert isinstance(one, Verified)
            known = await ours.stores.events.get_many(join.auth_event_ids())
            auth_events = [known[event_id] for event_id in join.auth_event_ids()]
            arrival = Arrival(one.event, auth_events, one.signed_by)
            await ours.rooms.entrances.enter(arrival, list(events.values()))
        return join

    async def tell_membership(self, user_id: str, server: str, membership: str) -> Event:
        """one.test takes up a member event that another server makes."""
        room = await self.one.rooms.cache.get(self.room_id)
        content = {"membership": membership}
        slots = auth_slots("m.room.member", user_id, user_id, content, room.version)
        state = await self.one.rooms.cache.state(room, slots)
        self.sent += 1
        event = build(
            room.version,
            room_id=self.room_id,
            type="m.room.member",
            sender=user_id,
            state_key=user_id,
            content=content,
            prev_events=room.tips,
            auth_events=list(state.values()),
            depth=room.depth + 1,
            origin_server_ts=self.clock.now_ms(),
            server_name=server,
            key=key_of(server),
            event_id_localpart=f"member{self.sent}" if room.version.events_have_ids else None,
        )
        arrival = Arrival(event, list(state.values()), frozenset({server}))
        verdicts = await self.one.rooms.receiver.receive(self.room_id, [arrival])
        self.assertEqual(verdicts, [Verdict.ACCEPTED])
        return event

    def ask(self, origin: str, server: str = ONE) -> "Asker":
        """Signed requests of one server to another."""
        return Asker(Link(self.network, origin, key_of(origin)), server)

    async def read_back(
        self, server: str, token: str, *, limit: int | random.Random = 10, most: int = 500
    ) -> list[Any]:
        """All events that a client gets by reading back, newest first."""
        read: list[Any] = []
        start = ""
        for _ in range(most):
            size = limit.randint(1, 12) if isinstance(limit, random.Random) else limit
            query = {"dir": "b", "limit": size, **({"from": start} if start else {})}
            path = f"{V3}/rooms/{quote(self.room_id)}/messages?{urlencode(query)}"
            page = await self.client(server, "GET", path, token=token)
            read += page["chunk"]
            if "end" not in page:
                return read
            self.assertFalse(page["end"] == start and not page["chunk"], "it stands still")
            start = page["end"]
        raise AssertionError("reading back never ends")


class Asker:
    """`await asker.get("/event/$x")`"""

    def __init__(self, link: Link, server: str) -> None:
        self._link = link
        self._server = server

    async def get(self, path: str, **query: Any) -> Any:
        return await self._link.request(self._server, "GET", FEDERATION + path, query=query or None)

    async def post(self, path: str, json: Any) -> Any:
        return await self._link.request(self._server, "POST", FEDERATION + path, json=json)


def ids(events: list[Any]) -> list[str]:
    return [e.event_id if isinstance(e, Event) else e["event_id"] for e in events]


def in_graph_order(events: list[Event]) -> bool:
    """Whether no event stands before one that it stands on (oldest first)."""
    place = {event.event_id: number for number, event in enumerate(events)}
    return all(
        place.get(prev, -1) < place[event.event_id]
        for event in events
        for prev in event.prev_event_ids()
    )


def snapshot_ids(state: dict[tuple[str, str], Event]) -> dict[tuple[str, str], str]:
    return {slot: event.event_id for slot, event in state.items()}
