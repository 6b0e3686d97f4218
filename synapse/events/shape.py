"""Has an event the shape that its room version's "Event format" describes?

The first check of everything that comes from outside: after it, every property has its type and
its size, so the rest of the server need not ask again. Raises 400 `M_BAD_JSON`, or 413
`M_TOO_LARGE`, naming the property. Whether the event is *allowed* is for the auth rules to say.
"""

from typing import Any, Final

from synapse.api.constants import (
    MAX_AUTH_EVENTS,
    MAX_ID_BYTES,
    MAX_INTEGER,
    MAX_PREV_EVENTS,
    EventTypes,
)
from synapse.api.errors import BadJson, TooLarge
from synapse.api.identifiers import (
    is_event_id,
    is_event_id_with_domain,
    is_hash_room_id,
    is_room_id_with_domain,
    is_user_id,
)
from synapse.api.room_versions import RoomVersion

# Room versions 1 to 5 let integers use 64 bits.
_MAX_LAX_INTEGER: Final = 2**63 - 1


def check_shape(
    event: Any, version: RoomVersion, *, limits_references: bool = True
) -> dict[str, Any]:
    """The event itself if it has the right shape. Raises `BadJson` or `TooLarge`.

    Without `limits_references` it may cite as many events as fit into it.
    """
    if not isinstance(event, dict):
        raise BadJson("An event must be an object")
    type = _text(event, "type")
    if "state_key" in event:
        _text(event, "state_key")
    if not is_user_id(event.get("sender")):
        raise BadJson(f"sender must be a user id, not {_shown(event, 'sender')}")
    _check_room_id(event, type, version)
    _check_event_id(event, version)
    _object(event, "content")
    _check_numbers(event, version)
    for name, limit in (("prev_events", MAX_PREV_EVENTS), ("auth_events", MAX_AUTH_EVENTS)):
        _references(event, name, limit if limits_references else None, version)
    if not isinstance(_object(event, "hashes").get("sha256"), str):
        raise BadJson("hashes.sha256 must be a string")
    _check_signatures(event)
    if "unsigned" in event:
        _object(event, "unsigned")
    if type == EventTypes.REDACTION and "redacts" in event and not version.redacts_in_content:
        _text(event, "redacts")
    return event


def _check_room_id(event: dict[str, Any], type: str, version: RoomVersion) -> None:
    if not version.room_id_is_hash:
        if not is_room_id_with_domain(event.get("room_id")):
            raise BadJson(f"room_id must be !opaque:domain, not {_shown(event, 'room_id')}")
    elif type == EventTypes.CREATE:
        if "room_id" in event:
            raise BadJson("A create event has no room_id in this room version")
    elif not is_hash_room_id(event.get("room_id")):
        raise BadJson(f"room_id must be '!' and a hash, not {_shown(event, 'room_id')}")


def _check_event_id(event: dict[str, Any], version: RoomVersion) -> None:
    if version.events_have_ids and not is_event_id_with_domain(event.get("event_id")):
        raise BadJson(f"event_id must be $opaque:domain, not {_shown(event, 'event_id')}")


def _check_numbers(event: dict[str, Any], version: RoomVersion) -> None:
    limit = MAX_INTEGER if version.strict_canonical_json else _MAX_LAX_INTEGER
    for name, lowest in (("depth", 0), ("origin_server_ts", -limit)):
        value = event.get(name)
        # A bool is an int in Python, but not in JSON.
        if type(value) is not int or not lowest <= value <= limit:
            raise BadJson(
                f"{name} must be an integer from {lowest} to {limit}, not {_shown(event, name)}"
            )


def _references(event: dict[str, Any], name: str, limit: int | None, version: RoomVersion) -> None:
    """Checks that `name` is a list of event ids, or of [id, hashes] pairs in versions 1 and 2."""
    references = event.get(name)
    if not isinstance(references, list):
        raise BadJson(f"{name} must be an array")
    if limit is not None and len(references) > limit:
        raise BadJson(f"{name} has {len(references)} events, {limit} are allowed")
    for reference in references:
        if version.events_have_ids:
            if not (
                isinstance(reference, list)
                and len(reference) == 2
                and isinstance(reference[1], dict)
            ):
                raise BadJson(f"{name} must hold pairs of an event id and hashes")
            reference = reference[0]
        if not is_event_id(reference):
            raise BadJson(f"{name} holds what is not an event id")


def _check_signatures(event: dict[str, Any]) -> None:
    for server, signatures in _object(event, "signatures").items():
        if not isinstance(signatures, dict) or not all(
            isinstance(signature, str) for signature in signatures.values()
        ):
            raise BadJson(f"signatures of {server[:80]!r} must be strings by key id")


def _text(event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str):
        raise BadJson(f"{name} must be a string, not {_shown(event, name)}")
    # PostgreSQL's TEXT can't hold it, and types and state keys are interned as text.
    if "\0" in value:
        raise BadJson(f"{name} holds a NUL")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadJson(f"{name} is not valid Unicode") from None
    if size > MAX_ID_BYTES:
        raise TooLarge(f"{name} has {size} bytes, {MAX_ID_BYTES} are allowed")
    return value


def _object(event: dict[str, Any], name: str) -> dict[str, Any]:
    value = event.get(name)
    if not isinstance(value, dict):
        raise BadJson(f"{name} must be an object, not {_shown(event, name)}")
    return value


def _shown(event: dict[str, Any], name: str) -> str:
    """A value for an error message, cut short; what is nested or huge only by its kind."""
    value = event.get(name)
    if isinstance(value, str):
        return repr(value[:80])
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a huge integer"
    return repr(value) if name in event else "missing"
