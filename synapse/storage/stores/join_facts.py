"""What a server that joins a room is told of it: a state, and all that authorised it, as bytes.

A room of a thousand members has a megabyte of state. It is told as the events were signed, so none
of it is parsed; and all of it is read in a reader's thread, on one snapshot of the database.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from synapse.storage.database import Database
from synapse.storage.transaction import Reader

_EVENTS = "SELECT e.event_nid, e.type_nid, e.auth, e.json FROM events e WHERE e.event_nid = ANY(?)"
_MEMBER = "SELECT nid FROM names WHERE name = 'm.room.member'"
_SERVERS = """
    SELECT (SELECT n.name FROM names n WHERE n.nid = s.server_nid), s.joined FROM room_servers s
    WHERE s.room_nid = ? AND s.joined > 0"""

_decode_auth = msgspec.msgpack.Decoder(list[int]).decode


@dataclass(frozen=True, slots=True)
class JoinFacts:
    """JSON arrays of events."""

    state: bytes
    auth_chain: bytes


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
    told = {nid: json for nid, _, _, json in rows}
    chain: dict[int, bytes] = {}
    missing = set(join)
    for _, _, auth, _ in rows:
        missing.update(_decode_auth(auth))
    while missing:
        chain.update((nid, told[nid]) for nid in missing if nid in told)
        found = reader.fetch(_EVENTS, list(missing - told.keys()))
        chain.update((nid, json) for nid, _, _, json in found)
        missing = {cited for _, _, auth, _ in found for cited in _decode_auth(auth)} - chain.keys()
    if members is not None:
        chain = {nid: json for nid, json in chain.items() if nid not in told}
    return JoinFacts(_array(told), _array(chain))


def _member_nid(reader: Reader) -> int:
    row = reader.fetch_one(_MEMBER)
    return 0 if row is None else row[0]


def _array(events: dict[int, bytes]) -> bytes:
    return b"[%b]" % b",".join(map(bytes, events.values()))
