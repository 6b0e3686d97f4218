"""What requests of ours may cost us."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Bounds of a client. Time and size of a single request are the caller's."""

    connections: int = 500
    connections_per_route: int = 8
    # Requests that wait for a connection.
    waiting: int = 5000
    idle_s: float = 60.0
    sweep_s: float = 5.0

    # From the name to a connection on which a request can be written.
    connect_s: float = 30.0
    # RFC 8305, section 5: the next address is tried if the one before has not answered yet.
    stagger_s: float = 0.25
    # Of one name; hostile ones have hundreds.
    addresses: int = 8

    head_bytes: int = 65536
    headers: int = 200
