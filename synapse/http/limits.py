"""What one connection may ask of the server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a site. Nobody has needed to change them, so they are not configuration."""

    # A path with the longest legal ids and a filter in the query stays below 10 kB.
    head_bytes: int = 65536
    headers: int = 100
    # Data that a client sends ahead while its previous request is being answered.
    pipelined_bytes: int = 65536
    connections: int = 50_000

    idle_s: float = 75.0
    # From a request's first byte to the end of its headers, however they trickle in.
    head_s: float = 20.0
    # Between two pieces of a body …
    body_pause_s: float = 30.0
    # … and a body must arrive at this pace on average, after a first minute of grace.
    body_grace_s: float = 60.0
    body_bytes_per_s: int = 1000
    # A client that reads none of its answer for so long is gone.
    write_pause_s: float = 60.0
    # After a refusal: how long what the client still sends is thrown away, so that it can read
    # the answer. Closing at once would reset the connection, and the answer with it.
    linger_s: float = 3.0
    # How long running requests may take when the server stops.
    stop_s: float = 10.0
    sweep_s: float = 2.0
