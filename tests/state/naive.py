"""State resolution once more: slow, and as close to the specification's words as Python gets.

The tests hold the real implementation against it. Only the authorisation rules and the two readings
that `synapse.state.resolution_v2` explains are shared.
"""

import math
from collections.abc import Mapping, Sequence
from hashlib import sha1
from typing import Any

from synapse.api.room_versions import RoomVersion, StateResolution
from synapse.events.auth_rules import AuthError, check_auth
from synapse.events.auth_selection import Slot, auth_slots
from synapse.events.event import Event
from synapse.events.power_levels import PowerLevels

StateIds = Mapping[Slot, str]
Events = Mapping[str, Event]


def naive_resolve(
    version: RoomVersion, states: Sequence[StateIds], events: Events
) -> dict[Slot, str]:
    if version.state_resolution is StateResolution.V1:
        return NaiveV1(states, events).resolve()
    return NaiveV2(states, events, version.state_resolution is StateResolution.V2_1).resolve()


def allowed(event: Event, state: Mapping[Slot, Event]) -> bool:
    try:
        check_auth(event, state, signed_by=lambda server: True)
    except AuthError:
        return False
    return True


class NaiveV1:
    def __init__(self, states: Sequence[StateIds], events: Events) -> None:
        self.events = events
        self.candidates: dict[Slot, set[str]] = {}
        for state in states:
            for slot, event_id in state.items():
                self.candidates.setdefault(slot, set()).add(event_id)
        self.resolved = {slot: min(ids) for slot, ids in self.candidates.items() if len(ids) == 1}

    def resolve(self) -> dict[Slot, str]:
        conflicts = [slot for slot, ids in self.candidates.items() if len(ids) > 1]
        special = ["m.room.power_levels", "m.room.join_rules", "m.room.member"]
        for event_type in special:
            found = {slot: self.pick_row(slot) for slot in conflicts if slot[0] == event_type}
            self.resolved.update(found)
        found = {slot: self.pick_highest(slot) for slot in conflicts if slot[0] not in special}
        self.resolved.update(found)
        return self.resolved

    def by_depth(self, slot: Slot) -> list[Event]:
        """Ascending depth, then descending SHA-1."""
        found = [self.events[event_id] for event_id in self.candidates[slot]]
        found.sort(key=lambda event: sha1(event.event_id.encode()).hexdigest(), reverse=True)
        return sorted(found, key=lambda event: event.depth)

    def state(self, more: StateIds) -> dict[Slot, Event]:
        return {slot: self.events[i] for slot, i in {**self.resolved, **more}.items()}

    def pick_row(self, slot: Slot) -> str:
        picked = None
        for event in self.by_depth(slot):
            if picked is not None and not allowed(event, self.state({slot: picked})):
                break
            picked = event.event_id
        assert picked is not None
        return picked

    def pick_highest(self, slot: Slot) -> str:
        ordered = self.by_depth(slot)
        passing = [event for event in ordered if allowed(event, self.state({}))]
        return (passing[-1] if passing else ordered[0]).event_id


class NaiveV2:
    def __init__(self, states: Sequence[StateIds], events: Events, v2_1: bool) -> None:
        self.states, self.events, self.v2_1 = states, events, v2_1
        slots = {slot for state in states for slot in state}
        self.unconflicted = {
            slot: states[0][slot]
            for slot in slots
            if len({state.get(slot) for state in states}) == 1
        }
        self.conflicted = {
            event_id
            for state in states
            for slot, event_id in state.items()
            if slot not in self.unconflicted
        }

    def resolve(self) -> dict[Slot, str]:
        if not self.conflicted:
            return self.unconflicted
        full = self.conflicted | self.auth_difference()
        if self.v2_1:
            full |= self.conflicted_subgraph()
        # 1.
        x = {event_id for event_id in full if self.is_power_event(self.events[event_id])}
        for event_id in list(x):
            x |= self.chain_within(event_id, full)
        # 2.
        state: dict[Slot, str] = {} if self.v2_1 else dict(self.unconflicted)
        self.iterative_auth_checks(state, self.power_ordering(x))
        # 3. and 4.
        rest = self.mainline_ordering(full - x, state.get(("m.room.power_levels", "")))
        self.iterative_auth_checks(state, rest)
        # 5.
        return {**state, **self.unconflicted}

    def auth(self, event_id: str) -> list[str]:
        return self.events[event_id].auth_event_ids()

    def chain(self, event_id: str) -> set[str]:
        chain: set[str] = set()
        new = set(self.auth(event_id))
        while new:
            chain |= new
            new = {cited for citing in new for cited in self.auth(citing)} - chain
        return chain

    def chain_within(self, event_id: str, within: set[str]) -> set[str]:
        chain: set[str] = set()
        new = set(self.auth(event_id)) & within
        while new:
            chain |= new
            new = {cited for citing in new for cited in self.auth(citing)} & within - chain
        return chain

    def auth_difference(self) -> set[str]:
        chains: list[set[str]] = []
        for state in self.states:
            own = set(state.values())
            chains.append(own.union(*(self.chain(event_id) for event_id in own)))
        return chains[0].union(*chains) - chains[0].intersection(*chains)

    def conflicted_subgraph(self) -> set[str]:
        chains = {event_id: self.chain(event_id) for event_id in self.events}
        on_paths: set[str] = set()
        for start in self.conflicted:
            for end in self.conflicted & chains[start]:
                on_paths |= {start, end}
                on_paths |= {middle for middle in chains[start] if end in chains[middle]}
        return on_paths

    def is_power_event(self, event: Event) -> bool:
        return event.type in ("m.room.power_levels", "m.room.join_rules") or (
            event.type == "m.room.member"
            and event.content.get("membership") in ("leave", "ban")
            and event.sender != event.state_key
        )

    def power_of_sender(self, event: Event) -> float:
        auth = {self.events[i].slot: self.events[i] for i in self.auth(event.event_id)}
        if event.version.room_id_is_hash:
            auth["m.room.create", ""] = self.events["$" + event.room_id[1:]]
        if event.type == "m.room.create":
            auth["m.room.create", ""] = event
        return PowerLevels.of(auth).of_user(event.sender)

    def power_ordering(self, x: set[str]) -> list[Event]:
        def rank(event_id: str) -> tuple[Any, ...]:
            event = self.events[event_id]
            return -self.power_of_sender(event), event.origin_server_ts, event_id

        ordered: list[Event] = []
        left = set(x)
        while left:
            ready = [event_id for event_id in left if not left & set(self.auth(event_id))]
            smallest = min(ready, key=rank)
            left.remove(smallest)
            ordered.append(self.events[smallest])
        return ordered

    def power_levels_line(self, event_id: str) -> list[str]:
        """e1, e2, …: the power levels that the event is based on."""
        line: list[str] = []
        current: str | None = event_id
        while current is not None:
            levels = [
                i for i in self.auth(current) if self.events[i].slot == ("m.room.power_levels", "")
            ]
            current = levels[0] if levels else None
            line += levels
        return line

    def mainline_ordering(self, ids: set[str], levels: str | None) -> list[Event]:
        mainline = [] if levels is None else [levels, *self.power_levels_line(levels)]

        def rank(event_id: str) -> tuple[Any, ...]:
            line = self.power_levels_line(event_id)
            position = next((mainline.index(e) for e in line if e in mainline), math.inf)
            return -position, self.events[event_id].origin_server_ts, event_id

        return [self.events[event_id] for event_id in sorted(ids, key=rank)]

    def iterative_auth_checks(self, state: dict[Slot, str], ordered: list[Event]) -> None:
        for event in ordered:
            known = {slot: self.events[event_id] for slot, event_id in state.items()}
            for auth_id in self.auth(event.event_id):
                auth = self.events[auth_id]
                if not auth.rejected:
                    known.setdefault(auth.slot, auth)
            if event.version.room_id_is_hash:
                known.setdefault(("m.room.create", ""), self.events["$" + event.room_id[1:]])
            needed = auth_slots(
                event.type, event.state_key, event.sender, event.content, event.version
            )
            needed.append(("m.room.create", ""))
            if allowed(event, {slot: known[slot] for slot in needed if slot in known}):
                state[event.slot] = event.event_id
