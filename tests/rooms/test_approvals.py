"""Events that a room's policy server signs first: where they stand, if the room moves meanwhile."""

from typing import Any

import orjson
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from synapse.api.errors import Forbidden, LimitExceeded
from synapse.api.room_versions import ROOM_VERSIONS
from synapse.app.wiring import Server
from synapse.crypto.signing import SigningKey
from synapse.events import hashing
from synapse.events.event import Event
from synapse.rooms.writer import Draft
from synapse.storage.database import Database
from synapse.util import base64
from synapse.util.clock import Clock
from tests.rest.base import KEY, AtOnce, default_config
from tests.rooms.base import ALICE, together
from tests.rooms.test_receiver import BOB, VERSIONS, ReceiverTestCase

POLICY_KEY = SigningKey("policy_server", b"policy".ljust(32, b"."))
FORKS = 30


class PolicyServer:
    """A transport to a policy server that signs everything, behind our own name."""

    def __init__(self) -> None:
        self.version = "12"
        self.asked: list[str] = []
        self.thinks: Deferred[None] | None = None  # about the next event

    async def request(
        self,
        destination: str,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        **options: Any,
    ) -> Any:
        event = orjson.loads(body or b"")
        self.asked.append(event["type"])
        if (thinks := self.thinks) is not None:
            self.thinks = None
            await thinks
        essential = hashing.essential_bytes(event, ROOM_VERSIONS[self.version])
        return {destination: {"ed25519:policy_server": POLICY_KEY.sign(essential).decode()}}


class ApprovalTests(ReceiverTestCase):
    def setUp(self) -> None:
        self.policy = PolicyServer()
        super().setUp()

    def process(self, database: Database) -> Server:
        server = Server(
            default_config(),
            database,
            Clock(reactor),
            AtOnce(),
            KEY,
            transport=self.policy,
        )
        self.addCleanup(server.streams.typing.close)
        self.addCleanup(server.rooms.fork_merging.stop)
        return server

    async def begin(self, version: str) -> None:
        await super().begin(version)
        self.policy.version = version
        public_key = base64.encode(POLICY_KEY.public).decode()
        policy = {"via": "test", "public_keys": {"ed25519": public_key}}
        event = await self.send_here("m.room.policy", policy, "")
        self.elsewhere.last = event.event_id

    def let_it_think(self) -> Deferred[None]:
        """What the next event's signature waits for."""
        thinks: Deferred[None] = Deferred()
        self.policy.thinks = thinks
        return thinks

    async def until_asked(self) -> None:
        for _ in range(5_000):
            if self.policy.thinks is None:
                return
            await Clock(reactor).sleep(0.001)
        self.fail("Nobody asks")

    def is_signed(self, event: Event) -> bool:
        return "ed25519:policy_server" in event.parsed()["signatures"]["test"]

    async def test_a_line_stays_one(self) -> None:
        for version in VERSIONS:
            await self.begin(version)
            sent = await together(*(self.say(self.room_id, str(n)) for n in range(20)))
            events = await self.timeline(self.room_id)
            self.assert_is_a_line(events)
            self.assertEqual([e.event_id for e in events[-20:]], [e.event_id for e in sent])
            self.assertTrue(all(map(self.is_signed, events[-20:])))

    async def test_what_others_say_meanwhile_stands_beside_it(self) -> None:
        for version in VERSIONS:
            await self.begin(version)
            old = self.elsewhere.last
            thinks = self.let_it_think()
            topic = Deferred.fromCoroutine(
                self.set(self.room_id, "m.room.topic", {"topic": "ours"})
            )
            await self.until_asked()
            await self.accept(self.elsewhere.say(BOB, "meanwhile"))
            thinks.callback(None)
            event = await topic
            self.assertEqual(event.prev_event_ids(), [old])
            self.elsewhere.add(event, self.elsewhere.resolved([old]))
            self.assertEqual(len((await self.current_room()).tips), 2)
            self.assertEqual((await self.view())["m.room.topic", ""], event.event_id)
            await self.assert_consistent()
            # The next one merges both.
            await self.send_here("m.room.name", {"name": "x"}, "")
            await self.assert_consistent()

    async def test_another_process_writes_meanwhile(self) -> None:
        other = self.another_process()
        await self.begin("12")
        await other.rooms.cache.get(self.room_id)
        thinks = self.let_it_think()
        draft = Draft("m.room.message", ALICE, {"body": "first"}, txn=(1, "txn"))
        first = Deferred.fromCoroutine(self.server.rooms.writer.send(self.room_id, draft))
        await self.until_asked()
        second = await self.say(self.room_id, "second", server=other)
        thinks.callback(None)
        event = await first
        timeline = await self.timeline(self.room_id)
        self.assertEqual([e.event_id for e in timeline[-2:]], [second.event_id, event.event_id])
        # It is built anew, and shown anew.
        self.assert_is_a_line(timeline)
        self.assertEqual(self.policy.asked[-3:], ["m.room.message"] * 3)
        found = await other.stores.events.by_txn(1, self.room.nid, "txn")
        self.assertEqual(found, event.event_id)

    async def test_a_graph_with_many_ends(self) -> None:
        await self.begin("12")
        old = self.elsewhere.last
        for number in range(FORKS):
            await self.accept(self.elsewhere.say(BOB, str(number), after=[old]))
        left = []
        for number in range(4):
            event = await self.say(self.room_id, str(number))
            self.elsewhere.add(event, self.elsewhere.resolved(event.prev_event_ids()))
            left.append(len((await self.current_room()).tips))
        self.assertEqual(left, [21, 12, 3, 1])
        await self.assert_consistent()

    async def test_no_more_than_a_hundred_wait(self) -> None:
        await self.begin("12")
        thinks = self.let_it_think()
        sent = [Deferred.fromCoroutine(self.say(self.room_id, str(n))) for n in range(101)]
        await self.until_asked()
        with self.assertRaises(LimitExceeded):
            await self.say(self.room_id, "too many")
        thinks.callback(None)
        for each in sent:
            await each
        await self.say(self.room_id, "and now")
        self.assert_is_a_line(await self.timeline(self.room_id))

    async def test_a_redaction(self) -> None:
        for version in VERSIONS:
            await self.begin(version)
            said = await self.say(self.room_id, "hello")
            draft = Draft("m.room.redaction", ALICE, {}, redacts=said.event_id)
            if ROOM_VERSIONS[version].redacts_in_content:
                draft.content["redacts"] = said.event_id
            await self.server.rooms.writer.send(self.room_id, draft)
            (redacted,) = [
                e for e in await self.timeline(self.room_id) if e.event_id == said.event_id
            ]
            self.assertEqual(redacted.content, {})
            self.assertTrue(self.is_signed(redacted))

    async def test_rights_that_were_lost_meanwhile(self) -> None:
        await self.begin("12")
        await self.change_membership(self.room_id, "@dora:test", "join")
        thinks = self.let_it_think()
        message = Deferred.fromCoroutine(self.say(self.room_id, "too late", sender="@dora:test"))
        await self.until_asked()
        # It needs nobody's word, so it overtakes the other one.
        await self.set(self.room_id, "m.room.policy", {})
        await self.set(
            self.room_id, "m.room.member", {"membership": "ban"}, "@dora:test", sender=ALICE
        )
        thinks.callback(None)
        with self.assertRaises(Forbidden):
            await message
