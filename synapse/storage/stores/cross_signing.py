"""Cross-signing keys, and the signatures by which users vouch for devices and for each other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.stores.device_changes import USER, DeviceChanges
from synapse.storage.transaction import Transaction


class Usage(IntEnum):
    """`cross_signing_keys.usage`."""

    MASTER = 1
    SELF_SIGNING = 2
    USER_SIGNING = 3

    @property
    def text(self) -> str:
        """As the specification spells it."""
        return self.name.lower()


class CrossSigningKey(NamedTuple):
    """A key that was published, with the signatures that it came with."""

    usage: Usage
    public_key: str  # unpadded base64
    json: bytes


KeySet = dict[Usage, CrossSigningKey]


class KeySignature(NamedTuple):
    """A signature that was put on a published key."""

    user_nid: int
    target: str
    signer_nid: int
    key_id: str
    signature: str


@dataclass(frozen=True, slots=True)
class NewKeySet:
    """All cross-signing keys that a user of ours is to have from now on."""

    user_nid: int
    before: bytes | None  # the master key that the user must still have
    keys: Sequence[CrossSigningKey]


@dataclass(frozen=True, slots=True)
class NewSignatures:
    """Signatures that a user of ours has made."""

    signer_nid: int
    signatures: Sequence[KeySignature]


_OF_USERS = """
    SELECT user_nid, usage, public_key, json FROM cross_signing_keys WHERE user_nid = ANY(?)"""
_MASTER = "SELECT json FROM cross_signing_keys WHERE user_nid = ? AND usage = 1"
_PUT = """
    INSERT INTO cross_signing_keys (user_nid, usage, public_key, json) VALUES (?, ?, ?, ?)
    ON CONFLICT (user_nid, usage) DO UPDATE SET
        public_key = excluded.public_key, json = excluded.json"""
_SIGN = """
    INSERT INTO key_signatures (user_nid, target, signer_nid, key_id, signature, stream)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (user_nid, target, signer_nid, key_id) DO UPDATE SET
        signature = excluded.signature, stream = excluded.stream"""
# What a user says of their own keys is for everybody, what they say of others' for themselves.
_SIGNATURES = """
    SELECT user_nid, target, signer_nid, key_id, signature FROM key_signatures
    WHERE user_nid = ANY(?) AND (signer_nid = user_nid OR signer_nid = ?)"""
_SIGNED_SINCE = """
    SELECT DISTINCT n.name FROM key_signatures s JOIN names n ON n.nid = s.user_nid
    WHERE s.signer_nid = ? AND s.stream > ? AND s.stream <= ?"""


class CrossSigningStore:
    """Remembers them."""

    def __init__(self, database: Database, changes: DeviceChanges) -> None:
        self._database = database
        self._changes = changes

    async def of_users(self, user_nids: Sequence[int]) -> dict[int, KeySet]:
        rows = await self._database.fetch(_OF_USERS, list(user_nids))
        return key_sets(rows)

    async def is_key(self, user_nid: int, name: str) -> bool:
        """Whether a cross-signing key of the user is called so, as no device may be."""
        keys = (await self.of_users([user_nid])).get(user_nid, {})
        return any(key.public_key == name for key in keys.values())

    async def signatures(
        self, user_nids: Sequence[int], viewer_nid: int | None
    ) -> list[KeySignature]:
        """The signatures on users' keys that a user may see; None: that everybody may."""
        viewer = 0 if viewer_nid is None else viewer_nid
        rows = await self._database.fetch(_SIGNATURES, list(user_nids), viewer)
        return [KeySignature(*row) for row in rows]

    async def signed_by(self, signer_nid: int, since: int, upto: int) -> list[str]:
        """The users whose keys a user has signed in a stretch of the stream."""
        rows = await self._database.fetch(_SIGNED_SINCE, signer_nid, since, upto)
        return [name for (name,) in rows]

    async def replace(self, new: NewKeySet) -> bool:
        """False if the user has got another master key meanwhile; then nothing is changed."""
        return await self._database.write(self._replace, new)

    async def forget(self, user_nid: int) -> None:
        """A user has no keys any more."""
        await self._database.write(self._forget, user_nid)

    async def sign(self, new: NewSignatures) -> None:
        """Keep signatures. Those on keys of the signer's own are a change that others are told."""
        await self._database.write(self._sign, new)

    def _replace(self, txn: Transaction, items: list[NewKeySet]) -> list[bool]:
        # It is noted even if nothing comes of it: what is noted first makes others wait.
        self._changes.record(txn, [(item.user_nid, USER) for item in items])
        return [self._replace_one(txn, item) for item in items]

    def _replace_one(self, txn: Transaction, item: NewKeySet) -> bool:
        rows = txn.execute(_MASTER, item.user_nid)
        if (rows[0][0] if rows else None) != item.before:
            return False
        put_keys(txn, item.user_nid, item.keys)
        return True

    def _forget(self, txn: Transaction, user_nids: list[int]) -> None:
        rows = txn.execute(_OF_USERS, user_nids)
        self._changes.record(txn, [(row[0], USER) for row in rows])
        for user_nid in user_nids:
            put_keys(txn, user_nid, [])

    def _sign(self, txn: Transaction, items: list[NewSignatures]) -> None:
        signatures = [signature for item in items for signature in item.signatures]
        own = [s for s in signatures if s.user_nid == s.signer_nid]
        devices = {
            (user_nid, device_id)
            for user_nid, device_id in txn.execute(
                "SELECT user_nid, device_id FROM devices"
                " WHERE user_nid = ANY(?) AND device_id = ANY(?)",
                list({s.user_nid for s in own}),
                list({s.target for s in own}),
            )
        }
        targets = [(s.user_nid, s.target) for s in own]
        self._changes.record(txn, [t if t in devices else (t[0], USER) for t in targets])
        position = txn.stream()
        rows = {signature[:4]: (*signature, position) for signature in signatures}
        txn.execute_many(_SIGN, list(rows.values()))
        signed = {(s.signer_nid, s.user_nid) for s in signatures if s.user_nid != s.signer_nid}
        if signed:
            names: dict[int, str] = dict(
                txn.execute(
                    "SELECT nid, name FROM names WHERE nid = ANY(?)",
                    list({user_nid for _, user_nid in signed}),
                )
            )
            told = [(signer, names[user_nid]) for signer, user_nid in signed]
            txn.after_commit(lambda: self._changes.signed(told, position))


def put_keys(txn: Transaction, user_nid: int, keys: Iterable[CrossSigningKey]) -> None:
    """Let these be all cross-signing keys of a user."""
    rows = txn.execute(_OF_USERS, [user_nid])
    kept = {key.public_key for key in keys}
    gone = [public_key for _, _, public_key, _ in rows if public_key not in kept]
    if gone:
        txn.execute(
            "DELETE FROM key_signatures WHERE user_nid = ? AND target = ANY(?)", user_nid, gone
        )
        txn.execute(
            "DELETE FROM cross_signing_keys WHERE user_nid = ? AND public_key = ANY(?)",
            user_nid,
            gone,
        )
    txn.execute_many(_PUT, [(user_nid, int(k.usage), k.public_key, k.json) for k in keys])


def key_sets(rows: Iterable[tuple[int, int, str, bytes]]) -> dict[int, KeySet]:
    found: dict[int, KeySet] = {}
    for user_nid, usage, public_key, json in rows:
        found.setdefault(user_nid, {})[Usage(usage)] = CrossSigningKey(
            Usage(usage), public_key, json
        )
    return found
