"""What the content of a client's event must look like where the server itself reads it.

The specification's event schemas say more; checked is only what the server acts on, so that a
malformed state event fails when it is sent and not when it is used. Events from other servers are
not held to this: what they say is read with care instead.
"""

from collections.abc import Callable
from typing import Any, Final

from synapse.api.constants import EventTypes, HistoryVisibility, Membership
from synapse.api.errors import BadJson
from synapse.api.identifiers import is_user_id
from synapse.api.room_versions import RoomVersion
from synapse.events.power_levels import DEFAULT_LEVELS, read_level
from synapse.events.server_acl import admits_server

_Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(member, str) for member in value)


def _one_of(*values: str) -> _Check:
    return lambda value: isinstance(value, str) and value in values


_REQUIRED: Final[dict[str, dict[str, _Check]]] = {
    EventTypes.MEMBER: {"membership": _one_of(*Membership.ALL)},
    EventTypes.JOIN_RULES: {"join_rule": _is_text},
    EventTypes.HISTORY_VISIBILITY: {
        "history_visibility": _one_of(
            HistoryVisibility.WORLD_READABLE,
            HistoryVisibility.SHARED,
            HistoryVisibility.INVITED,
            HistoryVisibility.JOINED,
        )
    },
    EventTypes.GUEST_ACCESS: {"guest_access": _is_text},
    EventTypes.ENCRYPTION: {"algorithm": _is_text},
}
# May be absent or null: clients clear a name, a topic or an alias so.
_OPTIONAL: Final[dict[str, dict[str, _Check]]] = {
    EventTypes.MEMBER: {
        "displayname": _is_text,
        "avatar_url": _is_text,
        "reason": _is_text,
        "is_direct": _is_flag,
    },
    EventTypes.NAME: {"name": _is_text},
    EventTypes.TOPIC: {"topic": _is_text},
    EventTypes.AVATAR: {"url": _is_text},
    EventTypes.CANONICAL_ALIAS: {"alias": _is_text, "alt_aliases": _are_texts},
    EventTypes.SERVER_ACL: {
        "allow": _are_texts,
        "deny": _are_texts,
        "allow_ip_literals": _is_flag,
    },
}


def check_client_content(type: str, state_key: str | None, content: dict[str, Any]) -> None:
    """Passes, or raises 400 `M_BAD_JSON` naming the property. Only state events are checked."""
    if state_key is None:
        return
    for name, passes in _REQUIRED.get(type, {}).items():
        if not passes(content.get(name)):
            raise BadJson(f"content.{name} is missing or has a wrong value in this {type}")
    for name, passes in _OPTIONAL.get(type, {}).items():
        if content.get(name) is not None and not passes(content[name]):
            raise BadJson(f"content.{name} has a wrong type in this {type}")


def check_power_levels(content: dict[str, Any], version: RoomVersion) -> None:
    """Raises 400 `M_BAD_JSON` for an `m.room.power_levels` that no sender could send.

    Until version 9 a level may be a string of digits or a float; from 10 on only an integer.
    """
    for name in DEFAULT_LEVELS:
        if name in content:
            _check_level(content[name], name, version)
    for name in ("users", "events", "notifications"):
        levels = content.get(name, {})
        if not isinstance(levels, dict):
            raise BadJson(f"content.{name} must be an object in m.room.power_levels")
        for key, level in levels.items():
            if name == "users" and not is_user_id(key):
                raise BadJson(f"content.users names {key[:255]!r}, which is no user id")
            _check_level(level, f"{name}.{key[:100]}", version)


def _check_level(value: Any, name: str, version: RoomVersion) -> None:
    if read_level(value, version) is None:
        raise BadJson(f"content.{name} must be an integer in m.room.power_levels")


def check_server_acl(content: dict[str, Any], server_name: str) -> None:
    """Raises 400 `M_BAD_JSON` for an `m.room.server_acl` that locks its sender's server out."""
    if not admits_server(content, server_name):
        raise BadJson(f"This m.room.server_acl would keep {server_name} itself out of the room")
