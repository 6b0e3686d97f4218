"""Coming into rooms that live on other servers, and standing before them."""

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.auth_rules import AuthError
from synapse.events.event import Event
from synapse.rooms.arrivals import Arrival
from synapse.rooms.asides import Aside
from synapse.rooms.receiver import Verdict
from synapse.rooms.room import GAP, HeadMoved
from synapse.storage.stores.members import Membership
from tests.rooms.base import ALICE, RoomsTestCase
from tests.rooms.elsewhere import Elsewhere

BOB = "@bob:elsewhere"
VERSIONS = ("1", "6", "12")


class EntranceTestCase(RoomsTestCase):
    """A room of Bob's on another server, which Alice enters."""

    async def arrange(self, version: str) -> None:
        self.room = Elsewhere.begin(ROOM_VERSIONS[version], BOB)
        self.room_id = self.room.room_id

    async def keep(self) -> list[Event]:
        """What another server tells of the room's state, as outliers."""
        room_nid = await self.server.rooms.entrances.open(self.room_id, self.room.version)
        events = list(self.room.events.values())
        outliers = {event.event_id: event for event in events if event.state_key is not None}
        asides = [
            Aside(event, [outliers[auth] for auth in event.auth_event_ids()])
            for event in outliers.values()
        ]
        await self.server.rooms.asides.keep(room_nid, asides)
        return [outliers[event.event_id] for event in self.room.state()]

    async def enter(self) -> Event:
        state = await self.keep()
        join = self.room.join(ALICE)
        await self.server.rooms.entrances.enter(await self.arrival(join), state)
        return join

    async def arrival(self, event: Event) -> Arrival:
        known = await self.server.stores.events.get_many(event.auth_event_ids())
        auth_events = [known[event_id] for event_id in event.auth_event_ids()]
        return Arrival(self.room.arrival(event).event, auth_events, frozenset())


class EntranceTests(EntranceTestCase):
    async def test_the_room_is_there_as_the_other_server_told_it(self) -> None:
        for version in VERSIONS:
            await self.arrange(version)
            self.room.topic(BOB, "news")
            join = await self.enter()
            for server in (self.server, self.another_process()):
                room = await server.rooms.cache.get(self.room_id)
                self.assertEqual((room.joined, room.local_joined), (2, 1))
                topic = await server.rooms.cache.current(room, "m.room.topic")
                assert topic is not None
                self.assertEqual(topic.content, {"topic": "news"})
                snapshot = await server.stores.states.events_at(room.view_nid)
                expected = self.room.state_after[join.event_id]
                self.assertEqual({slot: e.event_id for slot, e in snapshot.items()}, expected)
            self.assertEqual(await self.database.fetch("SELECT event_nid FROM flips"), [])

    async def test_it_goes_on_from_both_sides(self) -> None:
        for version in VERSIONS:
            await self.arrange(version)
            await self.enter()
            answer = self.room.say(BOB, "welcome")
            arrival = await self.arrival(answer)
            self.assertEqual(
                await self.server.rooms.receiver.receive(self.room_id, [arrival]),
                [Verdict.ACCEPTED],
            )
            ours = await self.say(self.room_id, "thank you")
            self.assertEqual(ours.prev_event_ids(), [answer.event_id])

    async def test_what_is_below_the_join_is_known_to_be_missing(self) -> None:
        await self.arrange("12")
        below = self.room.last
        join = await self.enter()
        (entered,) = await self.timeline(self.room_id)
        self.assertEqual(entered.event_id, join.event_id)
        rows = await self.database.fetch("SELECT event_id, below FROM gaps")
        self.assertEqual(rows, [(below, entered.pos)])

    async def test_a_join_that_the_state_forbids(self) -> None:
        await self.arrange("12")
        self.room.must_send("m.room.join_rules", BOB, {"join_rule": "invite"}, "")
        state = await self.keep()
        join = self.room.send("m.room.member", ALICE, {"membership": "join"}, ALICE, forbidden=True)
        assert join is not None
        with self.assertRaises(AuthError):
            await self.server.rooms.entrances.enter(await self.arrival(join), state)
        self.assertEqual(await self.timeline(self.room_id), [])

    async def test_a_room_is_entered_once(self) -> None:
        await self.arrange("12")
        await self.enter()
        again = self.room.send("m.room.member", ALICE, {"membership": "join"}, ALICE)
        assert again is not None
        with self.assertRaises(HeadMoved):
            await self.server.rooms.entrances.enter(await self.arrival(again), self.room.state())

    async def test_who_comes_back_finds_the_room_as_it_is_now(self) -> None:
        await self.arrange("10")
        self.room.topic(BOB, "old")
        await self.enter()
        left = await self.change_membership(self.room_id, ALICE, "leave")
        self.room.add(left, self.room.state_after[self.room.last])
        self.room.last = left.event_id
        self.room.must_send("m.room.name", BOB, {"name": "while you were away"}, "")
        self.room.topic(BOB, "new")
        await self.enter()
        room = await self.server.rooms.cache.get(self.room_id)
        state = await self.server.rooms.cache.state(
            room, [("m.room.topic", ""), ("m.room.name", "")]
        )
        self.assertEqual(
            [event.content for event in state.values()],
            [{"topic": "new"}, {"name": "while you were away"}],
        )
        self.assertEqual(await self.joined_by_server(self.room_id), {"elsewhere": 1})
        first, leave, rejoin = await self.timeline(self.room_id)
        assert leave.pos is not None and rejoin.pos is not None
        self.assertEqual((first.membership, leave.membership), ("join", "leave"))
        self.assertGreaterEqual(rejoin.pos - leave.pos, GAP)

    async def test_an_invitation_stands_before_the_room(self) -> None:
        for version in VERSIONS:
            await self.arrange(version)
            invite = self.room.must_send("m.room.member", BOB, {"membership": "invite"}, ALICE)
            room_nid = await self.server.rooms.entrances.open(self.room_id, self.room.version)
            shown = [{"type": "m.room.name", "state_key": "", "content": {"name": "Bob's"}}]
            event = self.room.arrival(invite).event
            await self.server.rooms.doorstep.stand(room_nid, event, shown)
            user_nid = await self.server.stores.names.nid(ALICE)
            assert user_nid is not None
            row = await self.server.stores.members.get(user_nid, room_nid)
            assert row is not None
            self.assertEqual(row.membership, Membership.INVITE)
            self.assertEqual(await self.server.rooms.doorstep.shown(room_nid, user_nid), shown)
            # Once inside, the invitation is part of the room's state like any other event.
            await self.enter()
            room = await self.server.rooms.cache.get(self.room_id)
            self.assertEqual(room.invited, 0)
            ((auth,),) = await self.database.fetch(
                "SELECT length(auth) FROM events WHERE event_id = ?", invite.event_id
            )
            self.assertGreater(auth, 1)
