"""How long a room's messages live (MSC1763): what the room says, within what the server allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synapse.api.constants import MAX_INTEGER


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """What the server says, in milliseconds; None: nothing."""

    default_max_ms: int | None = None  # for rooms that say nothing
    allowed_min_ms: int | None = None  # shorter ones are made as long as this
    allowed_max_ms: int | None = None  # longer ones are cut to this


def max_lifetime_ms(content: Mapping[str, Any] | None, rules: RetentionRules) -> int | None:
    """After which time a room's messages expire; None: never.

    `content` is that of its `m.room.retention`, None if it has none. A value of the wrong type
    counts as none.
    """
    wish = None if content is None else content.get("max_lifetime")
    if type(wish) is not int or not 0 <= wish <= MAX_INTEGER:
        return rules.default_max_ms
    if rules.allowed_max_ms is not None:
        wish = min(wish, rules.allowed_max_ms)
    if rules.allowed_min_ms is not None:
        wish = max(wish, rules.allowed_min_ms)
    return wish
