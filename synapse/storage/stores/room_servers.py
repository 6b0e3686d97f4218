"""Which homeservers are in a room: those of its members, read off their names.

A server's members are not kept anywhere else, so each question here reads past all members of the
room, in a reader's thread. Whoever asks often remembers the answers (`handlers.room_servers`).
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from synapse.api.identifiers import domain_of
from synapse.storage.database import Database
from synapse.storage.stores.members import Membership
from synapse.storage.transaction import Reader

_NAMES = """
    SELECT m.user_nid, n.name, m.membership, m.event_nid FROM members m
    JOIN names n ON n.nid = m.user_nid WHERE m.room_nid = ? AND m.membership = ANY(?)
"""


class ServerInRoom(NamedTuple):
    """A server that has users in a room."""

    users: int  # how many
    user_nid: int  # one of them


class UserOfServer(NamedTuple):
    """A user of some server who is or was in a room."""

    user_id: str
    membership: int
    event_nid: int  # the member event


class RoomServerStore:
    """Reads servers of rooms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def servers(self, room_nid: int) -> dict[str, ServerInRoom]:
        """The servers whose users are in a room."""
        return await self._database.scan(partial(_servers, room_nid))

    async def told_servers(self, room_nid: int) -> list[str]:
        """The other servers in a room, as far as is counted: for a room of unknown members."""
        rows = await self._database.fetch(
            """SELECT (SELECT n.name FROM names n WHERE n.nid = s.server_nid) FROM room_servers s
               WHERE s.room_nid = ? AND s.joined > 0""",
            room_nid,
        )
        return [name for (name,) in rows]

    async def users(
        self, room_nid: int, server: str, memberships: Sequence[Membership] = tuple(Membership)
    ) -> list[UserOfServer]:
        """A server's users with one of these memberships."""
        return await self._database.scan(partial(_users, room_nid, server, memberships))


def _servers(room_nid: int, reader: Reader) -> dict[str, ServerInRoom]:
    counts: dict[str, int] = {}
    users: dict[str, int] = {}
    for user_nid, name, _, _ in reader.fetch(_NAMES, room_nid, [int(Membership.JOIN)]):
        server = domain_of(name)
        counts[server] = counts.get(server, 0) + 1
        users[server] = user_nid
    return {server: ServerInRoom(count, users[server]) for server, count in counts.items()}


def _users(
    room_nid: int, server: str, memberships: Sequence[Membership], reader: Reader
) -> list[UserOfServer]:
    rows = reader.fetch(_NAMES, room_nid, [int(membership) for membership in memberships])
    return [UserOfServer(*row[1:]) for row in rows if domain_of(row[1]) == server]
