"""The two orders in which state resolution v2 tries events.

Room version 2, "Definitions": the *reverse topological power ordering* of the events that may take
power away, and the *mainline ordering* of the rest, which follows the history of power levels.
"""

import math
from collections.abc import Collection, Iterable
from heapq import heapify, heappop, heappush

from synapse.api.constants import EventTypes
from synapse.events.auth_selection import CREATE_SLOT, POWER_LEVELS_SLOT, Slot
from synapse.events.event import Event
from synapse.events.power_levels import Level, PowerLevels
from synapse.state.auth_graph import AuthGraph
from synapse.state.lookup import EventLookup


def power_ordering(
    event_ids: Collection[str], lookup: EventLookup, graph: AuthGraph
) -> list[Event]:
    """The events, each after those it cites, otherwise the sender with the most power first."""
    ranks = {
        event_id: (-_sender_level(lookup[event_id], lookup, graph), *_age(lookup[event_id]))
        for event_id in event_ids
    }
    citing: dict[str, list[str]] = {event_id: [] for event_id in event_ids}
    waiting_for: dict[str, int] = {}
    for event_id in event_ids:
        cited = {auth for auth in graph.auth_events(event_id) if auth in ranks}
        waiting_for[event_id] = len(cited)
        for auth in cited:
            citing[auth].append(event_id)
    # Kahn's algorithm; the heap holds the events that wait for no other.
    ready = [ranks[event_id] for event_id in event_ids if not waiting_for[event_id]]
    heapify(ready)
    ordered: list[Event] = []
    while ready:
        event_id = heappop(ready)[-1]
        ordered.append(lookup[event_id])
        for later in citing[event_id]:
            waiting_for[later] -= 1
            if not waiting_for[later]:
                heappush(ready, ranks[later])
    return ordered


def mainline_ordering(
    event_ids: Iterable[str], power_levels: str | None, lookup: EventLookup, graph: AuthGraph
) -> list[Event]:
    """The events by the power levels that they are based on, oldest first, then by age."""
    positions: dict[str, float] = {}
    current = power_levels
    while current is not None and current not in positions:
        positions[current] = len(positions)
        current = _power_levels_of(current, lookup, graph)
    events = [lookup[event_id] for event_id in event_ids]
    return sorted(
        events,
        key=lambda event: (-_mainline_position(event, positions, lookup, graph), *_age(event)),
    )


def auth_event_of(event_id: str, slot: Slot, lookup: EventLookup, graph: AuthGraph) -> Event | None:
    """The auth event of an event that fills this slot."""
    for auth_id in graph.auth_events(event_id):
        auth = lookup.get(auth_id)
        if auth is not None and auth.state_key is not None and auth.slot == slot:
            return auth
    return None


def create_event_of(event: Event, lookup: EventLookup, graph: AuthGraph) -> Event | None:
    """The create event that an event cites or, since version 12, that its room id implies."""
    if event.version.room_id_is_hash:
        return lookup.get("$" + event.room_id[1:])
    if event.type == EventTypes.CREATE:
        return event
    return auth_event_of(event.event_id, CREATE_SLOT, lookup, graph)


def _sender_level(event: Event, lookup: EventLookup, graph: AuthGraph) -> Level:
    create = create_event_of(event, lookup, graph)
    if create is None:
        return 0
    power_levels = auth_event_of(event.event_id, POWER_LEVELS_SLOT, lookup, graph)
    return PowerLevels(event.version, create, power_levels).of_user(event.sender)


def _mainline_position(
    event: Event, positions: dict[str, float], lookup: EventLookup, graph: AuthGraph
) -> float:
    """The place in the mainline of the first power levels below the event that are in it.

    Remembers the position of every power levels event on the way in `positions`.
    """
    way: list[str] = []
    current = _power_levels_of(event.event_id, lookup, graph)
    while current is not None and current not in positions:
        way.append(current)
        current = _power_levels_of(current, lookup, graph)
    position = math.inf if current is None else positions[current]
    positions.update(dict.fromkeys(way, position))
    return position


def _power_levels_of(event_id: str, lookup: EventLookup, graph: AuthGraph) -> str | None:
    power_levels = auth_event_of(event_id, POWER_LEVELS_SLOT, lookup, graph)
    return None if power_levels is None else power_levels.event_id


def _age(event: Event) -> tuple[int, str]:
    return event.origin_server_ts, event.event_id
