"""Push rules as values: what is predefined, what a user may add, and the order of all."""

from typing import Any
from unittest import TestCase

from synapse.api.errors import MatrixError, NotFound
from synapse.http.json_body import JsonObject
from synapse.push import rules as rules_module
from synapse.push.rule import Rule, new_rule
from synapse.push.rules import Rules

ALICE = "@alice:test"
_MATCH = {"kind": "event_match", "key": "type", "pattern": "m.*"}

OVERRIDE = [
    ".m.rule.master",
    ".m.rule.suppress_notices",
    ".m.rule.invite_for_me",
    ".m.rule.member_event",
    ".m.rule.is_user_mention",
    ".m.rule.is_room_mention",
    ".m.rule.tombstone",
    ".m.rule.reaction",
    ".m.rule.room.server_acl",
    ".org.matrix.msc3930.rule.poll_response",
    ".m.rule.suppress_edits",
]
UNDERRIDE = [
    ".m.rule.call",
    ".m.rule.encrypted_room_one_to_one",
    ".m.rule.room_one_to_one",
    ".m.rule.message",
    ".m.rule.encrypted",
    ".org.matrix.msc3930.rule.poll_start_one_to_one",
    ".org.matrix.msc3930.rule.poll_start",
    ".org.matrix.msc3930.rule.poll_end_one_to_one",
    ".org.matrix.msc3930.rule.poll_end",
]
POSTCONTENT = [
    ".io.element.msc4306.rule.unsubscribed_thread",
    ".io.element.msc4306.rule.subscribed_thread",
]
OWN_KINDS = ("override", "content", "room", "sender", "underride")

# kind, rule id, body; then status and errcode
REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("unknown", "a", {"actions": []}, 400, "M_INVALID_PARAM"),
    ("", "a", {"actions": []}, 400, "M_INVALID_PARAM"),
    ("postcontent", "a", {"actions": [], "conditions": []}, 400, "M_INVALID_PARAM"),
    ("room", ".a", {"actions": []}, 400, "M_INVALID_PARAM"),
    ("room", "a/b", {"actions": []}, 400, "M_INVALID_PARAM"),
    ("room", "a\\b", {"actions": []}, 400, "M_INVALID_PARAM"),
    ("room", "a" * 301, {"actions": []}, 400, "M_INVALID_PARAM"),
    ("room", "a", {}, 400, "M_MISSING_PARAM"),
    ("room", "a", {"actions": None}, 400, "M_BAD_JSON"),
    ("room", "a", {"actions": "notify"}, 400, "M_BAD_JSON"),
    ("room", "a", {"actions": [1]}, 400, "M_BAD_JSON"),
    ("room", "a", {"actions": [["notify"]]}, 400, "M_BAD_JSON"),
    ("room", "a", {"actions": ["shout"]}, 400, "M_INVALID_PARAM"),
    ("room", "a", {"actions": [{}]}, 400, "M_MISSING_PARAM"),
    ("room", "a", {"actions": [{"set_tweak": 1}]}, 400, "M_BAD_JSON"),
    ("room", "a", {"actions": [{"set_tweak": "a" * 1024}]}, 413, "M_TOO_LARGE"),
    ("content", "a", {"actions": []}, 400, "M_MISSING_PARAM"),
    ("content", "a", {"actions": [], "pattern": 1}, 400, "M_BAD_JSON"),
    ("content", "a", {"actions": [], "pattern": "a" * 1024}, 413, "M_TOO_LARGE"),
    ("override", "a", {"actions": [], "conditions": {}}, 400, "M_BAD_JSON"),
    ("override", "a", {"actions": [], "conditions": ["x"]}, 400, "M_BAD_JSON"),
    ("override", "a", {"actions": [], "conditions": [_MATCH] * 30}, 413, "M_TOO_LARGE"),
]
# a condition; then the errcode, or None if it is valid
CONDITIONS: list[tuple[dict[str, Any], str | None]] = [
    ({}, "M_MISSING_PARAM"),
    ({"kind": 1}, "M_BAD_JSON"),
    ({"kind": "org.example.unknown", "x": [1.5]}, None),
    (_MATCH, None),
    ({"kind": "event_match", "key": "type"}, "M_MISSING_PARAM"),
    ({"kind": "event_match", "pattern": "x"}, "M_MISSING_PARAM"),
    ({"kind": "event_match", "key": 1, "pattern": "x"}, "M_BAD_JSON"),
    ({"kind": "event_property_is", "key": "a", "value": None}, None),
    ({"kind": "event_property_is", "key": "a", "value": 2**53 - 1}, None),
    ({"kind": "event_property_is", "key": "a", "value": 2**53}, "M_BAD_JSON"),
    ({"kind": "event_property_is", "key": "a", "value": 1.5}, "M_BAD_JSON"),
    ({"kind": "event_property_is", "key": "a"}, "M_MISSING_PARAM"),
    ({"kind": "event_property_is", "value": "a"}, "M_MISSING_PARAM"),
    ({"kind": "event_property_contains", "key": "a", "value": True}, None),
    ({"kind": "event_property_contains", "key": "a", "value": []}, "M_BAD_JSON"),
    ({"kind": "contains_display_name"}, None),
    *(({"kind": "room_member_count", "is": n}, None) for n in ("2", "==2", "<3", "<=3", ">=1")),
    *(
        ({"kind": "room_member_count", "is": n}, "M_INVALID_PARAM")
        for n in ("", "x", "=2", "> 2", "-1", "2\n", "²")
    ),
    ({"kind": "room_member_count", "is": 2}, "M_BAD_JSON"),
    ({"kind": "room_member_count"}, "M_MISSING_PARAM"),
    ({"kind": "sender_notification_permission", "key": "room"}, None),
    ({"kind": "sender_notification_permission"}, "M_MISSING_PARAM"),
]


def own(rule_id: str) -> Rule:
    return Rule(rule_id, ["notify"])


def ids(rules: Rules, kind: str) -> list[str]:
    return [rule.rule_id for rule in rules.of_kind(kind)]


class PredefinedRules(TestCase):
    def test_their_order(self) -> None:
        json = Rules(ALICE, None).to_json()
        self.assertEqual(
            {kind: [rule["rule_id"] for rule in rules] for kind, rules in json.items()},
            {"override": OVERRIDE, "content": [], "room": [], "sender": [], "underride": UNDERRIDE},
        )

    def test_rules_for_threads(self) -> None:
        rules = Rules(ALICE, None)
        with self.assertRaises(NotFound):
            rules.rule("postcontent", POSTCONTENT[0])
        rules.add_thread_rules()
        rules.set_enabled("postcontent", POSTCONTENT[0], False)
        rules = Rules(ALICE, rules.to_stored())
        json = rules.to_json()
        kinds = ["override", "content", "postcontent", "room", "sender", "underride"]
        self.assertEqual(list(json), kinds)
        self.assertEqual(
            [(rule["rule_id"], rule["enabled"]) for rule in json["postcontent"]],
            list(zip(POSTCONTENT, (False, True), strict=True)),
        )

    def test_all_but_the_master_rule_are_enabled(self) -> None:
        for rules in Rules(ALICE, None).to_json().values():
            for rule in rules:
                self.assertTrue(rule["default"])
                self.assertEqual(rule["enabled"], rule["rule_id"] != ".m.rule.master")

    def test_conditions_are_ones_that_a_client_could_send(self) -> None:
        for kind in ("override", "underride"):
            for rule in Rules(ALICE, None).of_kind(kind):
                new_rule(kind, "a", JsonObject(rule.to_json()))

    def test_rules_about_the_user_name_the_user(self) -> None:
        rules = Rules(ALICE, None)
        self.assertEqual(
            rules.rule("override", ".m.rule.is_user_mention").to_json(),
            {
                "rule_id": ".m.rule.is_user_mention",
                "default": True,
                "enabled": True,
                "conditions": [
                    {
                        "kind": "event_property_contains",
                        "key": "content.m\\.mentions.user_ids",
                        "value": ALICE,
                    }
                ],
                "actions": [
                    "notify",
                    {"set_tweak": "sound", "value": "default"},
                    {"set_tweak": "highlight"},
                ],
            },
        )
        invite = rules.rule("override", ".m.rule.invite_for_me")
        self.assertIn(
            {"kind": "event_match", "key": "state_key", "pattern": ALICE}, invite.conditions or []
        )

    def test_changes_to_them_are_kept(self) -> None:
        rules = Rules(ALICE, None)
        rules.set_enabled("override", ".m.rule.master", True)
        rules.set_actions("underride", ".m.rule.message", [])
        again = Rules(ALICE, rules.to_stored())
        self.assertTrue(again.rule("override", ".m.rule.master").enabled)
        message = again.rule("underride", ".m.rule.message")
        self.assertEqual((message.actions, message.enabled, message.default), ([], True, True))

    def test_change_to_one_that_is_gone_is_no_rule(self) -> None:
        stored = b'{"rules":{},"changes":{"override":{".m.rule.gone":{"enabled":true}}}}'
        self.assertEqual(Rules(ALICE, stored).to_json(), Rules(ALICE, None).to_json())


class OwnRules(TestCase):
    def test_what_is_refused(self) -> None:
        for kind, rule_id, body, status, errcode in REFUSED:
            with self.subTest(kind=kind, rule_id=rule_id, body=body):
                with self.assertRaises(MatrixError) as caught:
                    new_rule(kind, rule_id, JsonObject(body))
                self.assertEqual(
                    (caught.exception.status, caught.exception.errcode), (status, errcode)
                )

    def test_conditions(self) -> None:
        for condition, errcode in CONDITIONS:
            body = JsonObject({"actions": [], "conditions": [condition]})
            with self.subTest(condition=condition):
                if errcode is None:
                    self.assertEqual(new_rule("override", "a", body).conditions, [condition])
                    continue
                with self.assertRaises(MatrixError) as caught:
                    new_rule("override", "a", body)
                self.assertEqual(caught.exception.errcode, errcode)

    def test_each_kind_has_its_own_properties(self) -> None:
        body = JsonObject({"actions": ["notify"], "conditions": [_MATCH], "pattern": "cake"})
        plain = {"rule_id": "a", "default": False, "enabled": True, "actions": ["notify"]}
        for kind in OWN_KINDS:
            more: dict[str, Any] = {}
            if kind in ("override", "underride"):
                more = {"conditions": [_MATCH]}
            elif kind == "content":
                more = {"pattern": "cake"}
            with self.subTest(kind=kind):
                self.assertEqual(new_rule(kind, "a", body).to_json(), plain | more)

    def test_historical_actions_are_stripped(self) -> None:
        body = JsonObject({"actions": ["dont_notify", "notify", "coalesce"]})
        self.assertEqual(new_rule("room", "a", body).actions, ["notify"])

    def test_order_among_the_predefined(self) -> None:
        rules = Rules(ALICE, None)
        for kind in OWN_KINDS:
            rules.put(kind, own("a"))
        self.assertEqual(ids(rules, "override"), [OVERRIDE[0], "a", *OVERRIDE[1:]])
        self.assertEqual(ids(rules, "underride"), ["a", *UNDERRIDE])
        self.assertEqual(ids(rules, "room"), ["a"])

    def test_order_among_the_own(self) -> None:
        for rule_id, before, after, expected in (
            ("new", None, None, ["new", "a", "b", "c"]),
            ("new", "b", None, ["a", "new", "b", "c"]),
            ("new", None, "b", ["a", "b", "new", "c"]),
            ("new", "a", "c", ["new", "a", "b", "c"]),
            ("b", None, None, ["a", "b", "c"]),
            ("c", "a", None, ["c", "a", "b"]),
            ("a", None, "c", ["b", "c", "a"]),
            ("b", "a", "c", ["b", "a", "c"]),
            ("new", "unknown", None, None),
            ("new", None, "unknown", None),
            ("new", ".m.rule.master", None, None),
        ):
            with self.subTest(rule_id=rule_id, before=before, after=after):
                rules = Rules(ALICE, None)
                for known in "cba":
                    rules.put("room", own(known))
                if expected is None:
                    with self.assertRaises(MatrixError) as caught:
                        rules.put("room", own(rule_id), before=before, after=after)
                    self.assertEqual(caught.exception.errcode, "M_UNKNOWN")
                else:
                    rules.put("room", own(rule_id), before=before, after=after)
                    self.assertEqual(ids(rules, "room"), expected)

    def test_they_are_kept_with_their_changes(self) -> None:
        rules = Rules(ALICE, None)
        rules.put("content", Rule("cake", ["notify"], pattern="cake"))
        rules.set_enabled("content", "cake", False)
        rules.set_actions("content", "cake", [])
        self.assertEqual(
            Rules(ALICE, rules.to_stored()).to_json()["content"],
            [
                {
                    "rule_id": "cake",
                    "default": False,
                    "enabled": False,
                    "actions": [],
                    "pattern": "cake",
                }
            ],
        )

    def test_replaced_rule_stays_disabled(self) -> None:
        rules = Rules(ALICE, None)
        rules.put("room", own("a"))
        rules.set_enabled("room", "a", False)
        rules.put("room", Rule("a", []))
        self.assertEqual(rules.rule("room", "a"), Rule("a", [], enabled=False))

    def test_new_actions_count_with_the_rest(self) -> None:
        rules = Rules(ALICE, None)
        rules.put("content", Rule("a", [], pattern="a" * 600))
        with self.assertRaises(MatrixError) as caught:
            rules.set_actions("content", "a", [{"set_tweak": "a" * 600}])
        self.assertEqual(caught.exception.status, 413)

    def test_there_are_not_too_many(self) -> None:
        rules = Rules(ALICE, None)
        many = [own(str(n)) for n in range(rules_module.MAX_RULES)]
        for rule in many:
            rules.put(OWN_KINDS[int(rule.rule_id) % len(OWN_KINDS)], rule)
        rules.put("override", own("0"))
        with self.assertRaises(MatrixError) as caught:
            rules.put("override", own("one more"))
        self.assertEqual((caught.exception.status, caught.exception.errcode), (400, "M_UNKNOWN"))

    def test_nor_are_they_too_long_together(self) -> None:
        rules = Rules(ALICE, None)
        for number in range(1_200):
            rules.put("content", Rule(str(number), [], pattern="a" * 900))
        with self.assertRaises(MatrixError) as caught:
            rules.to_stored()
        self.assertEqual(caught.exception.status, 413)

    def test_only_they_are_deleted(self) -> None:
        rules = Rules(ALICE, None)
        rules.put("override", own("a"))
        rules.delete("override", "a")
        for rule_id in ("a", ".m.rule.master"):
            with self.assertRaises(MatrixError) as caught:
                rules.delete("override", rule_id)
            self.assertEqual(caught.exception.errcode, "M_NOT_FOUND")
        self.assertEqual(rules.to_json(), Rules(ALICE, None).to_json())
