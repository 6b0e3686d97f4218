"""Keys as clients have them: really made, and really signed with."""

import hashlib
from typing import Any

from synapse.crypto.signing import SigningKey, sign


class Key:
    """An ed25519 key that is named by a device, or by itself."""

    def __init__(self, seed: str, name: str | None = None) -> None:
        self._key = SigningKey("k", hashlib.sha256(seed.encode()).digest())
        self.public = self._key.verify_key.base64
        self.key_id = f"ed25519:{name or self.public}"

    def signed(self, value: dict[str, Any], user_id: str) -> dict[str, Any]:
        """The value with the signature of a user beside those that it had."""
        signatures = dict(value.get("signatures", {}))
        by_user = {**signatures.get(user_id, {}), self.key_id: sign(value, self._key)}
        return {**value, "signatures": {**signatures, user_id: by_user}}


class DeviceOwner:
    """A device of a user."""

    def __init__(self, user_id: str, device_id: str, seed: str = "") -> None:
        self.user_id = user_id
        self.device_id = device_id
        self.key = Key(f"{user_id} {device_id} {seed}", device_id)

    def identity(self, **more: Any) -> dict[str, Any]:
        """`device_keys`."""
        keys = {
            "user_id": self.user_id,
            "device_id": self.device_id,
            "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
            "keys": {
                f"curve25519:{self.device_id}": Key(f"{self.device_id} curve").public,
                self.key.key_id: self.key.public,
            },
            **more,
        }
        return self.key.signed(keys, self.user_id)

    def one_time_keys(self, *ids: str, **more: Any) -> dict[str, Any]:
        """`one_time_keys`, or with `fallback=True` `fallback_keys`."""
        return {
            f"signed_curve25519:{key_id}": self.key.signed(
                {"key": Key(f"{self.device_id} {key_id}").public, **more}, self.user_id
            )
            for key_id in ids
        }


class KeyOwner:
    """A user's cross-signing keys."""

    def __init__(self, user_id: str, seed: str = "") -> None:
        self.user_id = user_id
        self.master = Key(f"{user_id} master {seed}")
        self.self_signing = Key(f"{user_id} self {seed}")
        self.user_signing = Key(f"{user_id} user {seed}")

    def keys(self) -> dict[str, Any]:
        """What is uploaded."""
        return {
            "master_key": self.key(self.master, "master"),
            "self_signing_key": self.by_master(self.self_signing, "self_signing"),
            "user_signing_key": self.by_master(self.user_signing, "user_signing"),
        }

    def key(self, key: Key, usage: str) -> dict[str, Any]:
        return {"user_id": self.user_id, "usage": [usage], "keys": {key.key_id: key.public}}

    def by_master(self, key: Key, usage: str) -> dict[str, Any]:
        return self.master.signed(self.key(key, usage), self.user_id)
