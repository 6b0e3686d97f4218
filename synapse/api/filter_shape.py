"""Whether JSON is a filter: the types of what the specification names, anything goes in the rest.

Client-server API, "Filtering". Written as tables, so that they can be held against the definitions
`sync_filter.yaml`, `event_filter.yaml` and `room_event_filter.yaml`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from synapse.api.errors import BadJson

_STRINGS = "an array of strings"
_USER_IDS = "an array of user ids"
_ROOM_IDS = "an array of room ids"
_BOOLEAN = "true or false"
_LIMIT = "an integer from 0 up"
_FORMAT = "'client' or 'federation'"

Shape = Mapping[str, "str | Shape"]

_EVENT_FILTER: Shape = {
    "limit": _LIMIT,
    "types": _STRINGS,
    "not_types": _STRINGS,
    "senders": _USER_IDS,
    "not_senders": _USER_IDS,
}
ROOM_EVENT_FILTER: Shape = {
    **_EVENT_FILTER,
    "rooms": _ROOM_IDS,
    "not_rooms": _ROOM_IDS,
    "contains_url": _BOOLEAN,
    "lazy_load_members": _BOOLEAN,
    "include_redundant_members": _BOOLEAN,
    "unread_thread_notifications": _BOOLEAN,
    # Beyond the specification: MSC3440 and MSC3874.
    "related_by_senders": _USER_IDS,
    "related_by_rel_types": _STRINGS,
    "rel_types": _STRINGS,
    "not_rel_types": _STRINGS,
}
SYNC_FILTER: Shape = {
    "event_fields": _STRINGS,
    "event_format": _FORMAT,
    "presence": _EVENT_FILTER,
    "account_data": _EVENT_FILTER,
    "room": {
        "rooms": _ROOM_IDS,
        "not_rooms": _ROOM_IDS,
        "include_leave": _BOOLEAN,
        "ephemeral": ROOM_EVENT_FILTER,
        "state": ROOM_EVENT_FILTER,
        "timeline": ROOM_EVENT_FILTER,
        "account_data": ROOM_EVENT_FILTER,
    },
}


def require_filter(value: Any, shape: Shape = SYNC_FILTER, where: str = "") -> None:
    """Raises `BadJson`, naming the property that is wrong."""
    if type(value) is not dict:
        raise BadJson(f"'{where[:-1]}' must be an object" if where else "A filter is an object")
    for key, wanted in shape.items():
        if key not in value:
            continue
        member = value[key]
        if not isinstance(wanted, str):
            require_filter(member, wanted, f"{where}{key}.")
        elif not _CHECKS[wanted](member):
            raise BadJson(f"'{where}{key}' must be {wanted}")


def _is_strings(value: Any, sigil: str = "") -> bool:
    return type(value) is list and all(
        type(item) is str and item.startswith(sigil) for item in value
    )


_CHECKS: dict[str, Callable[[Any], bool]] = {
    _STRINGS: _is_strings,
    _USER_IDS: lambda value: _is_strings(value, "@"),
    _ROOM_IDS: lambda value: _is_strings(value, "!"),
    _BOOLEAN: lambda value: type(value) is bool,
    _LIMIT: lambda value: type(value) is int and value >= 0,
    _FORMAT: lambda value: value in ("client", "federation"),
}
