"""Events as one client gets them: rendered to bytes, with the transaction ids of its device.

What is bundled of the events that relate to them, and the reader's membership at them, are added
here, for all endpoints at once.
"""

from collections.abc import Sequence

from synapse.events.client_format import client_event, joined
from synapse.events.event import Event
from synapse.handlers.aggregations import Aggregations
from synapse.handlers.auth import Requester
from synapse.handlers.own_memberships import OwnMemberships
from synapse.storage.stores.events import EventStore
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock


class ClientEvents:
    """Renders events for a requester."""

    def __init__(
        self,
        events: EventStore,
        aggregations: Aggregations,
        memberships: OwnMemberships,
        clock: Clock,
    ) -> None:
        self._events = events
        self._aggregations = aggregations
        self._memberships = memberships
        self._clock = clock

    async def render(self, requester: Requester, events: Sequence[Event]) -> list[bytes]:
        """Each event as a JSON object, with its `room_id`."""
        rendered: list[bytes] = []
        # A room's state may be a hundred thousand.
        async for some in Breaks(self._clock).portions(events):
            rendered += await self._render(requester, some)
        return rendered

    async def _render(self, requester: Requester, events: Sequence[Event]) -> list[bytes]:
        own = [event.nid for event in events if event.sender == requester.user_id]
        txn_ids = await self._events.txn_ids(requester.device_nid, own) if own else {}
        bundles = await self._aggregations.of(requester, events)
        memberships = await self._memberships.of(requester, events)
        now_ms = self._clock.now_ms()
        return [
            client_event(
                event,
                now_ms=now_ms,
                transaction_id=txn_ids.get(event.nid),
                unsigned=joined(memberships[event.nid], bundles.get(event.nid, b"")),
            )
            for event in events
        ]

    async def render_array(self, requester: Requester, events: Sequence[Event]) -> bytes:
        """The same as one JSON array."""
        return b"[%b]" % b",".join(await self.render(requester, events))
