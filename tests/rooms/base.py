"""The core of rooms over a real database: writer, persister, caches."""

from itertools import pairwise
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from synapse.api.constants import EventTypes
from synapse.api.room_versions import ROOM_VERSIONS
from synapse.app.wiring import Server
from synapse.events.event import Event
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft
from synapse.storage.database import Database
from synapse.util.clock import Clock
from tests.rest.base import KEY, AtOnce, default_config
from tests.storage.base import StoreTestCase

ALICE = "@alice:test"


class RoomsTestCase(StoreTestCase):
    """`self.server` has all parts; `another_process()` is a second one on the same database."""

    def setUp(self) -> None:
        super().setUp()
        self.server = self.process(self.database)
        self.rooms_made = 0

    def process(self, database: Database) -> Server:
        server = Server(default_config(), database, Clock(reactor), AtOnce(), KEY)
        self.addCleanup(server.streams.typing.close)
        self.addCleanup(server.rooms.fork_merging.stop)
        return server

    def another_process(self) -> Server:
        return self.process(self.open())

    async def create_room(self, version: str = "12", *, server: Server | None = None) -> Room:
        """A public room of Alice's."""
        content: dict[str, Any] = {"room_version": version}
        if not ROOM_VERSIONS[version].implicit_creator:
            content["creator"] = ALICE
        levels = {} if ROOM_VERSIONS[version].privileged_creators else {ALICE: 100}
        drafts = [
            Draft(EventTypes.CREATE, ALICE, content, ""),
            Draft(EventTypes.MEMBER, ALICE, {"membership": "join"}, ALICE),
            Draft(EventTypes.POWER_LEVELS, ALICE, {"users": levels}, ""),
            Draft(EventTypes.JOIN_RULES, ALICE, {"join_rule": "public"}, ""),
        ]
        writer = (server or self.server).rooms.writer
        self.rooms_made += 1
        return await writer.create(ROOM_VERSIONS[version], drafts, f"!room{self.rooms_made}:test")

    async def joined_by_server(self, room_id: str) -> dict[str, int]:
        """How many members other servers have in a room, as it is counted."""
        rows = await self.database.fetch(
            "SELECT n.name, s.joined FROM room_servers s JOIN names n ON n.nid = s.server_nid"
            " JOIN rooms ro ON ro.room_nid = s.room_nid WHERE ro.room_id = ? AND s.joined <> 0",
            room_id,
        )
        return dict(rows)

    async def say(
        self, room_id: str, body: str, *, sender: str = ALICE, server: Server | None = None
    ) -> Event:
        draft = Draft(EventTypes.MESSAGE, sender, {"msgtype": "m.text", "body": body})
        return await (server or self.server).rooms.writer.send(room_id, draft)

    async def set(
        self,
        room_id: str,
        type: str,
        content: dict[str, Any],
        state_key: str = "",
        *,
        sender: str = ALICE,
        server: Server | None = None,
    ) -> Event:
        draft = Draft(type, sender, content, state_key=state_key)
        return await (server or self.server).rooms.writer.send(room_id, draft)

    async def change_membership(self, room_id: str, user_id: str, membership: str) -> Event:
        content = {"membership": membership}
        return await self.set(room_id, EventTypes.MEMBER, content, user_id, sender=user_id)

    async def timeline(self, room_id: str, *, server: Server | None = None) -> list[Event]:
        """All of a room's events as the database has them, oldest first."""
        events = (server or self.server).stores.events
        row = await (server or self.server).stores.rooms.get(room_id)
        assert row is not None
        return await events.after(row.room_nid, 0, 10_000)

    def assert_is_a_line(self, events: list[Event]) -> None:
        """One order, no gap, no fork: each event stands on the one before."""
        self.assertEqual([event.pos for event in events], list(range(1, len(events) + 1)))
        for before, event in pairwise(events):
            self.assertEqual(event.prev_event_ids(), [before.event_id])
            self.assertEqual(event.depth, before.depth + 1)
            self.assertGreater(event.nid, before.nid)


async def together(*work: Any) -> list[Any]:
    """Run coroutines at once; their results in order."""
    return await gatherResults([Deferred.fromCoroutine(each) for each in work], consumeErrors=True)
