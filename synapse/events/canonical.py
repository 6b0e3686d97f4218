"""Canonical JSON as strictly as the room version wants it."""

from typing import Any

from synapse.api.room_versions import RoomVersion
from synapse.util import canonicaljson


def encode(value: Any, version: RoomVersion) -> bytes:
    """The canonical JSON of an event or a part of one. Raises `canonicaljson.NotCanonical`."""
    if version.strict_canonical_json:
        return canonicaljson.encode(value)
    return canonicaljson.encode_lax(value)


def encode_again(value: Any, version: RoomVersion) -> bytes:
    """The same for parts of a value that `encode` has taken: they need not be checked again."""
    if version.strict_canonical_json:
        return canonicaljson.encode_trusted(value)
    return canonicaljson.encode_lax(value)
