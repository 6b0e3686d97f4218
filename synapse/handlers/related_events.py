"""Which events go with one that is redacted (MSC3912)."""

from collections.abc import AsyncIterator, Collection
from typing import Final

from synapse.events.event import Event
from synapse.events.relations import REPLACE, Relation, may_replace, relation_of
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.relations import RelationStore

ANY: Final = "*"
_READ_AT_ONCE = 100
# Beyond the places of all events, however much history comes in.
_ENDS = 2**60


class RelatedEvents:
    """Finds the children of an event."""

    def __init__(self, relations: RelationStore, events: EventStore) -> None:
        self._relations = relations
        self._events = events

    async def of(self, room: Room, parent: Event, rel_types: set[str]) -> AsyncIterator[Event]:
        """The events that relate to one in one of these ways or, with `ANY`, in whatever way.

        The latest first; without edits that aren't valid. They may be redacted on the way.
        """
        below = _ENDS
        while True:
            rows = await self._relations.children(
                room.nid,
                parent.event_id,
                rel_type=None,
                event_type=None,
                depth=1,
                above=-_ENDS,
                below=below,
                backwards=True,
                limit=_READ_AT_ONCE,
            )
            events = await self._events.by_nids(nid for nid, _ in rows)
            for nid, _ in rows:
                child = events.get(nid)
                # It may be deleted meanwhile.
                if child is not None and is_meant(parent, child, rel_types):
                    yield child
            if len(rows) < _READ_AT_ONCE:
                return
            below = rows[-1][1]


def is_meant(parent: Event, child: Event, rel_types: Collection[str]) -> bool:
    """Whether one event relates to another in one of these ways or, with `ANY`, in whatever way."""
    relation = relation_of(child)
    if relation is None or relation.parent_id != parent.event_id:
        return False
    if child.room_id != parent.room_id or {ANY, relation.rel_type}.isdisjoint(rel_types):
        return False
    return _is_valid(parent, child, relation)


def _is_valid(parent: Event, child: Event, relation: Relation) -> bool:
    """Client-server API, "Validity of replacement events"; other relations always are."""
    if relation.rel_type != REPLACE:
        return True
    own = relation_of(parent)
    return (
        may_replace(child, relation)
        and (child.sender, child.type) == (parent.sender, parent.type)
        and not parent.is_state
        and (own is None or own.rel_type != REPLACE)
    )
