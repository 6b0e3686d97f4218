"""Talking with other homeservers."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from synapse.config.composed import ListOf
from synapse.config.kinds import BOOLEAN, Duration, FilePath, Integer, Kind, ServerName, Text
from synapse.config.options import Section, option
from synapse.config.outbound import IpRange
from synapse.config.place import Place

_VERSIONS = ("1", "1.1", "1.2", "1.3")


class TlsVersion(Kind[str]):
    allowed = f"one of {', '.join(_VERSIONS)}"
    example = '"1.2"'

    def parse(self, value: object, place: Place) -> str:
        # YAML reads 1.2 as a number, and 1.0 is the same as 1.
        text = "" if isinstance(value, bool) else str(value).removesuffix(".0")
        if text not in _VERSIONS:
            raise place.wrong(value, self.allowed, self.example)
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationRetries:
    """How long is waited for other servers, and how they are tried again."""

    client_timeout_ms: int = option(
        Duration("60s"),
        60 * 1000,
        "How long a transaction may take, and any other request to a homeserver for which nobody "
        "waits who would lose patience sooner.",
        key="client_timeout",
    )
    max_short_retry_delay_ms: int = option(
        Duration("2s"),
        2 * 1000,
        "The longest pause before a request is tried again for which a client waits.",
        key="max_short_retry_delay",
    )
    max_short_retries: int = option(
        Integer(),
        3,
        "How often such a request is tried again if only one server can answer it, and that one "
        "was not out of reach before.",
    )
    max_long_retry_delay_ms: int = option(
        Duration("60s"),
        60 * 1000,
        "The longest pause before a transaction is tried again.",
        key="max_long_retry_delay",
    )
    max_long_retries: int = option(
        Integer(),
        10,
        "How often a transaction is tried again before the server is left alone for a while.",
    )
    destination_min_retry_interval_ms: int = option(
        Duration("10m"),
        10 * 60 * 1000,
        "For how long a server is left alone first.",
        key="destination_min_retry_interval",
    )
    destination_retry_multiplier: int = option(
        Integer(1),
        2,
        "How many times longer after each further failure.",
    )
    destination_max_retry_interval_ms: int = option(
        Duration("1w"),
        7 * 24 * 3600 * 1000,
        "And for how long at most.",
        key="destination_max_retry_interval",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationConfig:
    """Federation"""

    federation_domain_whitelist: tuple[str, ...] | None = option(
        ListOf(ServerName()),
        None,
        "Only talk with these servers. Unless given, with all.",
        example='["lon.example.com", "nyc.example.com"]',
    )
    federation_domain_blacklist: tuple[str, ...] = option(
        ListOf(ServerName()),
        (),
        "Never talk with these servers.",
        example='["spam.example.com"]',
    )
    federation_whitelist_endpoint_enabled: bool = option(
        BOOLEAN,
        False,
        "Tell users which servers federation_domain_whitelist names, at "
        "/_synapse/client/v1/config/federation_whitelist.",
    )
    federation_metrics_domains: tuple[str, ...] = option(
        ListOf(ServerName()),
        (),
        "Servers of which the metrics tell when the last event was sent to them, and when the last "
        "one was received from them.",
        example='["matrix.org", "example.com"]',
    )
    federation_ip_range_blacklist: tuple[IPv4Network | IPv6Network, ...] | None = option(
        ListOf(IpRange()),
        None,
        "Takes the place of ip_range_blacklist and ip_range_whitelist for federation. Unless "
        "given, these hold for federation too.",
        example='["10.0.0.0/8"]',
    )
    allow_profile_lookup_over_federation: bool = option(
        BOOLEAN, True, "Tell other servers the profiles of this server's users."
    )
    allow_device_name_lookup_over_federation: bool = option(
        BOOLEAN, False, "Tell other servers the names that users gave their devices."
    )
    federation_verify_certificates: bool = option(
        BOOLEAN,
        True,
        "Demand that other servers prove who they are. Without, anybody who can redirect this "
        "server's packets can be any other server.",
    )
    federation_certificate_verification_whitelist: tuple[str, ...] = option(
        ListOf(Text("a domain, in which * stands for any text", '"*.onion"')),
        (),
        "Servers that need not prove it.",
        example='["lon.example.com", "*.onion"]',
    )
    federation_custom_ca_list: tuple[str, ...] = option(
        ListOf(FilePath('"/etc/matrix-synapse/our-ca.pem"')),
        (),
        "Files in PEM with the authorities whose certificates are believed, instead of the "
        "system's.",
        example='["/etc/matrix-synapse/our-ca.pem"]',
    )
    federation_client_minimum_tls_version: str = option(
        TlsVersion(),
        "1",
        "The oldest version of TLS that is spoken with other servers. Today's OpenSSL speaks none "
        "before 1.2 unless the system's configuration allows it.",
    )
    retries: FederationRetries = option(
        Section(FederationRetries),
        FederationRetries(),
        "How long is waited for other servers, and how they are tried again.",
        key="federation",
    )
    rr_transactions_per_room_per_second: int = option(
        Integer(1),
        50,
        "How many servers are told of a room's read receipts in a second; what comes meanwhile is "
        "told together.",
        key="federation_rr_transactions_per_room_per_second",
    )
