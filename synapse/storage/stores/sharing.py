"""Who shares rooms with whom, as far as it changes: for lists of devices."""

from collections.abc import Sequence

from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.stores.members import Membership
from synapse.storage.transaction import Reader

# Only rooms that moved are looked into. By an event of their own, or since state resolution gave
# the slot to another one.
_MOVERS = f"""
    SELECT n.name FROM members o
    JOIN rooms r ON r.room_nid = o.room_nid AND r.last_nid > ?
    JOIN members m ON m.room_nid = o.room_nid AND m.membership = ANY(?) AND m.event_nid > ?
    JOIN names n ON n.nid = m.user_nid
    WHERE o.user_nid = ? AND o.membership = 1 AND m.since > ? AND m.since <= ?
    UNION
    SELECT n.name FROM members o
    JOIN rooms r ON r.room_nid = o.room_nid AND r.flipped > ?
    JOIN flips f ON f.room_nid = o.room_nid AND f.stream > ?
    JOIN slots s ON s.slot_nid = f.slot_nid
        AND s.type_nid = (SELECT nid FROM names WHERE name = 'm.room.member')
    JOIN names n ON n.nid = s.key_nid
    WHERE o.user_nid = ? AND o.membership = {int(Membership.JOIN)} AND f.stream <= ?"""
_MEMBERS = """
    SELECT n.name FROM members m JOIN names n ON n.nid = m.user_nid
    WHERE m.room_nid = ? AND m.membership = 1 AND m.user_nid <> ?"""
_SHARING = """
    SELECT n.name FROM names n WHERE n.name = ANY(?) AND EXISTS (
        SELECT 1 FROM members m
        JOIN members o ON o.room_nid = m.room_nid AND o.user_nid = ? AND o.membership = 1
        WHERE m.user_nid = n.nid AND m.membership = 1)"""
_MEMBERSHIPS = [int(Membership.JOIN), int(Membership.LEAVE), int(Membership.BAN)]


class SharingStore:
    """Reads it off the memberships. All questions are asked in a reader's thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def movers(self, user_nid: int, since: int, upto: int) -> list[str]:
        """Who came into the user's rooms, or left them, in a stretch of the stream."""
        by_event = (since, _MEMBERSHIPS, since, user_nid, since, upto)
        by_flip = (since, since, user_nid, upto)
        return await self._names(_MOVERS, *by_event, *by_flip)

    async def members(self, room_nid: int, but: int) -> list[str]:
        """Who is in a room, but for one user."""
        return await self._names(_MEMBERS, room_nid, but)

    async def sharing(self, user_nid: int, others: Sequence[str]) -> set[str]:
        """Those of the others who share a room with the user."""
        return set(await self._names(_SHARING, list(others), user_nid))

    async def _names(self, sql: str, *params: object) -> list[str]:
        def read(reader: Reader) -> list[Row]:
            return reader.fetch(sql, *params)

        return [name for (name,) in await self._database.scan(read)]
