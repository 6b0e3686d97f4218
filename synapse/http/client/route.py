"""Where a request goes: connections are kept and counted by it."""

from dataclasses import dataclass

from synapse.http.client.proxies import Proxy
from synapse.http.client.urls import authority


@dataclass(frozen=True, slots=True)
class Route:
    """A host and a port, and how they are reached.

    With `tls_name` the connection has TLS and its certificate must be for that name, which may be
    another than the host's: see "Resolving server names" in the server-server API.
    """

    host: str
    port: int
    tls_name: str | None = None
    verify: bool = True
    proxy: Proxy | None = None

    @property
    def label(self) -> str:
        return authority(self.host, self.port)

    @property
    def asks_proxy(self) -> bool:
        """Whether requests are sent to the proxy itself, and not through a tunnel."""
        return self.proxy is not None and self.tls_name is None
