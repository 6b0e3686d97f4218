"""Devices: the sessions of a user, as the user sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from synapse.storage.database import Database
from synapse.storage.stores.device_changes import DeviceChanges
from synapse.storage.stores.device_keys import remove_keys
from synapse.storage.stores.inbox import forget_inboxes
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Device:
    """A row of `devices`."""

    device_nid: int
    device_id: str
    display_name: str | None
    last_seen_ms: int | None
    last_seen_ip: str | None


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where and when a device was last heard of."""

    device_nid: int
    at_ms: int
    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Removal:
    """Devices to remove: those named, or all but one."""

    user_nid: int
    device_ids: Sequence[str] | None  # None: all, and the tokens that belong to no device
    keep: int = 0  # the device to keep or, negative, the token

    def concerns(self, device_nid: int, device_id: str) -> bool:
        """Whether a device of the user is among those to remove."""
        if self.device_ids is None:
            return device_nid != self.keep
        return device_id in self.device_ids


_COLUMNS = "device_nid, device_id, display_name, last_seen_ms, last_seen_ip"
_DEVICES = f"SELECT {_COLUMNS} FROM devices WHERE user_nid = ? ORDER BY device_nid"
_DEVICE = f"SELECT {_COLUMNS} FROM devices WHERE user_nid = ? AND device_id = ?"
_SEEN = """
    UPDATE devices SET last_seen_ms = ?, last_seen_ip = ?, last_seen_agent = ?
    WHERE device_nid = ?
"""
_RENAME = """
    UPDATE devices SET display_name = ? WHERE user_nid = ? AND device_id = ? RETURNING device_nid
"""
_REMOVE_ALL = """
    DELETE FROM devices WHERE user_nid = ? AND device_nid <> ? RETURNING device_nid, device_id
"""
_REVOKE_WITHOUT_DEVICE = """
    DELETE FROM access_tokens WHERE user_nid = ? AND device_nid IS NULL AND -token_nid <> ?
"""
_REMOVE_SOME = """
    DELETE FROM devices WHERE user_nid = ? AND device_id = ANY(?) RETURNING device_nid, device_id
"""
# Only devices with keys are of interest to others.
_WITH_KEYS = """
    SELECT d.device_nid, d.user_nid, d.device_id FROM devices d
    JOIN device_keys k ON k.device_nid = d.device_nid WHERE d.user_nid = ANY(?)"""


class DeviceStore:
    """Remembers devices. They are made with their first tokens, by `TokenStore`."""

    def __init__(self, database: Database, changes: DeviceChanges) -> None:
        self._database = database
        self._changes = changes

    async def devices(self, user_nid: int) -> list[Device]:
        return [Device(*row) for row in await self._database.fetch(_DEVICES, user_nid)]

    async def device(self, user_nid: int, device_id: str) -> Device | None:
        row = await self._database.fetch_one(_DEVICE, user_nid, device_id)
        return None if row is None else Device(*row)

    async def rename(self, user_nid: int, device_id: str, display_name: str) -> bool:
        """False if there is no such device."""
        return await self._database.write(self._rename, (user_nid, device_id, display_name))

    async def remove(self, removal: Removal) -> list[int]:
        """Remove devices with their tokens; the numbers of those that were there."""
        return await self._database.write(self._remove, removal)

    async def seen(self, sighting: Sighting) -> None:
        await self._database.write(self._seen, sighting)

    def _rename(self, txn: Transaction, items: list[tuple[int, str, str]]) -> list[bool]:
        with_keys = _with_keys(txn, [user_nid for user_nid, _, _ in items])
        renamed = [(user_nid, device_id) for user_nid, device_id, _ in items]
        self._changes.record(txn, [key for key in renamed if key in with_keys])
        return [
            bool(txn.execute(_RENAME, display_name, user_nid, device_id))
            for user_nid, device_id, display_name in items
        ]

    def _remove(self, txn: Transaction, removals: list[Removal]) -> list[list[int]]:
        with_keys = _with_keys(txn, [removal.user_nid for removal in removals])
        changed = [
            (user_nid, device_id)
            for removal in removals
            for (user_nid, device_id), device_nid in with_keys.items()
            if user_nid == removal.user_nid and removal.concerns(device_nid, device_id)
        ]
        self._changes.record(txn, changed)
        removed = [self._remove_one(txn, removal) for removal in removals]
        for user_nid in {user_nid for user_nid, _ in changed}:
            self._changes.forget_gone(txn, user_nid)
        return removed

    def _remove_one(self, txn: Transaction, removal: Removal) -> list[int]:
        user_nid = removal.user_nid
        if removal.device_ids is None:
            txn.execute(_REVOKE_WITHOUT_DEVICE, user_nid, removal.keep)
            rows = txn.execute(_REMOVE_ALL, user_nid, removal.keep)
        else:
            rows = txn.execute(_REMOVE_SOME, user_nid, list(removal.device_ids))
        device_nids = [device_nid for device_nid, _ in rows]
        for table in ("access_tokens", "refresh_tokens"):
            txn.execute(
                f"DELETE FROM {table} WHERE user_nid = ? AND device_nid = ANY(?)",
                user_nid,
                device_nids,
            )
        remove_keys(txn, user_nid, device_nids, [device_id for _, device_id in rows])
        forget_inboxes(txn, device_nids)
        return device_nids

    def _seen(self, txn: Transaction, sightings: list[Sighting]) -> None:
        for sighting in sightings:
            txn.execute(
                _SEEN, sighting.at_ms, sighting.ip, sighting.user_agent, sighting.device_nid
            )


def _with_keys(txn: Transaction, user_nids: Sequence[int]) -> dict[tuple[int, str], int]:
    """The devices of users that have keys."""
    rows = txn.execute(_WITH_KEYS, list(set(user_nids)))
    return {(user_nid, device_id): device_nid for device_nid, user_nid, device_id in rows}
