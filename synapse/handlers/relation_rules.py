"""What a user may not say of the relation of an event to another one.

A relation to an event that isn't in the room is none (client-server API, "Forming relationships
between events"): such an event is sent as any other.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import MatrixError
from synapse.events.relations import ANNOTATION, THREAD, Relation, relation_of
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.relations import RelationStore


class RelationRules:
    """Refuses second annotations, and threads within threads."""

    def __init__(self, relations: RelationStore, events: EventStore, rooms: RoomCache) -> None:
        self._relations = relations
        self._events = events
        self._rooms = rooms
        # Annotations that are being sent: (parent, key, sender, type).
        self._under_way: set[tuple[str, str, str, str]] = set()

    @asynccontextmanager
    async def kept(self, room: Room, draft: Draft) -> AsyncIterator[None]:
        """Send the draft within this. Raises `DuplicateAnnotation`, `NoThreadRoot`."""
        relation = Relation.of(draft.content) if "m.relates_to" in draft.content else None
        # Who isn't in the room is refused by its rules, and learns nothing here.
        if relation is None or not await self._is_joined(room, draft.sender):
            yield
        elif relation.rel_type == ANNOTATION and relation.key is not None:
            annotation = (relation.parent_id, relation.key, draft.sender, draft.type)
            if annotation in self._under_way:
                raise DuplicateAnnotation
            self._under_way.add(annotation)
            try:
                if await self._relations.has_annotation(room.nid, *annotation):
                    raise DuplicateAnnotation
                yield
            finally:
                self._under_way.discard(annotation)
        else:
            if relation.rel_type == THREAD:
                await self._require_root(room, relation.parent_id)
            yield

    async def _is_joined(self, room: Room, user_id: str) -> bool:
        member = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        return member is not None and member.membership == Membership.JOIN

    async def _require_root(self, room: Room, event_id: str) -> None:
        root = await self._events.get(event_id)
        if root is not None and root.room_id == room.room_id and relation_of(root) is not None:
            raise NoThreadRoot


class DuplicateAnnotation(MatrixError):
    """400 `M_DUPLICATE_ANNOTATION`"""

    def __init__(self) -> None:
        super().__init__(
            400, "M_DUPLICATE_ANNOTATION", "You have already sent this annotation of this event"
        )


class NoThreadRoot(MatrixError):
    """400 `M_UNKNOWN`: the specification has no code for it."""

    def __init__(self) -> None:
        super().__init__(
            400, "M_UNKNOWN", "A thread can't start at an event that relates to another one"
        )
