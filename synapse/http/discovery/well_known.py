"""`https://<hostname>/.well-known/matrix/server`: to whom a server delegates, and until when."""

from dataclasses import dataclass
from typing import Any

from synapse.api.identifiers import is_server_name
from synapse.http.client.client import HttpClient
from synapse.http.client.errors import RequestFailed
from synapse.http.client.urls import authority
from synapse.http.discovery.lifetimes import LONGEST_S, failure_s, lifetime_s
from synapse.util.caches import Cache
from synapse.util.clock import ReactorTime
from synapse.util.shared import Shared

_TIMEOUT_S = 10.0
_MOST_BYTES = 51_200
_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class _Known:
    delegate: str | None
    until: float
    # The delegation was true then.
    read: float = 0.0
    failures: int = 0


class WellKnown:
    """Reads the files, and remembers them."""

    def __init__(self, client: HttpClient, reactor: ReactorTime) -> None:
        self._client = client
        self._reactor = reactor
        self._known: Cache[str, _Known] = Cache(10_000, "well_known_servers")
        self._reading: Shared[str, _Known] = Shared()

    async def delegate_of(self, host: str) -> str | None:
        """The server name that `host` delegates to; `None` if it delegates to nobody, or there is
        no telling. Never fails: the specification goes on without."""
        known = self._known.get(host)
        if known is None or known.until <= self._reactor.seconds():
            known = await self._reading.get(host, lambda: self._read(host, known))
        return known.delegate

    async def _read(self, host: str, before: _Known | None) -> _Known:
        try:
            answer = await self._client.request(
                "GET",
                f"https://{authority(host, None)}/.well-known/matrix/server",
                timeout_s=_TIMEOUT_S,
                max_bytes=_MOST_BYTES,
                redirects=_REDIRECTS,
            )
        except RequestFailed:
            known = self._after_failure(before, is_outage=True)
        else:
            now = self._reactor.seconds()
            delegate = _delegate(answer.body) if answer.status == 200 else None
            if delegate is None:
                known = self._after_failure(before, is_outage=answer.status >= 500)
            else:
                known = _Known(delegate, now + lifetime_s(answer.headers), read=now)
        self._known[host] = known
        return known

    def _after_failure(self, before: _Known | None, *, is_outage: bool) -> _Known:
        now = self._reactor.seconds()
        failures = 1 if before is None else before.failures + 1
        until = now + failure_s(failures)
        if is_outage and before is not None and before.delegate is not None:
            # A web site's outage is none of its homeserver's, while the file may be remembered.
            end = before.read + LONGEST_S
            if now < end:
                return _Known(before.delegate, min(until, end), before.read, failures)
        return _Known(None, until, failures=failures)


def _delegate(body: bytes) -> str | None:
    content = _json(body)
    delegate = content.get("m.server") if isinstance(content, dict) else None
    return delegate if is_server_name(delegate) else None


def _json(body: bytes) -> Any:
    import orjson

    try:
        return orjson.loads(body)
    except ValueError:
        return None
