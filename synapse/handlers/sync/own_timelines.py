"""What one client's timeline has beyond the shared one: its transaction ids, and aggregations; and
what it has not: messages of users whom its user ignores.

Aggregations differ from user to user (who takes part in a thread, who is ignored). In `/sync` only
a `limited` timeline has them: otherwise the client gets the related events themselves. So what
waiting clients get, which is not limited, stays shared and costs nothing more. Clients of sliding
sync get them in all timelines; what relates to an event of one that isn't limited stands in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synapse.events.client_format import joined
from synapse.events.event import Event
from synapse.events.relations import relation_of
from synapse.handlers.aggregations import Aggregations
from synapse.handlers.auth import Requester
from synapse.handlers.ignored_users import IgnoredUsers, hides
from synapse.handlers.sync.deltas import RoomDelta
from synapse.handlers.sync.filters import RoomFilter
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import MemberRow
from synapse.util.clock import Clock


@dataclass(frozen=True, slots=True)
class Own:
    """What is a client's own in some timelines, by event_nid."""

    txn_ids: Mapping[int, str]
    bundles: Mapping[int, bytes]
    ignored: frozenset[str]

    def changes(self, event: Event) -> bool:
        """Whether the client gets the event in another form than others do."""
        return event.nid in self.txn_ids or event.nid in self.bundles


class OwnTimelines:
    """Makes the JSON of timelines for one client."""

    def __init__(
        self, events: EventStore, aggregations: Aggregations, ignored: IgnoredUsers, clock: Clock
    ) -> None:
        self._events = events
        self._aggregations = aggregations
        self._ignored = ignored
        self._clock = clock

    async def own(
        self,
        deltas: Sequence[RoomDelta],
        requester: Requester,
        memberships: Mapping[str, MemberRow] | None = None,
        *,
        bundles_everywhere: bool = False,
    ) -> Own:
        """What `render` needs, in one query of each kind for all rooms."""
        parents: list[Event] = []
        for delta in deltas:
            if delta.limited:
                parents += delta.events
            elif bundles_everywhere and len(delta.events) > 1:
                parents += _parents_within(delta.events)
        return Own(
            await self._txn_ids(deltas, requester),
            await self._aggregations.of(requester, parents, memberships),
            await self._ignored.of(requester),
        )

    def render(self, delta: RoomDelta, wish: RoomFilter, own: Own) -> bytes:
        """The JSON of the timeline's events, without brackets."""
        if own.ignored.isdisjoint(delta.senders) and not any(map(own.changes, delta.events)):
            return delta.timeline
        return b",".join(self.events(delta, wish, own))

    def events(self, delta: RoomDelta, wish: RoomFilter, own: Own) -> list[bytes]:
        """The JSON of each event of the timeline that the client is shown."""
        now_ms = self._clock.now_ms()
        return [
            wish.render(
                event,
                now_ms=now_ms,
                transaction_id=own.txn_ids.get(event.nid),
                unsigned=joined(delta.history.at(event), own.bundles.get(event.nid, b"")),
            )
            if own.changes(event)
            else rendered
            for event, rendered in zip(delta.events, delta.rendered, strict=True)
            if not hides(own.ignored, event)
        ]

    async def _txn_ids(self, deltas: Sequence[RoomDelta], requester: Requester) -> dict[int, str]:
        """The transaction ids of the events that this device sent."""
        sent = [
            event.nid
            for delta in deltas
            if requester.user_id in delta.senders
            for event in delta.events
            if event.sender == requester.user_id
        ]
        return await self._events.txn_ids(requester.device_nid, sent) if sent else {}


def _parents_within(timeline: Sequence[Event]) -> list[Event]:
    """The events of a timeline to which others of it relate."""
    relations = [relation for event in timeline if (relation := relation_of(event)) is not None]
    parent_ids = {relation.parent_id for relation in relations}
    return [event for event in timeline if event.event_id in parent_ids]
