"""Forks as they happen in rooms, and what comes of them."""

from collections.abc import Iterable, Mapping
from unittest import TestCase

from synapse.events.event import Event
from synapse.state.auth_graph import AuthGraph
from synapse.state.lookup import EventLookup
from synapse.state.resolution import graph_of, resolve
from tests.events.auth_rooms import ALICE, BOB, CAROL, MOD, since
from tests.state.rooms import ForkedRoom

TOPIC, LEVELS, RULES = ("m.room.topic", ""), ("m.room.power_levels", ""), ("m.room.join_rules", "")
V2 = since(2)


def of(user: str) -> tuple[str, str]:
    return "m.room.member", user


def public_room(version: str) -> ForkedRoom:
    """A public room where Alice and Mod (50) and Bob are; its last event is `room.last`."""
    room = ForkedRoom(version)
    room.join(ALICE)
    room.levels(ALICE, users(room))
    room.join_rule(ALICE, "public")
    room.join(MOD)
    room.join(BOB)
    return room


def users(room: ForkedRoom, **more: int) -> dict[str, int]:
    named = {"mod": MOD, "bob": BOB, "carol": CAROL}
    levels = {MOD: 50} | {named[name]: level for name, level in more.items()}
    return levels if room.version.privileged_creators else {ALICE: 100, **levels}


class ScenarioTests(TestCase):
    def resolved(self, room: ForkedRoom, *tips: str) -> dict[tuple[str, str], str]:
        states = room.states(*tips)
        resolved = resolve(room.version, states, room.events)
        self.assertEqual(resolved, resolve(room.version, states[::-1], room.events))
        return resolved

    def test_a_ban_beats_what_the_banned_user_did_on_another_fork(self) -> None:
        for version in V2:
            room = public_room(version)
            room.levels(ALICE, users(room, bob=50))
            fork = room.last
            topic = room.topic(BOB, "mine", after=[fork], ts=1)
            ban = room.member(ALICE, BOB, "ban", after=[fork], ts=9999)
            resolved = self.resolved(room, topic, ban)
            self.assertEqual(ban, resolved[of(BOB)])
            self.assertNotIn(TOPIC, resolved)

    def test_a_kick_beats_what_the_kicked_user_did_and_leaving_does_not(self) -> None:
        for version in V2:
            for sender, topic_stays in [(ALICE, False), (BOB, True)]:
                room = public_room(version)
                room.levels(ALICE, users(room, bob=50))
                fork = room.last
                topic = room.topic(BOB, "mine", after=[fork], ts=1)
                leave = room.member(sender, BOB, "leave", after=[fork], ts=9999)
                resolved = self.resolved(room, topic, leave)
                self.assertEqual(leave, resolved[of(BOB)])
                self.assertEqual(topic if topic_stays else None, resolved.get(TOPIC))

    def test_of_two_who_demote_each_other_the_mightier_wins(self) -> None:
        for version in V2:
            room = public_room(version)
            room.levels(ALICE, users(room, bob=49))
            fork = room.last
            by_mod = room.levels(MOD, users(room, bob=0), after=[fork], ts=9999)
            by_bob = room.send(
                "m.room.power_levels",
                BOB,
                {"users": users(room, bob=49, carol=49)},
                "",
                after=[fork],
            )
            self.assertIsNone(by_bob, "49 may not send power levels")
            by_alice = room.levels(ALICE, users(room, mod=0, bob=49), after=[fork], ts=1)
            resolved = self.resolved(room, by_mod, by_alice)
            self.assertEqual(by_alice, resolved[LEVELS])

    def test_a_ban_and_power_levels_that_name_the_banned(self) -> None:
        # Mod, 50, gives power to Bob while Alice bans Mod: the ban comes first, and the power
        # levels of somebody who is banned are refused.
        for version in V2:
            room = public_room(version)
            fork = room.last
            levels = room.levels(MOD, users(room, bob=50), after=[fork], ts=1)
            ban = room.member(ALICE, MOD, "ban", after=[fork], ts=9999)
            resolved = self.resolved(room, levels, ban)
            self.assertEqual(ban, resolved[of(MOD)])
            self.assertEqual(room.state_after[fork][LEVELS], resolved[LEVELS])

    def test_a_join_rule_that_closes_the_room_beats_a_join(self) -> None:
        for version in V2:
            room = public_room(version)
            fork = room.last
            join = room.join(CAROL, after=[fork], ts=1)
            closed = room.join_rule(ALICE, "invite", after=[fork], ts=9999)
            resolved = self.resolved(room, join, closed)
            self.assertEqual(closed, resolved[RULES])
            self.assertNotIn(of(CAROL), resolved)

    def test_a_join_that_both_forks_know_stays_when_one_closes_the_room(self) -> None:
        for version in V2:
            room = public_room(version)
            join = room.join(CAROL)
            closed = room.join_rule(ALICE, "invite", after=[join])
            topic = room.topic(ALICE, "hello", after=[join])
            resolved = self.resolved(room, topic, closed)
            self.assertEqual((join, closed), (resolved[of(CAROL)], resolved[RULES]))
            self.assertEqual(topic, resolved[TOPIC])

    def test_the_later_of_two_topics_wins(self) -> None:
        for version in V2:
            room = public_room(version)
            fork = room.last
            early = room.topic(MOD, "early", after=[fork], ts=1)
            late = room.topic(ALICE, "late", after=[fork], ts=2)
            self.assertEqual(late, self.resolved(room, early, late)[TOPIC])

    def test_a_topic_based_on_newer_power_levels_wins_over_a_later_one(self) -> None:
        for version in V2:
            room = public_room(version)
            fork = room.last
            old = room.topic(MOD, "old levels", after=[fork], ts=9999)
            room.levels(ALICE, users(room, bob=50), after=[fork], ts=2)
            new = room.topic(BOB, "new levels", ts=3)
            self.assertEqual(new, self.resolved(room, old, new)[TOPIC])

    def test_ids_decide_between_events_of_the_same_time(self) -> None:
        for version in V2:
            room = public_room(version)
            fork = room.last
            room.topic(MOD, "one", after=[fork], ts=5, name="$topic1:a")
            room.topic(ALICE, "two", after=[fork], ts=5, name="$topic2:a")
            self.assertEqual("$topic2:a", self.resolved(room, "$topic1:a", "$topic2:a")[TOPIC])

    def test_a_slot_of_one_fork_alone_is_tried_and_kept(self) -> None:
        for version in since(1):
            room = public_room(version)
            fork = room.last
            topic = room.topic(MOD, "topic", after=[fork])
            join = room.join(CAROL, after=[fork])
            resolved = self.resolved(room, topic, join)
            self.assertEqual((topic, join), (resolved[TOPIC], resolved[of(CAROL)]))

    def test_a_rejected_auth_event_does_not_stand_in_for_what_the_state_lacks(self) -> None:
        # The topic is older than Carol's join, so it is tried first, with the join from its own
        # auth events.
        for version in V2:
            room = public_room(version)
            fork = room.last
            room.levels(ALICE, users(room, carol=50))
            room.join(CAROL, ts=9999)
            topic = room.topic(CAROL, "hi", ts=1)
            states = room.states(topic, fork)
            join = states[0].pop(of(CAROL))
            self.assertEqual(topic, resolve(room.version, states, room.events)[TOPIC])
            room.events[join].rejected = True
            self.assertNotIn(TOPIC, resolve(room.version, states, room.events))


class Version1Tests(TestCase):
    def test_power_levels_are_taken_from_the_bottom_up_while_each_allows_the_next(self) -> None:
        room = public_room("1")
        fork = room.last
        lower = room.levels(ALICE, users(room, mod=0), after=[fork])
        room.topic(MOD, "before", after=[fork])
        higher = room.levels(MOD, users(room, bob=50))
        # The event with the least depth comes first, and then Mod has no power any more.
        self.assertEqual(
            lower, resolve(room.version, room.states(lower, higher), room.events)[LEVELS]
        )

    def test_the_highest_topic_that_is_allowed_wins(self) -> None:
        room = public_room("1")
        fork = room.last
        low = room.topic(ALICE, "low", after=[fork], ts=9)
        room.join(CAROL, after=[fork])
        high = room.topic(MOD, "high", ts=1)
        self.assertEqual(high, resolve(room.version, room.states(low, high), room.events)[TOPIC])
        banned = room.member(ALICE, MOD, "ban", after=[low])
        resolved = resolve(room.version, room.states(banned, high), room.events)
        self.assertEqual((banned, low), (resolved[of(MOD)], resolved[TOPIC]))

    def test_where_no_topic_is_allowed_the_lowest_stays(self) -> None:
        room = public_room("1")
        fork = room.last
        low = room.topic(MOD, "low", after=[fork])
        room.join(CAROL, after=[fork])
        high = room.topic(MOD, "high")
        banned = room.member(ALICE, MOD, "ban", after=[fork])
        for tips in ([low, high, banned], [banned, high, low]):
            resolved = resolve(room.version, room.states(*tips), room.events)
            self.assertEqual((banned, low), (resolved[of(MOD)], resolved[TOPIC]))


class StateResetTests(TestCase):
    """What v2.1 is for: merging with a server whose state is stale must not undo what happened.

    A stale state can't come from honest events; servers with bugs, or old resolutions, have them.
    """

    def test_what_both_agree_on_is_not_taken_for_granted_by_older_events(self) -> None:
        # Carol joined before the room was closed. One server lost her join, but knows that the
        # room is closed, and v2 tries the join as if it had come after that.
        for version, is_in in [("11", False), ("12", True)]:
            room = public_room(version)
            join = room.join(CAROL)
            closed = room.join_rule(ALICE, "invite")
            here = room.state_after[closed]
            there = {slot: event for slot, event in here.items() if slot != of(CAROL)}
            resolved = resolve(room.version, [here, there], room.events)
            self.assertEqual(join if is_in else None, resolved.get(of(CAROL)))

    def test_the_events_between_two_conflicting_ones_are_tried_again(self) -> None:
        # Bob got power after the first levels, and set the last ones with it. One server went back
        # to the first levels, but has events that cite those between: they are no difference of
        # the auth chains, and without them v2 knows no reason for Bob's power.
        for version, wins in [("11", "first"), ("12", "last")]:
            room = public_room(version)
            levels = {"first": room.state_after[room.last][LEVELS]}
            room.levels(ALICE, users(room, bob=50))
            room.join(CAROL)
            levels["last"] = room.levels(BOB, users(room, bob=50, carol=10))
            here = room.state_after[room.last]
            there = {**here, LEVELS: levels["first"]}
            resolved = resolve(room.version, [here, there], room.events)
            self.assertEqual(levels[wins], resolved[LEVELS])

    def test_the_subgraph_is_a_part_of_the_full_conflicted_set(self) -> None:
        room = public_room("12")
        first = room.state_after[room.last][LEVELS]
        between = room.levels(ALICE, users(room, bob=10))
        last = room.levels(ALICE, users(room, bob=20))
        graph = graph_of(room.states(last), EventLookup(room.events))
        self.assertEqual({first, between, last}, graph.between({first, last}))


class InterfaceTests(TestCase):
    def forked(self) -> tuple[ForkedRoom, list[dict[tuple[str, str], str]]]:
        room = public_room("12")
        fork = room.last
        topic = room.topic(MOD, "topic", after=[fork])
        ban = room.member(ALICE, MOD, "ban", after=[fork])
        return room, room.states(topic, ban)

    def test_events_can_come_from_a_function_in_few_batches(self) -> None:
        room, states = self.forked()
        batches: list[int] = []

        def load(event_ids: Iterable[str]) -> Mapping[str, Event]:
            ids = list(event_ids)
            batches.append(len(ids))
            return {event_id: room.events[event_id] for event_id in ids}

        graph = AuthGraph()
        for event in room.events.values():
            graph.add(event.event_id, event.auth_event_ids())
        expected = resolve(room.version, states, room.events)
        self.assertEqual(expected, resolve(room.version, states, load, graph))
        self.assertLessEqual(len(batches), 4)
        self.assertLess(sum(batches), len(room.events))

    def test_a_missing_conflicting_event_is_an_error_that_names_it(self) -> None:
        room, states = self.forked()
        topic = states[0][TOPIC]
        graph = graph_of(states, EventLookup(room.events))
        del room.events[topic]
        with self.assertRaisesRegex(KeyError, "needs .*" + topic.strip("$")):
            resolve(room.version, states, room.events, graph)

    def test_one_state_or_equal_states_need_no_events(self) -> None:
        room, states = self.forked()
        self.assertEqual(states[0], resolve(room.version, [states[0]], {}))
        self.assertEqual(states[0], resolve(room.version, [states[0], dict(states[0])], {}))
