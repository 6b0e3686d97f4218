"""Events of other servers: where they stand, what the room becomes by them."""

import random
from collections import Counter
from typing import Any

from synapse.api.identifiers import domain_of
from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.auth_selection import Slot
from synapse.events.event import Event
from synapse.rooms.asides import Aside
from synapse.rooms.chunks import Chunk
from synapse.rooms.receiver import Verdict
from synapse.rooms.room import Room
from synapse.rooms.standing import UnknownState
from synapse.storage.transaction import Transaction
from tests.rooms.base import ALICE, RoomsTestCase
from tests.rooms.elsewhere import Elsewhere

BOB = "@bob:elsewhere"
CAROL = "@carol:elsewhere"
# State resolution v1, v2, and v2.1.
VERSIONS = ("1", "10", "12")


class ReceiverTestCase(RoomsTestCase):
    """A room of Alice's, in which Bob of another server is."""

    async def begin(self, version: str) -> None:
        self.room = await self.create_room(version)
        self.room_id = self.room.room_id
        self.elsewhere = Elsewhere.of(ROOM_VERSIONS[version], await self.timeline(self.room_id))
        await self.accept(self.elsewhere.join(BOB))

    async def receive(self, *events: Event) -> list[Verdict]:
        arrivals = []
        for event in events:
            arrival = self.elsewhere.arrival(event)
            stored = await self.server.stores.events.get_many(event.auth_event_ids())
            auth_events = [stored[event_id] for event_id in event.auth_event_ids()]
            arrivals.append(type(arrival)(arrival.event, auth_events, arrival.signed_by))
        return await self.server.rooms.receiver.receive(self.room_id, arrivals)

    async def accept(self, *events: Event) -> None:
        self.assertEqual(await self.receive(*events), [Verdict.ACCEPTED] * len(events))

    async def send_here(self, type: str, content: Any, state_key: str | None = None) -> Event:
        """Alice says something, of which the other servers hear."""
        before = {tip.event_id for tip in (await self.current_room()).tips}
        if state_key is None:
            event = await self.say(self.room_id, content)
        else:
            event = await self.set(self.room_id, type, content, state_key)
        self.assertEqual(set(event.prev_event_ids()), before)
        self.elsewhere.add(event, self.elsewhere.resolved(sorted(before)))
        return event

    async def current_room(self) -> Room:
        return await self.server.rooms.cache.get(self.room_id)

    async def view(self) -> dict[Slot, str]:
        """The room's state as the database has it."""
        row = await self.server.stores.rooms.get(self.room_id)
        assert row is not None
        events = await self.server.stores.states.without_members(row.room_nid)
        events += await self.server.stores.states.members(row.room_nid)
        return {event.slot: event.event_id for event in events}

    async def assert_consistent(self) -> None:
        """The view follows from the ends of the graph, and all that is derived from it fits."""
        row = await self.server.stores.rooms.get(self.room_id)
        assert row is not None
        fresh = self.another_process()
        room = await fresh.rooms.cache.get(self.room_id)
        tips = [tip.event_id for tip in room.tips]
        view = await self.view()
        self.assertEqual(view, self.elsewhere.resolved(tips))
        snapshot = await fresh.stores.states.events_at(row.state_nid)
        self.assertEqual(view, {slot: event.event_id for slot, event in snapshot.items()})
        members = [
            event.membership
            for slot, event in snapshot.items()
            if slot[0] == "m.room.member" and event.membership in ("join", "invite")
        ]
        self.assertEqual(row.joined, members.count("join"))
        self.assertEqual(row.invited, members.count("invite"))
        self.assertEqual(
            await self.joined_by_server(self.room_id),
            Counter(
                domain_of(slot[1])
                for slot, event in snapshot.items()
                if slot[0] == "m.room.member" and event.membership == "join"
                if domain_of(slot[1]) != "test"
            ),
        )
        for event in await self.timeline(self.room_id, server=fresh):
            state = await fresh.stores.states.events_at(event.state_nid)
            expected = self.elsewhere.state_after[event.event_id]
            self.assertEqual({slot: e.event_id for slot, e in state.items()}, expected)


class ReceiverTests(ReceiverTestCase):
    async def test_a_line_is_taken_up_as_it_stands(self) -> None:
        for version in ROOM_VERSIONS:
            with self.subTest(version=version):
                await self.begin(version)
                events = [self.elsewhere.say(BOB, str(n)) for n in range(3)]
                events.append(self.elsewhere.must_send("m.room.member", BOB, _LEAVE, BOB))
                await self.accept(*events)
                self.assert_is_a_line(await self.timeline(self.room_id))
                await self.assert_consistent()

    async def test_what_was_here_before_is_known(self) -> None:
        await self.begin("12")
        event = self.elsewhere.say(BOB, "hello")
        self.assertEqual(await self.receive(event, event), [Verdict.ACCEPTED] * 2)
        self.assertEqual(await self.receive(event), [Verdict.KNOWN])
        self.assertEqual(len(await self.timeline(self.room_id)), 6)

    async def test_what_its_own_state_forbids_is_rejected_and_its_children_go_on(self) -> None:
        for version in VERSIONS:
            await self.begin(version)
            forbidden = self.elsewhere.send(
                "m.room.topic", BOB, {"topic": "mine"}, "", forbidden=True
            )
            assert forbidden is not None
            # Those who stand on it stand on the state before it.
            state = self.elsewhere.state_after[forbidden.prev_event_ids()[0]]
            self.elsewhere.state_after[forbidden.event_id] = state
            after = self.elsewhere.say(BOB, "and on")
            self.assertEqual(
                await self.receive(forbidden, after), [Verdict.REJECTED, Verdict.ACCEPTED]
            )
            self.assertEqual(await self.receive(forbidden), [Verdict.KNOWN])
            room = await self.current_room()
            self.assertEqual([tip.event_id for tip in room.tips], [after.event_id])
            await self.assert_consistent()

    async def test_what_only_the_present_state_forbids_is_soft_failed(self) -> None:
        for version in VERSIONS:
            await self.begin(version)
            old = self.elsewhere.last
            await self.send_here("m.room.member", {"membership": "ban"}, BOB)
            evasion = self.elsewhere.say(BOB, "you can't ban me", after=[old])
            self.assertEqual(await self.receive(evasion), [Verdict.SOFT_FAILED])
            ids = [event.event_id for event in await self.timeline(self.room_id)]
            self.assertNotIn(evasion.event_id, ids)
            await self.assert_consistent()

    async def test_forks_meet_in_our_next_event(self) -> None:
        for version in VERSIONS:
            await self.begin(version)
            old = self.elsewhere.last
            await self.send_here("m.room.name", {"name": "ours"}, "")
            await self.accept(self.elsewhere.say(BOB, "meanwhile", after=[old]))
            self.assertEqual(len((await self.current_room()).tips), 2)
            merged = await self.send_here("m.room.topic", {"topic": "together"}, "")
            self.assertEqual(
                [tip.event_id for tip in (await self.current_room()).tips], [merged.event_id]
            )
            await self.assert_consistent()

    async def test_a_mightier_ban_undoes_what_came_before_it_here(self) -> None:
        for version in VERSIONS:
            await self.begin(version)
            await self.send_here("m.room.power_levels", {"users": _levels(version, 50)}, "")
            old = (await self.current_room()).tips[0].event_id
            topic = self.elsewhere.topic(BOB, "Bob's", after=[old])
            await self.accept(topic)
            ban = self.elsewhere.must_send(
                "m.room.member", ALICE, {"membership": "ban"}, BOB, after=[old]
            )
            await self.accept(ban)
            await self.assert_consistent()
            view = await self.view()
            self.assertEqual(view["m.room.member", BOB], ban.event_id)
            if version != "1":
                self.assertNotIn(("m.room.topic", ""), view)
                rows = await self.database.fetch("SELECT event_nid FROM flips")
                self.assertIn((0,), rows)

    async def test_the_state_before_must_be_known(self) -> None:
        await self.begin("12")
        missing = self.elsewhere.say(BOB, "lost on the way")
        with self.assertRaises(UnknownState) as raised:
            await self.receive(self.elsewhere.say(BOB, "next"))
        self.assertEqual(raised.exception.event_ids, [missing.event_id])

    async def test_a_redaction_works_whichever_comes_first(self) -> None:
        for version in VERSIONS:
            for early in (False, True):
                await self.begin(version)
                old = self.elsewhere.last
                message = self.elsewhere.say(BOB, "sorry")
                redaction = self.elsewhere.must_send(
                    "m.room.redaction", BOB, {}, redacts=message.event_id, after=[old]
                )
                pair = [redaction, message] if early else [message, redaction]
                await self.accept(*pair)
                for server in (self.server, self.another_process()):
                    found = await server.stores.events.get(message.event_id)
                    assert found is not None
                    self.assertEqual(found.content, {}, f"version {version}, early: {early}")

    async def test_another_process_may_write_in_between(self) -> None:
        await self.begin("12")
        other = self.another_process()
        await other.rooms.cache.get(self.room_id)
        await self.send_here("", "one")
        await self.say(self.room_id, "two", server=other)
        self.assertEqual(await self.receive(self.elsewhere.say(BOB, "three")), [Verdict.ACCEPTED])
        self.assertEqual(len(await self.timeline(self.room_id)), 8)

    async def test_an_outlier_stays_one_if_its_place_can_not_be_written(self) -> None:
        await self.begin("12")
        join = self.elsewhere.join(CAROL)
        nid = (await self.current_room()).nid
        authors = await self.server.stores.events.get_many(join.auth_event_ids())
        kept = self.elsewhere.arrival(join).event
        await self.server.rooms.asides.keep(nid, [Aside(kept, list(authors.values()))])
        outlier = await self.server.stores.events.get(join.event_id)
        assert outlier is not None
        before = outlier.pos, outlier.state_nid
        await self.rename("room_servers", "away")
        with self.assertRaisesRegex(Exception, "room_servers"):
            await self.receive(join)
        await self.rename("away", "room_servers")
        self.assertEqual((outlier.pos, outlier.state_nid), before)
        self.assertIs(await self.server.stores.events.get(join.event_id), outlier)
        await self.accept(join)
        self.assertEqual((await self.timeline(self.room_id))[-1].event_id, join.event_id)
        await self.assert_consistent()

    async def rename(self, table: str, name: str) -> None:
        def apply(txn: Transaction, items: list[None]) -> None:
            txn.execute(f"ALTER TABLE {table} RENAME TO {name}")

        await self.database.write(apply, None)

    async def test_a_listener_that_fails_leaves_the_room_as_it_is_in_the_database(self) -> None:
        await self.begin("12")
        told: list[str] = []

        def fail(chunks: list[Chunk]) -> None:
            raise ValueError("a mistake of ours")

        self.server.rooms.announcer.listen(fail)
        self.server.rooms.announcer.listen(lambda chunks: told.append(chunks[0].last.event_id))
        with self.assertLogs("synapse.rooms", "ERROR"):
            one = await self.send_here("m.room.topic", {"topic": "one"}, "")
        with self.assertLogs("synapse.rooms", "ERROR"):
            two = self.elsewhere.say(BOB, "two")
            await self.accept(two)
        self.assertEqual(told, [one.event_id, two.event_id])
        await self.assert_consistent()

    async def test_a_room_that_can_not_be_told_of_a_commit_is_loaded_anew(self) -> None:
        await self.begin("12")
        room = await self.current_room()

        def fail(*arguments: Any) -> None:
            raise ValueError("a mistake of ours")

        room.committed = fail  # type: ignore[assignment]
        with self.assertLogs("synapse.rooms", "ERROR"):
            topic = await self.send_here("m.room.topic", {"topic": "one"}, "")
        self.assertIsNot(await self.current_room(), room)
        self.assertEqual((await self.view())["m.room.topic", ""], topic.event_id)
        await self.accept(self.elsewhere.say(BOB, "and on"))
        await self.assert_consistent()


class RandomForkTests(ReceiverTestCase):
    """What a server makes of a graph with many forks is what the naive resolution makes of it."""

    async def play(self, version: str, seed: int) -> None:
        dice = random.Random(seed)
        await self.begin(version)
        await self.send_here("m.room.power_levels", {"users": _levels(version, 60)}, "")
        await self.accept(
            self.elsewhere.join(CAROL, after=[(await self.current_room()).tips[0].event_id])
        )
        waiting: list[Event] = []
        for _ in range(25):
            if dice.random() < 0.3:
                await self.send_here(*_anything(dice, ALICE, version)[:3])
            elif event := self.somebody_sends(dice, version):
                waiting.append(event)
            if waiting and dice.random() < 0.6:
                await self.deliver(dice, waiting)
        while waiting:
            await self.deliver(dice, waiting)
        await self.assert_consistent()
        await self.send_here("", "and on")
        await self.assert_consistent()

    def somebody_sends(self, dice: random.Random, version: str) -> Event | None:
        sender = dice.choice([BOB, CAROL, ALICE])
        known = list(self.elsewhere.events)[4:]
        after = sorted({dice.choice(known[-6:]) for _ in range(dice.choice([1, 1, 1, 2]))})
        type, content, state_key = _anything(dice, sender, version)
        return self.elsewhere.send(type, sender, content, state_key, after=after)

    async def deliver(self, dice: random.Random, waiting: list[Event]) -> None:
        """Some of what waits, each after those on which it stands."""
        ready = []
        for event in list(waiting):
            needed = {*event.prev_event_ids(), *event.auth_event_ids()}
            if not needed & {other.event_id for other in waiting}:
                ready.append(event)
        event = dice.choice(ready)
        waiting.remove(event)
        (verdict,) = await self.receive(event)
        # What it stands on may have been refused; the model knows no refusals here.
        self.assertIn(verdict, (Verdict.ACCEPTED, Verdict.SOFT_FAILED))

    async def test_version_1(self) -> None:
        await self.play("1", 1)

    async def test_version_10(self) -> None:
        await self.play("10", 2)

    async def test_version_12(self) -> None:
        await self.play("12", 3)


_LEAVE = {"membership": "leave"}


def _levels(version: str, bob: int) -> dict[str, int]:
    return {BOB: bob} if version == "12" else {ALICE: 100, BOB: bob}


def _anything(dice: random.Random, sender: str, version: str) -> tuple[str, Any, str | None]:
    """Something that may conflict with what others do."""
    kind = dice.choice(["say", "topic", "name", "levels", "rule", "ban", "unban", "rejoin"])
    if kind == "topic":
        return "m.room.topic", {"topic": str(dice.random())}, ""
    if kind == "name":
        return "m.room.name", {"name": str(dice.random())}, ""
    if kind == "levels":
        return "m.room.power_levels", {"users": _levels(version, dice.choice([40, 50, 60]))}, ""
    if kind == "rule":
        return "m.room.join_rules", {"join_rule": dice.choice(["public", "invite"])}, ""
    if kind == "ban" and sender != CAROL:
        return "m.room.member", {"membership": "ban"}, CAROL
    if kind == "unban" and sender != CAROL:
        return "m.room.member", {"membership": "leave"}, CAROL
    if kind == "rejoin" and sender == CAROL:
        return "m.room.member", {"membership": dice.choice(["join", "leave"])}, CAROL
    return "m.room.message", {"body": "hello"}, None
