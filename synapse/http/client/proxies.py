"""Which proxy a request goes through, and how one asks a proxy for a tunnel."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from synapse.http.client.networks import Network


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `authorization` is the value of `Proxy-Authorization`."""

    host: str
    port: int
    uses_tls: bool = False
    authorization: str | None = field(default=None, repr=False)


class Proxies:
    """The proxies for plain and for TLS requests, and the hosts that are reached without.

    An exception is a host's name, which stands for all names below it too, an address, a network
    such as 10.0.0.0/8, or * for everything; any but a network may carry a port.
    """

    def __init__(
        self,
        http: Proxy | None = None,
        https: Proxy | None = None,
        exceptions: Sequence[str] = (),
    ) -> None:
        self._by_scheme = {"http": http, "https": https}
        self._all_direct = False
        self._names: set[tuple[str, int | None]] = set()
        self._networks: list[Network] = []
        for text in exceptions:
            self._add_exception(text.strip().lower())

    def for_(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for requests to this host, as its URL names it."""
        proxy = self._by_scheme[scheme]
        if proxy is None or self._all_direct or self._is_exception(host.lower(), port):
            return None
        return proxy

    def _add_exception(self, text: str) -> None:
        if text == "*":
            self._all_direct = True
            return
        try:
            self._networks.append(ip_network(text.strip("[]"), strict=False))
            return
        except ValueError:
            pass
        name, port = text, None
        head, colon, tail = text.rpartition(":")
        if colon and tail.isdecimal():
            name, port = head, int(tail)
        name = name.strip("[]").removeprefix("*").strip(".")
        if name:
            self._names.add((name, port))

    def _is_exception(self, host: str, port: int) -> bool:
        host = host.rstrip(".")
        try:
            address = ip_address(host)
        except ValueError:
            pass
        else:
            if any(address in network for network in self._networks):
                return True
            return bool({(host, None), (host, port)} & self._names)
        labels = host.split(".")
        for start in range(len(labels)):
            name = ".".join(labels[start:])
            if (name, None) in self._names or (name, port) in self._names:
                return True
        return False
