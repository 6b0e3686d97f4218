"""The grammar of identifiers (appendices, "Identifier Grammar").

`is_…` answers about any value from outside; `domain_of` and `localpart_of` take apart what passed.
Limits count bytes of UTF-8. The grammar of what exists is wider than that of what we make: user
ids with historical localparts must be accepted in events (`is_user_id`), while a new account's
localpart is held to today's characters (`is_new_localpart`).
"""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, Final, TypeGuard

from synapse.api.constants import MAX_ID_BYTES

_SERVER_NAME: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]"
    r"|(?P<v4>[0-9]{1,3}(?:\.[0-9]{1,3}){3})"
    r"|[0-9A-Za-z.-]{1,255})"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_NEW_LOCALPART: Final = re.compile(r"[a-z0-9._=/+-]+")
_OPAQUE: Final = re.compile(r"[0-9A-Za-z._~-]{1,255}")
# A SHA-256 in unpadded base64, in the URL-safe alphabet of room versions 4 and later.
_URL_SAFE_HASH: Final = re.compile(r"[0-9A-Za-z_-]{43}")


def is_server_name(value: Any) -> TypeGuard[str]:
    """Whether `value` is `hostname[:port]`, the hostname a DNS name or an IP literal."""
    return isinstance(value, str) and len(value) <= MAX_ID_BYTES and _names_a_server(value)


# Few servers send most events, and the grammar is asked about each event's sender.
@lru_cache(maxsize=10_000)
def _names_a_server(value: str) -> bool:
    parts = _SERVER_NAME.fullmatch(value)
    if parts is None or int(parts["port"] or 0) > 65_535:
        return False
    try:
        if parts["v6"]:
            IPv6Address(parts["v6"])
        elif parts["v4"]:
            IPv4Address(parts["v4"])
    except AddressValueError:
        return False
    return True


def is_user_id(value: Any) -> TypeGuard[str]:
    """Whether an event may name this user: `@localpart:server`, with any historical localpart."""
    return _has_domain(value, "@")


def is_room_alias(value: Any) -> TypeGuard[str]:
    """Whether `value` is `#localpart:server`."""
    return _has_domain(value, "#") and value[1] != ":"


def is_room_id(value: Any) -> TypeGuard[str]:
    """Whether `value` is `!opaque:server`, or `!hash` as in room version 12."""
    return is_room_id_with_domain(value) or is_hash_room_id(value)


def is_room_id_with_domain(value: Any) -> TypeGuard[str]:
    """Whether `value` is a room id of room versions 1 to 11."""
    return _has_domain(value, "!") and value[1] != ":"


def is_hash_room_id(value: Any) -> TypeGuard[str]:
    """Whether `value` is a room id of room version 12: a create event's id with `!`."""
    return (
        isinstance(value, str)
        and value[:1] == "!"
        and _URL_SAFE_HASH.fullmatch(value, 1) is not None
    )


def is_event_id(value: Any) -> TypeGuard[str]:
    """Whether `value` can be an event's id in some room version."""
    return isinstance(value, str) and len(value) > 1 and value[0] == "$" and is_short_text(value)


def is_event_id_with_domain(value: Any) -> TypeGuard[str]:
    """Whether `value` is an event id as servers chose them in room versions 1 and 2."""
    return _has_domain(value, "$") and value[1] != ":"


def is_new_localpart(value: str) -> bool:
    """Whether a new user may have this localpart (its length depends on the server's name)."""
    return _NEW_LOCALPART.fullmatch(value) is not None


def is_opaque_id(value: str) -> bool:
    """Whether `value` follows the Opaque Identifier Grammar."""
    return _OPAQUE.fullmatch(value) is not None


def is_short_text(value: str) -> bool:
    """Whether `value` is Unicode without NUL, of at most 255 bytes."""
    return "\0" not in value and fits_in_bytes(value, MAX_ID_BYTES)


def fits_in_bytes(value: str, limit: int) -> bool:
    """Whether `value` is valid Unicode of at most `limit` bytes of UTF-8."""
    if value.isascii():
        return len(value) <= limit
    try:
        return len(value.encode()) <= limit
    except UnicodeEncodeError:  # a lone surrogate
        return False


def domain_of(identifier: str) -> str:
    """The server name in an identifier; empty if it has none."""
    return identifier.partition(":")[2]


def localpart_of(identifier: str) -> str:
    """What stands between the sigil and the domain."""
    return identifier[1:].partition(":")[0]


def _has_domain(value: Any, sigil: str) -> bool:
    """Whether `value` is `<sigil>localpart:server`; the localpart may be empty."""
    if not isinstance(value, str) or value[:1] != sigil:
        return False
    _, colon, domain = value.partition(":")
    return colon == ":" and is_short_text(value) and is_server_name(domain)
