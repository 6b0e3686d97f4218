"""The key documents that we sign: our own, and others' as their notary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synapse.crypto.signing import SigningKey, VerifyKey, sign_json
from synapse.util import base64, canonicaljson


@dataclass(frozen=True, slots=True)
class OldKey:
    """A key with which this server signed until some time."""

    key: VerifyKey
    expired_ms: int


def own_document(
    server_name: str,
    keys: Sequence[SigningKey],
    old_keys: Sequence[OldKey],
    *,
    valid_until_ms: int,
    certificates: Sequence[bytes],
) -> dict[str, Any]:
    """Our key document, signed with all keys. `certificates` are SHA-256 hashes.

    COMPAT: `tls_fingerprints` left the specification when servers began to have certificates of
    public authorities. Old checkers of federation still read it.
    """
    document: dict[str, Any] = {
        "server_name": server_name,
        "valid_until_ts": valid_until_ms,
        "verify_keys": {key.key_id: {"key": key.verify_key.base64} for key in keys},
        "old_verify_keys": {
            old.key.key_id: {"key": old.key.base64, "expired_ts": old.expired_ms}
            for old in old_keys
        },
        "tls_fingerprints": [
            {"sha256": base64.encode(fingerprint).decode()} for fingerprint in certificates
        ],
    }
    for key in keys:
        document = sign_json(document, server_name, key)
    return document


def with_notary_signatures(
    document: Mapping[str, Any], server_name: str, keys: Sequence[SigningKey]
) -> bytes:
    """A document that was checked, with our signatures beside its server's."""
    signed = dict(document)
    for key in keys:
        signed = sign_json(signed, server_name, key)
    return canonicaljson.encode_trusted(signed)
