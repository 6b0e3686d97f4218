"""Key documents of imagined servers."""

import hashlib
from typing import Any

from synapse.crypto.signing import SigningKey, sign_json

DAY_MS = 24 * 3600 * 1000
NOW_MS = 1_700_000_000_000


def key_of(server: str, version: str = "a") -> SigningKey:
    """The same key each time."""
    return SigningKey(version, hashlib.sha256(f"{server} {version}".encode()).digest())


def document_of(
    server: str,
    *keys: SigningKey,
    old: dict[SigningKey, int] | None = None,
    until_ms: int = NOW_MS + DAY_MS,
    **more: Any,
) -> dict[str, Any]:
    """A good document; `old` says when each old key expired, `more` are further members."""
    keys = keys or (key_of(server),)
    document: dict[str, Any] = {
        "server_name": server,
        "valid_until_ts": until_ms,
        "verify_keys": {key.key_id: {"key": key.verify_key.base64} for key in keys},
        "old_verify_keys": {
            key.key_id: {"key": key.verify_key.base64, "expired_ts": expired_ms}
            for key, expired_ms in (old or {}).items()
        },
        **more,
    }
    for key in keys:
        document = sign_json(document, server, key)
    return document
