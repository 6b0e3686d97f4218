"""Messages to devices, put where they wait: into inboxes of ours, and the outbox for other servers.

All that one request or EDU brings is one transaction with its id, so who repeats it after a crash
finds that it was taken, or it is taken now.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from synapse.storage.database import Database
from synapse.storage.stores.inbox import source_of
from synapse.storage.stores.outbox import NewLetter, OutboxStore
from synapse.storage.transaction import Transaction

EVERY_DEVICE = "*"
# What one request may come to when `*` is replaced by all devices of a user.
_MOST_MESSAGES = 10_000
_MOST_BYTES = 32 * 1024 * 1024
# More than that leaves the reactor's thread.
_MANY = 300

# Who is told, after the commit, that something new waits: user_nid, device_nid, position.
Delivered = Callable[[int, int, int], object]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one request of a client, or one EDU, brings."""

    source: str  # see the table `message_ids`
    message_id: str
    now_ms: int
    # user_nid → device id, or `EVERY_DEVICE` for those that aren't named → the event's JSON
    inboxes: Mapping[int, Mapping[str, bytes]]
    letters: Sequence[tuple[str, bytes]] = ()  # server, EDU

    @classmethod
    def of_device(
        cls,
        device_nid: int,
        txn_id: str,
        now_ms: int,
        inboxes: Mapping[int, Mapping[str, bytes]],
        letters: Sequence[tuple[str, bytes]],
    ) -> "Delivery":
        """Sent by a device of ours."""
        return cls(source_of(device_nid), txn_id, now_ms, inboxes, letters)


@dataclass(frozen=True, slots=True)
class _Batch:
    deliveries: Sequence[Delivery]
    is_large: bool


_Row = tuple[int, int, bytes]  # device_nid, position, event
# user_nid → device id → device_nid
_Devices = dict[int, dict[str, int]]

_TAKEN = """
    SELECT source, message_id FROM message_ids WHERE source = ANY(?) AND message_id = ANY(?)
"""
_TAKE = "INSERT INTO message_ids (source, message_id, seen_ms) VALUES (?, ?, ?)"
_DEVICES = "SELECT user_nid, device_id, device_nid FROM devices WHERE user_nid = ANY(?)"
_PUT = "INSERT INTO inbox (device_nid, stream, event) VALUES (?, ?, ?)"


class DeviceMessageStore:
    """Delivers."""

    def __init__(self, database: Database, outbox: OutboxStore, *, delivered: Delivered) -> None:
        self._database = database
        self._outbox = outbox
        self._delivered = delivered

    async def deliver(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Take these, in order; of each, whether it was. One that is too much is not.

        One that was taken before is left out, and counts as taken. Devices that don't exist are
        ignored.
        """
        count = sum(len(devices) for d in deliveries for devices in d.inboxes.values())
        batch = _Batch(deliveries, is_large=count > _MANY)
        return await self._database.write(self._apply, batch)

    async def forget_ids(self, before_ms: int) -> None:
        """Let go of ids that nobody will repeat."""
        await self._database.write(_forget_ids, before_ms)

    def _apply(self, txn: Transaction, batches: list[_Batch]) -> list[list[bool]]:
        deliveries = [delivery for batch in batches for delivery in batch.deliveries]
        position = txn.stream(sum(1 + len(delivery.letters) for delivery in deliveries))
        taken = _taken(txn, deliveries)
        devices = _devices(txn, deliveries)
        ids: list[tuple[str, str, int]] = []
        rows: list[_Row] = []
        letters: list[NewLetter] = []
        moved: dict[tuple[int, int], int] = {}
        verdicts: list[bool] = []
        for delivery in deliveries:
            key = (delivery.source, delivery.message_id)
            is_new = key not in taken
            messages = _addressed(delivery, devices) if is_new else []
            verdicts.append(_fits(messages))
            if is_new and verdicts[-1]:
                taken.add(key)
                ids.append((*key, delivery.now_ms))
                rows += [(device_nid, position, event) for _, device_nid, event in messages]
                moved |= {(user_nid, nid): position for user_nid, nid, _ in messages}
                letters += [
                    NewLetter(server, position + number, edu)
                    for number, (server, edu) in enumerate(delivery.letters, 1)
                ]
            position += 1 + len(delivery.letters)
        txn.execute_many(_TAKE, ids)
        txn.execute_many(_PUT, rows)
        if letters:
            self._outbox.put(txn, letters)
        txn.after_commit(lambda: self._tell(moved))
        results = iter(verdicts)
        return [[next(results) for _ in batch.deliveries] for batch in batches]

    def _tell(self, moved: dict[tuple[int, int], int]) -> None:
        for (user_nid, device_nid), position in moved.items():
            self._delivered(user_nid, device_nid, position)


def _taken(txn: Transaction, deliveries: Sequence[Delivery]) -> set[tuple[str, str]]:
    """The ids among those of the deliveries that are taken already, and some others."""
    sources = list({delivery.source for delivery in deliveries})
    rows = txn.execute(_TAKEN, sources, list({delivery.message_id for delivery in deliveries}))
    return {(source, message_id) for source, message_id in rows}


def _devices(txn: Transaction, deliveries: Sequence[Delivery]) -> _Devices:
    devices: _Devices = {}
    user_nids = {user_nid for delivery in deliveries for user_nid in delivery.inboxes}
    if user_nids:
        for user_nid, device_id, device_nid in txn.execute(_DEVICES, list(user_nids)):
            devices.setdefault(user_nid, {})[device_id] = device_nid
    return devices


def _addressed(delivery: Delivery, devices: _Devices) -> list[tuple[int, int, bytes]]:
    """Of each message the user, the device and the event."""
    found = []
    for user_nid, messages in delivery.inboxes.items():
        known = devices.get(user_nid, {})
        if EVERY_DEVICE in messages:
            for device_id, device_nid in known.items():
                event = messages.get(device_id, messages[EVERY_DEVICE])
                found.append((user_nid, device_nid, event))
        else:
            for device_id, event in messages.items():
                if device_id in known:
                    found.append((user_nid, known[device_id], event))
    return found


def _fits(messages: Sequence[tuple[int, int, bytes]]) -> bool:
    if len(messages) > _MOST_MESSAGES:
        return False
    return sum(len(event) for _, _, event in messages) <= _MOST_BYTES


def _forget_ids(txn: Transaction, times: list[int]) -> None:
    txn.execute("DELETE FROM message_ids WHERE seen_ms < ?", max(times))
