"""What other servers say of rooms that this server is not in, taken with care.

It is told to clients, which may believe that it has the specification's form: members of another
form are left out, and a room without those that it must have isn't shown.
"""

from typing import Any

from synapse.api.identifiers import is_room_id, is_user_id
from synapse.handlers.shown_rooms import ShownRoom
from synapse.handlers.space_children import SpaceChild

_TEXTS = (
    "name",
    "topic",
    "avatar_url",
    "canonical_alias",
    "join_rule",
    "room_type",
    "room_version",
    "encryption",
)
_LONGEST_TEXT = 10_000
_MAX_CHILDREN = 500
_MAX_ALLOWED = 100


def facts_in(value: Any) -> dict[str, Any] | None:
    """The members of the specification's `PublicRoomsChunk` and `RoomSummary`; None: no room."""
    if not isinstance(value, dict) or not is_room_id(value.get("room_id")):
        return None
    joined = value.get("num_joined_members")
    facts: dict[str, Any] = {
        "room_id": value["room_id"],
        "num_joined_members": joined if type(joined) is int and 0 <= joined < 2**53 else 0,
        "world_readable": value.get("world_readable") is True,
        "guest_can_join": value.get("guest_can_join") is True,
    }
    for name in _TEXTS:
        text = value.get(name)
        if isinstance(text, str) and 0 < len(text) <= _LONGEST_TEXT:
            facts[name] = text
    allowed = value.get("allowed_room_ids")
    if isinstance(allowed, list):
        rooms = [room_id for room_id in allowed[:_MAX_ALLOWED] if is_room_id(room_id)]
        if rooms:
            facts["allowed_room_ids"] = rooms
    return facts


def room_in(value: Any) -> ShownRoom | None:
    """A room of another server's `hierarchy`."""
    facts = facts_in(value)
    if facts is None:
        return None
    told = value.get("children_state")
    children = told[:_MAX_CHILDREN] if isinstance(told, list) else []
    return ShownRoom(facts, tuple(c for child in children if (c := _child(child)) is not None))


def _child(value: Any) -> SpaceChild | None:
    if not isinstance(value, dict) or value.get("type") != "m.space.child":
        return None
    content, time = value.get("content"), value.get("origin_server_ts")
    if not is_room_id(value.get("state_key")) or not is_user_id(value.get("sender")):
        return None
    if not isinstance(content, dict):
        return None
    via = content.get("via")
    if type(time) is not int or not isinstance(via, list) or not via:
        return None
    if not all(isinstance(server, str) for server in via):
        return None
    return SpaceChild(value["state_key"], value["sender"], content, time)
