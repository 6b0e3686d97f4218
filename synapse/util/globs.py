"""Glob-style matching (appendices): `*` stands for any text, `?` for one character."""


def matches_glob(pattern: str, text: str) -> bool:
    """Whether the whole text is as the pattern says; upper and lower case are different.

    A star first takes nothing, and one character more each time that what follows doesn't fit.
    Only the last star is ever asked for more, so the work is bounded by the product of both
    lengths, however hostile the pattern (a regular expression would need far longer).
    """
    at = place = 0
    star = retry = -1
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, retry = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at += 1
            place += 1
        elif star >= 0:
            retry += 1
            at, place = star + 1, retry
        else:
            return False
    return not pattern[at:].strip("*")
