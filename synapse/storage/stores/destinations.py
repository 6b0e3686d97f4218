"""Destinations: which servers a room's events are for, and how far each server has them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.stores.names import Names
from synapse.storage.transaction import Reader, Transaction


class Stay(NamedTuple):
    """How a server is in a room, or was: a row of `room_servers`."""

    joined: int
    since: int
    until: int

    def hears(self, position: int) -> bool:
        """Whether the event at a position is for the server."""
        return self.since < position and (self.joined > 0 or position <= self.until)


class Backoff(NamedTuple):
    """That a server can't be reached."""

    failing_since_ms: int
    last_failure_ms: int
    retry_interval_ms: int


class DestinationRow(NamedTuple):
    server_nid: int
    server: str
    position: int | None  # None: it is not behind
    backoff: Backoff | None  # None: it can be reached


class OutgoingEvent(NamedTuple):
    event_nid: int
    room_nid: int


_COLUMNS = """
    server_nid, position, failing_since_ms, last_failure_ms, retry_interval_ms
    FROM destinations"""
_SAVE = """
    INSERT INTO destinations (server_nid, position) VALUES (?, ?)
    ON CONFLICT (server_nid) DO UPDATE SET position = excluded.position"""
_FAIL = """
    INSERT INTO destinations (server_nid, failing_since_ms, last_failure_ms, retry_interval_ms)
    VALUES (?, ?, ?, ?)
    ON CONFLICT (server_nid) DO UPDATE SET failing_since_ms = excluded.failing_since_ms,
        last_failure_ms = excluded.last_failure_ms,
        retry_interval_ms = excluded.retry_interval_ms"""
_OUTGOING = """
    SELECT event_nid, room_nid FROM events
    WHERE (flags & 128) = 128 AND event_nid > ? AND event_nid <= ? ORDER BY event_nid LIMIT ?"""
_SERVERS = """
    SELECT room_nid, server_nid, joined, since, until FROM room_servers WHERE room_nid = ANY(?)"""


class DestinationStore:
    """Reads and writes them; `synapse.rooms.persister` writes who is in which room."""

    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._names = names
        self._save = self._apply_saves
        self._fail = self._apply_failures

    # Whom events are for.

    async def servers_of(self, room_nids: Sequence[int]) -> tuple[dict[int, dict[str, Stay]], int]:
        """The servers that are or were in rooms, and the position at which that is so."""

        def read(reader: Reader) -> tuple[int, list[Row]]:
            ((position,),) = reader.fetch("SELECT pos FROM stream")
            return position, reader.fetch(_SERVERS, list(room_nids))

        position, rows = await self._database.read(read)
        names = await self._names.texts(server_nid for _, server_nid, *_ in rows)
        rooms: dict[int, dict[str, Stay]] = {room_nid: {} for room_nid in room_nids}
        for room_nid, server_nid, *stay in rows:
            rooms[room_nid][names[server_nid]] = Stay(*stay)
        return rooms, position

    async def stays(self, server: str, room_nids: Sequence[int]) -> dict[int, Stay]:
        """Those of the rooms in which a server is, or was."""
        rows = await self._database.fetch(
            """SELECT room_nid, joined, since, until FROM room_servers
               WHERE server_nid = (SELECT nid FROM names WHERE name = ?) AND room_nid = ANY(?)""",
            server,
            list(room_nids),
        )
        return {room_nid: Stay(*stay) for room_nid, *stay in rows}

    async def servers_of_user(self, user_nid: int) -> list[str]:
        """The servers with whose users a user shares rooms."""
        rows = await self._database.fetch(
            """SELECT DISTINCT s.server_nid FROM members m
               JOIN room_servers s ON s.room_nid = m.room_nid AND s.joined > 0
               WHERE m.user_nid = ? AND m.membership = 1""",
            user_nid,
        )
        names = await self._names.texts(server_nid for (server_nid,) in rows)
        return list(names.values())

    async def shared_with(self, server: str, user_nids: Sequence[int]) -> set[int]:
        """Those of some users who share rooms with users of a server."""
        rows = await self._database.fetch(
            # `+ 0`: by user, and not by room.
            """SELECT DISTINCT m.user_nid FROM members m
               JOIN room_servers s ON s.room_nid = m.room_nid AND s.joined > 0
               AND s.server_nid = (SELECT nid FROM names WHERE name = ?)
               WHERE m.user_nid = ANY(?) AND m.membership + 0 = 1""",
            server,
            list(user_nids),
        )
        return {user_nid for (user_nid,) in rows}

    async def outgoing(self, after: int, up_to: int, limit: int) -> list[OutgoingEvent]:
        """Events that are for other servers, in order, in a stretch of the stream."""
        rows = await self._database.fetch(_OUTGOING, after, up_to, limit)
        return [OutgoingEvent(*row) for row in rows]

    # How far they are.

    async def position(self) -> int:
        """All up to here is sent to everybody who is not behind."""
        row = await self._database.fetch_one(
            "SELECT position FROM stream_readers WHERE name = 'federation'"
        )
        assert row is not None, "the migration has made it"
        return int(row[0])

    async def page(self, after: int, limit: int) -> list[DestinationRow]:
        """Servers that are behind or can't be reached, by number."""
        rows = await self._database.fetch(
            f"SELECT {_COLUMNS} WHERE server_nid > ? ORDER BY server_nid LIMIT ?", after, limit
        )
        names = await self._names.texts(server_nid for server_nid, *_ in rows)
        return [_row(names[server_nid], server_nid, *more) for server_nid, *more in rows]

    async def save(self, position: int, behind: Mapping[str, int | None]) -> None:
        """Remember how far those are that are behind (None: no longer), and all others."""
        await self._database.write(self._save, (position, behind))

    async def failed(self, backoffs: Mapping[str, Backoff | None]) -> None:
        """Remember how it is with servers; None: they can be reached."""
        await self._database.write(self._fail, backoffs)

    def _apply_saves(
        self, txn: Transaction, saves: list[tuple[int, Mapping[str, int | None]]]
    ) -> None:
        behind: dict[str, int | None] = {}
        for _, some in saves:
            behind.update(some)
        nids = self._names.intern(txn, behind)
        txn.execute_many(_SAVE, [(nids[server], where) for server, where in behind.items()])
        txn.execute(
            "UPDATE stream_readers SET position = ? WHERE name = 'federation'",
            max(position for position, _ in saves),
        )
        _tidy(txn, [nids[server] for server, where in behind.items() if where is None])

    def _apply_failures(
        self, txn: Transaction, failures: list[Mapping[str, Backoff | None]]
    ) -> None:
        latest: dict[str, Backoff | None] = {}
        for some in failures:
            latest.update(some)
        nids = self._names.intern(txn, latest)
        gone = (None, None, None)
        txn.execute_many(_FAIL, [(nids[server], *(b or gone)) for server, b in latest.items()])
        _tidy(txn, [nids[server] for server, backoff in latest.items() if backoff is None])


def _tidy(txn: Transaction, server_nids: Iterable[int]) -> None:
    """Drop the rows that say nothing any more."""
    if nids := list(server_nids):
        txn.execute(
            "DELETE FROM destinations WHERE server_nid = ANY(?)"
            " AND position IS NULL AND failing_since_ms IS NULL",
            nids,
        )


def _row(
    server: str,
    server_nid: int,
    position: int | None,
    since_ms: int | None,
    last_ms: int,
    interval_ms: int,
) -> DestinationRow:
    backoff = None if since_ms is None else Backoff(since_ms, last_ms, interval_ms)
    return DestinationRow(server_nid, server, position, backoff)
