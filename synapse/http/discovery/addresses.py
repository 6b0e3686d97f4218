"""The decisions of "Resolving server names", without asking anybody.

The numbers are those of the specification's steps. A delegated name (3.1 to 3.5) is treated as the
name itself is (1, 2, 4 to 6), except that it is not delegated again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from synapse.http.client.urls import is_ip

DEFAULT_PORT = 8448


@dataclass(frozen=True, slots=True)
class ServerName:
    """A server's name in its parts. `host` is without brackets."""

    text: str
    host: str
    port: int | None

    @property
    def is_literal(self) -> bool:
        return is_ip(self.host)


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where to connect to, what to say in `Host`, and whose certificate to expect there."""

    host: str
    port: int
    host_header: str
    tls_name: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where an SRV record points."""

    host: str
    port: int


def parse_server_name(text: str) -> ServerName:
    """The parts of what `is_server_name` accepts."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or text.endswith("]"):
        host, port = text, ""
    return ServerName(text, host.strip("[]").lower(), int(port) if port else None)


def direct_address(name: ServerName) -> ServerAddress | None:
    """Steps 1 and 2 (3.1 and 3.2): a literal, or a port, says all there is to say."""
    if not name.is_literal and name.port is None:
        return None
    port = DEFAULT_PORT if name.port is None else name.port
    return ServerAddress(name.host, port, name.text, name.host)


def addresses_of(name: ServerName, targets: Sequence[Target]) -> tuple[ServerAddress, ...]:
    """Steps 4 to 6 (3.3 to 3.5): where SRV records point, or else the default port.

    DNS can be forged, so the target must prove to be `name`, whatever its own name is."""
    if not targets:
        return (ServerAddress(name.host, DEFAULT_PORT, name.text, name.host),)
    return tuple(
        ServerAddress(target.host, target.port, name.text, name.host) for target in targets
    )
