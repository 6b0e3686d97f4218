"""State resolution v2 (room versions 2 to 11) and v2.1 (since version 12).

The idea: what all states agree on is settled. Of the rest, and of everything in the history of
permissions that not all states share (the *full conflicted set*), first the *power events* are
tried, those that may take power away, the mightiest senders first; then all others, ordered by the
power levels they are based on. An event stays if the authorisation rules allow it in the state
made so far. Example: Alice bans Bob while Bob, on another fork, changes the topic. The ban is tried
first; the topic of a banned user is then refused, however early its timestamp.

v2.1 differs in two things: the state to try events in is empty at first, so that nothing is taken
for granted because both forks happen to agree on it; and what lies between two conflicting events
in the auth graph is tried again, too.

Where the specification's words leave a choice, this does what the servers do that rooms live on,
for rooms split where servers differ:

- A state's auth chain includes the events of the state.
- Of the auth chain of a power event, step 1 takes what is reached through the full conflicted set.
"""

from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence

from synapse.api.constants import EventTypes, Membership
from synapse.api.room_versions import StateResolution
from synapse.events.auth_rules import AuthError, check_auth
from synapse.events.auth_selection import CREATE_SLOT, POWER_LEVELS_SLOT, Slot, auth_slots
from synapse.events.event import Event
from synapse.state.auth_graph import AuthGraph
from synapse.state.lookup import EventLookup
from synapse.state.ordering import (
    auth_event_of,
    create_event_of,
    mainline_ordering,
    power_ordering,
)


def resolve_v2(
    unconflicted: Mapping[Slot, str],
    conflicted: Sequence[Mapping[Slot, str]],
    lookup: EventLookup,
    graph: AuthGraph,
    shared: Collection[str],
    algorithm: StateResolution,
) -> dict[Slot, str]:
    """What fills the slots on which the states differ: see `resolution.resolve_conflicts`."""
    is_v2_1 = algorithm is StateResolution.V2_1
    conflicted_sets = [set(state.values()) for state in conflicted]
    full_conflicted = _full_conflicted_set(shared, conflicted_sets, graph, is_v2_1)
    _fetch(full_conflicted, unconflicted, lookup, graph)

    power_events = _power_events_with_chains(full_conflicted, lookup, graph)  # 1
    resolved: dict[Slot, str] = {}
    # What the events are tried in; trying them changes only `resolved`.
    state: MutableMapping[Slot, str] = resolved
    if not is_v2_1:
        state = ChainMap(resolved, unconflicted)  # type: ignore[arg-type]
    _try_events(power_ordering(power_events, lookup, graph), state, lookup, graph)  # 2
    others = mainline_ordering(
        full_conflicted - power_events, state.get(POWER_LEVELS_SLOT), lookup, graph
    )  # 3
    _try_events(others, state, lookup, graph)  # 4
    return {slot: e for slot, e in resolved.items() if unconflicted.get(slot) is None}  # 5


def _full_conflicted_set(
    shared: Collection[str],
    conflicted_sets: Sequence[set[str]],
    graph: AuthGraph,
    is_v2_1: bool,
) -> set[str]:
    conflicted = set().union(*conflicted_sets)
    full = conflicted | graph.difference(conflicted_sets, shared)
    return full | graph.between(conflicted) if is_v2_1 else full


def _fetch(
    full_conflicted: Iterable[str],
    unconflicted: Mapping[Slot, str],
    lookup: EventLookup,
    graph: AuthGraph,
) -> None:
    """Fetches in two batches nearly all that the next steps will ask for."""
    needed = set(full_conflicted)
    for event_id in full_conflicted:
        needed.update(graph.auth_events(event_id))
    lookup.fetch(needed)
    slots = {slot for event_id in full_conflicted for slot in _needed_slots(lookup[event_id])}
    found = [unconflicted.get(slot) for slot in slots]
    lookup.fetch(event_id for event_id in found if event_id is not None)


def _power_events_with_chains(
    full_conflicted: set[str], lookup: EventLookup, graph: AuthGraph
) -> set[str]:
    stack = [event_id for event_id in full_conflicted if _is_power_event(lookup[event_id])]
    chosen = set(stack)
    while stack:
        for cited in graph.auth_events(stack.pop()):
            if cited in full_conflicted and cited not in chosen:
                chosen.add(cited)
                stack.append(cited)
    return chosen


def _is_power_event(event: Event) -> bool:
    """Whether the event might remove someone's ability to do something in the room."""
    if event.type in (EventTypes.POWER_LEVELS, EventTypes.JOIN_RULES):
        return event.is_state
    return (
        event.type == EventTypes.MEMBER
        and event.sender != event.state_key
        and event.membership in (Membership.LEAVE, Membership.BAN)
    )


def _try_events(
    events: Iterable[Event], state: MutableMapping[Slot, str], lookup: EventLookup, graph: AuthGraph
) -> None:
    """Iterative auth checks: adds those events to the state that it allows."""
    for event in events:
        try:
            # Signatures don't depend on the state: they were checked when the event came.
            check_auth(event, _auth_state(event, state, lookup, graph), signed_by=_already_checked)
        except AuthError:
            continue
        state[event.slot] = event.event_id


def _auth_state(
    event: Event, state: Mapping[Slot, str], lookup: EventLookup, graph: AuthGraph
) -> dict[Slot, Event]:
    """What authorises the event: from the state, or else from its own auth events."""
    found: dict[Slot, Event] = {}
    for slot in _needed_slots(event):
        event_id = state.get(slot)
        if event_id is not None:
            found[slot] = lookup[event_id]
            continue
        if slot == CREATE_SLOT:
            auth = create_event_of(event, lookup, graph)
        else:
            auth = auth_event_of(event.event_id, slot, lookup, graph)
        if auth is not None and not auth.rejected:
            found[slot] = auth
    return found


def _needed_slots(event: Event) -> list[Slot]:
    slots = auth_slots(event.type, event.state_key, event.sender, event.content, event.version)
    return [*slots, CREATE_SLOT] if event.version.room_id_is_hash else slots


def _already_checked(server: str) -> bool:
    return True
