"""The writer and the persister: order, pipelining, failures, two processes."""

from typing import Any

import msgspec
from twisted.internet.defer import CancelledError, Deferred

from synapse.api.constants import EventTypes
from synapse.api.errors import Forbidden, NotFound
from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.event import Event
from synapse.rooms.noise import SILENCE
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft, slots_of
from synapse.storage.transaction import Transaction
from tests.rooms.base import ALICE, RoomsTestCase, together


class WriterTests(RoomsTestCase):
    async def test_a_room_of_each_version_begins_and_goes_on(self) -> None:
        for version in ROOM_VERSIONS:
            with self.subTest(version=version):
                room = await self.create_room(version)
                await self.say(room.room_id, "hello")
                events = await self.timeline(room.room_id)
                self.assertEqual(len(events), 5)
                self.assert_is_a_line(events)

    async def test_sends_at_once_stand_in_one_line(self) -> None:
        room = await self.create_room()
        sent = await together(*(self.say(room.room_id, str(n)) for n in range(50)))
        events = await self.timeline(room.room_id)
        self.assert_is_a_line(events)
        self.assertEqual([e.event_id for e in events[4:]], [e.event_id for e in sent])

    async def test_a_long_line_waits_for_a_room_that_has_to_be_read_first(self) -> None:
        room_id = (await self.create_room()).room_id
        fresh = self.another_process()
        texts = [str(number) for number in range(1_000)]
        sends: list[Any] = [self.say(room_id, text, server=fresh) for text in texts]
        await together(*sends)
        events = await self.timeline(room_id)
        said = [event.content["body"] for event in events if event.type == EventTypes.MESSAGE]
        self.assertEqual(sorted(said, key=int), texts)

    async def test_many_rooms_at_once(self) -> None:
        versions = list(ROOM_VERSIONS)
        rooms = [await self.create_room(version) for version in versions]
        await together(*(self.say(room.room_id, str(n)) for n in range(10) for room in rooms))
        for room in rooms:
            events = await self.timeline(room.room_id)
            self.assertEqual(len(events), 14)
            self.assert_is_a_line(events)

    async def test_a_refused_event_leaves_no_trace(self) -> None:
        room = await self.create_room()
        with self.assertRaises(Forbidden):
            await self.say(room.room_id, "I am not here", sender="@mallory:test")
        await self.say(room.room_id, "still fine")
        self.assert_is_a_line(await self.timeline(room.room_id))

    async def test_an_unknown_room(self) -> None:
        with self.assertRaises(NotFound):
            await self.say("!nowhere:test", "hello")

    async def test_a_room_that_fails_to_begin_is_not_there(self) -> None:
        drafts = [
            Draft(EventTypes.CREATE, ALICE, {"room_version": "12"}, ""),
            Draft(EventTypes.MEMBER, ALICE, {"membership": "join"}, ALICE),
            Draft(EventTypes.NAME, "@mallory:test", {"name": "mine"}, ""),
        ]
        with self.assertRaises(Forbidden):
            await self.server.rooms.writer.create(ROOM_VERSIONS["12"], drafts, "")
        self.assertEqual(await self.database.fetch("SELECT room_id FROM rooms"), [])

    async def test_a_cancelled_send_harms_nobody(self) -> None:
        room = await self.create_room()
        cancelled = Deferred.fromCoroutine(self.say(room.room_id, "never mind"))
        others = together(*(self.say(room.room_id, str(n)) for n in range(5)))
        cancelled.cancel()
        with self.assertRaises(CancelledError):
            await cancelled
        await others
        await self.say(room.room_id, "and on")
        self.assert_is_a_line(await self.timeline(room.room_id))

    async def test_one_who_goes_away_while_a_room_loads_takes_nobody_along(self) -> None:
        room = await self.create_room()
        self.server.rooms.cache.discard(room)
        one = Deferred.fromCoroutine(self.server.rooms.cache.get(room.room_id))
        two = Deferred.fromCoroutine(self.server.rooms.cache.get(room.room_id))
        one.addErrback(lambda failure: failure.trap(CancelledError))
        one.cancel()
        self.assertEqual((await two).head, room.head)

    async def test_a_failing_neighbour_in_the_transaction_harms_nobody(self) -> None:
        room = await self.create_room()

        def fail(txn: Transaction, items: list[int]) -> None:
            raise ValueError("not today")

        failing = self.database.write(fail, 1)
        sends: list[Any] = [self.say(room.room_id, str(n)) for n in range(5)]
        results = together(*sends)
        with self.assertRaises(ValueError):
            await failing
        await results
        events = await self.timeline(room.room_id)
        self.assertEqual(len(events), 9)
        self.assert_is_a_line(events)

    async def test_what_the_database_has_is_what_memory_has(self) -> None:
        room = await self.create_room()
        for user in ("@bob:test", "@carol:elsewhere"):
            await self.change_membership(room.room_id, user, "join")
        await self.say(room.room_id, "hello")
        loaded = await self.another_process().rooms.cache.get(room.room_id)
        for name in ("nid", "head", "pos", "depth", "joined", "invited", "local_joined"):
            self.assertEqual(getattr(loaded, name), getattr(room, name), name)
        self.assertEqual((loaded.joined, loaded.local_joined), (3, 2))
        self.assertEqual([e.json for e in loaded.tail], [e.json for e in room.tail])
        self.assertEqual([e.event_id for e in loaded.tips], [e.event_id for e in room.tips])
        self.assertTrue(loaded.tail_is_all)

    async def test_auth_events_of_state_are_kept(self) -> None:
        room = await self.create_room("11")
        event = await self.set(room.room_id, EventTypes.NAME, {"name": "x"})
        ((packed,),) = await self.database.fetch(
            "SELECT auth FROM events WHERE event_nid = ?", event.nid
        )
        nids = msgspec.msgpack.decode(packed)
        found = await self.server.stores.events.by_nids(nids)
        self.assertEqual({e.event_id for e in found.values()}, set(event.auth_event_ids()))


class TwoProcessesTests(RoomsTestCase):
    """Two servers on one database: an issue of PostgreSQL, and SQLite holds, too."""

    async def test_they_write_to_one_room_in_turn(self) -> None:
        other = self.another_process()
        room = await self.create_room()
        for number in range(5):
            await self.say(room.room_id, f"one {number}")
            await self.say(room.room_id, f"other {number}", server=other)
        events = await self.timeline(room.room_id)
        self.assertEqual(len(events), 14)
        self.assert_is_a_line(events)

    async def test_they_write_to_one_room_at_once(self) -> None:
        other = self.another_process()
        room = await self.create_room()
        rounds = 6
        sent = []
        for number in range(rounds):
            sent += await together(
                *(
                    self.say(room.room_id, f"{number} {index}", server=server)
                    for index, server in enumerate((self.server, other) * 3)
                )
            )
        events = await self.timeline(room.room_id)
        self.assertEqual(len(events), 4 + 6 * rounds)
        self.assertEqual({e.event_id for e in events[4:]}, {e.event_id for e in sent})
        self.assert_is_a_line(events)

    async def test_what_one_changes_binds_the_other(self) -> None:
        other = self.another_process()
        room = await self.create_room()
        await self.change_membership(room.room_id, "@bob:test", "join")
        await self.say(room.room_id, "hello", sender="@bob:test", server=other)
        await self.set(
            room.room_id, EventTypes.MEMBER, {"membership": "ban"}, "@bob:test", sender=ALICE
        )
        with self.assertRaises(Forbidden):
            await self.say(room.room_id, "still here?", sender="@bob:test", server=other)
        self.assert_is_a_line(await self.timeline(room.room_id))

    async def test_a_room_that_was_loaded_anew_goes_on(self) -> None:
        other = self.another_process()
        room = await self.create_room()
        await self.say(room.room_id, "one")
        await self.say(room.room_id, "two", server=other)
        # This process forgets the room, but not what its last transaction left there.
        self.server.rooms.cache.discard(room)
        await self.say(room.room_id, "three")
        self.assert_is_a_line(await self.timeline(room.room_id))


class LoadingTests(RoomsTestCase):
    async def test_a_room_that_moves_while_it_is_loaded_is_loaded_again(self) -> None:
        room = await self.create_room()
        before = self.server.rooms.cache._load
        late: list[Event] = []

        async def load_slowly(room_id: str) -> Room:
            loaded = await before(room_id)
            if not late:
                # Committed by an object that the cache does not know any more.
                draft = Draft(EventTypes.MESSAGE, ALICE, {"body": "late"})
                state = await self.server.rooms.cache.state(room, slots_of(room, draft))
                chunk = self.server.rooms.writer._begin(room)
                self.server.rooms.writer._add(chunk, draft, state, None, SILENCE)
                self.server.rooms.writer._end(chunk)
                late.extend(entry.event for entry in chunk.entries)
                await self.server.rooms.persister.persist(chunk)
            return loaded

        self.server.rooms.cache._rooms.clear()
        self.server.rooms.cache._by_nid.clear()
        self.server.rooms.cache._load = load_slowly  # type: ignore[method-assign]
        loaded = await self.server.rooms.cache.get(room.room_id)
        self.assertEqual(loaded.tail[-1].event_id, late[0].event_id)
        await self.say(room.room_id, "and on")
        self.assert_is_a_line(await self.timeline(room.room_id))
