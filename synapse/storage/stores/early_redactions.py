"""Redactions that came before the events which they redact."""

from collections.abc import Sequence

from synapse.events.event import Event
from synapse.storage.database import Database
from synapse.storage.stores.events import EventStore


class EarlyRedactions:
    """Finds them; `synapse.rooms.rows` writes them with the redactions."""

    def __init__(self, database: Database, events: EventStore) -> None:
        self._database = database
        self._events = events

    async def of(self, event_ids: Sequence[str]) -> dict[str, list[Event]]:
        """The redactions of events, oldest first, for those that have some."""
        rows = await self._database.fetch(
            "SELECT target_id, event_nid FROM early_redactions WHERE target_id = ANY(?)"
            " ORDER BY event_nid",
            list(event_ids),
        )
        redactions = await self._events.by_nids([nid for _, nid in rows])
        found: dict[str, list[Event]] = {}
        for target_id, nid in rows:
            found.setdefault(target_id, []).append(redactions[nid])
        return found
