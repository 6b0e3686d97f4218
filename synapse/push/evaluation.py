"""Evaluating push rules: what an event means to a user.

Client-server API, "Push Rules": of the enabled rules, in the order of their kinds and then of
their importance, the first one whose conditions are all met says what happens.

Thousands of users share few rule sets, once what can't matter in a room is left out: rules of other
rooms, disabled rules, sounds. `ruleset` makes that short form; users for whom its `key` is equal
get the same out of each event, so it is asked once for all of them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import orjson

from synapse.push.conditions import THREAD_SUBSCRIPTION, Check, Facts, check_of
from synapse.push.rule import KINDS, Rule
from synapse.push.rules import Rules


class Outcome(NamedTuple):
    """Whether a user is notified of an event, and whether it is highlighted."""

    notify: bool
    highlight: bool


SILENT: Final = Outcome(False, False)
# These two ask for their owner. For all others who share a rule set they are as if not there.
_ABOUT_OWNER: Final = (".m.rule.is_user_mention", ".m.rule.invite_for_me")
_DISPLAY_NAME: Final = b'"contains_display_name"'
_THREAD: Final = f'"{THREAD_SUBSCRIPTION}"'.encode()


class Ruleset:
    """The rules of one or many users in a room."""

    __slots__ = (
        "_rules",
        "asks_name",
        "asks_threads",
        "is_quiet",
        "is_quiet_subscribed",
        "is_quiet_unsubscribed",
        "key",
    )

    def __init__(self, rules: list[tuple[list[Any], Outcome]], user_id: str) -> None:
        """`user_id` is one of those whose rules they are."""
        self._rules: list[tuple[list[Check], Outcome]] = [
            ([check_of(condition) for condition in conditions], outcome)
            for conditions, outcome in rules
        ]
        asked = orjson.dumps([conditions for conditions, _ in rules])
        self.asks_name = _DISPLAY_NAME in asked
        # Whether it matters in threads if one is subscribed to them.
        self.asks_threads = _THREAD in asked
        said = [[conditions, *outcome] for conditions, outcome in rules]
        # Rules that ask for a display name mean something else for each user.
        document = orjson.dumps([said, user_id if self.asks_name else ""])
        digest = hashlib.blake2b(document, digest_size=8).digest()
        # Never 0: that is the key of who keeps the predefined rules.
        self.key = -(int.from_bytes(digest, "big") >> 2 or 1)
        # Whether an ordinary message passes unnoticed: the room is muted, or all is.
        self.is_quiet = not self.outcome(_ORDINARY).notify
        # The same in threads to which one is subscribed, and in others.
        self.is_quiet_subscribed = self.is_quiet_unsubscribed = self.is_quiet
        if self.asks_threads:
            self.is_quiet_subscribed = not self.outcome(_SUBSCRIBED).notify
            self.is_quiet_unsubscribed = not self.outcome(_UNSUBSCRIBED).notify

    def outcome(self, facts: Facts, display_name: str | None = None) -> Outcome:
        """What the first rule that matches says."""
        for checks, outcome in self._rules:
            for check in checks:
                if not check(facts, display_name):
                    break
            else:
                return outcome
        return SILENT


# The message by which `is_quiet` is told. Not one between two: whoever hears only those has a row
# for each of them, but whoever hears all but those would have one for any other.
_ORDINARY: Final = Facts(
    {"type": "m.room.message", "sender": "", "room_id": "", "content": {"msgtype": "m.text"}},
    member_count=3,
    sender_level=0,
)
_SUBSCRIBED: Final = replace(_ORDINARY, is_subscribed=True)
_UNSUBSCRIBED: Final = replace(_ORDINARY, is_subscribed=False)


def ruleset(user_id: str, stored: bytes | None, room_id: str, *, shared: bool = True) -> Ruleset:
    """A user's rules in a room; `shared`: without those that ask whether it is about the user.

    `stored` is as for `Rules`.
    """
    short = [
        (conditions, outcome_of(rule.actions))
        for rule, conditions in rules_in(Rules(user_id, stored), room_id)
        if not (shared and rule.default and rule.rule_id in _ABOUT_OWNER)
    ]
    return Ruleset(short, user_id)


def rules_in(rules: Rules, room_id: str) -> Iterator[tuple[Rule, list[Any]]]:
    """The enabled rules that can match in a room, in their order, with what is left to ask."""
    for kind in KINDS:
        for rule in rules.of_kind(kind):
            conditions = _in_room(kind, rule, room_id) if rule.enabled else None
            if conditions is not None:
                yield rule, conditions


def _in_room(kind: str, rule: Rule, room_id: str) -> list[Any] | None:
    """What is left to ask of an event, known that it is in this room; None: it can't match."""
    if kind == "room":
        return [] if rule.rule_id == room_id else None
    if kind == "sender":
        return [{"kind": "event_property_is", "key": "sender", "value": rule.rule_id}]
    if kind == "content":
        return [{"kind": "event_match", "key": "content.body", "pattern": rule.pattern}]
    left = []
    for condition in rule.conditions or ():
        if condition.get("kind") == "event_match" and condition.get("key") == "room_id":
            if not check_of(condition)(_only_room(room_id), None):
                return None
        else:
            left.append(condition)
    return left


def _only_room(room_id: str) -> Facts:
    return Facts({"room_id": room_id}, member_count=0, sender_level=0)


def outcome_of(actions: Sequence[Any]) -> Outcome:
    """What a rule's actions come to."""
    if "notify" not in actions:
        return SILENT
    return Outcome(True, any(_is_highlight(action) for action in actions))


def _is_highlight(action: Any) -> bool:
    return (
        type(action) is dict
        and action.get("set_tweak") == "highlight"
        and action.get("value", True) is not False
    )
