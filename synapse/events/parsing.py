"""Events from outside: dictionaries from other servers become `Event`s.

(An event that is in the database needs no parsing: the store makes `Event(json=…, …)` from its
columns.)
"""

from dataclasses import dataclass
from typing import Any

from synapse.api.constants import MAX_EVENT_BYTES
from synapse.api.errors import BadJson, TooLarge
from synapse.api.room_versions import RoomVersion
from synapse.events import hashing
from synapse.events.canonical import encode, encode_again
from synapse.events.event import Event
from synapse.events.shape import check_shape
from synapse.util.canonicaljson import NotCanonical


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """An event from another server and what its further checks need. Nothing is verified yet."""

    event: Event
    # The bytes that each of `signatures` (server → key id → base64) must be a signature of.
    essential: bytes
    signatures: dict[str, dict[str, str]]
    # False: something was removed or changed; go on with `redaction.redacted_event(event)`.
    content_hash_matches: bool


def parse_event(value: Any, version: RoomVersion) -> Event:
    """The event in `value`. Raises 400 `M_BAD_JSON` or 413 `M_TOO_LARGE`."""
    event, _ = _parse(value, version)
    return event


def parse_received(
    value: Any, version: RoomVersion, *, limits_references: bool = True
) -> ReceivedEvent:
    """The event in `value`, with its signatures. Raises 400 `M_BAD_JSON` or 413 `M_TOO_LARGE`."""
    event, essential = _parse(value, version, limits_references=limits_references)
    return ReceivedEvent(
        event=event,
        essential=essential,
        signatures=value["signatures"],
        content_hash_matches=hashing.content_hash_matches(value, version, encode=encode_again),
    )


def _parse(
    value: Any, version: RoomVersion, *, limits_references: bool = True
) -> tuple[Event, bytes]:
    checked = check_shape(value, version, limits_references=limits_references)
    if "unsigned" in checked:
        checked = {key: member for key, member in checked.items() if key != "unsigned"}
    try:
        json = encode(checked, version)
        if len(json) > MAX_EVENT_BYTES:
            raise TooLarge(f"The event has {len(json)} bytes, {MAX_EVENT_BYTES} are allowed")
        essential = hashing.essential_bytes(checked, version, encode=encode_again)
    except NotCanonical as error:
        raise BadJson(f"The event can't be written as canonical JSON: {error}") from None
    if version.events_have_ids:
        event_id = checked["event_id"]
    else:
        event_id = hashing.event_id_of(essential, version)
    event = Event(
        json=json,
        event_id=event_id,
        room_id=checked.get("room_id") or "!" + event_id[1:],
        type=checked["type"],
        sender=checked["sender"],
        state_key=checked.get("state_key"),
        depth=checked["depth"],
        origin_server_ts=checked["origin_server_ts"],
        version=version,
        _content=checked["content"] if "state_key" in checked else None,
    )
    return event, essential
