"""The grammar of server names (specification, appendices, "Server Name")."""

import ipaddress
import re

_SERVER_NAME = re.compile(
    r"(?P<host>\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|[0-9A-Za-z.-]{1,255})(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
_DOTTED_QUAD = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", re.ASCII)
_LONGEST = 255  # a user id holds it, and has no more room


def is_server_name(name: str) -> bool:
    match = _SERVER_NAME.fullmatch(name)
    if not match or len(name) > _LONGEST:
        return False
    if match["port"] is not None and not 0 < int(match["port"]) < 65536:
        return False
    if match["ipv6"] is not None:
        return _is_ip(match["ipv6"], 6)
    if _DOTTED_QUAD.fullmatch(match["host"]):
        return _is_ip(match["host"], 4)
    return all(match["host"].split("."))


def host_of(server_name: str) -> str:
    """The name without port and without the brackets of an IPv6 address."""
    match = _SERVER_NAME.fullmatch(server_name)
    assert match is not None, "only for names that is_server_name() accepts"
    return match["ipv6"] or match["host"]


def _is_ip(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False
