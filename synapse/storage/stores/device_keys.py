"""Keys of our users' devices: identity keys, one-time keys, fallback keys."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.stores.device_changes import DeviceChanges
from synapse.storage.transaction import Reader, Transaction

# Clients keep 50 to 100; one that never learns that it has enough must end somewhere.
MAX_ONE_TIME_KEYS = 1_000


class NewKey(NamedTuple):
    """A one-time or fallback key."""

    algorithm: str
    key_id: str
    json: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """What a device publishes."""

    user_nid: int
    device_nid: int
    device_id: str
    identity: bytes | None = None  # None: as it was
    one_time: Sequence[NewKey] = ()
    fallback: Sequence[NewKey] = ()


class Uploaded(NamedTuple):
    """What came of an upload. Unless there are `counts`, nothing was written."""

    counts: dict[str, int] | None
    conflict: str | None = None  # a key id that stands for another key already
    is_gone: bool = False  # there is no such device any more


class DeviceIdentity(NamedTuple):
    """A device that has identity keys."""

    user_nid: int
    device_id: str
    display_name: str | None
    json: bytes


class Claim(NamedTuple):
    """A wish for a one-time key."""

    user_id: str
    device_id: str
    algorithm: str


class Counts(NamedTuple):
    """What a device has left to hand out."""

    one_time: dict[str, int]
    unused_fallback: list[str]


_DEVICES = """
    SELECT d.device_nid, k.json FROM devices d
    LEFT JOIN device_keys k ON k.device_nid = d.device_nid WHERE d.device_nid = ANY(?)"""
_IDENTITIES = """
    SELECT d.user_nid, d.device_id, d.display_name, k.json FROM devices d
    JOIN device_keys k ON k.device_nid = d.device_nid WHERE d.user_nid = ANY(?)
    ORDER BY d.device_nid"""
_PUT_IDENTITY = """
    INSERT INTO device_keys (device_nid, json) VALUES (?, ?)
    ON CONFLICT (device_nid) DO UPDATE SET json = excluded.json"""
_SAME_IDS = """
    SELECT algorithm, key_id, json FROM one_time_keys WHERE device_nid = ? AND key_id = ANY(?)"""
_PUT_ONE_TIME = """
    INSERT INTO one_time_keys (device_nid, algorithm, key_id, json) VALUES (?, ?, ?, ?)
    ON CONFLICT (device_nid, algorithm, key_id) DO NOTHING"""
_PUT_FALLBACK = """
    INSERT INTO fallback_keys (device_nid, algorithm, key_id, json, used) VALUES (?, ?, ?, ?, 0)
    ON CONFLICT (device_nid, algorithm) DO UPDATE SET
        key_id = excluded.key_id, json = excluded.json,
        used = CASE WHEN fallback_keys.json = excluded.json THEN fallback_keys.used ELSE 0 END"""
_COUNT = """
    SELECT algorithm, count(*) FROM one_time_keys WHERE device_nid = ? GROUP BY algorithm"""
_UNUSED = "SELECT algorithm FROM fallback_keys WHERE device_nid = ? AND used = 0"
_WANTED = """
    SELECT u.name, d.device_id, d.device_nid, u.user_nid FROM users u
    JOIN devices d ON d.user_nid = u.user_nid WHERE u.name = ANY(?) AND d.device_id = ANY(?)"""
_TAKE = """
    DELETE FROM one_time_keys WHERE key_nid IN (
        SELECT min(key_nid) FROM one_time_keys
        WHERE device_nid = ANY(?) AND algorithm = ? GROUP BY device_nid)
    RETURNING device_nid, key_id, json"""
_FALL_BACK = """
    UPDATE fallback_keys SET used = 1 WHERE device_nid = ANY(?) AND algorithm = ?
    RETURNING device_nid, key_id, json"""

# Who has claimed what, by user and device: the key, as it is named in answers, and its JSON.
Claimed = dict[tuple[str, str], dict[str, bytes]]


class DeviceKeyStore:
    """Remembers keys, and hands out one-time keys."""

    def __init__(
        self,
        database: Database,
        changes: DeviceChanges,
        counted: Callable[[int, int, int], object],
    ) -> None:
        """`counted(user_nid, device_nid, position)`: a device has more keys to hand out than
        before (position 0), or since a position fewer."""
        self._database = database
        self._changes = changes
        self._counted = counted

    async def identities(self, user_nids: Sequence[int]) -> list[DeviceIdentity]:
        """The devices of users that have identity keys."""
        rows = await self._database.fetch(_IDENTITIES, list(user_nids))
        return [DeviceIdentity(*row) for row in rows]

    async def counts(self, device_nid: int) -> Counts:
        def read(reader: Reader) -> Counts:
            one_time: dict[str, int] = dict(reader.fetch(_COUNT, device_nid))
            return Counts(one_time, [name for (name,) in reader.fetch(_UNUSED, device_nid)])

        return await self._database.read(read)

    async def upload(self, upload: Upload) -> Uploaded:
        """Publish keys of a device."""
        return await self._database.write(self._upload, upload)

    async def claim(self, claims: Sequence[Claim]) -> Claimed:
        """Take a key for each claim, if there is one: nobody else gets it, unless it is a fallback
        key."""
        return await self._database.write(self._claim, claims)

    def _upload(self, txn: Transaction, uploads: list[Upload]) -> list[Uploaded]:
        known: dict[int, bytes | None] = dict(
            txn.execute(_DEVICES, [upload.device_nid for upload in uploads])
        )
        results = [self._verdict(txn, upload, known) for upload in uploads]
        accepted = [
            upload
            for upload, result in zip(uploads, results, strict=True)
            if result.counts is not None
        ]
        changed = [
            upload
            for upload in accepted
            if upload.identity is not None and upload.identity != known[upload.device_nid]
        ]
        self._changes.record(txn, [(upload.user_nid, upload.device_id) for upload in changed])
        identities = {upload.device_nid: upload.identity for upload in changed}
        txn.execute_many(_PUT_IDENTITY, list(identities.items()))
        for upload in changed:
            if known[upload.device_nid] is not None:
                txn.execute(
                    "DELETE FROM key_signatures WHERE user_nid = ? AND target = ?",
                    upload.user_nid,
                    upload.device_id,
                )
        return [
            self._put(txn, upload) if result.counts is not None else result
            for upload, result in zip(uploads, results, strict=True)
        ]

    def _verdict(
        self, txn: Transaction, upload: Upload, known: dict[int, bytes | None]
    ) -> Uploaded:
        if upload.device_nid not in known:
            return Uploaded(None, is_gone=True)
        if not upload.one_time:
            return Uploaded({})
        ids = [key.key_id for key in upload.one_time]
        rows = txn.execute(_SAME_IDS, upload.device_nid, ids)
        there = {(algorithm, key_id): json for algorithm, key_id, json in rows}
        for key in upload.one_time:
            if there.get((key.algorithm, key.key_id), key.json) != key.json:
                return Uploaded(None, conflict=f"{key.algorithm}:{key.key_id}")
        return Uploaded({})

    def _put(self, txn: Transaction, upload: Upload) -> Uploaded:
        device_nid = upload.device_nid
        counts: dict[str, int] = dict(txn.execute(_COUNT, device_nid))
        room = max(0, MAX_ONE_TIME_KEYS - sum(counts.values()))
        if new := upload.one_time[:room]:
            txn.execute_many(_PUT_ONE_TIME, [(device_nid, *key) for key in new])
            counts = dict(txn.execute(_COUNT, device_nid))
        txn.execute_many(_PUT_FALLBACK, [(device_nid, *key) for key in upload.fallback])
        if upload.one_time or upload.fallback:
            txn.after_commit(lambda: self._counted(upload.user_nid, device_nid, 0))
        return Uploaded(counts)

    def _claim(self, txn: Transaction, requests: list[Sequence[Claim]]) -> list[Claimed]:
        # The stream's row makes the claims of other processes wait for this transaction's end.
        position = txn.stream()
        claims = [claim for request in requests for claim in request]
        rows = txn.execute(
            _WANTED,
            list({claim.user_id for claim in claims}),
            list({claim.device_id for claim in claims}),
        )
        devices = {(name, device_id): (nid, user_nid) for name, device_id, nid, user_nid in rows}
        results = [self._take(txn, request, devices) for request in requests]
        taken = {devices[key] for result in results for key in result}
        txn.after_commit(lambda: self._tell(taken, position))
        return results

    def _take(
        self,
        txn: Transaction,
        claims: Iterable[Claim],
        devices: dict[tuple[str, str], tuple[int, int]],
    ) -> Claimed:
        wanted: dict[str, dict[int, tuple[str, str]]] = {}
        for claim in claims:
            key = (claim.user_id, claim.device_id)
            if key in devices:
                wanted.setdefault(claim.algorithm, {})[devices[key][0]] = key
        claimed: Claimed = {}
        for algorithm, by_nid in wanted.items():
            found = txn.execute(_TAKE, list(by_nid), algorithm)
            if missing := by_nid.keys() - {device_nid for device_nid, _, _ in found}:
                found += txn.execute(_FALL_BACK, list(missing), algorithm)
            for device_nid, key_id, json in found:
                claimed.setdefault(by_nid[device_nid], {})[f"{algorithm}:{key_id}"] = json
        return claimed

    def _tell(self, devices: Iterable[tuple[int, int]], position: int) -> None:
        for device_nid, user_nid in devices:
            self._counted(user_nid, device_nid, position)


def remove_keys(
    txn: Transaction, user_nid: int, device_nids: Sequence[int], device_ids: Sequence[str]
) -> None:
    """Remove all keys of devices that are removed."""
    for table in ("device_keys", "one_time_keys", "fallback_keys"):
        txn.execute(f"DELETE FROM {table} WHERE device_nid = ANY(?)", list(device_nids))
    txn.execute(
        "DELETE FROM key_signatures WHERE user_nid = ? AND target = ANY(?)",
        user_nid,
        list(device_ids),
    )
