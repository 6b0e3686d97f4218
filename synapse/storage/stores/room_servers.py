"""Which homeservers are in a room, and which of its users are a server's.

The first is counted in `room_servers`, as memberships change. A server's users are not kept apart
from others: who asks for them reads past all members of the room, in a reader's thread.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from synapse.api.identifiers import domain_of
from synapse.storage.database import Database
from synapse.storage.stores.members import Membership
from synapse.storage.transaction import Reader

_OTHERS = """
    SELECT (SELECT n.name FROM names n WHERE n.nid = s.server_nid), s.joined FROM room_servers s
    WHERE s.room_nid = ? AND s.joined > 0"""
_IS_IN = """
    SELECT 1 FROM room_servers
    WHERE server_nid = (SELECT nid FROM names WHERE name = ?) AND room_nid = ? AND joined > 0"""
_NAMES = """
    SELECT m.user_nid, n.name, m.membership, m.event_nid FROM members m
    JOIN names n ON n.nid = m.user_nid WHERE m.room_nid = ? AND m.membership = ANY(?)
"""


class UserOfServer(NamedTuple):
    """A user of some server who is or was in a room."""

    user_id: str
    membership: int
    event_nid: int  # the member event


class RoomServerStore:
    """Reads servers of rooms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def others(self, room_nid: int) -> list[str]:
        """The servers besides ours whose users are in a room, those with the most first."""
        rows = await self._database.scan(lambda reader: reader.fetch(_OTHERS, room_nid))
        rows.sort(key=lambda row: (-row[1], row[0]))
        return [server for server, _ in rows]

    async def is_in(self, room_nid: int, server: str) -> bool:
        """Whether users of a server other than ours are in a room."""
        row = await self._database.fetch_one(_IS_IN, server, room_nid)
        return row is not None

    async def users(
        self, room_nid: int, server: str, memberships: Sequence[Membership] = tuple(Membership)
    ) -> list[UserOfServer]:
        """A server's users with one of these memberships."""
        return await self._database.scan(partial(_users, room_nid, server, memberships))


def _users(
    room_nid: int, server: str, memberships: Sequence[Membership], reader: Reader
) -> list[UserOfServer]:
    rows = reader.fetch(_NAMES, room_nid, [int(membership) for membership in memberships])
    return [UserOfServer(*row[1:]) for row in rows if domain_of(row[1]) == server]
