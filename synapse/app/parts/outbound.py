"""The clients for requests to other servers, as the configuration wants them.

Each is made when it is first asked for: a server that asks nobody pays nothing.
"""

from base64 import b64encode
from functools import cached_property
from typing import Any

import synapse
from synapse.config.homeserver import HomeserverConfig
from synapse.config.outbound import ProxyAddress
from synapse.crypto.signing import SigningKey
from synapse.federation.partners import Partners
from synapse.federation.transport import FederationTransport
from synapse.http.client.client import HttpClient
from synapse.http.client.networks import IpRules
from synapse.http.client.proxies import Proxies, Proxy
from synapse.http.client.resolver import Resolver, SystemResolver
from synapse.http.client.trust import Trust
from synapse.http.discovery.discovery import Discovery
from synapse.http.discovery.srv import DnsLookup, SrvLookup, SrvTargets
from synapse.http.discovery.well_known import WellKnown


class Outbound:
    """What leaves the process over HTTP leaves it through one of these clients."""

    def __init__(
        self,
        config: HomeserverConfig,
        reactor: Any,
        key: SigningKey,
        *,
        resolver: Resolver | None = None,
        srv: SrvLookup | None = None,
    ) -> None:
        """`reactor`: `IReactorTCP`, `IReactorTime` and `IReactorPluggableNameResolver`."""
        self._config = config
        self._reactor = reactor
        self._key = key
        self._resolver = resolver or SystemResolver(reactor)
        self._srv = srv or DnsLookup(reactor)
        self._made: list[HttpClient] = []

    @cached_property
    def client(self) -> HttpClient:
        """For addresses that users or other servers name: identity servers, push gateways."""
        is_blind = self._config.outbound.use_insecure_ssl_client_just_for_testing_do_not_use
        return self._new_client(self._rules, Trust(exempt=("*",) if is_blind else ()))

    @cached_property
    def federation(self) -> FederationTransport:
        """For other homeservers."""
        config = self._config
        server_name = config.server.server_name
        return FederationTransport(
            self.federation_client,
            self.discovery,
            Partners(
                server_name,
                allowed=config.federation.federation_domain_whitelist,
                denied=config.federation.federation_domain_blacklist,
            ),
            self._reactor,
            server_name=server_name,
            key=self._key,
            timeout_s=config.federation.retries.client_timeout_ms / 1000,
        )

    @cached_property
    def federation_client(self) -> HttpClient:
        """Requests to other homeservers before they are signed, and to find out where those are."""
        config = self._config.federation
        denied = config.federation_ip_range_blacklist
        return self._new_client(
            self._rules if denied is None else IpRules(denied),
            Trust(
                config.federation_custom_ca_list,
                config.federation_client_minimum_tls_version,
                config.federation_certificate_verification_whitelist
                if config.federation_verify_certificates
                else ("*",),
            ),
        )

    @cached_property
    def well_known(self) -> WellKnown:
        return WellKnown(self.federation_client, self._reactor)

    @cached_property
    def srv_targets(self) -> SrvTargets:
        return SrvTargets(self._srv, self._reactor)

    @cached_property
    def discovery(self) -> Discovery:
        """Where other homeservers are."""
        return Discovery(self.well_known, self.srv_targets)

    def close(self) -> None:
        """Close all connections."""
        for client in self._made:
            client.close()

    def _new_client(self, rules: IpRules, trust: Trust) -> HttpClient:
        agent = (f"Synapse/{synapse.__version__}", self._config.outbound.user_agent_suffix)
        client = HttpClient(
            self._reactor,
            self._resolver,
            user_agent=" ".join(filter(None, agent)),
            rules=rules,
            proxies=self._proxies,
            trust=trust,
        )
        self._made.append(client)
        return client

    @cached_property
    def _rules(self) -> IpRules:
        config = self._config.outbound
        return IpRules(config.ip_range_blacklist, config.ip_range_whitelist)

    @cached_property
    def _proxies(self) -> Proxies:
        config = self._config.outbound
        return Proxies(
            _proxy(config.http_proxy), _proxy(config.https_proxy), config.no_proxy_hosts or ()
        )


def _proxy(address: ProxyAddress | None) -> Proxy | None:
    if address is None:
        return None
    authorization = None
    if address.username is not None:
        credentials = f"{address.username}:{address.password or ''}"
        authorization = f"Basic {b64encode(credentials.encode()).decode()}"
    return Proxy(address.host, address.port, address.uses_tls, authorization)
