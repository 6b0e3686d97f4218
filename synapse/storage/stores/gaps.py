"""Gaps: events that we don't have, and others stand on. `synapse.rooms` writes them."""

from synapse.storage.database import Database


class GapStore:
    """Reads them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_missed(self, room_nid: int, event_id: str) -> bool:
        """Whether an event of the room's timeline stands on this one, which was not here."""
        row = await self._database.fetch_one(
            "SELECT 1 FROM gaps WHERE room_nid = ? AND event_id = ?", room_nid, event_id
        )
        return row is not None
