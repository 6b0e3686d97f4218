"""From names to addresses, by the system's resolver in the reactor's threads.

A look-up in a thread can't be stopped. So that names whose servers don't answer can't take all
threads away from the rest of the server, only a few look-ups run at once, each name's once,
however many ask for it.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from synapse.http.client.errors import RequestFailed, Step
from synapse.http.client.urls import is_host_name

# Of ten threads that a reactor has.
_AT_ONCE = 6


class Resolver(Protocol):
    async def addresses(self, host: str) -> Sequence[str]:
        """The literal addresses of a name, the preferred one first. Raises `RequestFailed`."""
        ...


class SystemResolver:
    """Asks what the reactor asks: /etc/hosts and DNS, as the system is configured."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._asked: dict[str, list[Deferred[list[str]]]] = {}
        self._queue: deque[str] = deque()
        self._running = 0

    async def addresses(self, host: str) -> Sequence[str]:
        if not is_host_name(host.lower()):
            # Python's resolver raises for some of these, in its thread, and never comes back.
            raise RequestFailed(Step.DNS, f"{host[:255]!r} is not a host's name")
        found = await self._look_up(host)
        if not found:
            raise RequestFailed(Step.DNS, f"there is no address of {host}")
        return found

    def _look_up(self, host: str) -> "Deferred[list[str]]":
        waiters = self._asked.get(host)
        if waiters is None:
            waiters = self._asked[host] = []
            self._queue.append(host)
        waiter: Deferred[list[str]] = Deferred(waiters.remove)
        waiters.append(waiter)
        self._start()
        return waiter

    def _start(self) -> None:
        while self._queue and self._running < _AT_ONCE:
            host = self._queue.popleft()
            if not self._asked[host]:  # all have given up
                del self._asked[host]
                continue
            self._running += 1
            self._reactor.nameResolver.resolveHostName(_Receiver(self, host), host, 0)

    def resolved(self, host: str, addresses: list[str]) -> None:
        self._running -= 1
        for waiter in self._asked.pop(host):
            waiter.callback(addresses)
        self._start()


@implementer(IResolutionReceiver)
class _Receiver:
    def __init__(self, resolver: SystemResolver, host: str) -> None:
        self._resolver = resolver
        self._host = host
        self._found: list[str] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """The result comes from a thread, later."""

    def addressResolved(self, address: IAddress) -> None:
        host: str = address.host
        if host not in self._found:
            self._found.append(host)

    def resolutionComplete(self) -> None:
        self._resolver.resolved(self._host, self._found)
