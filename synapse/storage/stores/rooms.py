"""Rooms as rows: what their writers start from, and the directory's facts about them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction
from synapse.util.caches import Cache


class RoomRow(NamedTuple):
    """The columns of `rooms`; see the schema for their meaning."""

    room_nid: int
    room_id: str
    version: str
    head: int
    pos: int
    depth: int
    last_nid: int
    tips: str
    state_nid: int
    joined: int
    invited: int
    local_joined: int
    published: bool
    flipped: int
    entrance_nid: int | None  # our join, if the members are not all known yet
    whole_since: int | None  # when they were, in a room that was entered without them


class PublishedRoom(NamedTuple):
    """A room in the directory."""

    room_nid: int
    room_id: str
    version: str
    state_nid: int
    joined: int


_COLUMNS = (
    "room_nid, room_id, version, head, pos, depth, last_nid, tips, state_nid,"
    " joined, invited, local_joined, published, flipped,"
    " (SELECT p.join_nid FROM partial_rooms p"
    " WHERE p.room_nid = rooms.room_nid AND p.completed = 0),"
    " (SELECT p.completed FROM partial_rooms p"
    " WHERE p.room_nid = rooms.room_nid AND p.completed > 0)"
)


class RoomStore:
    """Reads rooms; `synapse.rooms.persister` writes them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids: Cache[int, str] = Cache(20_000, "room_ids")

    async def get(self, room_id: str) -> RoomRow | None:
        row = await self._database.fetch_one(
            f"SELECT {_COLUMNS} FROM rooms WHERE room_id = ?", room_id
        )
        return None if row is None else RoomRow(*row)

    async def get_many(self, room_nids: Sequence[int]) -> dict[int, RoomRow]:
        rows = await self._database.fetch(
            f"SELECT {_COLUMNS} FROM rooms WHERE room_nid = ANY(?)", list(room_nids)
        )
        return {row[0]: RoomRow(*row) for row in rows}

    async def by_ids(self, room_ids: Sequence[str]) -> dict[str, RoomRow]:
        """Those of the rooms that this server knows, by room id."""
        rows = await self._database.fetch(
            f"SELECT {_COLUMNS} FROM rooms WHERE room_id = ANY(?)", list(room_ids)
        )
        return {row[1]: RoomRow(*row) for row in rows}

    async def ids(self, room_nids: Iterable[int]) -> dict[int, str]:
        """The room ids behind numbers."""
        wanted = set(room_nids)
        known = {nid: room_id for nid in wanted if (room_id := self._ids.get(nid)) is not None}
        if missing := [nid for nid in wanted if nid not in known]:
            rows = await self._database.fetch(
                "SELECT room_nid, room_id FROM rooms WHERE room_nid = ANY(?)", missing
            )
            for nid, room_id in rows:
                self._ids[nid] = room_id
                known[nid] = room_id
        return known

    async def touched_since(self, user_nid: int, position: int) -> list[int]:
        """The user's joined rooms in which something happened after a position."""
        rows = await self._database.fetch(
            """SELECT m.room_nid FROM members m JOIN rooms r ON r.room_nid = m.room_nid
               WHERE m.user_nid = ? AND m.membership = 1 AND (
                   r.last_nid > ? OR EXISTS (
                       SELECT 1 FROM receipts c WHERE c.room_nid = m.room_nid AND c.stream > ?))""",
            user_nid,
            position,
            position,
        )
        return [room_nid for (room_nid,) in rows]

    async def publish(self, room_nid: int, published: bool) -> None:
        """Show the room in the directory, or no longer."""
        await self._database.write(_publish, (int(published), room_nid))

    async def count_published(self, limit: int) -> int:
        """How many rooms the directory has; it is counted up to a limit."""
        row = await self._database.fetch_one(
            "SELECT count(*) FROM (SELECT 1 FROM rooms WHERE published = 1 LIMIT ?) AS few", limit
        )
        return 0 if row is None else row[0]

    async def published_after(
        self, place: tuple[int, int] | None, limit: int
    ) -> list[PublishedRoom]:
        """Rooms of the directory, the largest first, behind (joined, room_nid)."""
        # Rooms of equal size: the youngest first, so that both directions walk one index.
        joined, room_nid = place or (2**62, 0)
        rows = await self._database.fetch(
            """SELECT room_nid, room_id, version, state_nid, joined FROM rooms
               WHERE published = 1 AND (joined, room_nid) < (?, ?)
               ORDER BY joined DESC, room_nid DESC LIMIT ?""",
            joined,
            room_nid,
            limit,
        )
        return [PublishedRoom(*row) for row in rows]

    async def published_before(self, place: tuple[int, int], limit: int) -> list[PublishedRoom]:
        """Rooms of the directory before (joined, room_nid), the nearest first."""
        joined, room_nid = place
        rows = await self._database.fetch(
            """SELECT room_nid, room_id, version, state_nid, joined FROM rooms
               WHERE published = 1 AND (joined, room_nid) > (?, ?)
               ORDER BY joined, room_nid LIMIT ?""",
            joined,
            room_nid,
            limit,
        )
        return [PublishedRoom(*row) for row in rows]

    # Aliases.

    async def by_alias(self, alias: str) -> tuple[str, str] | None:
        """The room id behind an alias, and the user who made the alias."""
        row = await self._database.fetch_one(
            """SELECT r.room_id, n.name FROM room_aliases a
               JOIN rooms r ON r.room_nid = a.room_nid JOIN names n ON n.nid = a.creator_nid
               WHERE a.alias = ?""",
            alias,
        )
        return None if row is None else (row[0], row[1])

    async def aliases(self, room_nid: int) -> list[str]:
        rows = await self._database.fetch(
            "SELECT alias FROM room_aliases WHERE room_nid = ? ORDER BY alias", room_nid
        )
        return [alias for (alias,) in rows]

    async def add_alias(self, alias: str, room_nid: int, creator_nid: int) -> bool:
        """Whether the alias was free."""
        return await self._database.write(_add_alias, (alias, room_nid, creator_nid))

    async def move_names(self, old_nid: int, new_nid: int) -> None:
        """See `move_names`; nothing is written if the old room has none."""
        found = await self._database.fetch(
            """SELECT 1 FROM room_aliases WHERE room_nid = ?
               UNION ALL SELECT 1 FROM rooms WHERE room_nid = ? AND published = 1""",
            old_nid,
            old_nid,
        )
        if found:
            await self._database.write(_move_names, (old_nid, new_nid))

    async def remove_alias(self, alias: str) -> None:
        await self._database.write(_remove_alias, (alias,))


def _publish(txn: Transaction, items: list[tuple[int, int]]) -> None:
    txn.execute_many("UPDATE rooms SET published = ? WHERE room_nid = ?", items)


def _add_alias(txn: Transaction, items: list[tuple[str, int, int]]) -> list[bool]:
    return [
        bool(
            txn.execute(
                "INSERT INTO room_aliases (alias, room_nid, creator_nid) VALUES (?, ?, ?)"
                " ON CONFLICT (alias) DO NOTHING RETURNING alias",
                *item,
            )
        )
        for item in items
    ]


def move_names(txn: Transaction, old_nid: int, new_nid: int) -> None:
    """Give a room the names by which the one is found that it replaces."""
    txn.execute("UPDATE room_aliases SET room_nid = ? WHERE room_nid = ?", new_nid, old_nid)
    if txn.execute(
        "UPDATE rooms SET published = 0 WHERE room_nid = ? AND published = 1 RETURNING room_nid",
        old_nid,
    ):
        txn.execute("UPDATE rooms SET published = 1 WHERE room_nid = ?", new_nid)


def _move_names(txn: Transaction, items: list[tuple[int, int]]) -> None:
    for item in items:
        move_names(txn, *item)


def _remove_alias(txn: Transaction, items: list[tuple[str]]) -> None:
    txn.execute_many("DELETE FROM room_aliases WHERE alias = ?", items)
