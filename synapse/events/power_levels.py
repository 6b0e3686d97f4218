"""`PowerLevels`: what a room's state says about who may do what.

Client-server API, "m.room.power_levels", and server-server API, "Definitions". A view over the
create event and the power levels event: it copies nothing and reads a level when it is asked for,
so that making one costs less than looking it up in a cache would.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from synapse.api.constants import EventTypes
from synapse.api.room_versions import RoomVersion
from synapse.events.event import Event

# A level is an integer, or `INFINITE` for the creators of a room since version 12.
Level = float
INFINITE: Final = math.inf

DEFAULT_LEVELS: Final[Mapping[str, int]] = {
    "users_default": 0,
    "events_default": 0,
    "state_default": 50,
    "ban": 50,
    "redact": 50,
    "kick": 50,
    "invite": 0,
}
# What the creator has in a room without power levels, until creators became infinite.
CREATOR_LEVEL: Final = 100

_CREATE: Final = (EventTypes.CREATE, "")
_POWER_LEVELS: Final = (EventTypes.POWER_LEVELS, "")
_NOTHING: Final[dict[str, Any]] = {}


class PowerLevels:
    """The power levels of a room whose state holds these two events."""

    __slots__ = ("_content", "_create", "_version")

    def __init__(self, version: RoomVersion, create: Event, power_levels: Event | None) -> None:
        self._version = version
        self._create = create
        self._content = None if power_levels is None else power_levels.content

    @classmethod
    def of(cls, state: Mapping[tuple[str, str], Event]) -> "PowerLevels":
        """The levels of a state that holds the create event."""
        create = state[_CREATE]
        return cls(create.version, create, state.get(_POWER_LEVELS))

    def of_user(self, user_id: str) -> Level:
        if self._version.privileged_creators and is_creator(self._create, user_id):
            return INFINITE
        content = self._content
        if content is None:
            return CREATOR_LEVEL if is_creator(self._create, user_id) else 0
        users = content.get("users")
        if type(users) is dict and user_id in users:
            level = read_level(users[user_id], self._version)
            if level is not None:
                return level
        return self.named("users_default")

    def to_send(self, event_type: str, *, is_state: bool) -> Level:
        """The required level of an event type."""
        events = (self._content or _NOTHING).get("events")
        if type(events) is dict and event_type in events:
            level = read_level(events[event_type], self._version)
            if level is not None:
                return level
        return self.named("state_default" if is_state else "events_default")

    def named(self, name: str) -> Level:
        """One of `DEFAULT_LEVELS`: `ban`, `users_default`, …"""
        content = self._content
        if content is not None and name in content:
            level = read_level(content[name], self._version)
            if level is not None:
                return level
        return DEFAULT_LEVELS[name]

    @property
    def invite(self) -> Level:
        return self.named("invite")

    @property
    def kick(self) -> Level:
        return self.named("kick")

    @property
    def ban(self) -> Level:
        return self.named("ban")

    @property
    def redact(self) -> Level:
        return self.named("redact")


def creators(create: Event) -> list[str]:
    """The room's creators: one until version 11, from 12 also `additional_creators`.

    Empty where an old room's `creator` isn't a string.
    """
    version = create.version
    if not version.implicit_creator:
        creator = create.content.get("creator")
        return [creator] if isinstance(creator, str) else []
    if not version.privileged_creators:
        return [create.sender]
    additional = create.content.get("additional_creators")
    if type(additional) is not list:
        return [create.sender]
    return [create.sender, *(user for user in additional if isinstance(user, str))]


def is_creator(create: Event, user_id: str) -> bool:
    # Without the list that `creators` makes: it is asked for every event of a room.
    version = create.version
    if not version.implicit_creator:
        return bool(create.content.get("creator") == user_id)
    if create.sender == user_id:
        return True
    if not version.privileged_creators:
        return False
    additional = create.content.get("additional_creators")
    return type(additional) is list and user_id in additional


# Room versions 1 to 9, "accept values as strings": white space, a sign, digits.
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")


def read_level(value: Any, version: RoomVersion) -> int | None:
    """A level as the room version lets it be written; None if it isn't one."""
    if type(value) is int:
        return value
    if version.integer_power_levels:
        return None
    if type(value) is float:
        return int(value) if math.isfinite(value) else None
    if type(value) is str:
        return _read_digits(value.strip())
    return None


def _read_digits(digits: str) -> int | None:
    if _INTEGER.fullmatch(digits) is None:
        return None
    try:
        return int(digits)
    except ValueError:  # more digits than Python is willing to read (4,300)
        return None
