"""Events that come from other servers after what they relate to was redacted (MSC3912).

Who redacted an event with what relates to it in some way meant these, too: they are redacted in
that user's name, as far as the user may do so by then.
"""

import logging
from collections.abc import Sequence

from synapse.api.errors import MatrixError
from synapse.events.event import Event
from synapse.events.relations import relation_of
from synapse.handlers.messages import Messages
from synapse.handlers.related_events import is_meant
from synapse.rooms.cache import RoomCache
from synapse.rooms.chunks import Chunk
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.related_redactions import RelatedRedaction, RelatedRedactionStore
from synapse.util.background import Background

logger = logging.getLogger(__name__)


class LateRelatives:
    """Redacts them."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        names: Names,
        store: RelatedRedactionStore,
        messages: Messages,
        background: Background,
        *,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._names = names
        self._store = store
        self._messages = messages
        self._background = background
        self._domain = ":" + server_name

    def committed(self, chunks: list[Chunk]) -> None:
        """Events are committed: look at those of other servers that relate to others."""
        children = [
            entry.event
            for chunk in chunks
            for entry in chunk.entries
            if not entry.event.sender.endswith(self._domain) and relation_of(entry.event)
        ]
        if children:
            self._background.spawn("redact late relatives", self._look_at(children))

    async def _look_at(self, children: Sequence[Event]) -> None:
        parent_ids = {relation.parent_id for child in children if (relation := relation_of(child))}
        found = await self._events.get_many([*parent_ids])
        # Usually nobody has, and that shows without a question.
        parents = {event_id: event for event_id, event in found.items() if event.redacted}
        wanted = await self._store.of([*parents]) if parents else []
        for redaction in wanted:
            parent = parents[redaction.target_id]
            for child in children:
                if is_meant(parent, child, redaction.rel_types):
                    await self._redact(redaction, child)

    async def _redact(self, redaction: RelatedRedaction, child: Event) -> None:
        user_id = (await self._names.texts([redaction.user_nid]))[redaction.user_nid]
        room = await self._rooms.get(child.room_id)
        try:
            await self._messages.redact_relative(user_id, room, child, redaction.content)
        except MatrixError as error:
            logger.info("%s does not redact %s: %s", user_id, child.event_id, error)
