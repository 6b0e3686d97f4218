"""Inboxes: messages to the devices of our users, each until its device has confirmed it."""

from collections.abc import Sequence
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.stores.boxes import BoxTable, Trim, trim
from synapse.storage.transaction import Transaction

# Of what waits for one device: who was away for so long has to ask for keys anew in any case.
INBOX = BoxTable("inbox", "device_nid", "event", most=20_000, most_bytes=64 * 1024 * 1024)


class Message(NamedTuple):
    """A message that waits."""

    position: int
    event: bytes  # JSON


_NEWEST = "SELECT max(stream) FROM inbox WHERE device_nid = ?"
_PAGE = """
    SELECT stream, event FROM inbox
    WHERE device_nid = ? AND stream > ? AND stream <= ? ORDER BY stream LIMIT ?
"""
_CONFIRMED = "DELETE FROM inbox WHERE device_nid = ? AND stream <= ?"


class InboxStore:
    """Reads and empties them; `DeviceMessageStore` fills them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, device_nid: int) -> int:
        """The position of the newest message for a device; 0: nothing waits."""
        row = await self._database.fetch_one(_NEWEST, device_nid)
        return 0 if row is None or row[0] is None else int(row[0])

    async def page(self, device_nid: int, after: int, up_to: int, limit: int) -> list[Message]:
        """The first messages for a device in a stretch of the stream."""
        rows = await self._database.fetch(_PAGE, device_nid, after, up_to, limit)
        return [Message(position, bytes(event)) for position, event in rows]

    async def confirmed(self, device_nid: int, up_to: int) -> None:
        """The device has all up to a position."""
        await self._database.write(_forget, (device_nid, up_to))

    async def trim(self, device_nid: int) -> None:
        """Drop what is oldest if too much waits for a device."""
        await self._database.write(trim, Trim(INBOX, device_nid))


def _forget(txn: Transaction, confirmed: list[tuple[int, int]]) -> None:
    for device_nid, up_to in confirmed:
        txn.execute(_CONFIRMED, device_nid, up_to)


def source_of(device_nid: int) -> str:
    """Who is named in `message_ids` for a device of ours: no server's name has a blank."""
    return f"device {device_nid}"


def forget_inboxes(txn: Transaction, device_nids: Sequence[int]) -> None:
    """The devices are gone. Their numbers may be given to others."""
    txn.execute("DELETE FROM inbox WHERE device_nid = ANY(?)", list(device_nids))
    txn.execute(
        "DELETE FROM message_ids WHERE source = ANY(?)", [source_of(nid) for nid in device_nids]
    )
