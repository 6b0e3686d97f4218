"""What a new room begins with: presets and default power levels (`POST /createRoom`)."""

import secrets
import string
from dataclasses import dataclass
from typing import Any, Final

from synapse.api.constants import EventTypes, HistoryVisibility, JoinRules
from synapse.api.room_versions import RoomVersion


@dataclass(frozen=True, slots=True)
class Preset:
    """A row of the specification's table of presets."""

    join_rule: str
    guest_access: str
    is_private: bool
    # Those who are invited get the creator's power.
    trusts_invitees: bool = False
    history_visibility: str = HistoryVisibility.SHARED


PRESETS: Final = {
    "private_chat": Preset(JoinRules.INVITE, "can_join", is_private=True),
    "trusted_private_chat": Preset(
        JoinRules.INVITE, "can_join", is_private=True, trusts_invitees=True
    ),
    "public_chat": Preset(JoinRules.PUBLIC, "forbidden", is_private=False),
}

_ROOM_ID_LETTERS: Final = 18
_CREATOR_LEVEL: Final = 100
_MODERATOR_LEVEL: Final = 50
# Version 12: above `state_default` and 100, so that only creators replace the room.
_TOMBSTONE_LEVEL: Final = 150


def new_room_id(server_name: str) -> str:
    """An id for a room of a version before 12, in which rooms get it from their first event."""
    letters = "".join(secrets.choice(string.ascii_letters) for _ in range(_ROOM_ID_LETTERS))
    return f"!{letters}:{server_name}"


def topic_content(topic: str) -> dict[str, Any]:
    """The content of an `m.room.topic`, for clients old and new."""
    return {"topic": topic, "m.topic": {"m.text": [{"body": topic, "mimetype": "text/plain"}]}}


def power_levels(
    version: RoomVersion, creator: str, preset: Preset, invitees: list[str]
) -> dict[str, Any]:
    """The content of a new room's `m.room.power_levels`, before anything overrides it."""
    users: dict[str, int] = {}
    if not version.privileged_creators:
        users[creator] = _CREATOR_LEVEL
        if preset.trusts_invitees:
            users.update(dict.fromkeys(invitees, _CREATOR_LEVEL))
    events = {
        EventTypes.NAME: _MODERATOR_LEVEL,
        EventTypes.AVATAR: _MODERATOR_LEVEL,
        EventTypes.CANONICAL_ALIAS: _MODERATOR_LEVEL,
        EventTypes.POWER_LEVELS: _CREATOR_LEVEL,
        EventTypes.HISTORY_VISIBILITY: _CREATOR_LEVEL,
        EventTypes.SERVER_ACL: _CREATOR_LEVEL,
        EventTypes.ENCRYPTION: _CREATOR_LEVEL,
        EventTypes.TOMBSTONE: _TOMBSTONE_LEVEL if version.privileged_creators else _CREATOR_LEVEL,
    }
    return {
        "users": users,
        "users_default": 0,
        "events": events,
        "events_default": 0,
        "state_default": _MODERATOR_LEVEL,
        "ban": _MODERATOR_LEVEL,
        "kick": _MODERATOR_LEVEL,
        "redact": _MODERATOR_LEVEL,
        "invite": 0 if preset.is_private else _MODERATOR_LEVEL,
        "historical": _CREATOR_LEVEL,
    }
