"""`m.room.server_acl`: which servers may take part in a room."""

import re
from collections.abc import Mapping
from typing import Any, Final

from synapse.util.globs import matches_glob

_PORT: Final = re.compile(r":[0-9]{1,5}$")
_IP_LITERAL: Final = re.compile(r"\[.*\]|[0-9]{1,3}(?:\.[0-9]{1,3}){3}")


def admits_server(content: Mapping[str, Any], server_name: str) -> bool:
    """Whether an `m.room.server_acl` with this content lets the server in."""
    host = _PORT.sub("", server_name).lower()
    if content.get("allow_ip_literals") is False and _IP_LITERAL.fullmatch(host):
        return False
    if _is_listed(host, content.get("deny")):
        return False
    return _is_listed(host, content.get("allow"))


def _is_listed(host: str, patterns: Any) -> bool:
    return isinstance(patterns, list) and any(
        isinstance(pattern, str) and matches_glob(pattern.lower(), host) for pattern in patterns
    )
