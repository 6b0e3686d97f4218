"""Parts of rooms in the making: what is the user's own is asked for all rooms together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from synapse.handlers.auth import Requester
from synapse.handlers.ignored_users import hides
from synapse.handlers.sliding_sync.connections import SentRoom
from synapse.handlers.sliding_sync.wanted import Moment, Wanted
from synapse.handlers.sync.deltas import RoomDelta
from synapse.handlers.sync.filters import RoomFilter
from synapse.handlers.sync.own_timelines import Own, OwnTimelines


@dataclass(slots=True)
class Draft:
    """A room's part without its timeline."""

    item: Wanted
    part: dict[str, Any]
    sent: SentRoom
    wish: RoomFilter
    timeline: RoomDelta | None = None
    # What is told of the room if there is anything to tell.
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def room_nid(self) -> int:
        return self.item.entry.row.room_nid


class Drafts:
    """Turns drafts into parts."""

    def __init__(self, timelines: OwnTimelines) -> None:
        self._timelines = timelines

    async def finish(
        self, drafts: Sequence[Draft], requester: Requester, moment: Moment
    ) -> dict[str, dict[str, Any]]:
        """By room_id the parts that tell anything."""
        timelines = [draft.timeline for draft in drafts if draft.timeline is not None]
        memberships = {draft.item.entry.room_id: draft.item.entry.row for draft in drafts}
        own = await self._timelines.own(timelines, requester, memberships, bundles_everywhere=True)
        parts = {}
        for draft in drafts:
            part = draft.part
            if draft.timeline is not None:
                rendered = self._timelines.events(draft.timeline, draft.wish, own)
                if rendered or draft.timeline.limited or part.get("initial"):
                    part |= _timeline_part(draft.timeline, rendered, own, moment.since)
            if part or draft.item.has_read:
                parts[draft.item.entry.room_id] = part | draft.facts
        return parts


def _timeline_part(
    delta: RoomDelta, rendered: Sequence[bytes], own: Own, position: int | None
) -> dict[str, Any]:
    """`position` is what the client had read before; None: nothing."""
    live = 0
    if position is not None:
        shown = [event for event in delta.events if not hides(own.ignored, event)]
        live = sum(1 for event in shown if event.live and event.nid > position)
    return {
        "timeline": [orjson.Fragment(event) for event in rendered],
        "prev_batch": delta.prev_batch,
        "limited": delta.limited,
        "num_live": live,
    }
