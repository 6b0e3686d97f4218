"""Which IP addresses we talk to: a deny list, and a list of exceptions from it."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# "This host", which the kernel takes for localhost. Never a server somewhere else.
_UNSPECIFIED = frozenset({ip_address("0.0.0.0"), ip_address("::")})
_NAT64 = ip_network("64:ff9b::/96")


class IpRules:
    """Judges addresses. An exception wins over the deny list."""

    def __init__(self, denied: Iterable[Network] = (), allowed: Iterable[Network] = ()) -> None:
        self._denied = tuple(denied)
        self._allowed = tuple(allowed)

    def allows(self, address: str) -> bool:
        """Whether we may connect to a literal address. What isn't an address is refused."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return all(self._allows(form) for form in _forms(parsed))

    def _allows(self, address: IPv4Address | IPv6Address) -> bool:
        if any(address in network for network in self._allowed):
            return True
        if address in _UNSPECIFIED:
            return False
        return not any(address in network for network in self._denied)


def _forms(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address, and the IPv4 address where a packet to it would end up."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            # The same thing in other words, so IPv4's rules are the only ones.
            yield address.ipv4_mapped
            return
        if address in _NAT64:
            yield IPv4Address(int(address) & 0xFFFFFFFF)
        elif address.sixtofour is not None:
            yield address.sixtofour
    yield address
