"""The room's graph as other servers are told of it: auth chains, ids, and events as they were sent.

What is asked for here may be all of a large room's state, so it is read in a reader's thread, and
bodies of events in batches: none of it stands in memory as a whole.
"""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from functools import partial

import msgspec

from synapse.storage.database import Database
from synapse.storage.transaction import Reader

_AT_ONCE = 1_000
_BODIES_AT_ONCE = 250


class EventGraph:
    """Reads it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def auth_chain(self, nids: Collection[int]) -> list[int]:
        """What authorised some state events, and what authorised that, and so on."""
        return await self._database.scan(partial(_auth_chain, nids))

    async def ids(self, nids: Collection[int]) -> list[str]:
        """The ids of events."""
        return await self._database.scan(partial(_ids, nids))

    async def bodies(self, nids: Sequence[int]) -> AsyncIterator[list[bytes]]:
        """The JSON of events, a batch at a time."""
        for some in _portions(nids, _BODIES_AT_ONCE):
            rows = await self._database.scan(
                lambda reader, some=some: reader.fetch(  # type: ignore[misc]
                    "SELECT json FROM events WHERE event_nid = ANY(?)", some
                )
            )
            yield [bytes(json) for (json,) in rows]

    async def pieces(self, parts: Sequence[tuple[bytes, Sequence[int]]]) -> AsyncIterator[bytes]:
        """JSON in which there are arrays of events: in each part some bytes, and then events."""
        for opening, nids in parts:
            yield opening
            comma = b""
            async for bodies in self.bodies(nids):
                yield comma + b",".join(bodies)
                comma = b","


def _auth_chain(nids: Collection[int], reader: Reader) -> list[int]:
    """One round of queries for each level of the graph."""
    decode = msgspec.msgpack.Decoder(list[int]).decode
    found: set[int] = set()
    level = set(nids)
    while level:
        above: set[int] = set()
        for some in _portions(list(level), _AT_ONCE):
            rows = reader.fetch("SELECT auth FROM events WHERE event_nid = ANY(?)", some)
            above.update(nid for (auth,) in rows if auth is not None for nid in decode(auth))
        level = above - found
        found |= level
    return sorted(found)


def _ids(nids: Collection[int], reader: Reader) -> list[str]:
    found: list[str] = []
    for some in _portions(list(nids), _AT_ONCE):
        rows = reader.fetch("SELECT event_id FROM events WHERE event_nid = ANY(?)", some)
        found += [event_id for (event_id,) in rows]
    return found


def _portions(nids: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(nids), size):
        yield list(nids[start : start + size])
