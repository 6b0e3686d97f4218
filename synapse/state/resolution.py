"""State resolution: the one state that follows from the states of several forks.

    S(E) = resolve(S'(E1), S'(E2), …)  where E1, E2, … are the `prev_events` of E

Pure: the result depends on nothing but the arguments, and not on the order of the state sets. The
three algorithms are in `resolution_v1` and `resolution_v2` (versions 2 and 2.1).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from synapse.api.room_versions import RoomVersion, StateResolution
from synapse.events.auth_selection import Slot
from synapse.state.auth_graph import AuthGraph
from synapse.state.lookup import EventLookup, EventSource
from synapse.state.resolution_v1 import resolve_v1
from synapse.state.resolution_v2 import resolve_v2

StateIds = Mapping[Slot, str]


def resolve(
    version: RoomVersion,
    state_sets: Sequence[StateIds],
    events: EventSource,
    graph: AuthGraph | None = None,
) -> dict[Slot, str]:
    """The resolved state. It must have at least one state set to resolve.

    `events` is asked for the conflicting events, the state that authorises them, and their auth
    events. `graph` must hold the events of all state sets; without one it is made from the events
    of the whole auth chain, which is slow in a large room.
    """
    unconflicted, conflicted = separate(state_sets)
    if not any(conflicted):
        return unconflicted
    lookup = EventLookup(events)
    if graph is None:
        graph = graph_of(state_sets, lookup)
    shared = unconflicted.values()
    return unconflicted | resolve_conflicts(
        version, unconflicted, conflicted, lookup, graph, shared
    )


def resolve_conflicts(
    version: RoomVersion,
    unconflicted: StateIds,
    conflicted: Sequence[StateIds],
    lookup: EventLookup,
    graph: AuthGraph,
    shared: Collection[str],
) -> dict[Slot, str]:
    """What fills those slots of the resolved state that not all states agree on.

    `conflicted` is each state without what all have in common. Of `unconflicted` a few slots are
    looked up, so it may be read from a database. `shared` are events of it, all or as many as
    decide about the auth difference (`synapse.state.deciding`); they are in `graph`, with what
    conflicts and the power levels that don't.
    """
    if version.state_resolution is StateResolution.V1:
        return resolve_v1(unconflicted, conflicted, lookup)
    return resolve_v2(unconflicted, conflicted, lookup, graph, shared, version.state_resolution)


def separate(state_sets: Sequence[StateIds]) -> tuple[dict[Slot, str], list[dict[Slot, str]]]:
    """The unconflicted state map, and of each state what isn't in it."""
    first, *rest = state_sets
    unconflicted = {
        slot: event_id
        for slot, event_id in first.items()
        if all(state.get(slot) == event_id for state in rest)
    }
    conflicted = [
        {slot: event_id for slot, event_id in state.items() if slot not in unconflicted}
        for state in state_sets
    ]
    return unconflicted, conflicted


def graph_of(state_sets: Sequence[StateIds], lookup: EventLookup) -> AuthGraph:
    """The auth graph of the states, from the events themselves."""

    def auth_of(event_ids: Iterable[str]) -> dict[str, list[str]]:
        ids = list(event_ids)
        lookup.fetch(ids)
        found = [(event_id, lookup.get(event_id)) for event_id in ids]
        return {event_id: event.auth_event_ids() for event_id, event in found if event is not None}

    return AuthGraph.below((event for state in state_sets for event in state.values()), auth_of)
