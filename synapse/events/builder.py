"""Makes a new event of ours: content hash, signature, id and canonical bytes.

Every local send passes here, so nothing is serialised twice. The members of an event stand in
alphabetical order, which is fixed, and the three byte strings that are needed are made of the same
pieces:

    whole      auth_events CONTENT depth event_id        origin_server_ts … redacts room_id …
    essential  auth_events content depth event_id hashes origin_server_ts …         room_id …
    the event  auth_events CONTENT depth event_id hashes origin_server_ts … redacts room_id …
                                                                 … signatures state_key type

(`content` is the redacted CONTENT.) The hash of the whole goes into `hashes`; the essential is
signed, and its hash is the id.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

from synapse.api.constants import MAX_EVENT_BYTES, MAX_ID_BYTES, MAX_INTEGER, EventTypes
from synapse.api.errors import BadJson, TooLarge
from synapse.api.room_versions import RoomVersion
from synapse.crypto.signing import SigningKey
from synapse.events import canonical, hashing
from synapse.events.event import Event
from synapse.events.redaction import redact_content
from synapse.util import base64, canonicaljson

# A string's JSON has two quotes more than the string has bytes, or more with escapes.
_SURELY_SHORT: Final = MAX_ID_BYTES + 2


def build(
    version: RoomVersion,
    *,
    room_id: str,
    type: str,
    sender: str,
    state_key: str | None,
    content: dict[str, Any],
    prev_events: Sequence[Event],
    auth_events: Sequence[Event],
    depth: int,
    origin_server_ts: int,
    server_name: str,
    key: SigningKey,
    redacts: str | None = None,
    event_id_localpart: str | None = None,
) -> Event:
    """A new event, hashed and signed. Raises 413 `M_TOO_LARGE` or 400 `M_BAD_JSON`.

    Room versions 1 and 2 need an `event_id_localpart` that no other event of ours has. A version
    12 create event takes its room's id from itself: `room_id` is ignored. `redacts` goes where the
    room version wants it. `content` becomes the event's: don't change it afterwards.
    """
    depth = min(depth, MAX_INTEGER)
    has_room_id = not (version.room_id_is_hash and type == EventTypes.CREATE)
    if redacts is not None and version.redacts_in_content:
        content, redacts = {**content, "redacts": redacts}, None

    head = b'{"auth_events":%b,"content":' % _references(auth_events, version)
    whole_content, essential_content = _contents(type, content, version)
    numbers = b',"depth":%d' % depth
    event_id = ""
    if version.events_have_ids:
        assert event_id_localpart is not None, "before version 3 the server chooses the id"
        event_id = f"${event_id_localpart}:{server_name}"
        numbers += b',"event_id":' + _short("event_id", event_id)
    ancestry = b',"origin_server_ts":%d,"prev_events":%b' % (
        origin_server_ts,
        _references(prev_events, version),
    )
    target = b"" if redacts is None else b',"redacts":' + _short("redacts", redacts)
    origin = b',"room_id":' + _short("room_id", room_id) if has_room_id else b""
    origin += b',"sender":' + _short("sender", sender)
    slot = b"" if state_key is None else b',"state_key":' + _short("state_key", state_key)
    slot += b',"type":%b}' % _short("type", type)

    whole = b"".join((head, whole_content, numbers, ancestry, target, origin, slot))
    hashes = b',"hashes":{"sha256":"%b"}' % base64.encode(sha256(whole).digest())
    essential = b"".join((head, essential_content, numbers, hashes, ancestry, origin, slot))
    signatures = b',"signatures":{%b:{"%b":"%b"}}' % (
        orjson.dumps(server_name),
        key.key_id.encode(),
        key.sign(essential),
    )
    json = b"".join(
        (head, whole_content, numbers, hashes, ancestry, target, origin, signatures, slot)
    )
    if len(json) > MAX_EVENT_BYTES:
        raise TooLarge(f"The event has {len(json)} bytes, {MAX_EVENT_BYTES} are allowed")

    event_id = event_id or hashing.event_id_of(essential, version)
    return Event(
        json=json,
        event_id=event_id,
        room_id=room_id if has_room_id else "!" + event_id[1:],
        type=type,
        sender=sender,
        state_key=state_key,
        depth=depth,
        origin_server_ts=origin_server_ts,
        version=version,
        _content=content if state_key is not None else None,
    )


def _contents(type: str, content: dict[str, Any], version: RoomVersion) -> tuple[bytes, bytes]:
    """The content, whole and redacted, as canonical JSON."""
    try:
        whole = canonical.encode(content, version)
    except canonicaljson.NotCanonical as error:
        raise BadJson(f"The content can't be written as canonical JSON: {error}") from None
    essential = redact_content(type, content, version)
    if not essential:
        return whole, b"{}"
    if len(essential) == len(content) and type != EventTypes.MEMBER:
        return whole, whole
    return whole, canonical.encode(essential, version)


def _references(events: Sequence[Event], version: RoomVersion) -> bytes:
    """`prev_events` or `auth_events` in the room version's form."""
    if not version.events_have_ids:
        return orjson.dumps([event.event_id for event in events])
    return orjson.dumps(
        [
            [event.event_id, {"sha256": base64.encode(_reference_hash(event)).decode()}]
            for event in events
        ]
    )


def _reference_hash(event: Event) -> bytes:
    return hashing.reference_hash(hashing.essential_bytes(event.parsed(), event.version))


def _short(name: str, value: str) -> bytes:
    """The JSON of a string that may have at most 255 bytes, and no NUL (see `shape`)."""
    try:
        json = orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise BadJson(f"{name} is not valid Unicode") from None
    if "\0" in value:
        raise BadJson(f"{name} holds a NUL")
    if len(json) > _SURELY_SHORT and len(value.encode()) > MAX_ID_BYTES:
        raise TooLarge(f"{name} is longer than {MAX_ID_BYTES} bytes")
    return json
