"""Globs, matched in time that no pattern can blow up.

Appendices, "Glob-style matching": `*` is any text, `?` one character, the rest itself, in either
case. A regular expression with a `.*` for each star could be made to try for hours; so the parts
between the stars are looked for one after the other, each at the first place after the one before.
"""

import re
from collections.abc import Callable
from functools import lru_cache

_WORD = "[A-Za-z0-9_]"


@lru_cache(2_000)
def glob(pattern: str, *, word: bool = False) -> Callable[[str], bool]:
    """Whether a text is what the pattern says; `word`: or holds it, between word boundaries."""
    before, after = (f"(?<!{_WORD})", f"(?!{_WORD})") if word else (r"\A", r"\Z")
    parts = ["".join(map(_literal, part)) for part in pattern.split("*")]
    parts[0] = before + parts[0]
    parts[-1] += after
    found = [re.compile(part, re.IGNORECASE | re.DOTALL).search for part in parts]

    def matches(text: str) -> bool:
        position = 0
        for find in found:
            match = find(text, position)
            if match is None:
                return False
            position = match.end()
        return True

    return matches


def _literal(character: str) -> str:
    return "." if character == "?" else re.escape(character)
