"""Whose devices have changed: a stream from which all who are told derive what they tell.

Each change is written in the transaction that makes it. For users of ours there is a row for each
device, with the change before it: other servers are told these as a chain in which they see what
they have missed (server-server API, "Device Management"). For users of other servers one row says
all that clients are told: something has changed.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction

# In the place of a device id: the user's cross-signing keys, or whatever it was.
USER = ""
# Of the devices of one user that are gone, so many are remembered for servers that are behind; who
# has missed an earlier one sees the gap and asks for the whole list.
_GONE_KEPT = 100


class DeviceChange(NamedTuple):
    """A change, as those hear of it who wait."""

    user_nid: int  # who is to be told in any case
    user_id: str  # whose it is, most often the same user
    position: int
    rooms: frozenset[int]  # whose members are to be told
    is_local: bool


class OutgoingChange(NamedTuple):
    """A change of a user of ours, for other servers."""

    user_nid: int
    device_id: str
    position: int
    prev: int


_LATEST = """
    SELECT user_nid, max(stream) FROM device_changes
    WHERE user_nid = ANY(?) AND device_id <> '' GROUP BY user_nid"""
_UPSERT = """
    INSERT INTO device_changes (user_nid, device_id, stream, prev) VALUES (?, ?, ?, ?)
    ON CONFLICT (user_nid, device_id) DO UPDATE SET stream = excluded.stream, prev = excluded.prev
"""
_FORGET = """
    DELETE FROM device_changes WHERE user_nid = ? AND device_id <> '' AND stream <= (
        SELECT c.stream FROM device_changes c WHERE c.user_nid = ? AND c.device_id <> ''
        AND NOT EXISTS (SELECT 1 FROM devices d
                        WHERE d.user_nid = c.user_nid AND d.device_id = c.device_id)
        ORDER BY c.stream DESC LIMIT 1 OFFSET ?)
    AND NOT EXISTS (SELECT 1 FROM devices d WHERE d.user_nid = device_changes.user_nid
                    AND d.device_id = device_changes.device_id)"""
_ROOMS = "SELECT user_nid, room_nid FROM members WHERE user_nid = ANY(?) AND membership = 1"
_OUTGOING = """
    SELECT user_nid, device_id, stream, prev FROM device_changes
    WHERE prev IS NOT NULL AND stream > ? AND stream <= ? ORDER BY stream LIMIT ?"""
_NEWEST = """
    SELECT user_nid, device_id, stream, prev FROM device_changes
    WHERE user_nid = ? AND device_id <> '' AND prev IS NOT NULL ORDER BY stream DESC LIMIT 1"""
# One of the user's own, or of somebody who shares a room with them.
_SINCE = """
    SELECT n.name FROM (SELECT DISTINCT user_nid FROM device_changes
                        WHERE stream > ? AND stream <= ?) c
    JOIN names n ON n.nid = c.user_nid
    WHERE c.user_nid = ? OR EXISTS (
        SELECT 1 FROM members m
        JOIN members o ON o.room_nid = m.room_nid AND o.user_nid = ? AND o.membership = 1
        WHERE m.user_nid = c.user_nid AND m.membership = 1)"""


class DeviceChanges:
    """Notes changes for the stores that make them, and tells of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: list[Callable[[DeviceChange], object]] = []

    def listen(self, callback: Callable[[DeviceChange], object]) -> None:
        """Tell of each change after its commit, in their order."""
        self._listeners.append(callback)

    def record(
        self, txn: Transaction, changed: Iterable[tuple[int, str]], *, are_local: bool = True
    ) -> None:
        """Note that devices `(user_nid, device_id)` have changed.

        Call it before the transaction locks anything else.
        """
        changes = list(dict.fromkeys(changed))
        if not changes:
            return
        first = txn.stream(len(changes))
        user_nids = list({user_nid for user_nid, _ in changes})
        latest: dict[int, int] = dict(txn.execute(_LATEST, user_nids)) if are_local else {}
        rows = []
        for stream, (user_nid, device_id) in enumerate(changes, first):
            rows.append(
                (user_nid, device_id, stream, latest.get(user_nid, 0) if are_local else None)
            )
            if device_id != USER:
                latest[user_nid] = stream
        txn.execute_many(_UPSERT, rows)
        self._tell_later(txn, user_nids, [(row[0], row[2]) for row in rows], are_local)

    def forget_gone(self, txn: Transaction, user_nid: int) -> None:
        """Forget the oldest changes of devices that are gone, if these are many."""
        txn.execute(_FORGET, user_nid, user_nid, _GONE_KEPT)

    def _tell_later(
        self,
        txn: Transaction,
        user_nids: Sequence[int],
        positions: Sequence[tuple[int, int]],
        are_local: bool,
    ) -> None:
        names: dict[int, str] = dict(
            txn.execute("SELECT nid, name FROM names WHERE nid = ANY(?)", user_nids)
        )
        rooms: dict[int, set[int]] = {user_nid: set() for user_nid in user_nids}
        for user_nid, room_nid in txn.execute(_ROOMS, user_nids):
            rooms[user_nid].add(room_nid)
        changes = [
            DeviceChange(nid, names[nid], position, frozenset(rooms[nid]), are_local)
            for nid, position in positions
        ]
        txn.after_commit(lambda: self._tell(changes))

    def _tell(self, changes: Sequence[DeviceChange]) -> None:
        for change in changes:
            for listener in self._listeners:
                listener(change)

    def signed(self, signed: Sequence[tuple[int, str]], position: int) -> None:
        """Users of ours (by number) have signed keys of others (by name), which only they see."""
        nowhere: frozenset[int] = frozenset()
        self._tell([DeviceChange(nid, name, position, nowhere, False) for nid, name in signed])

    async def latest(self, user_nid: int) -> int:
        """The newest change of a user's devices, or 0."""
        row = await self._database.fetch_one(_LATEST, [user_nid])
        return 0 if row is None else int(row[1])

    async def newest(self, user_nid: int) -> OutgoingChange | None:
        """The newest change of the devices of a user of ours."""
        row = await self._database.fetch_one(_NEWEST, user_nid)
        return None if row is None else OutgoingChange(*row)

    async def outgoing(self, after: int, up_to: int, limit: int) -> list[OutgoingChange]:
        """The changes of devices of ours in a stretch of the stream, in order."""
        rows = await self._database.fetch(_OUTGOING, after, up_to, limit)
        return [OutgoingChange(*row) for row in rows]

    async def seen_by(self, user_nid: int, since: int, upto: int) -> list[str]:
        """Of those who changed in a stretch of the stream, who shares a room with the user."""
        # Whoever was away for long has many to look at.
        rows = await self._database.scan(
            lambda reader: reader.fetch(_SINCE, since, upto, user_nid, user_nid)
        )
        return [name for (name,) in rows]
