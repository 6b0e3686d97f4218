"""What push rules tell to do about an event."""

from typing import Any

from synapse.push.conditions import Check, Facts, check_of
from synapse.push.evaluation import rules_in
from synapse.push.rules import Rules


class ActionRules:
    """All of one user's rules in a room, with their actions in full: sounds and other tweaks."""

    def __init__(self, rules: Rules, room_id: str) -> None:
        self._rules: list[tuple[list[Check], list[Any]]] = [
            ([check_of(condition) for condition in conditions], rule.actions)
            for rule, conditions in rules_in(rules, room_id)
        ]
        self.asks_threads = rules.has_thread_rules

    def of(self, facts: Facts, display_name: str | None) -> list[Any]:
        """The actions of the first rule that matches."""
        for checks, actions in self._rules:
            if all(check(facts, display_name) for check in checks):
                return actions
        return []
