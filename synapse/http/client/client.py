"""`HttpClient`: one request, one answer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from synapse.http.client.answer import Answer
from synapse.http.client.connection import Connection
from synapse.http.client.connector import Connector
from synapse.http.client.deadline import bounded
from synapse.http.client.errors import ClosedEarly, Progress, RequestFailed, Step
from synapse.http.client.limits import ClientLimits
from synapse.http.client.message import Message
from synapse.http.client.networks import IpRules
from synapse.http.client.pool import Pool
from synapse.http.client.proxies import Proxies
from synapse.http.client.reader import AnswerReader
from synapse.http.client.resolver import Resolver
from synapse.http.client.route import Route
from synapse.http.client.trust import Trust
from synapse.http.client.urls import Url, parse_url

MEBIBYTE = 1024 * 1024
_REDIRECTIONS = (301, 302, 303, 307, 308)


class HttpClient:
    """Sends requests, with one set of rules about whom it may talk to and whom it believes.

    Whatever goes wrong is a `RequestFailed`. An answer of any status is an answer.
    """

    def __init__(
        self,
        reactor: Any,
        resolver: Resolver,
        *,
        user_agent: str,
        rules: IpRules | None = None,
        proxies: Proxies | None = None,
        trust: Trust | None = None,
        limits: ClientLimits | None = None,
    ) -> None:
        """`reactor`: `IReactorTCP` and `IReactorTime`."""
        self.proxies = proxies or Proxies()
        self.trust = trust or Trust()
        self._reactor = reactor
        self._user_agent = user_agent
        self._limits = limits or ClientLimits()
        self._connector = Connector(reactor, resolver, rules or IpRules(), self.trust, self._limits)
        self._pool = Pool(self._connect, reactor, self._limits)

    def close(self) -> None:
        """Close all connections. Requests that are under way, and later ones, fail."""
        self._pool.close()

    @property
    def idle_connections(self) -> int:
        return self._pool.idle_count

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout_s: float = 60.0,
        max_bytes: int = MEBIBYTE,
        redirects: int = 0,
    ) -> Answer:
        """Ask for a URL. With `redirects`, a GET or HEAD is led on so many times.

        `timeout_s` is for all of it, `max_bytes` for the decompressed body."""
        parsed = parse_url(url)
        message = Message(
            method,
            parsed.target,
            parsed.authority,
            tuple((headers or {}).items()),
            body,
            max_bytes,
        )
        progress = Progress()
        if redirects and method in ("GET", "HEAD"):
            work = self._follow(parsed, message, redirects, progress)
        else:
            work = self._ask(parsed, message, progress)
        try:
            return await bounded(self._reactor, timeout_s, progress, work)
        except RequestFailed as failure:
            failure.where = parsed.origin
            raise

    async def get_json(self, url: str, **options: Any) -> Any:
        """The JSON of a URL. Any status but 2xx is an error as well."""
        answer = await self.request("GET", url, **options)
        return _successful_json(answer, url)

    async def post_json(
        self, url: str, content: Any, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Any:
        """The JSON that a URL answers to JSON. Any status but 2xx is an error as well."""
        answer = await self.request(
            "POST",
            url,
            headers={**(headers or {}), "Content-Type": "application/json"},
            body=orjson.dumps(content),
            **options,
        )
        return _successful_json(answer, url)

    async def send(self, route: Route, message: Message, progress: Progress) -> Answer:
        """Send a request to a place that is not what a URL would say.

        The caller bounds the time, with `deadline.bounded` and the same `progress`."""
        own = [("User-Agent", self._user_agent), ("Accept-Encoding", "gzip")]
        if route.asks_proxy and route.proxy is not None and route.proxy.authorization is not None:
            own.append(("Proxy-Authorization", route.proxy.authorization))
        message = replace(message, headers=[*own, *message.headers])
        try:
            return await self._try(route, message, progress, fresh=False)
        except _Stale:
            return await self._try(route, message, progress, fresh=True)

    async def certificate(self, route: Route, progress: Progress) -> bytes:
        """The certificate (DER) that is shown at a route with TLS, whoever's it is."""
        connection = await self._connect(replace(route, verify=False), progress)
        try:
            return connection.certificate
        finally:
            connection.abort()

    async def _follow(
        self, url: Url, message: Message, redirects: int, progress: Progress
    ) -> Answer:
        """Ask, and go where the answers lead."""
        for _ in range(redirects + 1):
            answer = await self._ask(url, message, progress)
            location = answer.headers.get("location")
            if location is None or answer.status not in _REDIRECTIONS:
                return answer
            before, url = url, url.joined(location)
            if before.scheme == "https" and url.scheme == "http":
                reason = f"{before.origin} leads from https to {url.origin}"
                raise RequestFailed(Step.REDIRECT, reason)
            headers = message.headers
            if url.origin != before.origin:
                # What these allow, they allow the first server only.
                headers = [h for h in headers if h[0].lower() not in ("authorization", "cookie")]
            message = replace(message, target=url.target, host=url.authority, headers=headers)
        raise RequestFailed(Step.REDIRECT, f"it leads on more than {redirects} times")

    async def _ask(self, url: Url, message: Message, progress: Progress) -> Answer:
        route = Route(
            url.host,
            url.port,
            tls_name=url.host if url.scheme == "https" else None,
            verify=not self.trust.is_exempt(url.host),
            proxy=self.proxies.for_(url.scheme, url.host, url.port),
        )
        if route.asks_proxy:
            message = replace(message, target=f"{url.origin}{url.target}")
        return await self.send(route, message, progress)

    async def _try(
        self, route: Route, message: Message, progress: Progress, *, fresh: bool
    ) -> Answer:
        """One attempt. Raises `_Stale` if it took an idle connection that the peer closed before
        any byte of an answer: then, and only then, the request may be repeated."""
        request = message.rendered()
        connection = await self._pool.acquire(route, progress, fresh=fresh)
        was_used = connection.is_used
        reader = AnswerReader(message.method, max_bytes=message.max_bytes, limits=self._limits)
        progress.now(Step.HTTP, f"waiting for the answer of {route.label}")
        reusable = False
        try:
            answer = await connection.exchange(request, reader)
            reusable = reader.keep_alive
            return answer
        except ClosedEarly:
            if was_used:
                raise _Stale from None
            raise
        finally:
            self._pool.release(route, connection, reusable=reusable)

    async def _connect(self, route: Route, progress: Progress) -> Connection:
        work = self._connector.connect(route, progress)
        return await bounded(self._reactor, self._limits.connect_s, progress, work)


class _Stale(Exception):
    """The idle connection that was taken had ended."""


def _successful_json(answer: Answer, url: str) -> Any:
    try:
        if not answer.is_success:
            raise RequestFailed(Step.HTTP, f"status {answer.status}")
        return answer.json()
    except RequestFailed as failure:
        failure.where = parse_url(url).origin
        raise
