"""The rows of `room_servers` that a batch changes: which other servers are in which room."""

from collections.abc import Iterable

from synapse.storage.transaction import Transaction

_UPSERT = """
    INSERT INTO room_servers (server_nid, room_nid, joined, since, until) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (server_nid, room_nid) DO UPDATE SET
        joined = room_servers.joined + excluded.joined,
        since = CASE WHEN room_servers.joined = 0 THEN excluded.since ELSE room_servers.since END,
        until = excluded.until"""


class ServerRows:
    """Gathers them: an upsert may not meet a row twice."""

    def __init__(self) -> None:
        self._entered: set[int] = set()
        # (server_nid, room_nid) → joined (as difference), since, until
        self._changes: dict[tuple[int, int], tuple[int, int, int]] = {}

    def enter(self, room_nid: int, servers: Iterable[tuple[int, int]], position: int) -> None:
        """Other servers are in a room, whatever was known of it, each with so many users."""
        self._entered.add(room_nid)
        for key in [key for key in self._changes if key[1] == room_nid]:
            del self._changes[key]
        self.add(room_nid, servers, position)

    def add(self, room_nid: int, moves: Iterable[tuple[int, int]], position: int) -> None:
        """By an event, servers have so many users more (or fewer) in a room."""
        for server_nid, joined in moves:
            key = (server_nid, room_nid)
            before, since, _ = self._changes.get(key, (0, position if joined else position - 1, 0))
            self._changes[key] = (before + joined, since, position)

    def write(self, txn: Transaction) -> None:
        if self._entered:
            txn.execute("DELETE FROM room_servers WHERE room_nid = ANY(?)", list(self._entered))
        txn.execute_many(_UPSERT, [(*key, *change) for key, change in self._changes.items()])
