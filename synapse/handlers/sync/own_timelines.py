"""What one client's timeline has beyond the shared one: its transaction ids, and aggregations.

Aggregations differ from user to user (who takes part in a thread, who is ignored). Only a `limited`
timeline has them: otherwise the client gets the related events themselves. So what waiting clients
get, which is not limited, stays shared and costs nothing more.
"""

from collections.abc import Iterable, Mapping

from synapse.handlers.aggregations import Aggregations
from synapse.handlers.sync.deltas import RoomDelta
from synapse.handlers.sync.request import SyncRequest
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import MemberRow
from synapse.util.clock import Clock


class OwnTimelines:
    """Makes the JSON of timelines, without brackets, for one client."""

    def __init__(self, events: EventStore, aggregations: Aggregations, clock: Clock) -> None:
        self._events = events
        self._aggregations = aggregations
        self._clock = clock

    async def bundles(
        self,
        deltas: Iterable[RoomDelta],
        request: SyncRequest,
        memberships: Mapping[str, MemberRow] | None = None,
    ) -> dict[int, bytes]:
        """What is bundled with the events of the limited ones, in one query for all rooms."""
        events = [event for delta in deltas if delta.limited for event in delta.events]
        return await self._aggregations.of(request.requester, events, memberships)

    async def render(
        self, delta: RoomDelta, request: SyncRequest, bundles: Mapping[int, bytes]
    ) -> bytes:
        requester = request.requester
        txn_ids: dict[int, str] = {}
        if requester.user_id in delta.senders:
            own = [event.nid for event in delta.events if event.sender == requester.user_id]
            txn_ids = await self._events.txn_ids(requester.device_nid, own)
        if not txn_ids and not bundles:
            return delta.timeline
        render, now_ms = request.filter.room.render, self._clock.now_ms()
        return b",".join(
            render(
                event,
                now_ms=now_ms,
                transaction_id=txn_ids.get(event.nid),
                unsigned=bundles.get(event.nid, b""),
            )
            if event.nid in txn_ids or event.nid in bundles
            else rendered
            for event, rendered in zip(delta.events, delta.rendered, strict=True)
        )
