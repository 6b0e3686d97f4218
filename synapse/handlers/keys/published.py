"""Keys as they are published: what a device or a server says is checked here, and nowhere else.

End-to-end encryption, "Key Distribution" and "Cross-signing". What comes out is canonical JSON with
the signatures of the keys' owner only: those of others are told apart from it, to whom they
concern. Whether a device has signed its own keys is for other clients to see, who mustn't trust
servers.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from synapse.api.errors import InvalidParam, MatrixError, TooLarge
from synapse.crypto.signing import InvalidKey, InvalidSignature, VerifyKey, verify_json
from synapse.storage.stores.cross_signing import CrossSigningKey, Usage
from synapse.storage.stores.device_keys import NewKey
from synapse.util import canonicaljson

ED25519 = "ed25519:"
MAX_DEVICE_ID_LENGTH = 512
_MAX_IDENTITY_BYTES = 32 * 1024
_MAX_KEY_BYTES = 16 * 1024
_MAX_KEYS_AT_ONCE = 500
_MAX_NAME = 255


class BadSignature(MatrixError):
    """400 `M_INVALID_SIGNATURE`."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "M_INVALID_SIGNATURE", message)


def identity_of(raw: Mapping[str, Any], user_id: str, device_id: str) -> bytes:
    """The identity keys of a device. Raises `MatrixError`."""
    if raw.get("user_id") != user_id:
        raise InvalidParam("'device_keys.user_id' is another user than the one that is logged in")
    if raw.get("device_id") != device_id:
        raise InvalidParam("'device_keys.device_id' is not the device that is logged in")
    algorithms, keys = raw.get("algorithms"), raw.get("keys")
    if not isinstance(algorithms, list) or not _are_texts(algorithms):
        raise InvalidParam("'device_keys.algorithms' must be an array of strings")
    if not isinstance(keys, dict) or not _are_texts([*keys, *keys.values()]):
        raise InvalidParam("'device_keys.keys' must be an object of strings")
    own = {**raw, "signatures": {user_id: _signatures(raw, user_id)}}
    own.pop("unsigned", None)
    return _canonical(own, "device_keys", _MAX_IDENTITY_BYTES)


def one_time_keys_of(raw: Mapping[str, Any], name: str) -> list[NewKey]:
    """One-time or fallback keys (`name`). Raises `MatrixError`."""
    if len(raw) > _MAX_KEYS_AT_ONCE:
        raise TooLarge(f"At most {_MAX_KEYS_AT_ONCE} keys can be uploaded at once")
    return [_new_key(key, value, name) for key, value in raw.items()]


def cross_signing_key_of(raw: Mapping[str, Any], user_id: str, usage: Usage) -> CrossSigningKey:
    """A cross-signing key. Raises `MatrixError`."""
    name = f"{usage.text}_key"
    if raw.get("user_id") != user_id:
        raise InvalidParam(f"'{name}.user_id' is another user")
    usages, keys = raw.get("usage"), raw.get("keys")
    if not isinstance(usages, list) or usage.text not in usages or not _are_texts(usages):
        raise InvalidParam(f"'{name}.usage' must be [\"{usage.text}\"]")
    if not isinstance(keys, dict) or len(keys) != 1:
        raise InvalidParam(f"'{name}.keys' must hold just one key")
    ((key_id, public_key),) = keys.items()
    if not isinstance(public_key, str) or key_id != ED25519 + public_key:
        raise InvalidParam(f"'{name}.keys' must hold an ed25519 key, named by itself")
    try:
        VerifyKey.from_base64(key_id, public_key)
    except InvalidKey as error:
        raise InvalidParam(f"'{name}.keys': {error}") from None
    own: dict[str, Any] = {k: v for k, v in raw.items() if k not in ("signatures", "unsigned")}
    if signatures := _signatures(raw, user_id):
        own["signatures"] = {user_id: signatures}
    return CrossSigningKey(usage, public_key, _canonical(own, name, _MAX_KEY_BYTES))


def require_signature(value: Mapping[str, Any], user_id: str, public_key: str, what: str) -> None:
    """Raises `BadSignature` unless the user has signed a value with an ed25519 key that is named by
    itself."""
    require_signature_by(value, user_id, ED25519 + public_key, public_key, what)


def require_signature_by(
    value: Mapping[str, Any], user_id: str, key_id: str, public_key: str, what: str
) -> None:
    try:
        verify_json(value, user_id, VerifyKey.from_base64(key_id, public_key))
    except (InvalidKey, InvalidSignature) as error:
        raise BadSignature(f"{what}: {error}") from None


def unsigned_json(value: Mapping[str, Any]) -> bytes | None:
    """What a signature covers; None if that has no canonical JSON."""
    try:
        return canonicaljson.encode(
            {k: v for k, v in value.items() if k not in ("signatures", "unsigned")}
        )
    except canonicaljson.NotCanonical:
        return None


def is_device_id(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_DEVICE_ID_LENGTH
        and "\0" not in value
        and not any("\ud800" <= character <= "\udfff" for character in value)
    )


def _new_key(key: str, value: Any, name: str) -> NewKey:
    algorithm, colon, key_id = key.partition(":")
    if not algorithm or not colon or not key_id or "\0" in key or len(key) > _MAX_NAME:
        raise InvalidParam(f"'{name}': {key[:100]!r} is not <algorithm>:<key id>")
    if isinstance(value, dict):
        if not isinstance(value.get("key"), str):
            raise InvalidParam(f"'{name}.{key}.key' must be a string")
    elif not isinstance(value, str):
        raise InvalidParam(f"'{name}.{key}' must be a string or an object")
    return NewKey(algorithm, key_id, _canonical(value, f"{name}.{key}", _MAX_KEY_BYTES))


def _signatures(raw: Mapping[str, Any], user_id: str) -> dict[str, str]:
    """The signatures that the owner has put on it."""
    signatures = raw.get("signatures", {})
    own = signatures.get(user_id, {}) if isinstance(signatures, dict) else None
    if not isinstance(own, dict) or not _are_texts(own.values()):
        raise InvalidParam("'signatures' must be objects of strings, by user id")
    return own


def _canonical(value: Any, name: str, most_bytes: int) -> bytes:
    try:
        encoded = canonicaljson.encode(value)
    except canonicaljson.NotCanonical as error:
        raise InvalidParam(f"'{name}' has no canonical JSON: {error}") from None
    if len(encoded) > most_bytes:
        raise TooLarge(f"'{name}' has more than {most_bytes} bytes")
    return encoded


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
