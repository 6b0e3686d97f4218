"""State resolution of room version 1 (room version 1, "State resolution").

Slots where the states disagree are settled in four passes, each on the state that the passes
before it made: power levels, join rules, memberships, the rest. Slots within a pass don't see each
other's results, so their order doesn't matter.
"""

from collections import ChainMap
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from hashlib import sha1

from synapse.api.constants import EventTypes
from synapse.events.auth_rules import AuthError, check_auth
from synapse.events.auth_selection import CREATE_SLOT, Slot, auth_slots
from synapse.events.event import Event
from synapse.state.lookup import EventLookup

_PASSES = (EventTypes.POWER_LEVELS, EventTypes.JOIN_RULES, EventTypes.MEMBER)


def resolve_v1(
    unconflicted: Mapping[Slot, str],
    conflicted: Sequence[Mapping[Slot, str]],
    lookup: EventLookup,
) -> dict[Slot, str]:
    """What fills the slots on which the states differ: see `resolution.resolve_conflicts`."""
    union, conflicts = _separate(conflicted)
    resolved = ChainMap(union, unconflicted)  # type: ignore[arg-type]  # only `union` changes
    lookup.fetch(event_id for ids in conflicts.values() for event_id in ids)
    events = {slot: [lookup[event_id] for event_id in ids] for slot, ids in conflicts.items()}
    for event_type in _PASSES:
        winners = {
            slot: _last_of_allowed_row(slot, candidates, resolved, lookup)
            for slot, candidates in events.items()
            if slot[0] == event_type
        }
        union.update(winners)
    winners = {
        slot: _highest_allowed(candidates, resolved, lookup)
        for slot, candidates in events.items()
        if slot[0] not in _PASSES
    }
    union.update(winners)
    return union


def _separate(
    conflicted: Sequence[Mapping[Slot, str]],
) -> tuple[dict[Slot, str], dict[Slot, set[str]]]:
    """What is no conflict after all, and the conflicts.

    Other than in later versions, a slot that only some states fill is none.
    """
    union: dict[Slot, str] = {}
    conflicts: dict[Slot, set[str]] = {}
    for state in conflicted:
        for slot, event_id in state.items():
            if union.setdefault(slot, event_id) != event_id:
                conflicts.setdefault(slot, {union[slot]}).add(event_id)
    for slot in conflicts:
        del union[slot]
    return union, conflicts


def _last_of_allowed_row(
    slot: Slot,
    candidates: Iterable[Event],
    resolved: MutableMapping[Slot, str],
    lookup: EventLookup,
) -> str:
    """From the lowest event up, the last one before the first that isn't allowed."""
    winner, *rest = sorted(candidates, key=_height, reverse=True)
    for event in rest:
        if not _is_allowed(event, ChainMap({slot: winner.event_id}, resolved), lookup):
            break
        winner = event
    return winner.event_id


def _highest_allowed(
    candidates: Iterable[Event], resolved: Mapping[Slot, str], lookup: EventLookup
) -> str:
    """The highest event that is allowed. Where none is, of which the specification says nothing,
    the lowest stays, as in the servers that version 1 rooms were made with."""
    ordered = sorted(candidates, key=_height)
    allowed = (event for event in ordered if _is_allowed(event, resolved, lookup))
    return next(allowed, ordered[-1]).event_id


def _height(event: Event) -> tuple[int, bytes]:
    """Orders events by descending depth, then ascending SHA-1 of the id."""
    return -event.depth, sha1(event.event_id.encode(), usedforsecurity=False).digest()


def _is_allowed(event: Event, state: Mapping[Slot, str], lookup: EventLookup) -> bool:
    slots = auth_slots(event.type, event.state_key, event.sender, event.content, event.version)
    needed = [slot for slot in (*slots, CREATE_SLOT) if slot in state]
    lookup.fetch(state[slot] for slot in needed)
    try:
        check_auth(event, {slot: lookup[state[slot]] for slot in needed})
    except AuthError:
        return False
    return True
