"""The JSON of one room in an answer."""

from collections.abc import Container, Iterable
from typing import Any

from synapse.api.constants import EventTypes
from synapse.events.event import Event, StateMap
from synapse.rooms.room import Room, Slot

NAME: Slot = (EventTypes.NAME, "")
AVATAR: Slot = (EventTypes.AVATAR, "")
# Activity by which clients sort rooms.
_BUMPS = frozenset(
    (
        EventTypes.CREATE,
        EventTypes.MESSAGE,
        EventTypes.ENCRYPTED,
        "m.sticker",
        "m.call.invite",
        "m.poll.start",
        "m.beacon_info",
    )
)


def naming_part(state: StateMap, *, whole: bool, emptied: Container[Slot] = ()) -> dict[str, Any]:
    """The name and avatar that state holds; null for one that was taken away."""
    part: dict[str, Any] = {}
    for key, slot, member in (("name", NAME, "name"), ("avatar", AVATAR, "url")):
        event = state.get(slot)
        value = None if event is None else event.content.get(member)
        if not isinstance(value, str) or not value:
            value = None
        if value is not None or (event is not None and not whole) or slot in emptied:
            part[key] = value
    return part


def heroes_part(heroes: Iterable[str], members: StateMap) -> list[dict[str, Any]]:
    part = []
    for user_id in heroes:
        hero = {"user_id": user_id}
        event = members.get((EventTypes.MEMBER, user_id))
        for key in ("displayname", "avatar_url"):
            value = None if event is None else event.content.get(key)
            if isinstance(value, str):
                hero[key] = value
        part.append(hero)
    return part


def bump_stamp(room: Room, upto: int) -> int | None:
    """The place in time of the last event that people would call activity.

    None if that is further back than memory reaches.
    """
    for event in reversed(room.tail):
        if event.live and event.nid <= upto and event.type in _BUMPS:
            return event.nid
    return None


def speakers(timeline: Iterable[Event]) -> set[str]:
    """Whom a client must know to show a timeline: senders, and whose membership changed."""
    users = set()
    for event in timeline:
        users.add(event.sender)
        if event.type == EventTypes.MEMBER and event.state_key is not None:
            users.add(event.state_key)
    return users
