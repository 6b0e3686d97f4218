"""Unread counts are what somebody would count who looks at each event for each user.

Some users write, mention or ignore each other, redact, read, subscribe to threads and change their
push rules at random. Beside the server, a list is kept for each user of what notified them, by
their rules at that moment; a receipt or a message of one's own strikes out what came before it, a
redaction what it is about. Messages in threads stand there as what they are to subscribers and to
others: the subscription that the user has now decides, if it is older. In the end /sync must tell
the same numbers.
"""

import random
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from synapse.push.conditions import Facts
from synapse.push.evaluation import Outcome, ruleset
from synapse.push.rule import Rule
from synapse.push.rules import Rules
from tests.rest.client.test_thread_subscriptions import MSC4306
from tests.rest.client.test_unread import UnreadTestCase
from tests.rest.rooms import room_path

USERS = ("alice", "bob", "carol", "dave")
STEPS = 120
SEEDS = 6
WORDS = ("hello", "cake", "bob", "pancake", "CAKE and tea")


@dataclass
class Heard:
    """An event that notified someone."""

    number: int  # of the event in the room, redactions included
    thread: str
    outcome: Outcome
    subscribed: Outcome  # if the user is subscribed to the thread


class User:
    """What one user has not read, counted by hand."""

    def __init__(self, user_id: str, token: str) -> None:
        self.user_id = user_id
        self.name = user_id[1:].removesuffix(":test")
        self.token = token
        self.rules = Rules(user_id, None)
        self.heard: list[Heard] = []
        self.ignored: str | None = None
        self.subscriptions: dict[str, int] = {}  # threads, and the event after which they began

    def hear(
        self, room_id: str, event: dict[str, Any], number: int, members: int, thread: str
    ) -> None:
        if event["sender"] == self.user_id:
            self.read(number, thread)
            return
        if event["sender"] == self.ignored:
            return
        facts = Facts(event, members, 100 if event["sender"].startswith("@alice") else 0)
        rules = ruleset(self.user_id, self.rules.to_stored(), room_id, shared=False)
        outcomes = [
            rules.outcome(
                replace(facts, is_subscribed=None if thread == "main" else is_subscribed),
                self.name,
            )
            for is_subscribed in (False, True)
        ]
        self.heard.append(Heard(number, thread, *outcomes))

    def read(self, number: int, thread: str | None) -> None:
        self.heard = [
            heard
            for heard in self.heard
            if heard.number > number or thread not in (None, heard.thread)
        ]

    def unhear(self, number: int) -> None:
        self.heard = [heard for heard in self.heard if heard.number != number]

    def counts(self) -> dict[str, tuple[int, int]]:
        threads = {"main": (0, 0)}
        for heard in self.heard:
            outcome = heard.outcome
            if heard.number > self.subscriptions.get(heard.thread, heard.number):
                outcome = heard.subscribed
            if outcome.notify:
                notified, highlighted = threads.get(heard.thread, (0, 0))
                threads[heard.thread] = notified + 1, highlighted + outcome.highlight
        return threads


class UnreadPropertyTests(UnreadTestCase):
    async def begin(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.users = []
        for name in USERS:
            token = await self.register(f"{name}{seed}")
            self.users.append(User(f"@{name}{seed}:test", token))
        self.room_id = await self.create_public(self.users[0].token)
        for user in self.users[1:]:
            await self.join(user.token, self.room_id)
        self.joined = list(self.users)
        self.events: list[str] = []
        self.threads: dict[str, str] = {}
        self.senders: dict[str, User] = {}

    def new_event(self) -> tuple[str, dict[str, Any]]:
        type = self.random.choice(["m.room.message"] * 4 + ["m.room.encrypted", "m.reaction"])
        name = self.random.choice(self.users).name
        content: dict[str, Any] = {
            "msgtype": "m.text",
            "body": self.random.choice([*WORDS, f"hi {name}!"]),
        }
        if self.random.random() < 0.1:
            content["msgtype"] = "m.notice"
        if self.random.random() < 0.4:
            users = self.random.sample([user.user_id for user in self.users], 2)
            content["m.mentions"] = {"user_ids": users}
        elif self.random.random() < 0.2:
            content["m.mentions"] = {"room": True}
        # The first three relate to nothing: they can be the roots of threads.
        if len(self.events) >= 3 and self.random.random() < 0.4:
            content["m.relates_to"] = {
                "rel_type": self.random.choice(["m.thread", "m.thread", "m.replace"]),
                "event_id": self.random.choice(self.events[:3]),
            }
        return type, content

    async def say(self) -> None:
        sender = self.random.choice(self.joined)
        type, content = self.new_event()
        event_id = await self.send_event(sender.token, self.room_id, type, content)
        relation = content.get("m.relates_to", {})
        target = relation.get("event_id", "")
        if relation.get("rel_type") == "m.thread":
            thread = target
        else:
            thread = self.threads.get(target, "main")
        self.hear(sender, event_id, type, content, thread)

    def hear(
        self, sender: User, event_id: str, type: str, content: dict[str, Any], thread: str
    ) -> None:
        self.events.append(event_id)
        self.threads[event_id] = thread
        self.senders[event_id] = sender
        event = {
            "type": type,
            "sender": sender.user_id,
            "room_id": self.room_id,
            "content": content,
        }
        for user in self.joined:
            user.hear(self.room_id, event, len(self.events), len(self.joined), thread)

    async def redact_one(self) -> None:
        if not self.events:
            return
        number = self.random.randint(1, len(self.events))
        target = self.events[number - 1]
        # Alice may redact whatever was said.
        sender = self.random.choice([self.users[0], self.senders[target]])
        if sender not in self.joined:
            return
        path = room_path(self.room_id, f"/redact/{quote(target, safe='$')}/{len(self.events)}")
        redaction = (await self.ok("PUT", path, {}, token=sender.token))["event_id"]
        for user in self.users:
            user.unhear(number)
        self.threads[target] = "main"  # it says nothing of a thread any more
        self.hear(sender, redaction, "m.room.redaction", {}, "main")

    async def receive(self) -> None:
        if not self.events:
            return
        user = self.random.choice(self.joined)
        number = self.random.randint(1, len(self.events))
        type = self.random.choice(["m.read", "m.read.private"])
        thread = self.random.choice([None, self.threads[self.events[number - 1]]])
        await self.read(user.token, self.events[number - 1], type, thread)
        user.read(number, thread)

    async def change_rules(self) -> None:
        user = self.random.choice(self.users)
        kind, rule_id, rule = self.random.choice(self.own_rules())
        if any(known.rule_id == rule_id for known in user.rules.of_kind(kind)):
            user.rules.delete(kind, rule_id)
            await self.delete_rule(user.token, kind, rule_id)
        else:
            user.rules.put(kind, Rule(rule_id, **rule))
            await self.put_rule(user.token, kind, rule_id, **rule)

    def own_rules(self) -> list[tuple[str, str, dict[str, Any]]]:
        highlight = ["notify", {"set_tweak": "highlight"}]
        room = {"kind": "event_match", "key": "room_id", "pattern": self.room_id}
        return [
            ("content", "cake", {"pattern": "cake", "actions": highlight}),
            ("content", "tea", {"pattern": "*tea", "actions": ["notify"]}),
            ("room", self.room_id, {"actions": []}),
            ("override", "mute", {"conditions": [room], "actions": []}),
            ("sender", self.users[0].user_id, {"actions": highlight}),
            (
                "override",
                "name",
                {"conditions": [{"kind": "contains_display_name"}], "actions": highlight},
            ),
            (
                "underride",
                "few",
                {
                    "conditions": [{"kind": "room_member_count", "is": "<4"}],
                    "actions": highlight,
                },
            ),
        ]

    async def switch_rule(self) -> None:
        user = self.random.choice(self.joined)
        kind, rule_id = self.random.choice(
            [
                ("override", ".m.rule.master"),
                ("override", ".m.rule.suppress_notices"),
                ("override", ".m.rule.is_user_mention"),
                ("underride", ".m.rule.message"),
                ("underride", ".m.rule.encrypted"),
                ("postcontent", ".io.element.msc4306.rule.subscribed_thread"),
                ("postcontent", ".io.element.msc4306.rule.unsubscribed_thread"),
            ]
        )
        if kind == "postcontent" and not user.rules.has_thread_rules:
            return
        enabled = self.random.random() < 0.6
        user.rules.set_enabled(kind, rule_id, enabled)
        await self.enable(user.token, kind, rule_id, enabled)

    async def change_ignored(self) -> None:
        user, other = self.random.sample(self.users, 2)
        user.ignored = None if user.ignored else other.user_id
        await self.ignore(user.token, user.user_id, *filter(None, [user.ignored]))

    async def subscribe(self) -> None:
        if not self.events:
            return
        user = self.random.choice(self.joined)
        root = self.random.choice(self.events[:3])
        path = f"{MSC4306}/rooms/{self.room_id}/thread/{root}/subscription"
        if self.random.random() < 0.3:
            await self.ok("DELETE", path, token=user.token)
            user.subscriptions.pop(root, None)
        else:
            await self.ok("PUT", path, {}, token=user.token)
            user.subscriptions.setdefault(root, len(self.events))
            user.rules.add_thread_rules()

    async def come_or_go(self) -> None:
        dave = self.users[3]
        if dave in self.joined:
            await self.leave(dave.token, self.room_id)
            self.joined.remove(dave)
        else:
            await self.join(dave.token, self.room_id)
            dave.heard.clear()
            self.joined.append(dave)

    async def compare(self) -> None:
        for user in self.joined:
            counts = user.counts()
            told = await self.by_thread(user.token)
            self.assertEqual(told, counts, user.user_id)
            total = tuple(map(sum, zip(*counts.values(), strict=True)))
            self.assertEqual(await self.counts(user.token), total, user.user_id)

    async def test_counts_are_those_of_a_naive_count(self) -> None:
        steps = [self.say] * 6 + [self.receive, self.redact_one] * 2
        steps += [self.change_rules, self.switch_rule, self.change_ignored, self.subscribe]
        for seed in range(SEEDS):
            with self.subTest(seed=seed):
                await self.begin(seed)
                for number in range(STEPS):
                    await self.random.choice([*steps, *steps, self.come_or_go])()
                    if number % 10 == 9:
                        await self.compare()
