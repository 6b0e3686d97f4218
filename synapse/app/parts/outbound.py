"""The clients for requests to other servers, as the configuration wants them.

Each is made when it is first asked for: a server that asks nobody pays nothing.
"""

from base64 import b64encode
from functools import cached_property
from typing import Any

import synapse
from synapse.config.homeserver import HomeserverConfig
from synapse.config.outbound import ProxyAddress
from synapse.http.client.client import HttpClient
from synapse.http.client.networks import IpRules
from synapse.http.client.proxies import Proxies, Proxy
from synapse.http.client.resolver import Resolver, SystemResolver


class Outbound:
    """What leaves the process over HTTP leaves it through one of these clients."""

    def __init__(
        self, config: HomeserverConfig, reactor: Any, resolver: Resolver | None = None
    ) -> None:
        """`reactor`: `IReactorTCP`, `IReactorTime` and `IReactorPluggableNameResolver`."""
        self._config = config
        self._reactor = reactor
        self._resolver = resolver or SystemResolver(reactor)
        self._made: list[HttpClient] = []

    @cached_property
    def client(self) -> HttpClient:
        """For addresses that users or other servers name: identity servers, push gateways."""
        return self._new_client(self._rules)

    @cached_property
    def federation_client(self) -> HttpClient:
        """For other homeservers."""
        denied = self._config.federation.federation_ip_range_blacklist
        return self._new_client(self._rules if denied is None else IpRules(denied))

    def close(self) -> None:
        """Close all connections."""
        for client in self._made:
            client.close()

    def _new_client(self, rules: IpRules) -> HttpClient:
        client = HttpClient(
            self._reactor,
            self._resolver,
            user_agent=f"Synapse/{synapse.__version__}",
            rules=rules,
            proxies=self._proxies,
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
