"""SRV records, asked for with twisted.names.

What the resolver can't tell (it is down, or knows nothing of SRV) is taken as "no record": the
default port is tried then, and the server there has to prove its name in any case.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import random
from typing import Any, Protocol

from synapse.http.client.errors import RequestFailed, Step
from synapse.http.client.urls import is_host_name
from synapse.http.discovery.addresses import Target
from synapse.http.discovery.srv_order import SrvRecord, ordered
from synapse.util.caches import Cache
from synapse.util.clock import ReactorTime
from synapse.util.shared import Shared

logger = logging.getLogger(__name__)

# The second is not registered, and deprecated; many servers have only that one.
_SERVICES = ("_matrix-fed._tcp", "_matrix._tcp")
_TIMEOUTS_S = (1, 3, 5)
_SHORTEST_S, _LONGEST_S = 60, 3600
_WITHOUT_RECORD_S = 600.0
_WITHOUT_ANSWER_S = 60.0
# Of one name; others are not looked at.
_MOST_RECORDS = 20


class SrvLookup(Protocol):
    async def records(self, name: str) -> tuple[Sequence[SrvRecord], float]:
        """The records of a name and for how many seconds they hold. Raises `NoAnswer`."""
        ...


class NoAnswer(Exception):
    """DNS could not be asked; the text says why."""


@dataclass(frozen=True, slots=True)
class _Known:
    records: tuple[SrvRecord, ...]
    until: float


class SrvTargets:
    """The targets of a host's SRV records; remembers what was asked for as long as it holds."""

    def __init__(
        self, lookup: SrvLookup, reactor: ReactorTime, draw: Callable[[], float] = random
    ) -> None:
        self._lookup = lookup
        self._reactor = reactor
        self._draw = draw
        self._known: Cache[str, _Known] = Cache(10_000, "srv_records")
        self._asking: Shared[str, _Known] = Shared()

    async def targets(self, host: str) -> list[Target]:
        """In the order in which to try them; none if there is no record.

        Raises `RequestFailed` if a record says that there is no such service."""
        for service in _SERVICES:
            name = f"{service}.{host}"
            records = await self._records(name)
            if not records:
                continue
            # DNS has names that are none of hosts'; these must not get into a proxy's request.
            reachable = [each for each in records if is_host_name(each.host) and each.port]
            if not reachable:
                # RFC 2782: the root as target says that there is no such service.
                raise RequestFailed(Step.DNS, f"the SRV record {name} names no server")
            return ordered(reachable, self._draw)
        return []

    async def _records(self, name: str) -> tuple[SrvRecord, ...]:
        known = self._known.get(name)
        if known is None or known.until <= self._reactor.seconds():
            known = await self._asking.get(name, lambda: self._ask(name))
        return known.records

    async def _ask(self, name: str) -> _Known:
        try:
            records, ttl_s = await self._lookup.records(name)
        except NoAnswer as error:
            logger.info("No answer to the SRV query for %s: %s", name, error)
            records, holds_s = (), _WITHOUT_ANSWER_S
        else:
            holds_s = min(max(ttl_s, _SHORTEST_S), _LONGEST_S) if records else _WITHOUT_RECORD_S
        known = _Known(tuple(records[:_MOST_RECORDS]), self._reactor.seconds() + holds_s)
        self._known[name] = known
        return known


class DnsLookup:
    """Asks the name servers of /etc/resolv.conf."""

    def __init__(self, reactor: Any, names: Callable[[], Any] | None = None) -> None:
        """`names` makes the resolver: an `IResolver` of twisted.names."""
        self._reactor = reactor
        self._make_names = names or self._system_names
        self._names: Any = None

    async def records(self, name: str) -> tuple[Sequence[SrvRecord], float]:
        from twisted.names import dns, error

        if self._names is None:
            self._names = self._make_names()
        try:
            answers, _, _ = await self._names.lookupService(name, timeout=_TIMEOUTS_S)
        except error.DNSNameError:
            return (), 0.0
        except Exception as failure:  # twisted.names has no common base of its errors
            raise NoAnswer(f"{type(failure).__name__} {failure}".strip()) from None
        found = [answer for answer in answers if answer.type == dns.SRV]
        records = [
            SrvRecord(
                answer.payload.priority,
                answer.payload.weight,
                answer.payload.port,
                answer.payload.target.name.decode("ascii", "replace").lower(),
            )
            for answer in found
        ]
        return records, float(min((answer.ttl for answer in found), default=0))

    def _system_names(self) -> Any:
        from twisted.names.client import Resolver

        return Resolver(resolv="/etc/resolv.conf", reactor=self._reactor)
