"""`https://<hostname>/.well-known/matrix/server`: to whom a server delegates, and until when."""

import logging
from dataclasses import dataclass
from typing import Any

from synapse.api.identifiers import is_server_name
from synapse.http.client.answer import Answer
from synapse.http.client.client import HttpClient
from synapse.http.client.errors import RequestFailed
from synapse.http.client.urls import authority
from synapse.http.discovery.lifetimes import LONGEST_S, failure_s, lifetime_s
from synapse.util.caches import Cache
from synapse.util.clock import ReactorTime
from synapse.util.shared import Shared

logger = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
_MOST_BYTES = 51_200
_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class Delegation:
    """What came of reading a file."""

    delegate: str | None
    # What is wrong with the file, or why it could not be read.
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    told: Delegation
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
        return (await self.delegation_of(host)).delegate

    async def delegation_of(self, host: str) -> Delegation:
        """The same, and why."""
        known = self._known.get(host)
        if known is None or known.until <= self._reactor.seconds():
            known = await self._reading.get(host, lambda: self._read(host, known))
        return known.told

    async def _read(self, host: str, before: _Known | None) -> _Known:
        try:
            answer = await self._client.request(
                "GET",
                f"https://{authority(host, None)}/.well-known/matrix/server",
                timeout_s=_TIMEOUT_S,
                max_bytes=_MOST_BYTES,
                redirects=_REDIRECTS,
            )
        except RequestFailed as failure:
            known = self._after_failure(before, str(failure), is_outage=True)
        else:
            now = self._reactor.seconds()
            told = _told(answer)
            if told.delegate is None:
                if answer.status == 200:
                    logger.info("%s/.well-known/matrix/server has no use: %s", host, told.problem)
                is_outage = answer.status >= 500
                known = self._after_failure(before, told.problem, is_outage=is_outage)
            else:
                known = _Known(told, now + lifetime_s(answer.headers), read=now)
        self._known[host] = known
        return known

    def _after_failure(self, before: _Known | None, problem: str, *, is_outage: bool) -> _Known:
        now = self._reactor.seconds()
        failures = 1 if before is None else before.failures + 1
        until = now + failure_s(failures)
        if is_outage and before is not None and before.told.delegate is not None:
            # A web site's outage is none of its homeserver's, while the file may be remembered.
            end = before.read + LONGEST_S
            if now < end:
                told = Delegation(before.told.delegate, problem)
                return _Known(told, min(until, end), before.read, failures)
        return _Known(Delegation(None, problem), until, failures=failures)


def _told(answer: Answer) -> Delegation:
    if answer.status != 200:
        return Delegation(None, f"it answers {answer.status}")
    content = _json(answer.body)
    if not isinstance(content, dict):
        return Delegation(None, "it is not a JSON object")
    delegate = content.get("m.server")
    if not is_server_name(delegate):
        return Delegation(None, "its m.server is not a server's name")
    return Delegation(delegate)


def _json(body: bytes) -> Any:
    import orjson

    try:
        return orjson.loads(body)
    except ValueError:
        return None
