"""Lists of destinations, for administrators: they may take as long as they take."""

from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.transaction import Reader


class ListedDestination(NamedTuple):
    """A server that shares rooms with us, has done so, or can't be reached."""

    server: str
    position: int | None  # NULL: it is not behind
    failing_since_ms: int | None
    last_failure_ms: int | None
    retry_interval_ms: int | None


class ListedRoom(NamedTuple):
    room_id: str
    last_nid: int


# What a list may be ordered by; what is not there comes first.
ORDERS = {
    "destination": "n.name",
    "retry_last_ts": "coalesce(d.last_failure_ms, 0)",
    "retry_interval": "coalesce(d.retry_interval_ms, 0)",
    "failure_ts": "coalesce(d.failing_since_ms, 0)",
    "last_successful_stream_ordering": "coalesce(d.position, 0)",
}
_KNOWN = """
    (SELECT server_nid FROM room_servers UNION SELECT server_nid FROM destinations) k
    JOIN names n ON n.nid = k.server_nid LEFT JOIN destinations d ON d.server_nid = k.server_nid"""
_COLUMNS = "n.name, d.position, d.failing_since_ms, d.last_failure_ms, d.retry_interval_ms"
_SHARED = """
    room_servers s JOIN rooms ro ON ro.room_nid = s.room_nid
    WHERE s.server_nid = (SELECT nid FROM names WHERE name = ?) AND s.joined > 0"""


class DestinationLists:
    """Reads them in a reader's thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def servers(
        self, part: str, order: str, *, backwards: bool, skip: int, limit: int
    ) -> tuple[list[ListedDestination], int]:
        """A page of the servers whose names hold `part`, and how many there are."""
        direction = "DESC" if backwards else "ASC"
        pattern = f"%{_escaped(part.lower())}%"

        def read(reader: Reader) -> tuple[list[ListedDestination], int]:
            matching = f"{_KNOWN} WHERE lower(n.name) LIKE ? ESCAPE '!'"
            rows = reader.fetch(
                f"SELECT {_COLUMNS} FROM {matching}"
                f" ORDER BY {ORDERS[order]} {direction}, n.name {direction} LIMIT ? OFFSET ?",
                pattern,
                limit,
                skip,
            )
            ((total,),) = reader.fetch(f"SELECT count(*) FROM {matching}", pattern)
            return [ListedDestination(*row) for row in rows], total

        return await self._database.scan(read)

    async def server(self, server: str) -> ListedDestination | None:
        """A server, if it is known."""
        row = await self._database.fetch_one(
            f"""SELECT {_COLUMNS} FROM names n
                LEFT JOIN destinations d ON d.server_nid = n.nid
                WHERE n.name = ? AND (d.server_nid IS NOT NULL OR EXISTS (
                    SELECT 1 FROM room_servers s WHERE s.server_nid = n.nid))""",
            server,
        )
        return None if row is None else ListedDestination(*row)

    async def rooms(
        self, server: str, *, backwards: bool, skip: int, limit: int
    ) -> tuple[list[ListedRoom], int]:
        """A page of the rooms in which a server is, and how many there are."""
        direction = "DESC" if backwards else "ASC"

        def read(reader: Reader) -> tuple[list[ListedRoom], int]:
            rows = reader.fetch(
                f"SELECT ro.room_id, ro.last_nid FROM {_SHARED}"
                f" ORDER BY ro.room_id {direction} LIMIT ? OFFSET ?",
                server,
                limit,
                skip,
            )
            ((total,),) = reader.fetch(f"SELECT count(*) FROM {_SHARED}", server)
            return [ListedRoom(*row) for row in rows], total

        return await self._database.scan(read)


def _escaped(text: str) -> str:
    for special in "!%_":
        text = text.replace(special, "!" + special)
    return text
