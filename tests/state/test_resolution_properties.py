"""What holds for every room: any order of the states, and the naive implementation's results."""

import random
from typing import Any
from unittest import TestCase

from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.state.resolution import resolve
from tests.events.auth_rooms import ALICE, BOB, CAROL, MOD
from tests.state.naive import naive_resolve
from tests.state.rooms import ForkedRoom

USERS = [ALICE, MOD, BOB, CAROL]
# One of each algorithm's versions: v1; v2 without and with the later rules; v2.1.
VERSIONS = st.sampled_from(["1", "2", "11", "12"])

Step = tuple[int, int, int, int, int, int]
STEPS = st.lists(
    st.tuples(
        st.integers(0, 11),  # what
        st.integers(0, 3),  # who
        st.integers(0, 3),  # whom
        st.integers(0, 4),  # behind which of the latest events
        st.integers(0, 20),  # and a second one, or an older source of auth events
        st.integers(0, 3),  # when: few values, so that ties are common
    ),
    min_size=4,
    max_size=24,
)


def grown_room(version: str, steps: list[Step]) -> tuple[ForkedRoom, list[str]]:
    """A room with members, and what comes of these steps; with its events in order."""
    room = ForkedRoom(version)
    room.join(ALICE)
    alice = {} if version == "12" else {ALICE: 100}
    room.levels(ALICE, {**alice, MOD: 50})
    room.join_rule(ALICE, "public")
    room.join(MOD)
    order = [room.join(BOB)]
    for step in steps:
        event_id = take_step(room, order, alice, step)
        if event_id is not None:
            order.append(event_id)
    return room, order


def take_step(room: ForkedRoom, order: list[str], alice: dict[str, int], step: Step) -> str | None:
    what, who, whom, behind, second, when = step
    sender, target = USERS[who], USERS[whom]
    after = [order[-1 - behind % len(order)]]
    more: dict[str, Any] = {"ts": 10 + when}
    if second < len(order) and order[second] not in after:
        if second % 2:
            after.append(order[second])
        else:
            more["authorised_at"] = order[second]
    more["after"] = after
    if what <= 4:
        membership = ["join", "leave", "ban", "invite", "leave"][what]
        target = sender if what in (0, 1) else target
        return room.send("m.room.member", sender, {"membership": membership}, target, **more)
    if what <= 7:
        users = {**alice, MOD: [50, 0, 60][what - 5], target: [0, 50, 75][when % 3]}
        users.update(alice)
        if room.version.privileged_creators:
            users.pop(ALICE, None)
        return room.send("m.room.power_levels", sender, {"users": users}, "", **more)
    if what <= 9:
        rule = "public" if what == 8 else "invite"
        return room.send("m.room.join_rules", sender, {"join_rule": rule}, "", **more)
    return room.send("m.room.topic", sender, {"topic": str(when)}, f"{what}", **more)


class ResolutionPropertyTests(TestCase):
    @settings(max_examples=150, deadline=None)
    @given(VERSIONS, STEPS, st.integers(2, 4), st.randoms(use_true_random=False))
    def test_it_resolves_like_the_naive_implementation_in_any_order(
        self, version: str, steps: list[Step], count: int, rng: random.Random
    ) -> None:
        room, order = grown_room(version, steps)
        tips = [rng.choice(order) for _ in range(count)]
        states = room.states(*tips)
        expected = naive_resolve(room.version, states, room.events)
        self.assertEqual(expected, resolve(room.version, states, room.events))
        rng.shuffle(states)
        self.assertEqual(expected, resolve(room.version, states, room.events))

    @settings(max_examples=30, deadline=None)
    @given(VERSIONS, STEPS, st.integers(1, 3))
    def test_equal_states_resolve_to_themselves(
        self, version: str, steps: list[Step], count: int
    ) -> None:
        room, order = grown_room(version, steps)
        state = room.state_after[order[-1]]
        self.assertEqual(state, resolve(room.version, [dict(state)] * count, room.events))

    @settings(max_examples=40, deadline=None)
    @given(VERSIONS, STEPS, st.randoms(use_true_random=False))
    def test_a_state_given_twice_changes_nothing(
        self, version: str, steps: list[Step], rng: random.Random
    ) -> None:
        room, order = grown_room(version, steps)
        one, other = room.states(rng.choice(order), rng.choice(order))
        self.assertEqual(
            resolve(room.version, [one, other], room.events),
            resolve(room.version, [other, one, other], room.events),
        )
