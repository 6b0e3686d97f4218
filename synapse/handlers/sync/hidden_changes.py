"""State events in a client's timeline that are outdated by what the timeline doesn't show.

Its filter may hide a state change: then the client learns of it from `state`. But it takes up
`state` first and the timeline then, so an older event of the same slot that the filter lets through
would win over the newer one. (Only filters by sender, `contains_url` or relation do that: the
events of a slot are of one type.)
The filter forbids to add the newer event to the timeline, and the older one may not be missing from
it without a trace; but a timeline may begin later than the filter and its limit say. So it begins
behind the older event, is `limited`, and who reads back with `/messages` finds what is missing.

The same is done where forks met, and state resolution gave a slot to another event than the last
one in the timeline.
"""

from collections.abc import Iterable, Mapping, Sequence

from synapse.events.event import Event
from synapse.handlers.sync.filters import RoomFilter
from synapse.rooms.room import Slot


def without_outdated(
    events: Iterable[Event],
    timeline: Sequence[Event],
    wish: RoomFilter,
    settled: Mapping[Slot, Event | None],
) -> list[Event]:
    """The part of a timeline behind its last state event that is outdated.

    `events` are all between the timeline's beginning and its end, or more; both are oldest first.
    `settled` tells of slots that flipped what fills them in the end.
    """
    if wish.state_after or (wish.timeline.matches_all and not settled):
        return list(timeline)
    newest: dict[Slot, Event | None] = {event.slot: event for event in events if event.is_state}
    newest.update(settled)
    shown = {event.slot: event.nid for event in timeline if event.is_state}
    start = 0
    for index, event in enumerate(timeline):
        if event.is_state and shown[event.slot] == event.nid:
            last = newest[event.slot]
            if last is None or (last.nid != event.nid and wish.state.matches(last)):
                start = index + 1
    return list(timeline[start:])
