"""What the content of a client's event must look like where the server itself reads it.

The specification's event schemas say more; checked is only what the server acts on, so that a
malformed state event fails when it is sent and not when it is used. Events from other servers are
not held to this: what they say is read with care instead.
"""

from collections.abc import Callable
from typing import Any, Final

from synapse.api.constants import EventTypes, HistoryVisibility, Membership
from synapse.api.errors import BadJson

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
