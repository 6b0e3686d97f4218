"""Hashes, ids and signatures of events (server-server API, "Signing Events").

An event has two canonical forms. The *whole* one, without `hashes`, `signatures` and `unsigned`,
gives the content hash. The *essential* one, redacted and without `signatures` and `unsigned`, is
what servers sign and whose hash is the event's id from room version 3 on: it is the same before
and after a redaction. Compute the essential bytes once and use them for all of it.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from synapse.api.room_versions import EventIds, RoomVersion
from synapse.events import canonical
from synapse.events.redaction import redact
from synapse.util import base64

# `canonical.encode`, or `canonical.encode_again` for an event that it has taken.
Encode = Callable[[Any, RoomVersion], bytes]

_NOT_IN_CONTENT_HASH: Final = frozenset(("hashes", "signatures", "unsigned"))


def content_hash(
    event: dict[str, Any], version: RoomVersion, *, encode: Encode = canonical.encode
) -> bytes:
    """The SHA-256 over all of the event; goes into `hashes.sha256` in unpadded base64."""
    whole = {key: value for key, value in event.items() if key not in _NOT_IN_CONTENT_HASH}
    return sha256(encode(whole, version)).digest()


def content_hash_matches(
    event: dict[str, Any], version: RoomVersion, *, encode: Encode = canonical.encode
) -> bool:
    """Whether the event is complete; if not, only its redacted form may be used."""
    hashes = event.get("hashes")
    claimed = hashes.get("sha256") if isinstance(hashes, dict) else None
    if not isinstance(claimed, str):
        return False
    try:
        return base64.decode(claimed) == content_hash(event, version, encode=encode)
    except ValueError:
        return False


def essential_bytes(
    event: dict[str, Any], version: RoomVersion, *, encode: Encode = canonical.encode
) -> bytes:
    """The bytes that signatures and the reference hash cover. Raises `NotCanonical`."""
    redacted = redact(event, version)
    redacted.pop("signatures", None)
    return encode(redacted, version)


def reference_hash(essential: bytes) -> bytes:
    """The SHA-256 over the essential bytes."""
    return sha256(essential).digest()


def event_id_of(essential: bytes, version: RoomVersion) -> str:
    """The id that follows from the essential bytes, in room versions whose ids are hashes."""
    hash = sha256(essential).digest()
    if version.event_ids is EventIds.URL_SAFE_HASH:
        return "$" + base64.encode_url_safe(hash).decode()
    assert version.event_ids is EventIds.HASH, "before version 3 the server chooses the id"
    return "$" + base64.encode(hash).decode()
