"""One push rule, and what makes one that a client sends valid.

Client-server API, "Push Rules". What the specification leaves open for later is let through: an
unknown kind of condition matches nothing, and tweaks are passed on as they are. An action or a
parameter that can't mean anything is refused, because its user would wait for it in vain.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from synapse.api.errors import BadJson, InvalidParam, MissingParam, TooLarge
from synapse.http.json_body import JsonObject

POSTCONTENT: Final = "postcontent"  # MSC4306: of predefined rules only
# In the order in which they are checked.
KINDS: Final = ("override", "content", POSTCONTENT, "room", "sender", "underride")

_MAX_ID_LENGTH: Final = 300
_MAX_RULE_BYTES: Final = 1024
_MAX_INTEGER: Final = 2**53 - 1
# "Historical Actions": a rule means the same with and without them.
_IGNORED_ACTIONS: Final = ("dont_notify", "coalesce")
_MEMBER_COUNT: Final = re.compile(r"(?:==|<=|>=|<|>)?[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """A push rule of some kind. `conditions` are of override, postcontent and underride rules
    alone, `pattern` of content rules.
    """

    rule_id: str
    actions: list[Any]
    conditions: list[Any] | None = None
    pattern: str | None = None
    enabled: bool = True
    default: bool = False

    def to_json(self) -> dict[str, Any]:
        """The rule as clients see it."""
        json = {
            "rule_id": self.rule_id,
            "default": self.default,
            "enabled": self.enabled,
            "actions": self.actions,
        }
        if self.conditions is not None:
            json["conditions"] = self.conditions
        if self.pattern is not None:
            json["pattern"] = self.pattern
        return json


def require_kind(kind: str) -> None:
    """Raises `InvalidParam`."""
    if kind not in KINDS:
        raise InvalidParam(f"A push rule's kind is one of: {', '.join(KINDS)}")


def new_rule(kind: str, rule_id: str, body: JsonObject) -> Rule:
    """The rule that a client asks for, enabled. Raises what a bad request deserves.

    The id of a room or sender rule may be any text: the specification's own example is an alias,
    and a rule about a room that doesn't exist does no harm.
    """
    require_kind(kind)
    if kind == POSTCONTENT:
        raise InvalidParam(f"Rules of the kind '{POSTCONTENT}' are the server's own")
    if rule_id.startswith("."):
        raise InvalidParam("Ids of push rules that start with a dot are for the server's own")
    if "/" in rule_id or "\\" in rule_id:
        raise InvalidParam("A push rule's id holds no slash and no backslash")
    if len(rule_id) > _MAX_ID_LENGTH:
        raise InvalidParam(f"A push rule's id has at most {_MAX_ID_LENGTH} characters")
    rule = Rule(
        rule_id,
        actions_of(body),
        conditions=_conditions(body) if kind in ("override", "underride") else None,
        pattern=body.string("pattern") if kind == "content" else None,
    )
    require_small(rule)
    return rule


def require_small(rule: Rule) -> None:
    """Raises `TooLarge` if what the rule says, without its id, is longer than anybody needs."""
    if len(orjson.dumps([rule.actions, rule.conditions, rule.pattern])) > _MAX_RULE_BYTES:
        raise TooLarge(f"A push rule has at most {_MAX_RULE_BYTES} bytes")


def actions_of(body: JsonObject) -> list[Any]:
    """The actions in a request's body, without those that are history."""
    actions = [action for action in body.array("actions") if action not in _IGNORED_ACTIONS]
    for n, action in enumerate(actions):
        _require_action(action, f"actions[{n}]")
    return actions


def _require_action(action: Any, where: str) -> None:
    if type(action) is dict:
        JsonObject(action, f"{where}.").string("set_tweak")
    elif type(action) is not str:
        raise BadJson(f"'{where}' must be a string or an object")
    elif action != "notify":
        raise InvalidParam(f"'{where}' is {action[:100]!r}, but must be 'notify' or a tweak")


def _conditions(body: JsonObject) -> list[Any]:
    if body.optional_array("conditions") is None:
        return []
    conditions = body.objects("conditions")
    for n, condition in enumerate(conditions):
        _require_condition(condition, f"conditions[{n}]")
    return [condition.raw for condition in conditions]


def _require_condition(condition: JsonObject, where: str) -> None:
    kind = condition.string("kind")
    if kind == "event_match":
        condition.string("key")
        condition.string("pattern")
    elif kind in ("event_property_is", "event_property_contains"):
        condition.string("key")
        if "value" not in condition:
            raise MissingParam(f"{where}.value")
        if not _is_plain(condition.raw["value"]):
            raise BadJson(f"'{where}.value' must be a string, an integer, a boolean or null")
    elif kind == "room_member_count":
        if _MEMBER_COUNT.fullmatch(condition.string("is")) is None:
            raise InvalidParam(f"'{where}.is' must be a number of members, such as '2' or '<=10'")
    elif kind == "sender_notification_permission":
        condition.string("key")


def _is_plain(value: Any) -> bool:
    """Whether it is a value of canonical JSON that is neither an array nor an object."""
    if type(value) is int:
        return -_MAX_INTEGER <= value <= _MAX_INTEGER
    return value is None or type(value) in (str, bool)
