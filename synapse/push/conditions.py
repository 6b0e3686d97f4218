"""The conditions of push rules, made ready once and then asked about events.

Client-server API, "Conditions for push rules". A condition that can't be understood is never met.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from synapse.push.patterns import glob

THREAD_SUBSCRIPTION: Final = "io.element.msc4306.thread_subscription"
_MAX_INTEGER: Final = 2**53 - 1
_COMPARISONS: Final = {
    "": operator.eq,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_COUNT: Final = re.compile(r"(==|<=|>=|<|>)?([0-9]{1,15})", re.ASCII)
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules may ask of an event, and of its room at that moment."""

    event: dict[str, Any]  # with `room_id`
    member_count: int
    sender_level: float
    # What `notifications` of the power levels says; a key that is missing stands for 50.
    notification_levels: dict[str, Any] = field(default_factory=dict)
    # Whether the user is subscribed to the thread in which the event stands; None: it is in none.
    is_subscribed: bool | None = None


# Asked of an event, for a user with this display name in the room.
Check = Callable[[Facts, str | None], bool]


def check_of(condition: Any) -> Check:
    """The condition as a function."""
    if type(condition) is not dict:
        return _never
    make = _MAKERS.get(condition.get("kind"))
    return _never if make is None else make(condition)


def _never(facts: Facts, display_name: str | None) -> bool:
    return False


def _event_match(condition: dict[str, Any]) -> Check:
    key, pattern = condition.get("key"), condition.get("pattern")
    if type(key) is not str or type(pattern) is not str:
        return _never
    path, matches = split_path(key), glob(pattern, word=key == "content.body")

    def check(facts: Facts, display_name: str | None) -> bool:
        value = _value(facts.event, path)
        return type(value) is str and matches(value)

    return check


def _event_property_is(condition: dict[str, Any]) -> Check:
    key, wanted = condition.get("key"), condition.get("value", _MISSING)
    if type(key) is not str or not _is_plain(wanted):
        return _never
    path = split_path(key)
    return lambda facts, display_name: _same(_value(facts.event, path), wanted)


def _event_property_contains(condition: dict[str, Any]) -> Check:
    key, wanted = condition.get("key"), condition.get("value", _MISSING)
    if type(key) is not str or not _is_plain(wanted):
        return _never
    path = split_path(key)

    def check(facts: Facts, display_name: str | None) -> bool:
        values = _value(facts.event, path)
        return type(values) is list and any(_same(value, wanted) for value in values)

    return check


def _contains_display_name(condition: dict[str, Any]) -> Check:
    def check(facts: Facts, display_name: str | None) -> bool:
        if not display_name:
            return False
        body = _value(facts.event, ["content", "body"])
        return type(body) is str and _holds(body, display_name)

    return check


def _room_member_count(condition: dict[str, Any]) -> Check:
    match = _COUNT.fullmatch(condition["is"]) if type(condition.get("is")) is str else None
    if match is None:
        return _never
    compare, number = _COMPARISONS[match[1] or ""], int(match[2])
    return lambda facts, display_name: compare(facts.member_count, number)


def _sender_notification_permission(condition: dict[str, Any]) -> Check:
    key = condition.get("key")
    if type(key) is not str:
        return _never

    def check(facts: Facts, display_name: str | None) -> bool:
        level = facts.notification_levels.get(key, 50)
        return facts.sender_level >= (level if type(level) is int else 50)

    return check


def _thread_subscription(condition: dict[str, Any]) -> Check:
    wanted = condition.get("subscribed")
    if type(wanted) is not bool:
        return _never
    return lambda facts, display_name: facts.is_subscribed is wanted


_MAKERS: Final[dict[Any, Callable[[dict[str, Any]], Check]]] = {
    "event_match": _event_match,
    "event_property_is": _event_property_is,
    "event_property_contains": _event_property_contains,
    "contains_display_name": _contains_display_name,
    "room_member_count": _room_member_count,
    "sender_notification_permission": _sender_notification_permission,
    THREAD_SUBSCRIPTION: _thread_subscription,
}


def split_path(key: str) -> list[str]:
    r"""`content.m\.mentions.user_ids` as a path; a backslash is written twice."""
    parts = [""]
    characters = iter(key)
    for character in characters:
        if character == ".":
            parts.append("")
        elif character == "\\":
            escaped = next(characters, "")
            parts[-1] += escaped if escaped in (".", "\\") else "\\" + escaped
        else:
            parts[-1] += character
    return parts


def _value(event: dict[str, Any], path: list[str]) -> Any:
    value: Any = event
    for name in path:
        if type(value) is not dict or name not in value:
            return _MISSING
        value = value[name]
    return value


def _holds(body: str, name: str) -> bool:
    """Whether a text holds a name as a word of its own. Names aren't patterns."""
    word = rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])"
    return re.search(word, body, re.IGNORECASE) is not None


def _is_plain(value: Any) -> bool:
    if type(value) is int:
        return -_MAX_INTEGER <= value <= _MAX_INTEGER
    return value is None or type(value) in (str, bool)


def _same(value: Any, wanted: Any) -> bool:
    # In JSON, unlike in Python, `true` isn't 1.
    return type(value) is type(wanted) and bool(value == wanted)
