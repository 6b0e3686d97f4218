"""Devices of other servers' users, as these servers tell them: kept while users share rooms.

A list is *stale* from when it is first wanted until it has come, and again from when we hear that
we have missed something. `stale` counts how often that was, so that an answer that was on its way
meanwhile isn't taken for the newest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.stores.cross_signing import CrossSigningKey, put_keys
from synapse.storage.stores.device_changes import USER, DeviceChanges
from synapse.storage.stores.names import Names
from synapse.storage.transaction import Reader, Transaction


class RemoteList(NamedTuple):
    """How it is with a user's list."""

    user_nid: int
    stream_id: int
    stale: int


class RemoteDevice(NamedTuple):
    """One device of a list."""

    device_id: str
    json: bytes | None  # its identity keys
    display_name: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole list, as a server told it."""

    user_nid: int
    stale: int  # as it was before the server was asked
    stream_id: int
    devices: Sequence[RemoteDevice]
    keys: Sequence[CrossSigningKey]
    is_first: bool  # nothing was known before


@dataclass(frozen=True, slots=True)
class Update:
    """What a server told of one device, or of a user's cross-signing keys; neither: something that
    doesn't fit what we know."""

    user_id: str
    stream_id: int = 0
    prev: Sequence[int] = ()
    device: RemoteDevice | None = None
    is_deleted: bool = False
    keys: Sequence[CrossSigningKey] | None = None


class Outcome(Enum):
    """What came of an update."""

    APPLIED = 1
    KNOWN = 2  # it is old
    UNKNOWN = 3  # the list isn't kept
    STALE = 4  # the list has to be asked for


_LISTS = "SELECT user_nid, stream_id, stale FROM remote_device_lists WHERE user_nid = ANY(?)"
_DEVICES = """
    SELECT user_nid, device_id, json, display_name FROM remote_devices WHERE user_nid = ANY(?)"""
_PUT_DEVICE = """
    INSERT INTO remote_devices (user_nid, device_id, json, display_name) VALUES (?, ?, ?, ?)
    ON CONFLICT (user_nid, device_id) DO UPDATE SET
        json = excluded.json, display_name = excluded.display_name"""
_BEGIN = """
    INSERT INTO remote_device_lists (user_nid, stream_id, stale) VALUES (?, 0, 1)
    ON CONFLICT (user_nid) DO NOTHING"""
_MISSED = "UPDATE remote_device_lists SET stale = stale + 1 WHERE user_nid = ?"
_STALE = """
    SELECT l.user_nid, n.name FROM remote_device_lists l JOIN names n ON n.nid = l.user_nid
    WHERE l.stale > 0 AND l.user_nid > ? ORDER BY l.user_nid LIMIT ?"""
_SHARED = """
    SELECT DISTINCT m.user_nid FROM members m
    JOIN rooms r ON r.room_nid = m.room_nid AND r.local_joined > 0
    WHERE m.user_nid = ANY(?) AND m.membership = 1"""
_KEPT_IN = """
    SELECT l.user_nid FROM members m JOIN remote_device_lists l ON l.user_nid = m.user_nid
    WHERE m.room_nid = ?"""
_ALL = "SELECT user_nid FROM remote_device_lists WHERE user_nid > ? ORDER BY user_nid LIMIT ?"


class RemoteDeviceStore:
    """Remembers them."""

    def __init__(self, database: Database, names: Names, changes: DeviceChanges) -> None:
        self._database = database
        self._names = names
        self._changes = changes

    async def lists(self, user_nids: Sequence[int]) -> dict[int, RemoteList]:
        rows = await self._database.fetch(_LISTS, list(user_nids))
        return {row[0]: RemoteList(*row) for row in rows}

    async def devices(self, user_nids: Sequence[int]) -> dict[int, list[RemoteDevice]]:
        """The devices of lists that are kept."""
        rows = await self._database.fetch(_DEVICES, list(user_nids))
        found: dict[int, list[RemoteDevice]] = {user_nid: [] for user_nid in user_nids}
        for user_nid, *device in rows:
            found[user_nid].append(RemoteDevice(*device))
        return found

    async def shared(self, user_nids: Sequence[int]) -> set[int]:
        """Those of the users who are in a room with a user of ours."""
        rows = await self._database.fetch(_SHARED, list(user_nids))
        return {user_nid for (user_nid,) in rows}

    async def stale(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Users whose lists are to be asked for, by number."""
        rows = await self._database.fetch(_STALE, after, limit)
        return [(user_nid, name) for user_nid, name in rows]

    async def page(self, after: int, limit: int) -> list[int]:
        """Users whose lists are kept, by number."""
        return [nid for (nid,) in await self._database.fetch(_ALL, after, limit)]

    async def kept_in(self, room_nid: int) -> list[int]:
        """The users of a room, also former ones, whose lists are kept."""

        def read(reader: Reader) -> list[Row]:
            return reader.fetch(_KEPT_IN, room_nid)

        return [user_nid for (user_nid,) in await self._database.scan(read)]

    async def begin(self, user_nid: int) -> RemoteList:
        """Keep a user's list from now on, which is stale at first."""
        return await self._database.write(self._begin, user_nid)

    async def update(self, update: Update) -> Outcome:
        """Take up what a server tells in passing."""
        return await self._database.write(self._update, update)

    async def replace(self, snapshot: Snapshot) -> bool:
        """Take up a whole list; whether it is complete now."""
        return await self._database.write(self._replace, snapshot)

    async def drop(self, user_nids: Sequence[int]) -> None:
        """Forget the lists of users, unless these share rooms with users of ours."""
        await self._database.write(self._drop, user_nids)

    def _begin(self, txn: Transaction, user_nids: list[int]) -> list[RemoteList]:
        txn.execute_many(_BEGIN, [(user_nid,) for user_nid in sorted(set(user_nids))])
        lists = {row[0]: RemoteList(*row) for row in txn.execute(_LISTS, user_nids)}
        return [lists[user_nid] for user_nid in user_nids]

    def _update(self, txn: Transaction, updates: list[Update]) -> list[Outcome]:
        nids = self._names.intern(txn, [update.user_id for update in updates])
        self._changes.record(
            txn, [(nids[update.user_id], USER) for update in updates], are_local=False
        )
        return [self._update_one(txn, nids[update.user_id], update) for update in updates]

    def _update_one(self, txn: Transaction, user_nid: int, update: Update) -> Outcome:
        rows = txn.execute(_LISTS, [user_nid])
        if not rows:
            return Outcome.UNKNOWN
        known = RemoteList(*rows[0])
        if known.stale:
            txn.execute(_MISSED, user_nid)
            return Outcome.STALE
        if update.keys is not None:
            put_keys(txn, user_nid, update.keys)
            return Outcome.APPLIED
        if update.device is not None and update.stream_id <= known.stream_id:
            return Outcome.KNOWN
        # Before its first change, a list has the number 0.
        if update.device is None or max(update.prev, default=0) != known.stream_id:
            txn.execute(_MISSED, user_nid)
            return Outcome.STALE
        if update.is_deleted:
            txn.execute(
                "DELETE FROM remote_devices WHERE user_nid = ? AND device_id = ?",
                user_nid,
                update.device.device_id,
            )
        else:
            txn.execute(_PUT_DEVICE, user_nid, *update.device)
        txn.execute(
            "UPDATE remote_device_lists SET stream_id = ? WHERE user_nid = ?",
            update.stream_id,
            user_nid,
        )
        return Outcome.APPLIED

    def _replace(self, txn: Transaction, snapshots: list[Snapshot]) -> list[bool]:
        # Of a list that is new nobody has been told anything.
        changed = [(snapshot.user_nid, USER) for snapshot in snapshots if not snapshot.is_first]
        self._changes.record(txn, changed, are_local=False)
        return [self._replace_one(txn, snapshot) for snapshot in snapshots]

    def _replace_one(self, txn: Transaction, snapshot: Snapshot) -> bool:
        user_nid = snapshot.user_nid
        rows = txn.execute(_LISTS, [user_nid])
        if not rows:
            return False  # it is not kept any more
        is_complete = bool(rows[0][2] == snapshot.stale)
        txn.execute(
            "UPDATE remote_device_lists SET stream_id = ?, stale = ? WHERE user_nid = ?",
            snapshot.stream_id,
            0 if is_complete else rows[0][2],
            user_nid,
        )
        txn.execute("DELETE FROM remote_devices WHERE user_nid = ?", user_nid)
        txn.execute_many(_PUT_DEVICE, [(user_nid, *device) for device in snapshot.devices])
        put_keys(txn, user_nid, snapshot.keys)
        return is_complete

    def _drop(self, txn: Transaction, items: list[Sequence[int]]) -> None:
        user_nids = {user_nid for item in items for user_nid in item}
        shared = {user_nid for (user_nid,) in txn.execute(_SHARED, list(user_nids))}
        alone = list(user_nids - shared)
        for table in ("remote_device_lists", "remote_devices", "cross_signing_keys"):
            txn.execute(f"DELETE FROM {table} WHERE user_nid = ANY(?)", alone)
