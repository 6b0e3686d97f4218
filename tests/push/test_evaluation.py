"""Push rules, evaluated."""

from dataclasses import replace
from typing import Any

from synapse.push.conditions import Facts, check_of, split_path
from synapse.push.evaluation import Outcome, ruleset
from synapse.push.patterns import glob
from synapse.push.rule import Rule
from synapse.push.rules import Rules
from tests.case import TestCase

ROOM, ALICE = "!room:test", "@alice:test"
NOTHING, NOTICED, SHOUTED = Outcome(False, False), Outcome(True, False), Outcome(True, True)


def facts(
    type: str = "m.room.message",
    *,
    members: int = 10,
    level: float = 0,
    levels: Any = None,
    state_key: str | None = None,
    **content: Any,
) -> Facts:
    event = {"type": type, "room_id": ROOM, "sender": "@bob:test", "content": content}
    if state_key is not None:
        event["state_key"] = state_key
    return Facts(event, members, level, levels or {})


_NESTED: Any = {"m.x": {"y": "z"}}


class ConditionTests(TestCase):
    def test_globs(self) -> None:
        for pattern, text, whole, word in (
            ("cake", "cake", True, True),
            ("cake", "a CAKE!", False, True),
            ("cake", "cakes", False, False),
            ("cake*", "cakes", True, True),
            ("c?ke", "coke", True, True),
            ("?", "", False, False),
            ("*", "", True, True),
            ("*a*b", "xaxxb", True, True),
            ("*a*b", "xbxxa", False, False),
            ("a.c", "abc", False, False),
            ("a*a", "a", False, False),
            ("@room", "hi @room", False, True),
            ("foo", "_foo", False, False),
            ("*\n*", "two\nlines", True, True),
        ):
            with self.subTest(pattern=pattern, text=text):
                self.assertEqual(glob(pattern)(text), whole)
                self.assertEqual(glob(pattern, word=True)(text), word)

    def test_no_pattern_takes_long(self) -> None:
        self.assertFalse(glob("*a" * 500 + "b")("a" * 60_000))

    def test_paths(self) -> None:
        for key, path in (
            ("type", ["type"]),
            ("content.m\\.mentions.user_ids", ["content", "m.mentions", "user_ids"]),
            ("a\\\\.b", ["a\\", "b"]),
            ("a\\x", ["a\\x"]),
            ("a\\", ["a\\"]),
            ("", [""]),
        ):
            self.assertEqual(split_path(key), path, key)

    def test_conditions(self) -> None:
        event = facts(
            members=2,
            level=50,
            levels={"room": 60},
            body="Hello Alice",
            n=1,
            yes=True,
            empty=None,
            list=["a", 1, None],
            **_NESTED,
        )
        for condition, met in (
            ({"kind": "event_match", "key": "type", "pattern": "m.room.*"}, True),
            ({"kind": "event_match", "key": "type", "pattern": "m.room"}, False),
            ({"kind": "event_match", "key": "content.n", "pattern": "1"}, False),
            ({"kind": "event_match", "key": "content.m\\.x.y", "pattern": "Z"}, True),
            ({"kind": "event_match", "key": "content.m.x.y", "pattern": "Z"}, False),
            ({"kind": "event_match", "key": "content", "pattern": "*"}, False),
            ({"kind": "event_match", "key": "content.body", "pattern": "alice"}, True),
            ({"kind": "event_property_is", "key": "content.yes", "value": True}, True),
            ({"kind": "event_property_is", "key": "content.n", "value": 1}, True),
            ({"kind": "event_property_is", "key": "content.n", "value": True}, False),
            ({"kind": "event_property_is", "key": "content.empty", "value": None}, True),
            ({"kind": "event_property_is", "key": "content.none", "value": None}, False),
            ({"kind": "event_property_is", "key": "content.body", "value": "hello"}, False),
            ({"kind": "event_property_contains", "key": "content.list", "value": "a"}, True),
            ({"kind": "event_property_contains", "key": "content.list", "value": "A"}, False),
            ({"kind": "event_property_contains", "key": "content.list", "value": 1}, True),
            ({"kind": "event_property_contains", "key": "content.body", "value": "a"}, False),
            ({"kind": "contains_display_name"}, True),
            ({"kind": "room_member_count", "is": "2"}, True),
            ({"kind": "room_member_count", "is": "==2"}, True),
            ({"kind": "room_member_count", "is": ">2"}, False),
            ({"kind": "room_member_count", "is": "<=2"}, True),
            ({"kind": "room_member_count", "is": "two"}, False),
            ({"kind": "sender_notification_permission", "key": "room"}, False),
            ({"kind": "sender_notification_permission", "key": "other"}, True),
            ({"kind": "org.example.unknown"}, False),
            ({"kind": "event_match"}, False),
            ({}, False),
            ("x", False),
        ):
            with self.subTest(condition=condition):
                self.assertEqual(check_of(condition)(event, "alice"), met)


class DefaultRuleTests(TestCase):
    def test_predefined_rules(self) -> None:
        mention: Any = {"m.mentions": {"user_ids": [ALICE]}}
        everyone: Any = {"m.mentions": {"room": True}}
        edit: Any = {"m.relates_to": {"rel_type": "m.replace"}}
        for event, outcome in (
            (facts(msgtype="m.text", body="hi"), NOTICED),
            (facts(msgtype="m.notice", body="hi"), NOTHING),
            (facts(msgtype="m.notice", body="hi", **mention), NOTHING),
            (facts(msgtype="m.text", **mention), SHOUTED),
            (facts(msgtype="m.text", **everyone), NOTICED),
            (facts(msgtype="m.text", level=50, **everyone), SHOUTED),
            (facts(msgtype="m.text", level=50, levels={"room": 51}, **everyone), NOTICED),
            (facts(msgtype="m.text", **edit), NOTHING),
            (facts(msgtype="m.text", **edit, **mention), SHOUTED),
            (facts("m.room.encrypted", members=2), NOTICED),
            (facts("m.room.encrypted"), NOTICED),
            (facts("m.reaction"), NOTHING),
            (facts("m.reaction", **mention), SHOUTED),
            (facts("m.call.invite"), NOTICED),
            (facts("m.room.topic", state_key=""), NOTHING),
            (facts("m.room.tombstone", state_key=""), SHOUTED),
            (facts("m.room.tombstone"), NOTHING),
            (facts("m.room.server_acl", state_key=""), NOTHING),
            (facts("m.room.member", state_key=ALICE, membership="invite"), NOTICED),
            (facts("m.room.member", state_key="@bob:test", membership="invite"), NOTHING),
            (facts("org.matrix.msc3381.poll.start"), NOTICED),
            (facts("org.matrix.msc3381.poll.response"), NOTHING),
            (facts("org.matrix.msc3381.poll.response", **mention), SHOUTED),
            (facts("org.matrix.msc3381.poll.end", members=2), NOTICED),
        ):
            with self.subTest(event=event):
                self.assertEqual(ruleset(ALICE, None, ROOM, shared=False).outcome(event), outcome)

    def test_shared_rules_are_about_nobody(self) -> None:
        shared = ruleset(ALICE, None, ROOM)
        mention: Any = {"m.mentions": {"user_ids": [ALICE]}}
        self.assertEqual(shared.outcome(facts(**mention)), NOTICED)
        self.assertEqual(shared.key, ruleset("@bob:test", None, ROOM).key)


class OwnRuleTests(TestCase):
    def stored(self, *rules: tuple[str, Rule]) -> bytes:
        own = Rules(ALICE, None)
        for kind, rule in rules:
            own.put(kind, rule)
        return own.to_stored()

    def test_kinds_in_their_order(self) -> None:
        quiet: list[Any] = []
        loud: list[Any] = ["notify", {"set_tweak": "highlight"}]
        message = facts(msgtype="m.text", body="cake")
        sender = ("sender", Rule("@bob:test", loud))
        room = ("room", Rule(ROOM, quiet))
        content = ("content", Rule("cake", loud, pattern="cake"))
        override = ("override", Rule("x", quiet, conditions=[]))
        for rules, outcome in (
            ([sender], SHOUTED),
            ([sender, room], NOTHING),
            ([sender, room, content], SHOUTED),
            ([sender, room, content, override], NOTHING),
            ([("underride", Rule("x", loud, conditions=[]))], SHOUTED),
            ([("room", Rule("!other:test", quiet))], NOTICED),
            ([("content", Rule("x", quiet, pattern="cake", enabled=False))], NOTICED),
        ):
            with self.subTest(rules=rules):
                found = ruleset(ALICE, self.stored(*rules), ROOM).outcome(message)
                self.assertEqual(found, outcome)

    def test_threads_come_after_keywords_and_before_rooms(self) -> None:
        loud: list[Any] = ["notify", {"set_tweak": "highlight"}]
        mention: Any = {"m.mentions": {"user_ids": [ALICE]}}
        rules = Rules(ALICE, None)
        rules.add_thread_rules()
        rules.put("content", Rule("cake", loud, pattern="cake"))
        rules.put("sender", Rule("@bob:test", loud))
        loud_sender = rules.to_stored()
        rules.put("room", Rule(ROOM, []))
        muted = rules.to_stored()
        for stored, event, main, unsubscribed, subscribed in (
            (loud_sender, facts(), SHOUTED, NOTHING, NOTICED),
            (muted, facts(), NOTHING, NOTHING, NOTICED),
            (muted, facts(body="cake"), SHOUTED, SHOUTED, SHOUTED),
            (muted, facts(**mention), SHOUTED, SHOUTED, SHOUTED),
            (muted, facts("m.reaction"), NOTHING, NOTHING, NOTHING),
        ):
            found = ruleset(ALICE, stored, ROOM, shared=False)
            for is_subscribed, outcome in ((None, main), (False, unsubscribed), (True, subscribed)):
                with self.subTest(event=event, is_subscribed=is_subscribed):
                    event = replace(event, is_subscribed=is_subscribed)
                    self.assertEqual(found.outcome(event), outcome)

    def test_the_master_rule_silences_all(self) -> None:
        rules = Rules(ALICE, None)
        rules.set_enabled("override", ".m.rule.master", True)
        found = ruleset(ALICE, rules.to_stored(), ROOM)
        self.assertEqual(found.outcome(facts(msgtype="m.text")), NOTHING)
        self.assertTrue(found.is_quiet)

    def test_tweaks(self) -> None:
        for action, outcome in (
            ({"set_tweak": "highlight"}, SHOUTED),
            ({"set_tweak": "highlight", "value": True}, SHOUTED),
            ({"set_tweak": "highlight", "value": False}, NOTICED),
            ({"set_tweak": "sound", "value": "x"}, NOTICED),
        ):
            stored = self.stored(("room", Rule(ROOM, ["notify", action])))
            self.assertEqual(ruleset(ALICE, stored, ROOM).outcome(facts()), outcome)

    def test_who_shares_a_ruleset(self) -> None:
        muted = self.stored(("room", Rule(ROOM, [])))
        muted_too = self.stored(("room", Rule(ROOM, [])), ("room", Rule("!other:test", [])))
        by_name = self.stored(
            ("override", Rule("x", ["notify"], conditions=[{"kind": "contains_display_name"}]))
        )
        key = ruleset(ALICE, muted, ROOM).key
        self.assertEqual(key, ruleset("@bob:test", muted_too, ROOM).key)
        self.assertNotEqual(key, ruleset(ALICE, None, ROOM).key)
        names = {ruleset(user, by_name, ROOM).key for user in (ALICE, "@bob:test")}
        self.assertEqual(len(names), 2)
