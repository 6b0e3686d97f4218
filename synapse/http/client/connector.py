"""From a route to a connection: resolve, judge the addresses, connect, tunnel, TLS.

The addresses that are judged are those that are connected to, so that a name can't resolve to one
address for the check and to another for the connection. A proxy resolves names itself: on a route
through one, nothing is judged.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from synapse.http.client.connection import Connection
from synapse.http.client.dialing import dial
from synapse.http.client.errors import Progress, RequestFailed, Step
from synapse.http.client.limits import ClientLimits
from synapse.http.client.networks import IpRules
from synapse.http.client.proxies import Proxy
from synapse.http.client.reader import AnswerReader
from synapse.http.client.resolver import Resolver
from synapse.http.client.route import Route
from synapse.http.client.trust import Trust
from synapse.http.client.urls import authority, is_ip

if TYPE_CHECKING:
    from synapse.http.client.tls import TlsClient

# An administrator's own proxy; who sends this much before the tunnel stands is none.
_PROXY_ANSWER_BYTES = 65536


class Connector:
    """Makes connections. Raises `RequestFailed`, naming the step."""

    def __init__(
        self,
        reactor: Any,
        resolver: Resolver,
        rules: IpRules,
        trust: Trust,
        limits: ClientLimits,
    ) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._rules = rules
        self._trust = trust
        self._limits = limits
        self._tls: TlsClient | None = None

    async def connect(self, route: Route, progress: Progress) -> Connection:
        """A new connection, on which a request of this route can be written."""
        if route.proxy is None:
            connection = await self._dial(route.host, route.port, progress, judge=True)
        else:
            connection = await self._dial_proxy(route.proxy, progress)
        try:
            if route.tls_name is None:
                return connection
            if route.proxy is not None:
                progress.now(Step.PROXY, f"asking the proxy for a tunnel to {route.label}")
                await self._tunnel(connection, route.label, route.proxy)
            progress.now(Step.TLS, f"agreeing upon TLS with {route.tls_name}")
            return await self.tls.secure(connection, route.tls_name, verify=route.verify)
        except BaseException:
            connection.abort()
            raise

    @property
    def tls(self) -> "TlsClient":
        if self._tls is None:
            from synapse.http.client.tls import TlsClient

            self._tls = TlsClient(self._reactor, self._trust)
        return self._tls

    async def _dial(self, host: str, port: int, progress: Progress, *, judge: bool) -> Connection:
        progress.now(Step.DNS, f"looking up {host}")
        addresses = [host] if is_ip(host) else await self._resolver.addresses(host)
        if judge:
            addresses = self._judged(host, addresses)
        addresses = addresses[: self._limits.addresses]
        shown = ", ".join(authority(address, port) for address in addresses)
        progress.now(Step.TCP, f"connecting to {shown}")
        return await dial(self._reactor, addresses, port, self._limits)

    def _judged(self, host: str, addresses: Sequence[str]) -> Sequence[str]:
        allowed = [address for address in addresses if self._rules.allows(address)]
        if not allowed:
            what = f"{host} is" if is_ip(host) else f"{host} has the address {addresses[0]},"
            raise RequestFailed(Step.BLOCKED, f"{what} within a blocked range")
        return allowed

    async def _dial_proxy(self, proxy: Proxy, progress: Progress) -> Connection:
        try:
            connection = await self._dial(proxy.host, proxy.port, progress, judge=False)
            if not proxy.uses_tls:
                return connection
            progress.now(Step.PROXY, f"agreeing upon TLS with the proxy {proxy.host}")
            return await self.tls.secure(connection, proxy.host, verify=True)
        except RequestFailed as error:
            reason = f"{proxy.host} can't be used: {error}"
            raise RequestFailed(Step.PROXY, reason) from None

    async def _tunnel(self, connection: Connection, target: str, proxy: Proxy) -> None:
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        reader = AnswerReader("CONNECT", max_bytes=_PROXY_ANSWER_BYTES, limits=self._limits)
        try:
            answer = await connection.exchange(
                "\r\n".join([*lines, "", ""]).encode("ascii"), reader
            )
        except RequestFailed as error:
            reason = f"{proxy.host} gives no answer: {error.reason}"
            raise RequestFailed(Step.PROXY, reason) from None
        if not answer.is_success:
            refusal = f"answers CONNECT {target} with status {answer.status}"
            if answer.status == 407:
                refusal += " (it wants other credentials)"
            raise RequestFailed(Step.PROXY, f"{proxy.host} {refusal}")
