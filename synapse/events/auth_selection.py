"""Auth events selection: which of the room's state gives a sender permission.

Server-server API, "Auth events selection".
"""

from collections.abc import Mapping
from typing import Any, Final

from synapse.api.constants import EventTypes, Membership
from synapse.api.room_versions import RoomVersion

Slot = tuple[str, str]

CREATE_SLOT: Final[Slot] = (EventTypes.CREATE, "")
POWER_LEVELS_SLOT: Final[Slot] = (EventTypes.POWER_LEVELS, "")
JOIN_RULES_SLOT: Final[Slot] = (EventTypes.JOIN_RULES, "")

_ASKS_JOIN_RULES: Final = (Membership.JOIN, Membership.INVITE, Membership.KNOCK)


def auth_slots(
    event_type: str,
    state_key: str | None,
    sender: str,
    content: Mapping[str, Any],
    version: RoomVersion,
) -> list[Slot]:
    """The state slots whose events are this event's `auth_events`, each once.

    `content` is only read for `m.room.member`; pass an empty one for other types to save parsing.
    Since version 12 the create event is not among them: the room's id implies it.
    """
    if event_type == EventTypes.CREATE:
        return []
    slots = [POWER_LEVELS_SLOT, (EventTypes.MEMBER, sender)]
    if not version.room_id_is_hash:
        slots.append(CREATE_SLOT)
    if event_type == EventTypes.MEMBER and state_key is not None:
        slots += _slots_of_membership(state_key, sender, content, version)
    return slots


def judging_slots(
    event_type: str,
    state_key: str | None,
    sender: str,
    content: Mapping[str, Any],
    version: RoomVersion,
) -> list[Slot]:
    """The slots by which an event is judged: its auth events', the create event's, its own."""
    slots = auth_slots(event_type, state_key, sender, content, version)
    if CREATE_SLOT not in slots:
        slots.append(CREATE_SLOT)
    if state_key is not None and (event_type, state_key) not in slots:
        slots.append((event_type, state_key))
    return slots


def _slots_of_membership(
    state_key: str, sender: str, content: Mapping[str, Any], version: RoomVersion
) -> list[Slot]:
    slots: list[Slot] = []
    if state_key != sender:
        slots.append((EventTypes.MEMBER, state_key))
    membership = content.get("membership")
    if membership in _ASKS_JOIN_RULES:
        slots.append(JOIN_RULES_SLOT)
    if membership == Membership.INVITE:
        token = third_party_token(content)
        if token is not None:
            slots.append((EventTypes.THIRD_PARTY_INVITE, token))
    if membership == Membership.JOIN and version.restricted_joins:
        authoriser = content.get("join_authorised_via_users_server")
        if isinstance(authoriser, str) and authoriser not in (sender, state_key):
            slots.append((EventTypes.MEMBER, authoriser))
    return slots


def third_party_token(content: Mapping[str, Any]) -> str | None:
    """`third_party_invite.signed.token` of a member event's content."""
    value: Any = content
    for key in ("third_party_invite", "signed", "token"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None
