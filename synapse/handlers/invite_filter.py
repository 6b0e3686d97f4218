"""What a user's invite filter says of who invites them (MSC4155)."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from synapse.api.identifiers import domain_of
from synapse.util.globs import matches_glob

_PORT = re.compile(r":[0-9]+$")


class Verdict(Enum):
    """What becomes of an invite."""

    ALLOW = "allow"
    IGNORE = "ignore"  # the invited user doesn't hear of it
    BLOCK = "block"  # it is refused


# The first list with a match decides: users before servers, and kindness before the rest.
_LISTS = tuple(
    (f"{verdict}_{whom}", whom == "servers", Verdict(meaning))
    for whom in ("users", "servers")
    for verdict, meaning in (("allowed", "allow"), ("ignored", "ignore"), ("blocked", "block"))
)
LISTS = tuple(name for name, _, _ in _LISTS)


def verdict(filter: Mapping[str, Any], inviter: str) -> Verdict:
    """`filter` is the content of the account data; one with a wrong list counts as none."""
    if filter.get("enabled") is False or not all(_is_list(filter.get(name)) for name in LISTS):
        return Verdict.ALLOW
    server = _PORT.sub("", domain_of(inviter))
    for name, is_of_servers, meaning in _LISTS:
        if _matches_any(server if is_of_servers else inviter, filter.get(name) or []):
            return meaning
    return Verdict.ALLOW


def is_glob(entry: str) -> bool:
    """Whether an entry may match more than itself."""
    return "*" in entry or "?" in entry


def _matches_any(text: str, entries: list[str]) -> bool:
    return text in entries or any(matches_glob(entry, text) for entry in entries if is_glob(entry))


def _is_list(value: Any) -> bool:
    """Whether it is a list of texts; what is missing is an empty one."""
    return value is None or (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    )
