"""All push rules of a user: the predefined ones, and what the user made of them.

What is remembered of a user is only what differs from the start: their own rules, most important
first, and for each predefined rule the properties they have changed:

    {"rules": {"content": [{"rule_id": "cake", "pattern": "cake", "actions": ["notify"]}]},
     "changes": {"override": {".m.rule.master": {"enabled": true}}},
     "ignored": ["@eve:example.org"]}

Users whom the user ignores stand there too, because their messages notify of nothing, whatever the
rules say (`synapse.handlers.listeners`); clients keep that list as account data.

`"threads": true` says that the user has once subscribed to a thread (MSC4306). Only then the rules
for threads are among theirs: whose clients know nothing of subscriptions would else miss what is
said in threads.

New versions of the predefined rules reach users who have long had rules of their own.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import orjson

from synapse.api.errors import MatrixError, NotFound, TooLarge
from synapse.push.defaults import MASTER, default_rules, thread_rules
from synapse.push.rule import KINDS, POSTCONTENT, Rule, require_kind, require_small

MAX_RULES: Final = 10_000
# They are read and written as a whole, so this bounds what one request can cost.
_MAX_BYTES: Final = 1024 * 1024


class Rules:
    """A user's push rules, to look at and to change."""

    def __init__(self, user_id: str, stored: bytes | None) -> None:
        """`stored` is what `to_stored` gave; None: the user has changed nothing yet."""
        document: dict[str, Any] = {"rules": {}, "changes": {}}
        if stored is not None:
            document = orjson.loads(stored)
        self._own: dict[str, list[Rule]] = {
            kind: [Rule(**rule) for rule in rules] for kind, rules in document["rules"].items()
        }
        self._changes: dict[str, dict[str, dict[str, Any]]] = document["changes"]
        self._ignored: list[str] = document.get("ignored", [])
        self._defaults = default_rules(user_id)
        self.has_thread_rules = False
        if document.get("threads"):
            self.add_thread_rules()

    def to_stored(self) -> bytes:
        """Raises `TooLarge`."""
        rules = {kind: [_stored(rule) for rule in rules] for kind, rules in self._own.items()}
        document: dict[str, Any] = {"rules": rules, "changes": self._changes}
        if self._ignored:
            document["ignored"] = self._ignored
        if self.has_thread_rules:
            document["threads"] = True
        stored = orjson.dumps(document)
        if len(stored) > _MAX_BYTES:
            raise TooLarge(f"All push rules of a user have at most {_MAX_BYTES} bytes")
        return stored

    def to_json(self) -> dict[str, Any]:
        """The ruleset as clients see it."""
        return {
            kind: [rule.to_json() for rule in self.of_kind(kind)]
            for kind in KINDS
            if kind != POSTCONTENT or self.has_thread_rules
        }

    def add_thread_rules(self) -> None:
        """The user subscribes to threads from now on."""
        self.has_thread_rules = True
        self._defaults[POSTCONTENT] = thread_rules()

    def of_kind(self, kind: str) -> list[Rule]:
        """All rules of a kind, most important first. The master rule comes before any other, the
        rest of the predefined ones after the user's own.
        """
        changes = self._changes.get(kind, {})
        rules = [
            replace(rule, **changes.get(rule.rule_id, {})) for rule in self._defaults.get(kind, ())
        ]
        masters = 1 if rules and rules[0].rule_id == MASTER else 0
        return rules[:masters] + self._own.get(kind, []) + rules[masters:]

    def rule(self, kind: str, rule_id: str) -> Rule:
        """Raises `InvalidParam` if there is no such kind, `NotFound` if there is no such rule."""
        require_kind(kind)
        for rule in self.of_kind(kind):
            if rule.rule_id == rule_id:
                return rule
        raise NotFound("The push rule was not found")

    def put(
        self, kind: str, rule: Rule, *, before: str | None = None, after: str | None = None
    ) -> None:
        """Add a rule of the user's, or replace the one with its id.

        It becomes the next more important one to the rule `before`, else the next less important
        one to the rule `after`; else it keeps its place or, if it is new, comes first.
        """
        own = self._own.setdefault(kind, [])
        index = _index(own, rule.rule_id)
        if index is None:
            if sum(map(len, self._own.values())) >= MAX_RULES:
                raise MatrixError(400, "M_UNKNOWN", f"A user has at most {MAX_RULES} push rules")
            index = 0
        else:
            rule = replace(rule, enabled=own.pop(index).enabled)
        if before is not None:
            index = _neighbour(own, before)
        elif after is not None:
            index = _neighbour(own, after) + 1
        own.insert(index, rule)

    def delete(self, kind: str, rule_id: str) -> None:
        """Raises `NotFound`, also for predefined rules: they can only be disabled."""
        require_kind(kind)
        own = self._own.get(kind, [])
        index = _index(own, rule_id)
        if index is None:
            raise NotFound("You have no such push rule")
        del own[index]

    def set_enabled(self, kind: str, rule_id: str, enabled: bool) -> None:
        self._change(kind, rule_id, "enabled", enabled)

    def set_actions(self, kind: str, rule_id: str, actions: list[Any]) -> None:
        self._change(kind, rule_id, "actions", actions)

    def ignore(self, users: Iterable[str]) -> None:
        """Whose messages notify of nothing, from now on."""
        self._ignored = sorted(users)

    def _change(self, kind: str, rule_id: str, name: str, value: Any) -> None:
        changed = replace(self.rule(kind, rule_id), **{name: value})
        require_small(changed)
        if changed.default:
            self._changes.setdefault(kind, {}).setdefault(rule_id, {})[name] = value
            return
        own = self._own[kind]
        index = _index(own, rule_id)
        assert index is not None, "a rule that isn't predefined is the user's own"
        own[index] = changed


def ignored_in(stored: bytes) -> list[str]:
    """Whom a user with these stored rules ignores."""
    # Most ignore nobody, and their rules needn't be parsed to see that.
    return orjson.loads(stored).get("ignored", []) if b'"ignored":' in stored else []


def _stored(rule: Rule) -> dict[str, Any]:
    return {name: value for name, value in rule.to_json().items() if name != "default"}


def _index(rules: list[Rule], rule_id: str) -> int | None:
    return next((n for n, rule in enumerate(rules) if rule.rule_id == rule_id), None)


def _neighbour(rules: list[Rule], rule_id: str) -> int:
    index = _index(rules, rule_id)
    if index is None:
        raise MatrixError(400, "M_UNKNOWN", f"before/after rule not found: {rule_id[:300]}")
    return index
