"""What a room hands down to the one that replaces it (client-server API, "Room Upgrades").

Pure: from the old room's state to contents that the new room's version can hold. Events that mean
something only by their sender, or outside of the old room's timeline, stay behind.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from synapse.api.constants import MAX_INTEGER, EventTypes, JoinRules
from synapse.api.identifiers import is_user_id
from synapse.api.room_versions import RoomVersion
from synapse.events import canonical
from synapse.events.event import Event
from synapse.events.power_levels import CREATOR_LEVEL, DEFAULT_LEVELS, creators, read_level
from synapse.handlers.space_children import SPACE, children_of
from synapse.util.canonicaljson import NotCanonical

# The specification's list but for `m.room.power_levels`, in an order that reads well in a timeline.
_CARRIED: Final = (
    EventTypes.JOIN_RULES,
    EventTypes.HISTORY_VISIBILITY,
    EventTypes.GUEST_ACCESS,
    EventTypes.ENCRYPTION,
    EventTypes.SERVER_ACL,
    EventTypes.NAME,
    EventTypes.TOPIC,
    EventTypes.AVATAR,
    "m.room.related_groups",
)
_MAPS: Final = ("events", "notifications")
# Not among the specification's levels, but in every room that a Synapse has made.
_OTHER_LEVELS: Final = ("historical",)

Content = dict[str, Any]


def carried_creation(create: Event) -> Content:
    """What the new `m.room.create` takes over: the room's type, and whether it is federated."""
    content = create.content
    carried: Content = {}
    if isinstance(content.get("type"), str):
        carried["type"] = content["type"]
    if content.get("m.federate") is False:
        carried["m.federate"] = False
    return carried


def carried_state(
    state: Mapping[tuple[str, str], Event], version: RoomVersion
) -> list[tuple[str, str, Content]]:
    """(type, state key, content) of what is carried over, but aliases, power levels and members."""
    events = [state[type_, ""] for type_ in _CARRIED if (type_, "") in state]
    if state[EventTypes.CREATE, ""].content.get("type") == SPACE:
        events += children_of(state.values())
    carried = []
    for event in events:
        content = event.content
        if event.type == EventTypes.JOIN_RULES:
            content = {**content, "join_rule": _join_rule(content.get("join_rule"), version)}
        if _can_hold(version, content):
            carried.append((event.type, event.state_key or "", content))
    return carried


def _join_rule(rule: Any, version: RoomVersion) -> Any:
    """The rule, or the nearest one that lets in nobody else, where the version doesn't have it."""
    if rule == JoinRules.KNOCK_RESTRICTED and not version.knock_restricted:
        rule = JoinRules.RESTRICTED
    if rule == JoinRules.RESTRICTED and not version.restricted_joins:
        return JoinRules.INVITE
    if rule == JoinRules.KNOCK and not version.knock:
        return JoinRules.INVITE
    return rule


def _can_hold(version: RoomVersion, content: Content) -> bool:
    """Whether the version's JSON can say it: until version 5, it held floats and huge integers."""
    try:
        canonical.encode(content, version)
    except NotCanonical:
        return False
    return True


# Power levels.


def carried_power_levels(
    create: Event, power_levels: Event | None, version: RoomVersion, new_creators: Iterable[str]
) -> Content | None:
    """The new room's `m.room.power_levels`; None: it has the defaults, as the old one had.

    Levels are rewritten as integers, and what is none is left out. The creators of a version 12
    room have no level in it; the creators of an old one get the highest in a room where creators
    are users like others.
    """
    old = create.version
    was_privileged = old.privileged_creators and not version.privileged_creators
    if power_levels is None and not was_privileged:
        return None
    content = {} if power_levels is None else power_levels.content
    levels: Content = _levels(content, old, (*DEFAULT_LEVELS, *_OTHER_LEVELS))
    for name in _MAPS:
        if isinstance(content.get(name), dict):
            levels[name] = _levels(content[name], old, content[name])
    listed = content.get("users")
    users = _levels(listed, old, listed) if isinstance(listed, dict) else {}
    users = {user_id: level for user_id, level in users.items() if is_user_id(user_id)}
    if was_privileged:
        highest = max([CREATOR_LEVEL, *users.values(), *_all_levels(levels)])
        users.update(dict.fromkeys(filter(is_user_id, creators(create)), highest))
    if version.privileged_creators:
        for user_id in new_creators:
            users.pop(user_id, None)
    levels["users"] = users
    return levels


def _levels(values: Mapping[str, Any], version: RoomVersion, names: Iterable[str]) -> Content:
    levels = {name: read_level(values[name], version) for name in names if name in values}
    return {
        name: max(-MAX_INTEGER, min(level, MAX_INTEGER))
        for name, level in levels.items()
        if level is not None
    }


def _all_levels(levels: Content) -> Iterable[int]:
    for value in levels.values():
        if isinstance(value, dict):
            yield from value.values()
        else:
            yield value


def closed_power_levels(create: Event, power_levels: Event | None) -> Content | None:
    """Levels for a room that was replaced: ordinary users neither write nor invite any more.

    None if that is so already.
    """
    version = create.version
    content = {} if power_levels is None else power_levels.content
    levels = _levels(content, version, DEFAULT_LEVELS)
    closed = max(50, levels.get("users_default", 0) + 1)
    raised = {
        name: closed
        for name in ("events_default", "invite")
        if levels.get(name, DEFAULT_LEVELS[name]) < closed
    }
    if not raised:
        return None
    if power_levels is None and not version.privileged_creators:
        # Without power levels the creator has a level, which the first ones would take away.
        users = dict.fromkeys(filter(is_user_id, creators(create)), CREATOR_LEVEL)
        return {"users": users, **raised}
    return {**content, **raised}
