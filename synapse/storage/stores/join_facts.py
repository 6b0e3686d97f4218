"""What a server that joins a room is told of it: which events of a state, and what authorised them.

Their numbers only, which a reader's thread finds: the events themselves, of which a room of a
thousand members has a megabyte, are read while they are sent (`storage.stores.event_graph`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from synapse.storage.database import Database
from synapse.storage.transaction import Reader

_EVENTS = "SELECT e.event_nid, e.type_nid, e.auth FROM events e WHERE e.event_nid = ANY(?)"
_MEMBER = "SELECT nid FROM names WHERE name = 'm.room.member'"
_SERVERS = """
    SELECT (SELECT n.name FROM names n WHERE n.nid = s.server_nid), s.joined FROM room_servers s
    WHERE s.room_nid = ? AND s.joined > 0"""

_decode_auth = msgspec.msgpack.Decoder(list[int]).decode


@dataclass(frozen=True, slots=True)
class JoinFacts:
    """Numbers of events."""

    state: list[int]
    auth_chain: list[int]


class JoinFactStore:
    """Reads what a server that joins is told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self, state: Collection[int], join: Sequence[int], *, members: Collection[int] | None = None
    ) -> JoinFacts:
        """A state, with what authorised its events and a join (`join` has those nids).

        If `members` are given, only these of the state's member events are told, and the auth chain
        leaves out what the state tells.
        """
        return await self._database.scan(partial(_facts, state, join, members))

    async def servers(self, room_nid: int, joining: str) -> list[str]:
        """The other servers in a room; the user who joins isn't counted."""
        rows = await self._database.fetch(_SERVERS, room_nid)
        return [server for server, joined in rows if joined > (server == joining)]


def _facts(
    state: Collection[int], join: Sequence[int], members: Collection[int] | None, reader: Reader
) -> JoinFacts:
    rows = reader.fetch(_EVENTS, list(state))
    if members is not None:
        member_nid = _member_nid(reader)
        rows = [row for row in rows if row[1] != member_nid or row[0] in members]
    told = {nid for nid, _, _ in rows}
    chain: set[int] = set()
    missing = set(join)
    for _, _, auth in rows:
        missing.update(_decode_auth(auth))
    while missing:
        chain |= missing
        found = reader.fetch(_EVENTS, list(missing - told))
        missing = {cited for _, _, auth in found for cited in _decode_auth(auth)} - chain
    if members is not None:
        chain -= told
    return JoinFacts(sorted(told), sorted(chain))


def _member_nid(reader: Reader) -> int:
    row = reader.fetch_one(_MEMBER)
    return 0 if row is None else row[0]
