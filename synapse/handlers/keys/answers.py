"""`KeyAnswer`: what is told of users' keys, put together from the bytes that are stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from synapse.storage.stores.cross_signing import CrossSigningKey, KeySet, KeySignature, Usage

Wanted = Mapping[str, list[str]]  # user id → device ids; none: all of them


@dataclass(slots=True)
class KeyAnswer:
    """By user id."""

    device_keys: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    master_keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    self_signing_keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    user_signing_keys: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add_device(
        self, user_id: str, device_id: str, json: bytes, display_name: str | None
    ) -> None:
        keys: dict[str, Any] = orjson.loads(json)
        if display_name is not None:
            keys["unsigned"] = {"device_display_name": display_name}
        self.device_keys.setdefault(user_id, {})[device_id] = keys

    def add_keys(self, user_id: str, keys: KeySet, *, with_user_signing: bool = False) -> None:
        """Cross-signing keys; the user-signing key is for its user only."""
        shown = {Usage.MASTER: self.master_keys, Usage.SELF_SIGNING: self.self_signing_keys}
        if with_user_signing:
            shown[Usage.USER_SIGNING] = self.user_signing_keys
        for usage, key in keys.items():
            if usage in shown:
                shown[usage][user_id] = orjson.loads(key.json)

    def add_signatures(self, signatures: Iterable[KeySignature], names: Mapping[int, str]) -> None:
        """What was vouched for after the keys were published."""
        for signature in signatures:
            user_id, target = names[signature.user_nid], signature.target
            signed = self.device_keys.get(user_id, {}).get(target)
            master = self.master_keys.get(user_id)
            if signed is None and master is not None and target in master["keys"].values():
                signed = master
            if signed is not None:
                by = signed.setdefault("signatures", {}).setdefault(names[signature.signer_nid], {})
                by[signature.key_id] = signature.signature

    def update(self, other: "KeyAnswer") -> None:
        """Add what is told of other users."""
        self.device_keys |= other.device_keys
        self.master_keys |= other.master_keys
        self.self_signing_keys |= other.self_signing_keys
        self.user_signing_keys |= other.user_signing_keys

    def to_json(self) -> dict[str, Any]:
        """As other servers are told: they have no use for user-signing keys."""
        return {
            "device_keys": self.device_keys,
            "master_keys": self.master_keys,
            "self_signing_keys": self.self_signing_keys,
        }


def is_wanted(device_id: str, wanted: list[str]) -> bool:
    return not wanted or device_id in wanted


def key_set(keys: Iterable[CrossSigningKey]) -> KeySet:
    return {key.usage: key for key in keys}
