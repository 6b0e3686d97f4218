"""User ids as the authorisation rules see them: `@localpart:domain`."""

import re
from typing import Any, Final, TypeGuard

from synapse.api.constants import MAX_ID_BYTES

# Appendices, "Server Name" and "Historical User IDs": events may carry any localpart without a
# colon and NUL, even an empty one.
_USER_ID: Final = re.compile(
    r"@[^:\x00]*:(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,255})(?::[0-9]{1,5})?"
)


def is_user_id(value: Any) -> TypeGuard[str]:
    """Whether an event may name this user as its sender."""
    return (
        isinstance(value, str)
        and _USER_ID.fullmatch(value) is not None
        and len(value.encode()) <= MAX_ID_BYTES
    )


def domain_of(identifier: str) -> str:
    """What follows the first colon of an identifier; empty if there is none."""
    return identifier.partition(":")[2]
