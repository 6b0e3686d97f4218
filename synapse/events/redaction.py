"""The redaction algorithm: what is left of an event when it is redacted.

Room versions specification, "Redactions". Signatures and event ids cover the redacted form, so
this is not only for redactions: every event that is made or received goes through here. To redact
twice is to redact once.
"""

from typing import Any, Final

import msgspec

from synapse.api.constants import EventTypes
from synapse.api.room_versions import Redactions, RoomVersion
from synapse.events import canonical
from synapse.events.event import Event

_PROPERTIES_V11: Final = frozenset(
    (
        "event_id",
        "type",
        "room_id",
        "sender",
        "state_key",
        "content",
        "hashes",
        "signatures",
        "depth",
        "prev_events",
        "auth_events",
        "origin_server_ts",
    )
)
_PROPERTIES_V1: Final = _PROPERTIES_V11 | {"prev_state", "origin", "membership"}

_POWER_LEVELS_V1: Final = (
    "ban",
    "events",
    "events_default",
    "kick",
    "redact",
    "state_default",
    "users",
    "users_default",
)

# The keys that survive in the content, by event type; each table says what its version changed.
_V1: Final = {
    EventTypes.MEMBER: ("membership",),
    EventTypes.CREATE: ("creator",),
    EventTypes.JOIN_RULES: ("join_rule",),
    EventTypes.POWER_LEVELS: _POWER_LEVELS_V1,
    EventTypes.ALIASES: ("aliases",),
    EventTypes.HISTORY_VISIBILITY: ("history_visibility",),
}
_V6: Final = {type: keys for type, keys in _V1.items() if type != EventTypes.ALIASES}
_V8: Final = _V6 | {EventTypes.JOIN_RULES: ("join_rule", "allow")}
_V9: Final = _V8 | {EventTypes.MEMBER: ("membership", "join_authorised_via_users_server")}
# Besides: create keeps all of its content, members keep `third_party_invite.signed`.
_V11: Final = _V9 | {
    EventTypes.POWER_LEVELS: (*_POWER_LEVELS_V1, "invite"),
    EventTypes.REDACTION: ("redacts",),
}
_KEPT: Final[dict[Redactions, dict[str, tuple[str, ...]]]] = {
    Redactions.V1: _V1,
    Redactions.V6: _V6,
    Redactions.V8: _V8,
    Redactions.V9: _V9,
    Redactions.V11: _V11,
}


def redact(event: dict[str, Any], version: RoomVersion) -> dict[str, Any]:
    """The redacted form of an event in the federation format, as a new dictionary."""
    kept = _PROPERTIES_V11 if version.redactions is Redactions.V11 else _PROPERTIES_V1
    redacted = {key: value for key, value in event.items() if key in kept}
    redacted["content"] = redact_content(event["type"], event["content"], version)
    return redacted


def redacted_event(event: Event) -> Event:
    """The event as it is after a redaction: the same id and place, less content."""
    json = canonical.encode(redact(event.parsed(), event.version), event.version)
    return msgspec.structs.replace(event, json=json, redacted=True, _content=None, _client=b"")


def redact_content(type: str, content: dict[str, Any], version: RoomVersion) -> dict[str, Any]:
    """What is left of the content; the given dictionary itself if nothing may be removed."""
    if version.redactions is Redactions.V11 and type == EventTypes.CREATE:
        return content
    kept = {key: content[key] for key in _KEPT[version.redactions].get(type, ()) if key in content}
    if version.redactions is Redactions.V11 and type == EventTypes.MEMBER:
        invite = content.get("third_party_invite")
        if isinstance(invite, dict):
            kept["third_party_invite"] = {k: v for k, v in invite.items() if k == "signed"}
    return kept
