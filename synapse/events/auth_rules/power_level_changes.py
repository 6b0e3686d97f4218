"""Rule 10: `m.room.power_levels` (rule 9 in versions 6 to 11)."""

from collections.abc import Iterator, Mapping
from typing import Any

from synapse.api.identifiers import is_user_id
from synapse.api.room_versions import RoomVersion
from synapse.events.auth_rules.error import AuthError
from synapse.events.event import Event
from synapse.events.power_levels import DEFAULT_LEVELS, Level, PowerLevels, creators, read_level

Levels = dict[str, int]


def check_power_level_changes(
    event: Event, previous: Event | None, create: Event, levels: PowerLevels
) -> None:
    version = event.version
    new = event.content
    # 10.1 and 10.2 are rules since version 10. Before it, what can't be read as a level can't be
    # compared by the rules below either.
    new_named = _named_levels(new, version)
    new_maps = {name: _map_of_levels(new, name, version) for name in _maps(version)}
    new_users = _map_of_levels(new, "users", version)  # 10.3
    if not all(map(is_user_id, new_users)):
        raise AuthError("users in m.room.power_levels must have user ids as keys")
    if version.privileged_creators:  # 10.4
        for creator in creators(create):
            if creator in new_users:
                raise AuthError(f"{creator} created the room and can't be given a power level")
    if previous is None:  # 10.5
        return
    # What is absent has no value to compare: the defaults don't count here.
    old = previous.content
    level = levels.of_user(event.sender)
    _check_changes("", _readable(old, version, DEFAULT_LEVELS), new_named, level)  # 10.6
    for name, new_map in new_maps.items():  # 10.7, 10.8
        _check_changes(f"{name}.", _readable(old.get(name), version), new_map, level)
    old_users = _readable(old.get("users"), version)
    _check_demotions(event.sender, old_users, new_users, level)  # 10.9
    _check_changes("users.", old_users, new_users, level)  # 10.10


def _maps(version: RoomVersion) -> tuple[str, ...]:
    return ("events", "notifications") if version.check_notification_levels else ("events",)


def _named_levels(content: Mapping[str, Any], version: RoomVersion) -> Levels:
    named = {name: content[name] for name in DEFAULT_LEVELS if name in content}
    return _read_all(named, "", version)


def _map_of_levels(content: Mapping[str, Any], name: str, version: RoomVersion) -> Levels:
    values = content.get(name, {})
    if type(values) is not dict:
        raise AuthError(f"{name} in m.room.power_levels must be an object")
    return _read_all(values, f"{name}.", version)


def _read_all(values: Mapping[str, Any], prefix: str, version: RoomVersion) -> Levels:
    levels: Levels = {}
    for name, value in values.items():
        level = read_level(value, version)
        if level is None:
            raise AuthError(f"{prefix}{name} in m.room.power_levels must be an integer"[:300])
        levels[name] = level
    return levels


def _readable(values: Any, version: RoomVersion, names: Mapping[str, int] | None = None) -> Levels:
    """The levels among the values, for the event before, which nobody can correct any more."""
    if type(values) is not dict:
        return {}
    chosen = values if names is None else [name for name in names if name in values]
    levels = {name: read_level(values[name], version) for name in chosen}
    return {name: level for name, level in levels.items() if level is not None}


def _check_changes(prefix: str, old: Levels, new: Levels, level: Level) -> None:
    for name, before, after in _changes(old, new):
        if before is not None and before > level:
            raise AuthError(f"You don't have permission to change {prefix}{name}: it is {before}")
        if after is not None and after > level:
            raise AuthError(f"You can't set {prefix}{name} to {after}, above your own {level}")


def _check_demotions(sender: str, old: Levels, new: Levels, level: Level) -> None:
    for user_id, before, _ in _changes(old, new):
        if user_id != sender and before is not None and before >= level:
            raise AuthError(f"You don't have permission to change the power level of {user_id}")


def _changes(old: Levels, new: Levels) -> Iterator[tuple[str, int | None, int | None]]:
    for name in old | new:
        before, after = old.get(name), new.get(name)
        if before != after:
            yield name, before, after
