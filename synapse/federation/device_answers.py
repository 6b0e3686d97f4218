"""Other servers' words on devices and keys of their users: what of them makes sense.

Server-server API, "Device Management" and "End-to-End Encryption".
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

from synapse.api.errors import MatrixError
from synapse.api.identifiers import fits_in_bytes
from synapse.handlers.keys.answers import KeyAnswer, Wanted, is_wanted, key_set
from synapse.handlers.keys.published import (
    cross_signing_key_of,
    identity_of,
    is_device_id,
    require_signature,
)
from synapse.storage.stores.cross_signing import CrossSigningKey, Usage
from synapse.storage.stores.remote_devices import RemoteDevice

MAX_STREAM_ID = 2**63 - 1
# Of one user. What is beyond is left out.
_MAX_DEVICES = 2_000
_MAX_NAME_BYTES = 1_000


class DeviceList(NamedTuple):
    """A user's devices and keys."""

    stream_id: int
    devices: list[RemoteDevice]
    keys: list[CrossSigningKey]


def device_list_of(answer: Any, user_id: str) -> DeviceList | None:
    """The answer to `GET /user/devices/{userId}`; None if it is none."""
    if not isinstance(answer, dict) or answer.get("user_id") != user_id:
        return None
    stream_id, told = answer.get("stream_id"), answer.get("devices")
    if not is_stream_id(stream_id) or not isinstance(told, list):
        return None
    devices = [device_of(one, user_id) for one in told[:_MAX_DEVICES] if is_device_id(_id_of(one))]
    keys = keys_of(answer.get("master_key"), answer.get("self_signing_key"), user_id)
    return DeviceList(stream_id, list({one.device_id: one for one in devices}.values()), keys)


def device_of(told: Mapping[str, Any], user_id: str) -> RemoteDevice:
    """A device with a valid `device_id`; what is wrong with its keys is as if there were none."""
    keys, name = told.get("keys"), told.get("device_display_name")
    identity = _identity(keys, user_id, told["device_id"])
    if not isinstance(name, str) or not fits_in_bytes(name, _MAX_NAME_BYTES) or "\0" in name:
        name = None
    return RemoteDevice(told["device_id"], identity, name)


def keys_of(master: Any, self_signing: Any, user_id: str) -> list[CrossSigningKey]:
    """A user's cross-signing keys: a master key, and a self-signing key that it has signed."""
    key = _cross_signing_key(master, user_id, Usage.MASTER)
    if key is None:
        return []
    other = _cross_signing_key(self_signing, user_id, Usage.SELF_SIGNING)
    if other is None:
        return [key]
    try:
        require_signature(self_signing, user_id, key.public_key, "The self-signing key")
    except MatrixError:
        return [key]
    return [key, other]


def key_answer_of(answer: Any, wanted: Wanted) -> KeyAnswer:
    """The answer to `POST /user/keys/query`, as far as it is about what was asked."""
    found = KeyAnswer()
    by_user = _object(answer, "device_keys")
    for user_id, device_ids in wanted.items():
        devices = by_user.get(user_id)
        if not isinstance(devices, dict):
            continue
        found.device_keys[user_id] = {}
        for device_id, keys in list(devices.items())[:_MAX_DEVICES]:
            identity = _identity(keys, user_id, device_id)
            if identity is not None and is_wanted(device_id, device_ids):
                found.add_device(user_id, device_id, identity, _name_in(keys))
        keys = keys_of(
            _object(answer, "master_keys").get(user_id),
            _object(answer, "self_signing_keys").get(user_id),
            user_id,
        )
        found.add_keys(user_id, key_set(keys))
    return found


def is_stream_id(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= MAX_STREAM_ID


def _object(answer: Any, name: str) -> dict[str, Any]:
    value = answer.get(name) if isinstance(answer, dict) else None
    return value if isinstance(value, dict) else {}


def _id_of(told: Any) -> Any:
    return told.get("device_id") if isinstance(told, dict) else None


def _identity(keys: Any, user_id: str, device_id: str) -> bytes | None:
    if not isinstance(keys, dict) or not keys.get("keys"):
        return None
    try:
        return identity_of(keys, user_id, device_id)
    except MatrixError:
        return None


def _cross_signing_key(raw: Any, user_id: str, usage: Usage) -> CrossSigningKey | None:
    if not isinstance(raw, dict):
        return None
    try:
        return cross_signing_key_of(raw, user_id, usage)
    except MatrixError:
        return None


def _name_in(keys: dict[str, Any]) -> str | None:
    name = _object(keys, "unsigned").get("device_display_name")
    return name if isinstance(name, str) and fits_in_bytes(name, _MAX_NAME_BYTES) else None
