"""Backfill: reading back over what a server doesn't have."""

import random
from typing import Any
from unittest.mock import patch

import orjson
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.event import Event
from synapse.federation import backfill
from synapse.federation.errors import RemoteError
from synapse.federation.history_pages import Circular, in_order
from synapse.federation.pdus import Verified
from synapse.rooms.receiver import Verdict
from synapse.rooms.room import Room
from synapse.storage.stores.forks import KnownState
from synapse.util.clock import Clock
from tests.case import TestCase
from tests.federation.shared_rooms import (
    ALICE,
    BOB,
    ONE,
    TWO,
    V3,
    VERSIONS,
    SharedRoomTestCase,
    ids,
    in_graph_order,
    snapshot_ids,
)


class BackfillTestCase(SharedRoomTestCase):
    async def assert_same_history(self, *, is_ordered: bool = True) -> None:
        """two.test has what one.test has, in an order of the graph, with the same states."""
        theirs, ours = await self.timeline(self.one), await self.timeline(self.two)
        self.assertEqual(len(set(ids(ours))), len(ours))
        self.assertEqual(set(ids(ours)), set(ids(theirs)))
        self.assertTrue(in_graph_order(ours) or not is_ordered)
        by_id = {event.event_id: event for event in ours}
        for event in theirs:
            expected = await self.one.stores.states.events_at(event.state_nid)
            found = await self.two.stores.states.events_at(by_id[event.event_id].state_nid)
            self.assertEqual(snapshot_ids(found), snapshot_ids(expected), event)

    async def make_forks(self, chance: random.Random) -> None:
        """Events of bob's anywhere in the graph, and of alice's on top of them all."""
        joined = self.third.last
        for number in range(40):
            events = list(self.third.events)[-20:]
            events = events[events.index(joined) :] if joined in events else events
            width = chance.choice((1, 1, 1, 2, 3))
            after = chance.sample(events[-8:], min(width, len(events[-8:])))
            if chance.random() < 0.25:
                event = (
                    self.third.topic(BOB, f"{number}", after=after)
                    if number % 2
                    else (self.third.join(BOB, after=after))
                )
            else:
                event = self.third.say(BOB, f"{number}", after=after)
            self.assertEqual(await self.tell_one(event), [Verdict.ACCEPTED])
            if chance.random() < 0.1:
                await self.learn(await self.say(f"alice {number}"))

    async def learn(self, event_id: str) -> None:
        """Bob's server takes up an event of alice's."""
        event = await self.one.stores.events.get(event_id)
        assert event is not None
        self.third.add(event, self.third.resolved(event.prev_event_ids()))
        self.third.last = event_id

    async def take_up_above_a_gap(self, event: Event) -> None:
        """two.test takes up an event whose past it lacks, with the state before it."""
        room = await self.two.rooms.cache.get(self.room_id)
        known = await self.two.stores.events.get_many(event.auth_event_ids())
        before = await self.two.federation.graph.state_before(ONE, room, event.event_id)
        arrival = self.third.arrival(event)
        arrival = type(arrival)(arrival.event, list(known.values()), arrival.signed_by, before)
        await self.two.rooms.receiver.receive(self.room_id, [arrival])

    async def open_a_gap(self) -> tuple[Event, list[str], list[str]]:
        """Carol's join, what two.test misses after it, and what comes after that."""
        await self.arrange()
        join = await self.enter()
        missed = [self.third.say(BOB, str(number)) for number in range(5)]
        await self.tell_one(*missed)
        # two.test hears only of the last event, whose past it can't get.
        late = self.third.say(BOB, "late")
        await self.tell_one(late)
        await self.take_up_above_a_gap(late)
        # Meanwhile the room goes on.
        newest = await self.say("on and on", server=TWO, token=self.carol)
        return join, ids(missed), [late.event_id, newest]

    async def read_on(self, start: str, limit: int) -> list[Any]:
        """All events that carol gets by reading from a token to the room's end."""
        read: list[Any] = []
        path = f"{V3}/rooms/{self.room_id}/messages?dir=f&limit={limit}"
        while start:
            page = await self.client(TWO, "GET", f"{path}&from={start}", token=self.carol)
            read += page["chunk"]
            self.assertNotEqual(page.get("end"), start)
            start = page.get("end", "")
        return read


class BackfillTests(BackfillTestCase):
    async def test_a_room_is_read_back_to_its_beginning(self) -> None:
        for version in VERSIONS:
            self.network.sites.clear()
            await self.arrange(version)
            for number in range(30):
                await self.say(str(number))
            await self.set_state("m.room.topic", {"topic": "thirty"})
            await self.enter()
            read = await self.read_back(TWO, self.carol)
            self.assertEqual(ids(read)[::-1], ids(await self.timeline(self.one)))
            await self.assert_same_history()
            rows = await self.two.database.fetch("SELECT event_id FROM gaps")
            self.assertEqual(rows, [])

    async def test_state_events_of_history_tell_what_they_replaced(self) -> None:
        await self.arrange()
        for topic in ("first", "second"):
            await self.set_state("m.room.topic", {"topic": topic})
        await self.enter()
        read = await self.read_back(TWO, self.carol)
        (second, *_) = [event for event in read if event["type"] == "m.room.topic"]
        self.assertEqual(second["unsigned"]["prev_content"], {"topic": "first"})

    async def test_forks_read_back_in_pages_of_any_size(self) -> None:
        for seed, version in enumerate((*VERSIONS, "12", "10")):
            self.network.sites.clear()
            levels = {"events": {"m.room.topic": 0}}
            await self.arrange(version, power_level_content_override=levels)
            chance = random.Random(seed)
            await self.make_forks(chance)
            await self.enter()
            with patch.object(backfill, "_SIZES", (chance.randint(3, 20), 2, 1)):
                read = await self.read_back(TWO, self.carol, limit=chance)
            self.assertEqual(len(set(ids(read))), len(read))
            self.assertEqual(set(ids(read)), set(ids(await self.timeline(self.one))))
            await self.assert_same_history()

    async def test_redactions_of_long_ago_hold(self) -> None:
        await self.arrange("10")
        said = await self.say("oops")
        path = f"{V3}/rooms/{self.room_id}/redact/{said}/t"
        redaction = (await self.client(ONE, "PUT", path, {}, token=self.alice))["event_id"]
        for number in range(5):
            await self.say(str(number))
        await self.enter()
        with patch.object(backfill, "_SIZES", (3,)):
            read = {event["event_id"]: event for event in await self.read_back(TWO, self.carol)}
        self.assertEqual(read[said]["content"], {})
        because = read[said]["unsigned"]["redacted_because"]
        self.assertEqual(because["event_id"], redaction)

    async def test_a_sync_leads_into_history(self) -> None:
        await self.arrange()
        said = [await self.say(str(number)) for number in range(3)]
        join = await self.enter()
        answer = await self.client(TWO, "GET", f"{V3}/sync", token=self.carol)
        timeline = answer["rooms"]["join"][self.room_id]["timeline"]
        self.assertEqual((ids(timeline["events"]), timeline["limited"]), ([join.event_id], True))
        path = f"{V3}/rooms/{self.room_id}/messages?dir=b&limit=3&from={timeline['prev_batch']}"
        page = await self.client(TWO, "GET", path, token=self.carol)
        self.assertEqual(ids(page["chunk"]), said[::-1])
        # What came in that way is no news.
        since = answer["next_batch"]
        answer = await self.client(TWO, "GET", f"{V3}/sync?since={since}", token=self.carol)
        self.assertNotIn("rooms", answer)

    async def test_who_left_reads_on(self) -> None:
        await self.arrange()
        said = [await self.say(str(number)) for number in range(3)]
        await self.enter()
        path = f"{V3}/rooms/{self.room_id}"
        await self.client(TWO, "POST", f"{path}/leave", {}, token=self.carol)
        read = ids(await self.read_back(TWO, self.carol))
        self.assertEqual(set(said) - set(read), set())

    async def test_nobody_is_there_who_could_tell(self) -> None:
        await self.arrange()
        await self.enter()
        self.network.cut_off(TWO)
        read = f"{V3}/rooms/{self.room_id}/messages?dir=b"
        page = await self.client(TWO, "GET", read, token=self.carol)
        self.assertEqual(len(page["chunk"]), 1)  # her join
        again = await self.client(TWO, "GET", f"{read}&from={page['end']}", token=self.carol)
        self.assertEqual((again["chunk"], again.get("end")), ([], None))
        # Nobody is asked again for a while.
        self.network.log.clear()
        await self.client(TWO, "GET", f"{read}&from={page['end']}", token=self.carol)
        self.assertEqual(self.network.log, [])
        self.network.heal()
        self.time.advance(61)
        await self.read_back(TWO, self.carol)
        await self.assert_same_history()

    async def test_a_gap_in_the_middle(self) -> None:
        _, _, above = await self.open_a_gap()
        read = await self.read_back(TWO, self.carol, limit=3)
        self.assertEqual(len(set(ids(read))), len(read))
        wanted = {*ids(await self.timeline(self.one)), *above}
        self.assertEqual(set(ids(read)), wanted)
        self.assertTrue(in_graph_order(await self.timeline(self.two)))

    async def test_a_gap_that_nobody_fills_is_passed_over_and_filled_later(self) -> None:
        join, missed, above = await self.open_a_gap()
        self.network.cut_off(TWO)
        for limit in (1, 2, 10):
            read = ids(await self.read_back(TWO, self.carol, limit=limit))
            self.assertEqual(read, [*above[::-1], join.event_id])
        self.network.heal()
        self.time.advance(61)
        read = ids(await self.read_back(TWO, self.carol, limit=2))
        self.assertLess({*missed, *above}, set(read))

    async def below_the_gap(self, join: Event) -> str:
        """A token in front of carol's join."""
        path = f"{V3}/rooms/{self.room_id}/context/{join.event_id}?limit=1"
        around = await self.client(TWO, "GET", path, token=self.carol)
        return str(around["start"])

    async def test_who_reads_on_comes_over_a_gap_in_order(self) -> None:
        for limit in (1, 3, 20):
            self.network.sites.clear()
            join, missed, above = await self.open_a_gap()
            start = await self.below_the_gap(join)
            with patch.object(backfill, "_SIZES", (2,)):
                read = await self.read_on(start, limit)
            self.assertEqual(ids(read), [join.event_id, *missed, *above])

    async def test_who_reads_on_passes_a_gap_that_nobody_fills(self) -> None:
        join, missed, above = await self.open_a_gap()
        start = await self.below_the_gap(join)
        self.network.cut_off(TWO)
        for limit in (1, 3):
            read = await self.read_on(start, limit)
            self.assertEqual(ids(read), [join.event_id, *above])
        self.network.heal()
        self.time.advance(61)
        read = await self.read_on(start, 3)
        self.assertEqual(ids(read), [join.event_id, *missed, *above])

    async def test_what_surrounds_an_event_ends_at_a_gap(self) -> None:
        join, missed, above = await self.open_a_gap()
        path = f"{V3}/rooms/{self.room_id}/context/{join.event_id}?limit=20"
        around = await self.client(TWO, "GET", path, token=self.carol)
        self.assertEqual(around["events_after"], [])
        self.assertEqual(ids(await self.read_on(around["end"], 3)), [*missed, *above])

    async def test_the_context_of_an_event_reaches_over_a_gap(self) -> None:
        await self.arrange()
        said = [await self.say(str(number)) for number in range(5)]
        join = await self.enter()
        path = f"{V3}/rooms/{self.room_id}/context/{join.event_id}?limit=6"
        around = await self.client(TWO, "GET", path, token=self.carol)
        self.assertEqual(ids(around["events_before"]), said[::-1][:3])

    async def test_events_that_one_server_refused(self) -> None:
        await self.arrange("10")
        # By what bob's server knew then, bob was still allowed to speak.
        fork = self.third.last
        levels = {"events_default": 50, "users": {ALICE: 100}}
        await self.set_state("m.room.power_levels", levels)
        late = self.third.say(BOB, "late", after=[fork])
        self.assertEqual(await self.tell_one(late), [Verdict.SOFT_FAILED])
        await self.set_state("m.room.power_levels", {"users": {ALICE: 100}})
        on_top = self.third.say(BOB, "on top", after=[late.event_id])
        self.assertEqual(await self.tell_one(on_top), [Verdict.ACCEPTED])
        await self.enter()
        read = ids(await self.read_back(TWO, self.carol, limit=4))
        self.assertEqual(set(read), {*ids(await self.timeline(self.one)), late.event_id})


class WaitingTests(SharedRoomTestCase):
    """History takes its time."""

    async def arrange(self, version: str = "12", **body: Any) -> None:
        await super().arrange(version, **body)
        self.said = [await self.say(str(number)) for number in range(5)]
        await self.enter()
        self.messages = f"{V3}/rooms/{self.room_id}/messages?dir=b&limit=100"
        self.start = (await self.client(TWO, "GET", self.messages, token=self.carol))["end"]
        self.gate: Deferred[None] = Deferred()
        self.asked = 0
        past = self.two.reading.timelines._past
        self.link = past._transport  # type: ignore[attr-defined]
        past._transport = self  # type: ignore[attr-defined]

    async def request(self, *arguments: Any, **options: Any) -> Any:
        """The way to other servers, once the gate is open."""
        self.asked += 1
        if not self.gate.called:
            await self.gate
        return await self.link.request(*arguments, **options)

    def read(self, start: str = "") -> "Deferred[Any]":
        path = f"{self.messages}&from={start or self.start}"
        return Deferred.fromCoroutine(self.client(TWO, "GET", path, token=self.carol))

    async def read_patiently(self, start: str = "") -> Any:
        """What is read when time is up."""
        reader = self.read(start)
        while not reader.called:
            self.time.advance(1)
            await Clock(reactor).sleep(0.001)
        return await reader

    async def until_asked(self) -> None:
        """Wait until nothing but the gate is waited for."""
        while not self.asked:
            await Clock(reactor).sleep(0.001)

    async def test_one_request_serves_all_who_read(self) -> None:
        await self.arrange()
        readers = [self.read() for _ in range(5)]
        await self.until_asked()
        self.gate.callback(None)
        pages = await gatherResults(readers)
        for page in pages:
            self.assertEqual(ids(page["chunk"])[:5], self.said[::-1])
        self.assertEqual(self.asked, 2)  # bob's server, which has nothing, and alice's

    async def test_readers_wait_for_a_while_and_the_work_goes_on(self) -> None:
        await self.arrange()
        page = await self.read_patiently()
        # Clients take the same token, or none, for the end of the room.
        self.assertEqual((page["chunk"], page["end"]), ([], f"{self.start}_1"))
        self.gate.callback(None)
        await self.two.background.finish()
        again = await self.read(page["end"])
        self.assertEqual(ids(again["chunk"])[:5], self.said[::-1])
        self.assertEqual(self.asked, 2)  # bob's server, which has nothing, and alice's

    async def test_who_has_waited_often_reads_past_the_gap(self) -> None:
        await self.arrange()
        start, waited = self.start, 0
        while start:
            page = await self.read_patiently(start)
            self.assertEqual(page["chunk"], [])
            self.assertNotEqual(page.get("end"), start)
            start = page.get("end", "")
            waited += 1
        self.assertEqual(waited, 6)
        self.gate.callback(None)
        await self.two.background.finish()
        # Who comes later is luckier.
        again = await self.read()
        self.assertEqual(ids(again["chunk"])[:5], self.said[::-1])

    async def test_the_room_goes_on_meanwhile(self) -> None:
        await self.arrange()
        reader = self.read()
        await self.until_asked()
        mine = await self.say("meanwhile", server=TWO, token=self.carol)
        self.gate.callback(None)
        await reader
        timeline = await self.timeline(self.two)
        self.assertEqual(timeline[-1].event_id, mine)
        self.assertEqual(ids(timeline)[-7:-2], self.said)
        self.assertTrue(in_graph_order(timeline))

    async def test_search_does_not_wait_for_other_servers(self) -> None:
        await self.arrange()
        await self.say("needle", server=TWO, token=self.carol)
        await self.two.discovery.search_reader.catch_up()
        context = {"before_limit": 5, "after_limit": 5}
        criteria = {"search_term": "needle", "event_context": context}
        body = {"search_categories": {"room_events": criteria}}
        answer = await self.fetch(TWO, "POST", f"{V3}/search", body, token=self.carol)
        found = answer.json["search_categories"]["room_events"]["results"]
        self.assertEqual((len(found), self.asked), (1, 0))


class HostileHistoryTests(SharedRoomTestCase):
    """one.test tells nonsense about the past."""

    async def arrange(self, version: str = "10", **body: Any) -> None:
        await super().arrange(version, **body)
        self.said = [await self.say(str(number)) for number in range(5)]
        await self.enter()

    async def read_with(self, answer: Any) -> tuple[list[Any], str | None]:
        """What is read over the gap if history is told so; and where to go on."""
        request = self.two.federation.graph._transport.request

        async def tell(destination: str, method: str, path: str, **options: Any) -> Any:
            if "/event/" in path:
                raise RemoteError(destination, 404, "M_NOT_FOUND", "no such event")
            if "/backfill/" not in path:
                return await request(destination, method, path, **options)
            told = await request(destination, method, path, **options)
            return answer(told)

        past = self.two.reading.timelines._past
        read = f"{V3}/rooms/{self.room_id}/messages?dir=b"
        page = await self.client(TWO, "GET", read, token=self.carol)
        transport = type("Liar", (), {"request": staticmethod(tell)})()
        graph = self.two.federation.graph
        with (
            patch.object(past, "_transport", transport),
            patch.object(graph, "_transport", transport),
        ):
            page = await self.client(TWO, "GET", f"{read}&from={page['end']}", token=self.carol)
        return page["chunk"], page.get("end")

    async def events_of(self, *event_ids: str) -> list[Event]:
        found = await self.one.stores.events.get_many(event_ids)
        return [found[event_id] for event_id in event_ids]

    async def test_answers_that_make_no_sense(self) -> None:
        await self.arrange()
        answer: Any
        for answer in ([], {}, {"pdus": {}}, {"pdus": [1, {}, None, "x"]}, {"pdus": []}):
            chunk, end = await self.read_with(lambda told, answer=answer: answer)
            self.assertEqual(chunk, [])
            # Who reads on comes to the end: nothing is below the gap.
            self.assertIsNone(end)
            self.time.advance(61)
        # And nothing is spoilt by it.
        read = await self.read_back(TWO, self.carol)
        self.assertEqual(ids(read)[::-1], ids(await self.timeline(self.one)))

    async def test_events_of_other_rooms_and_forged_ones_are_no_history(self) -> None:
        await self.arrange()

        def forge(told: Any) -> Any:
            pdus = told["pdus"]
            forged = {**pdus[0], "depth": 1}
            unsigned = {**pdus[1], "signatures": {}}
            other = {**pdus[2], "room_id": "!other:one.test"}
            return {**told, "pdus": [forged, unsigned, other]}

        chunk, _ = await self.read_with(forge)
        self.assertEqual(chunk, [])
        self.assertEqual(len(await self.timeline(self.two)), 1)

    async def test_events_that_nothing_leads_to_are_left_out(self) -> None:
        await self.arrange()
        stray = self.third.say(BOB, "stray", after=[self.third.last])
        told_stray = {**self.third.events[stray.event_id].parsed()}
        chunk, _ = await self.read_with(lambda told: {"pdus": [told_stray]})
        self.assertEqual(chunk, [])
        self.assertNotIn(stray.event_id, ids(await self.timeline(self.two)))

    async def test_more_than_was_asked_for_is_not_looked_at(self) -> None:
        await self.arrange()
        verified: list[int] = []
        pdus = self.two.federation.pdus
        verify = pdus.verify

        async def count(version: Any, room_id: str, values: Any, **more: Any) -> Any:
            verified.append(len(values))
            return await verify(version, room_id, values, **more)

        with patch.object(pdus, "verify", count):
            await self.read_with(lambda told: {"pdus": told["pdus"] * 10_000})
        self.assertLessEqual(max(verified), 100)

    async def test_lies_about_the_state(self) -> None:
        # By the state that it tells, nobody of those who spoke was in the room.
        await self.arrange()
        graph = self.two.federation.graph

        async def nothing(server: str, room: Room, event_id: str) -> KnownState:
            return KnownState(0, {})

        with patch.object(graph, "state_before", nothing), patch.object(backfill, "_SIZES", (3,)):
            await self.read_with(lambda told: told)
        self.assertEqual({*self.said} & {*ids(await self.timeline(self.two))}, set())
        kept = await self.two.stores.events.get_many(self.said)
        self.assertTrue(kept and all(event.rejected for event in kept.values()))


class OrderTests(TestCase):
    """Pages put in order."""

    def told(self, **prev_ids: str) -> dict[str, Verified]:
        """`b="a"`: the event b stands on a."""
        return {
            event_id: Verified(_event(event_id, depth, list(prevs)), frozenset())
            for depth, (event_id, prevs) in enumerate(prev_ids.items())
        }

    def ordered(self, told: dict[str, Verified], missing: str, elsewhere: str = "") -> str:
        return "".join(one.event.event_id for one in in_order(told, missing, elsewhere))

    def test_each_after_what_it_stands_on(self) -> None:
        told = self.told(d="bc", c="a", b="a", a="x")
        self.assertEqual(self.ordered(told, "d"), "acbd")

    def test_only_that_to_which_the_missing_lead(self) -> None:
        told = self.told(a="x", b="a", stray="y")
        self.assertEqual(self.ordered(told, "b"), "ab")

    def test_what_a_stray_stands_on_waits(self) -> None:
        # It may come between: b's other past, by way of an event that is not told.
        told = self.told(a="x", b="a", c="b", s="a")
        self.assertEqual(self.ordered(told, "c"), "bc")

    def test_what_belongs_further_down_stays_there(self) -> None:
        told = self.told(a="x", b="a", c="b")
        self.assertEqual(self.ordered(told, "c", elsewhere="b"), "c")

    def test_a_circle(self) -> None:
        told = self.told(a="c", b="a", c="b")
        with self.assertRaises(Circular):
            in_order(told, ["c"], ())


def _event(event_id: str, depth: int, prev_ids: list[str]) -> Event:
    return Event(
        json=orjson.dumps({"prev_events": prev_ids, "content": {}}),
        event_id=event_id,
        room_id="!room:test",
        type="m.room.message",
        sender=BOB,
        state_key=None,
        depth=depth,
        origin_server_ts=0,
        version=ROOM_VERSIONS["10"],
    )
