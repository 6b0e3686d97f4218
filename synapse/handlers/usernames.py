"""Which names new accounts may have.

Capitals are mapped to lower case (appendices, "Mapping from other character sets"). Names of digits
only are the server's, for guests and those who choose none; names that begin with `_` are by custom
those of application services.
"""

import secrets

from synapse.api.constants import MAX_ID_BYTES
from synapse.api.errors import MatrixError
from synapse.api.identifiers import is_new_localpart


class InvalidUsername(MatrixError):
    """400 `M_INVALID_USERNAME`."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "M_INVALID_USERNAME", message)


class UserInUse(MatrixError):
    """400 `M_USER_IN_USE`."""

    def __init__(self) -> None:
        super().__init__(400, "M_USER_IN_USE", "This user name is already taken")


def user_id_for(
    username: str,
    server_name: str,
    *,
    allow_underscore: bool = False,
    allow_digits_only: bool = False,
) -> str:
    """The user id for a name that somebody chose. Raises `InvalidUsername`."""
    localpart = username.lower()
    if not is_new_localpart(localpart):
        raise InvalidUsername("A user name has only the characters a-z, 0-9, and ._=-/+")
    if localpart.startswith("_") and not allow_underscore:
        raise InvalidUsername("A user name may not begin with _")
    if localpart.isdigit() and not allow_digits_only:
        raise InvalidUsername("A user name of digits only is reserved")
    user_id = f"@{localpart}:{server_name}"
    if len(user_id) > MAX_ID_BYTES:
        raise InvalidUsername(f"A user id has at most {MAX_ID_BYTES} characters")
    return user_id


def random_user_id(server_name: str) -> str:
    """An id for who chose none. Collisions are unlikely, not impossible."""
    return f"@{secrets.randbelow(9 * 10**11) + 10**11}:{server_name}"
