"""Talking with other homeservers."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from synapse.config.composed import ListOf
from synapse.config.options import option
from synapse.config.outbound import IpRange


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationConfig:
    """Federation"""

    federation_ip_range_blacklist: tuple[IPv4Network | IPv6Network, ...] | None = option(
        ListOf(IpRange()),
        None,
        "Takes the place of ip_range_blacklist and ip_range_whitelist for federation. Unless "
        "given, these hold for federation too.",
        example='["10.0.0.0/8"]',
    )
