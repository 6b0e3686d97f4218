"""A few events of what states share tell the same auth difference as all of them."""

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from unittest import TestCase

from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.events.auth_selection import Slot
from synapse.state.auth_graph import AuthGraph
from synapse.state.deciding import deciding
from synapse.state.lookup import EventLookup
from synapse.state.resolution import graph_of, separate
from tests.events.auth_rooms import ALICE, BOB, CAROL, MOD
from tests.state.rooms import ForkedRoom
from tests.state.test_resolution_properties import STEPS, VERSIONS, Step, grown_room


class Numbered:
    """The events of a room by number: `Citations`, and what was asked of them."""

    def __init__(self, room: ForkedRoom, early: Collection[str] = ()) -> None:
        order = [*early, *(event_id for event_id in room.events if event_id not in early)]
        self.nids = {event_id: number for number, event_id in enumerate(order, start=1)}
        self.ids = {number: event_id for event_id, number in self.nids.items()}
        self.slots: dict[Slot, int] = {}
        for event in room.events.values():
            self.slots.setdefault(event.slot, len(self.slots) + 1)
        self.room = room
        self.read: set[int] = set()

    def cited_by(self, nids: Collection[int]) -> Mapping[int, Sequence[int]]:
        self.read.update(nids)
        events = {nid: self.room.events[self.ids[nid]] for nid in nids}
        return {
            nid: [self.nids[auth] for auth in event.auth_event_ids()]
            for nid, event in events.items()
        }

    def slot_of(self, nid: int) -> int:
        assert nid in self.read
        return self.slots[self.room.events[self.ids[nid]].slot]

    def numbers(self, event_ids: Collection[str]) -> list[int]:
        return [self.nids[event_id] for event_id in event_ids]


class SharedState:
    """`Shared`"""

    def __init__(
        self, numbered: Numbered, state: Mapping[Slot, str], early: Collection[str] = ()
    ) -> None:
        self._filling = {numbered.slots[slot]: numbered.nids[e] for slot, e in state.items()}
        self._early = set(numbered.numbers(early))

    def filling(self, slot_nid: int) -> int:
        return self._filling.get(slot_nid, 0)

    def behind(self, nid: int) -> list[int]:
        return sorted(n for n in self._filling.values() if n > nid or n in self._early)


class DecidingTests(TestCase):
    def check(self, room: ForkedRoom, states: Sequence[Mapping[Slot, str]], early: Any) -> Numbered:
        """The difference, by the deciding events and the graph below them, is the true one."""
        unconflicted, conflicted = separate(states)
        graph = graph_of(states, EventLookup(room.events))
        sets = [set(state.values()) for state in conflicted]
        true = graph.difference(sets, unconflicted.values())
        numbered = Numbered(room, early)
        shared = SharedState(numbered, unconflicted, early)
        nids = deciding([numbered.numbers(some) for some in sets], numbered, shared)
        chosen = [numbered.ids[nid] for nid in nids]
        self.assertLessEqual(set(chosen), set(unconflicted.values()))

        def auth_of(event_ids: Any) -> dict[str, list[str]]:
            return {e: room.events[e].auth_event_ids() for e in event_ids}

        small = AuthGraph.below([*chosen, *(e for some in sets for e in some)], auth_of)
        conflicting = set().union(*sets)
        self.assertEqual(small.difference(sets, chosen) - conflicting, true - conflicting)
        return numbered

    @settings(max_examples=250, deadline=None)
    @given(VERSIONS, STEPS, st.integers(2, 4), st.randoms(use_true_random=False))
    def test_they_tell_the_same(
        self, version: str, steps: list[Step], count: int, rng: random.Random
    ) -> None:
        room, order = grown_room(version, steps)
        states = room.states(*(rng.choice(order) for _ in range(count)))
        # Some members were known early.
        members = [e.event_id for e in room.events.values() if e.type == "m.room.member"]
        early = [event_id for event_id in members if rng.random() < 0.2]
        self.check(room, states, early)

    def test_of_a_large_state_few_are_asked(self) -> None:
        room = ForkedRoom("10")
        room.join(ALICE)
        room.levels(ALICE, {ALICE: 100, MOD: 50, BOB: 50})
        room.join_rule(ALICE, "public")
        room.join(MOD)
        room.join(BOB)
        for number in range(300):
            room.join(f"@u{number}:u")
        base = room.last
        left = room.topic(MOD, "left", after=[base])
        # Bob's name changes before he sets the topic, and after that again.
        renamed = room.must_send(
            "m.room.member", BOB, {"membership": "join", "displayname": "B"}, BOB, after=[base]
        )
        right = room.topic(BOB, "right", after=[renamed])
        numbered = self.check(room, room.states(left, right), ())
        self.assertLess(len(numbered.read), 12)

    def test_rules_that_were_replaced_are_found_in_what_came_next(self) -> None:
        room = ForkedRoom("10")
        room.join(ALICE)
        room.levels(ALICE, {ALICE: 100, MOD: 50})
        old = room.join_rule(ALICE, "public")
        room.join(MOD)
        for number in range(20):
            room.join(f"@u{number}:u")
        # Nothing leads from the new rule to the old one; but who joined by it does.
        room.must_send("m.room.join_rules", ALICE, {"join_rule": "public", "n": 2}, "")
        for number in range(1_000):
            room.join(f"@v{number}:u")
        base = room.last
        left = room.topic(MOD, "left", after=[base])
        right = room.join(CAROL, after=[base], authorised_at=old)
        numbered = self.check(room, room.states(left, right), ())
        self.assertLess(len(numbered.read), 600)
