"""Vouching for devices and users (`/keys/signatures/upload`).

A user signs their devices with the self-signing key, their master key with devices, and the master
keys of others with the user-signing key. All else is refused, signature by signature.
"""

from typing import Any

from synapse.api.errors import BadJson, MatrixError, NotFound
from synapse.api.identifiers import is_user_id
from synapse.handlers.auth import Requester
from synapse.handlers.keys.answers import KeyAnswer
from synapse.handlers.keys.published import (
    ED25519,
    BadSignature,
    require_signature_by,
    unsigned_json,
)
from synapse.handlers.keys.queries import KeyQueries
from synapse.handlers.keys.requests import by_server
from synapse.http.json_body import JsonObject
from synapse.storage.stores.cross_signing import (
    CrossSigningStore,
    KeySignature,
    NewSignatures,
    Usage,
)
from synapse.storage.stores.names import Names

_MAX_KEYS = 1_000
_TIMEOUT_S = 10.0


class KeySignatures:
    """Takes signatures from clients."""

    def __init__(self, store: CrossSigningStore, queries: KeyQueries, names: Names) -> None:
        self._store = store
        self._queries = queries
        self._names = names

    async def upload(self, requester: Requester, body: JsonObject) -> dict[str, Any]:
        """What is wrong, by user and key; all else is kept."""
        given = _given(body)
        asked = by_server({requester.user_id: [], **{user_id: [] for user_id in given}})
        known, _ = await self._queries.keys(requester.user_id, asked, _TIMEOUT_S)
        nids = await self._names.nids([requester.user_id, *given])
        own = (await self._store.of_users([requester.user_nid])).get(requester.user_nid, {})
        signers = {usage: key.public_key for usage, key in own.items()}
        accepted: list[KeySignature] = []
        failures: dict[str, dict[str, Any]] = {}
        for user_id, keys in given.items():
            for target, value in keys.items():
                try:
                    made = _signatures(requester.user_id, user_id, target, value, known, signers)
                except MatrixError as error:
                    failures.setdefault(user_id, {})[target] = error.body()
                    continue
                accepted += [
                    KeySignature(nids[user_id], target, requester.user_nid, key_id, signature)
                    for key_id, signature in made.items()
                ]
        if accepted:
            await self._store.sign(NewSignatures(requester.user_nid, accepted))
        return failures


def _given(body: JsonObject) -> dict[str, dict[str, Any]]:
    count = 0
    for user_id, keys in body.raw.items():
        if not is_user_id(user_id) or not isinstance(keys, dict):
            raise BadJson(f"{user_id[:255]!r} must be a user's id, with an object of keys")
        count += len(keys)
        for target, value in keys.items():
            if not isinstance(value, dict) or "\0" in target:
                raise BadJson(f"{target[:255]!r} must be a key, with an object that is signed")
    if count > _MAX_KEYS:
        raise BadJson(f"At most {_MAX_KEYS} keys can be signed at once")
    return dict(body.raw)


def _signatures(
    signer: str,
    user_id: str,
    target: str,
    value: dict[str, Any],
    known: KeyAnswer,
    signers: dict[Usage, str],
) -> dict[str, str]:
    """The new signatures of one key, by the ids of the keys that made them."""
    device = known.device_keys.get(user_id, {}).get(target) if user_id == signer else None
    master = known.master_keys.get(user_id)
    if device is None and (master is None or target not in master["keys"].values()):
        raise NotFound("There is no such key")
    signed = device or master
    assert signed is not None, "one of them is there"
    if unsigned_json(value) != unsigned_json(signed):
        raise BadSignature("What is signed is not the key that was published")
    signatures = value.get("signatures")
    made = signatures.get(signer) if isinstance(signatures, dict) else None
    if not isinstance(made, dict):
        raise BadSignature(f"There is no signature by {signer}")
    there = signed.get("signatures", {}).get(signer, {})
    new = {key_id: text for key_id, text in made.items() if there.get(key_id) != text}
    for key_id, text in new.items():
        if not isinstance(text, str):
            raise BadSignature(f"The signature {key_id[:255]!r} is not a string")
        public_key = _key_for(signer, user_id, key_id, known, signers, is_device=device is not None)
        require_signature_by(value, signer, key_id, public_key, "The signature can't be kept")
    return new


def _key_for(
    signer: str,
    user_id: str,
    key_id: str,
    known: KeyAnswer,
    signers: dict[Usage, str],
    *,
    is_device: bool,
) -> str:
    """The public key behind a key id, if it may sign such a key. Raises `BadSignature`."""
    name = key_id.removeprefix(ED25519)
    if user_id == signer and not is_device:
        device = known.device_keys.get(signer, {}).get(name, {})
        public_key = device.get("keys", {}).get(key_id)
        if isinstance(public_key, str):
            return public_key
    else:
        usage = Usage.SELF_SIGNING if user_id == signer else Usage.USER_SIGNING
        if signers.get(usage) == name and key_id == ED25519 + name:
            return name
    raise BadSignature(f"{key_id[:255]!r} is no key by which such a key can be signed")
