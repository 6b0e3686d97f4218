"""For how long to remember what a .well-known file said, or that there was none."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

HOUR_S: Final = 3600.0
# "Resolving server names", step 3: 24 hours unless the answer says otherwise, 48 at most.
DEFAULT_S: Final = 24 * HOUR_S
LONGEST_S: Final = 48 * HOUR_S
# However short-lived a file says it is, it needn't be read for each request.
SHORTEST_S: Final = 300.0
_FIRST_FAILURE_S: Final = 60.0
_MAX_AGE = re.compile(r'max-age\s*=\s*"?(\d{1,10})"?')


def lifetime_s(headers: Mapping[str, str]) -> float:
    """As the answer's headers say, within bounds."""
    return min(max(_declared_s(headers), SHORTEST_S), LONGEST_S)


def failure_s(failures: int) -> float:
    """After so many failures in a row: each time twice as long, an hour at most."""
    return min(_FIRST_FAILURE_S * 2.0 ** min(failures - 1, 10), HOUR_S)


def _declared_s(headers: Mapping[str, str]) -> float:
    control = headers.get("cache-control", "").lower()
    directives = {item.strip() for item in control.split(",")}
    if directives & {"no-store", "no-cache"}:
        return 0.0
    max_age = next((found for item in directives if (found := _MAX_AGE.fullmatch(item))), None)
    if max_age is not None:
        return float(max_age[1]) - _age_s(headers)
    if "expires" in headers:
        return _until_expiry_s(headers)
    return DEFAULT_S


def _age_s(headers: Mapping[str, str]) -> float:
    age = headers.get("age", "").strip()
    return float(age) if age.isdecimal() and len(age) <= 10 else 0.0


def _until_expiry_s(headers: Mapping[str, str]) -> float:
    """By the other server's clock, which may be wrong: only the difference counts."""
    try:
        expires = parsedate_to_datetime(headers["expires"])
        date = parsedate_to_datetime(headers["date"])
        return (expires - date).total_seconds()
    except (KeyError, ValueError, TypeError, OverflowError):
        return 0.0  # RFC 9111, section 5.3: an invalid date has passed
