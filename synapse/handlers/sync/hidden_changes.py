"""State changes that a client's timeline filter hides from it.

Of such a change the client learns from `state`. But it takes up `state` first and the timeline
then, so an older event of the same slot that the filter lets through would win over the newer one.
(Only filters by sender, `contains_url` or relation do that: the events of a slot are of one type.)
The filter forbids to add the newer event to the timeline, and the older one may not be missing from
it without a trace; but a timeline may begin later than the filter and its limit say. So it begins
behind the older event, is `limited`, and who reads back with `/messages` finds what is missing.
"""

from collections.abc import Iterable, Sequence

from synapse.events.event import Event
from synapse.handlers.sync.filters import RoomFilter


def without_outdated(
    events: Iterable[Event], timeline: Sequence[Event], wish: RoomFilter
) -> list[Event]:
    """The part of a timeline behind its last state event that a hidden one has outdated.

    `events` are all between the timeline's beginning and its end, or more; both are oldest first.
    """
    if wish.state_after or wish.timeline.matches_all:
        return list(timeline)
    newest = {event.slot: event for event in events if event.is_state}
    shown = {event.nid for event in timeline}
    start = 0
    for index, event in enumerate(timeline):
        if event.is_state:
            last = newest[event.slot]
            if last.nid not in shown and wish.state.matches(last):
                start = index + 1
    return list(timeline[start:])
