"""TCP to whichever of a name's addresses answers first (RFC 8305, "happy eyeballs").

Twisted's `HostnameEndpoint` resolves by itself, so that nobody could judge the addresses in
between, and tells only of the last one why it failed.
"""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

from synapse.http.client.connection import Connection
from synapse.http.client.errors import RequestFailed, Step
from synapse.http.client.limits import ClientLimits
from synapse.http.client.urls import authority


async def dial(
    reactor: Any, addresses: Sequence[str], port: int, limits: ClientLimits
) -> Connection:
    """A connection to one of the literal addresses. Raises `RequestFailed` (TCP)."""
    return await _Race(reactor, addresses, port, limits).start()


class _Race:
    """Attempts that start one after the other, of which one may win."""

    def __init__(
        self, reactor: Any, addresses: Sequence[str], port: int, limits: ClientLimits
    ) -> None:
        self._reactor = reactor
        self._port = port
        self._limits = limits
        self._waiting = list(addresses)
        self._running: dict[_Attempt, Any] = {}
        self._errors: list[str] = []
        self._timer: Any = None
        self._result: Deferred[Connection] = Deferred(lambda _: self._stop())

    def start(self) -> "Deferred[Connection]":
        self._start_next()
        return self._result

    def won(self, attempt: "_Attempt", connection: Connection) -> None:
        del self._running[attempt]
        if self._result.called:
            connection.abort()
            return
        self._stop()
        self._result.callback(connection)

    def lost(self, attempt: "_Attempt", reason: str) -> None:
        # In Twisted an attempt may fail before connectTCP has returned.
        self._running.pop(attempt, None)
        attempt.is_over = True
        if self._result.called:
            return
        self._errors.append(f"{authority(attempt.address, self._port)}: {reason}")
        if self._waiting:
            self._start_next()
        elif not self._running:
            self._stop()
            self._result.errback(RequestFailed(Step.TCP, "; ".join(self._errors)))

    def _start_next(self) -> None:
        self._cancel_timer()
        address = self._waiting.pop(0)
        if self._waiting:
            self._timer = self._reactor.callLater(self._limits.stagger_s, self._start_next)
        attempt = _Attempt(self, address)
        connector = self._reactor.connectTCP(
            address, self._port, attempt, timeout=self._limits.connect_s
        )
        if not attempt.is_over:
            self._running[attempt] = connector

    def _stop(self) -> None:
        self._cancel_timer()
        self._waiting.clear()
        running, self._running = self._running, {}
        for attempt, connector in running.items():
            attempt.is_over = True
            connector.disconnect()

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


class _Attempt(ClientFactory):
    noisy = False

    def __init__(self, race: _Race, address: str) -> None:
        self.address = address
        self.is_over = False
        self._race = race

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return Connection(self._connected)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        if not self.is_over:
            self._race.lost(self, reason.getErrorMessage().rstrip("."))

    def _connected(self, connection: Connection) -> None:
        if self.is_over:
            connection.abort()
        else:
            self.is_over = True
            self._race.won(self, connection)
