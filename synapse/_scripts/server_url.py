"""The address at which a server that runs on this computer is reached."""

from collections.abc import Iterable

from synapse.config.listeners import ListenerConfig

DEFAULT_URL = "http://localhost:8008"
_REACHED_AS_LOCALHOST = {"127.0.0.1", "::1", "0.0.0.0", "::", "localhost"}


def server_url(listeners: Iterable[ListenerConfig], *, no_tls: bool = False) -> str:
    """That of the first listener for clients, preferring one without TLS."""
    possible = [
        listener
        for listener in listeners
        if listener.port and "client" in listener.names() and not (listener.tls and no_tls)
    ]
    for listener in sorted(possible, key=lambda one: one.tls):
        scheme = "https" if listener.tls else "http"
        return f"{scheme}://{_address(listener.bind_addresses)}:{listener.port}"
    return DEFAULT_URL


def _address(bind_addresses: tuple[str, ...]) -> str:
    if _REACHED_AS_LOCALHOST.intersection(bind_addresses):
        return "localhost"
    first = bind_addresses[0]
    return f"[{first}]" if ":" in first else first
