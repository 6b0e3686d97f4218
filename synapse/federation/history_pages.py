"""Pages of history as another server tells them, put in order.

Of what it tells, only that is taken to which the missing events lead, through `prev_events`. The
rest may be no history of theirs; or it is, by way of events that the other server does not tell.
Then what it stands on has its place further down, and is left for a later page. An event comes
after all that it stands on; of those that don't stand on each other, the one of lesser depth comes
first. Pure.
"""

import heapq
from collections.abc import Collection, Mapping, Sequence

from synapse.federation.pdus import Verified


class Circular(ValueError):
    """Events that stand on each other."""


def in_order(
    told: Mapping[str, Verified], missing: Sequence[str], elsewhere: Collection[str]
) -> list[Verified]:
    """The events that `missing` are and stand on, oldest first, without those of `elsewhere`.

    `elsewhere` belong further down in the timeline, with all that they stand on. Raises `Circular`.
    """
    prev_ids = {event_id: one.event.prev_event_ids() for event_id, one in told.items()}
    reached = _reached(missing, prev_ids)
    reached -= _reached({*elsewhere, *(set(told) - reached)}, prev_ids)
    waits_for = {e: {p for p in prev_ids[e] if p in reached} for e in reached}
    stood_on: dict[str, list[str]] = {}
    for event_id, prevs in waits_for.items():
        for prev in prevs:
            stood_on.setdefault(prev, []).append(event_id)
    ready = [_place(told[e]) for e in reached if not waits_for[e]]
    heapq.heapify(ready)
    ordered = []
    while ready:
        event_id = heapq.heappop(ready)[-1]
        ordered.append(told[event_id])
        for above in stood_on.get(event_id, ()):
            waits_for[above].discard(event_id)
            if not waits_for[above]:
                heapq.heappush(ready, _place(told[above]))
    if len(ordered) < len(reached):
        raise Circular(f"{len(reached) - len(ordered)} events stand on each other")
    return ordered


def left_out_of(told: Mapping[str, Verified], elsewhere: Collection[str]) -> set[str]:
    """Those of `elsewhere`, and what they stand on."""
    prev_ids = {event_id: one.event.prev_event_ids() for event_id, one in told.items()}
    return {*elsewhere, *_reached(elsewhere, prev_ids)}


def _reached(starts: Collection[str], prev_ids: Mapping[str, Sequence[str]]) -> set[str]:
    reached: set[str] = set()
    stack = [event_id for event_id in starts if event_id in prev_ids]
    while stack:
        event_id = stack.pop()
        if event_id not in reached:
            reached.add(event_id)
            stack += [prev for prev in prev_ids[event_id] if prev in prev_ids]
    return reached


def _place(one: Verified) -> tuple[int, int, str]:
    event = one.event
    return event.depth, event.origin_server_ts, event.event_id
