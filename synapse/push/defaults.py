"""The rules that every user starts with: version 1.19 of the specification, in its order, and those
for polls (MSC3930), by the names that clients know them by.

Client-server API, "Predefined Rules". Users' changes to them are kept apart, by rule id, so what
changes here reaches everybody at the next start.
"""

from typing import Any

from synapse.push.conditions import THREAD_SUBSCRIPTION
from synapse.push.rule import Rule

MASTER = ".m.rule.master"

_NOTIFY = "notify"
_HIGHLIGHT = {"set_tweak": "highlight"}
_SOUND = {"set_tweak": "sound", "value": "default"}
_RING = {"set_tweak": "sound", "value": "ring"}


def default_rules(user_id: str) -> dict[str, list[Rule]]:
    """The predefined rules of each kind that has some, most important first."""
    return {
        "override": [
            _rule(MASTER, [], [], enabled=False),
            _rule(".m.rule.suppress_notices", [_match("content.msgtype", "m.notice")], []),
            _rule(
                ".m.rule.invite_for_me",
                [
                    _match("type", "m.room.member"),
                    _match("content.membership", "invite"),
                    _match("state_key", user_id),
                ],
                [_NOTIFY, _SOUND],
            ),
            _rule(".m.rule.member_event", [_match("type", "m.room.member")], []),
            _rule(
                ".m.rule.is_user_mention",
                [_property("contains", r"content.m\.mentions.user_ids", user_id)],
                [_NOTIFY, _SOUND, _HIGHLIGHT],
            ),
            _rule(
                ".m.rule.is_room_mention",
                [
                    _property("is", r"content.m\.mentions.room", True),
                    {"kind": "sender_notification_permission", "key": "room"},
                ],
                [_NOTIFY, _HIGHLIGHT],
            ),
            _rule(".m.rule.tombstone", _state("m.room.tombstone"), [_NOTIFY, _HIGHLIGHT]),
            _rule(".m.rule.reaction", [_match("type", "m.reaction")], []),
            _rule(".m.rule.room.server_acl", _state("m.room.server_acl"), []),
            _rule(f"{_POLLS}.poll_response", [_poll("response")], []),
            _rule(
                ".m.rule.suppress_edits",
                [_property("is", r"content.m\.relates_to.rel_type", "m.replace")],
                [],
            ),
        ],
        "underride": [
            _rule(".m.rule.call", [_match("type", "m.call.invite")], [_NOTIFY, _RING]),
            _rule(
                ".m.rule.encrypted_room_one_to_one",
                [_TWO_MEMBERS, _match("type", "m.room.encrypted")],
                [_NOTIFY, _SOUND],
            ),
            _rule(
                ".m.rule.room_one_to_one",
                [_TWO_MEMBERS, _match("type", "m.room.message")],
                [_NOTIFY, _SOUND],
            ),
            _rule(".m.rule.message", [_match("type", "m.room.message")], [_NOTIFY]),
            _rule(".m.rule.encrypted", [_match("type", "m.room.encrypted")], [_NOTIFY]),
            _rule(
                f"{_POLLS}.poll_start_one_to_one", [_TWO_MEMBERS, _poll("start")], [_NOTIFY, _SOUND]
            ),
            _rule(f"{_POLLS}.poll_start", [_poll("start")], [_NOTIFY]),
            _rule(f"{_POLLS}.poll_end_one_to_one", [_TWO_MEMBERS, _poll("end")], [_NOTIFY, _SOUND]),
            _rule(f"{_POLLS}.poll_end", [_poll("end")], [_NOTIFY]),
        ],
    }


def thread_rules() -> list[Rule]:
    """The rules of the kind `postcontent`, for users who subscribe to threads (MSC4306)."""
    return [
        _rule(
            f".io.element.msc4306.rule.{name}_thread",
            [{"kind": THREAD_SUBSCRIPTION, "subscribed": subscribed}],
            actions,
        )
        for name, subscribed, actions in (
            ("unsubscribed", False, []),
            ("subscribed", True, [_NOTIFY, _SOUND]),
        )
    ]


_POLLS = ".org.matrix.msc3930.rule"
_TWO_MEMBERS = {"kind": "room_member_count", "is": "2"}


def _rule(rule_id: str, conditions: list[Any], actions: list[Any], *, enabled: bool = True) -> Rule:
    return Rule(rule_id, actions, conditions=conditions, enabled=enabled, default=True)


def _match(key: str, pattern: str) -> dict[str, Any]:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def _poll(part: str) -> dict[str, Any]:
    return _property("is", "type", f"org.matrix.msc3381.poll.{part}")


def _property(relation: str, key: str, value: str | bool) -> dict[str, Any]:
    return {"kind": f"event_property_{relation}", "key": key, "value": value}


def _state(type: str) -> list[dict[str, Any]]:
    """Matches the state event of this type that a room has only one of."""
    return [_match("type", type), _match("state_key", "")]
