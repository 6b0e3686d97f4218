"""Devices: the sessions of a user, as the user sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from synapse.storage.database import Database
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
_REMOVE_ALL = "DELETE FROM devices WHERE user_nid = ? AND device_nid <> ? RETURNING device_nid"
_REVOKE_WITHOUT_DEVICE = """
    DELETE FROM access_tokens WHERE user_nid = ? AND device_nid IS NULL AND -token_nid <> ?
"""
_REMOVE_SOME = "DELETE FROM devices WHERE user_nid = ? AND device_id = ANY(?) RETURNING device_nid"


class DeviceStore:
    """Remembers devices. They are made with their first tokens, by `TokenStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        return [
            bool(txn.execute(_RENAME, display_name, user_nid, device_id))
            for user_nid, device_id, display_name in items
        ]

    def _remove(self, txn: Transaction, removals: list[Removal]) -> list[list[int]]:
        return [self._remove_one(txn, removal) for removal in removals]

    def _remove_one(self, txn: Transaction, removal: Removal) -> list[int]:
        user_nid = removal.user_nid
        if removal.device_ids is None:
            txn.execute(_REVOKE_WITHOUT_DEVICE, user_nid, removal.keep)
            rows = txn.execute(_REMOVE_ALL, user_nid, removal.keep)
        else:
            rows = txn.execute(_REMOVE_SOME, user_nid, list(removal.device_ids))
        device_nids = [device_nid for (device_nid,) in rows]
        for table in ("access_tokens", "refresh_tokens"):
            txn.execute(
                f"DELETE FROM {table} WHERE user_nid = ? AND device_nid = ANY(?)",
                user_nid,
                device_nids,
            )
        forget_inboxes(txn, device_nids)
        return device_nids

    def _seen(self, txn: Transaction, sightings: list[Sighting]) -> None:
        for sighting in sightings:
            txn.execute(
                _SEEN, sighting.at_ms, sighting.ip, sighting.user_agent, sighting.device_nid
            )
