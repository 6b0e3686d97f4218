"""Requests to other servers: which addresses they may go to, and through which proxies."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from urllib.parse import unquote, urlsplit

from synapse.config.composed import ListOf
from synapse.config.kinds import BOOLEAN, Kind, Pattern, Text
from synapse.config.options import option
from synapse.config.place import Place

# Private networks, and what else no other server's address can be (RFC 6890).
_PRIVATE = (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
    "192.0.0.0/24", "169.254.0.0/16", "192.88.99.0/24", "198.18.0.0/15", "192.0.2.0/24",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "::1/128", "fe80::/10", "fc00::/7",
    "2001:db8::/32", "ff00::/8", "fec0::/10",
)  # fmt: skip
_DEFAULT_PORT = 1080


class IpRange(Kind[IPv4Network | IPv6Network]):
    allowed = "a range of IP addresses, or one address"
    example = '"192.168.0.0/16"'

    def parse(self, value: object, place: Place) -> IPv4Network | IPv6Network:
        if isinstance(value, str):
            try:
                return ip_network(value.strip(), strict=False)
            except ValueError:
                pass
        raise place.wrong(value, self.allowed, self.example)

    def show(self, value: Any) -> str:
        return super().show(str(value))


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """An HTTP proxy, and who we are to it."""

    host: str
    port: int
    uses_tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)


class ProxyUrl(Kind[ProxyAddress]):
    """`[scheme://][user:password@]host[:port]`"""

    allowed = "the address of a proxy: [http:// or https://][user:password@]host[:port]"
    example = '"http://proxy.example.com:3128"'

    def parse(self, value: object, place: Place) -> ProxyAddress:
        if isinstance(value, str) and _PRINTABLE.fullmatch(value):
            try:
                return _proxy(value if "://" in value else f"http://{value}")
            except ValueError:
                pass
        raise place.wrong(value, self.allowed, self.example)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundConfig:
    """Requests to other servers"""

    ip_range_blacklist: tuple[IPv4Network | IPv6Network, ...] = option(
        ListOf(IpRange()),
        tuple(ip_network(text) for text in _PRIVATE),
        "Addresses that this server never connects to on behalf of others: for federation, "
        "identity servers and push gateways. Checked when a name has been resolved. 0.0.0.0 and :: "
        "are always among them. Has no effect on what goes through a proxy, which resolves names "
        "itself.",
    )
    ip_range_whitelist: tuple[IPv4Network | IPv6Network, ...] = option(
        ListOf(IpRange()),
        (),
        "Exceptions from ip_range_blacklist.",
        example='["192.168.1.1"]',
    )
    http_proxy: ProxyAddress | None = option(
        ProxyUrl(),
        None,
        "The proxy for requests to http:// URLs. Unless given, what the environment variable "
        "http_proxy names.",
        has_secrets=True,
    )
    https_proxy: ProxyAddress | None = option(
        ProxyUrl(),
        None,
        "The proxy for requests to https:// URLs, and so for federation. Unless given, what the "
        "environment variable https_proxy names.",
        example='"http://user:password@proxy.example.com:3128"',
        has_secrets=True,
    )
    no_proxy_hosts: tuple[str, ...] | None = option(
        ListOf(Text("a host, an address, or a range of addresses", '"master.example.com"')),
        None,
        "Hosts that are reached without a proxy: names (each with all names below it), addresses, "
        'ranges of addresses, or "*". Unless given, what the environment variable no_proxy names.',
        example='["master.example.com", "10.1.0.0/16"]',
    )
    user_agent_suffix: str | None = option(
        Pattern("[!-~][ -~]{0,200}", "a text of printable ASCII characters", '"(by example.com)"'),
        None,
        "What the User-Agent of requests to other servers ends with.",
        example='"(by example.com)"',
    )
    use_insecure_ssl_client_just_for_testing_do_not_use: bool = option(
        BOOLEAN,
        False,
        "Believe whatever certificate identity servers and push gateways show. For tests: "
        "anybody who can redirect this server's packets can be any of them. Homeservers are "
        "believed by federation_verify_certificates.",
    )


def with_environment(config: OutboundConfig, environ: Mapping[str, str]) -> OutboundConfig:
    """What the configuration leaves open is as in the environment. Raises `ConfigError`."""
    changes: dict[str, Any] = {}
    for key in ("http_proxy", "https_proxy"):
        if getattr(config, key) is None and (value := _variable(environ, key)):
            place = Place(f"environment variable {key}", is_secret=True)
            changes[key] = ProxyUrl().parse(value, place)
    if config.no_proxy_hosts is None and (value := _variable(environ, "no_proxy")):
        changes["no_proxy_hosts"] = tuple(host for host in re.split(r"[,\s]+", value) if host)
    return replace(config, **changes)


_PRINTABLE = re.compile(r"[!-~]{1,2000}")


def _variable(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(name) or environ.get(name.upper())


def _proxy(url: str) -> ProxyAddress:
    parts = urlsplit(url)
    port = parts.port
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError
    return ProxyAddress(
        parts.hostname,
        port or _DEFAULT_PORT,
        uses_tls=parts.scheme == "https",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )
