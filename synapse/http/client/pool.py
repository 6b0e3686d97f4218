"""Connections that are kept for the next request, within bounds per route, in all, and in time."""

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred

from synapse.http.client.connection import Connection
from synapse.http.client.errors import Progress, RequestFailed, Step
from synapse.http.client.limits import ClientLimits
from synapse.http.client.route import Route
from synapse.util.clock import ReactorTime

Connect = Callable[[Route, Progress], Coroutine[Any, Any, Connection]]
# What a waiter gets: a connection, or None: leave to make one.
_Waiter = Deferred[Connection | None]


class Pool:
    """Lends connections. A place is taken from `acquire` until `release`, and by idle ones."""

    def __init__(self, connect: Connect, reactor: ReactorTime, limits: ClientLimits) -> None:
        self._connect = connect
        self._reactor = reactor
        self._limits = limits
        self._idle: dict[Route, list[Connection]] = {}
        self._lent: set[Connection] = set()
        self._connecting: set[Deferred[Connection]] = set()
        self._places: dict[Route, int] = {}
        self._places_taken = 0
        self._waiting: dict[Route, deque[_Waiter]] = {}
        self._waiting_count = 0
        self._granting = False
        self._sweeper: Any = None
        self._closed = False

    @property
    def idle_count(self) -> int:
        return sum(len(connections) for connections in self._idle.values())

    async def acquire(self, route: Route, progress: Progress, *, fresh: bool = False) -> Connection:
        """An idle connection, or (always, if `fresh`) a new one; waits for a place if need be."""
        self._refuse_if_closed()
        connection = None if fresh else self._take_idle(route)
        if connection is None and not self._take_place(route):
            progress.now(Step.POOL, f"all connections to {route.label} are in use")
            connection = await self._wait(route)
            if connection is not None and fresh:
                # A place is what matters: who waits behind us gets none by our dropping it.
                connection.abort()
                connection = None
        if connection is None:
            connection = await self._connect_in_place(route, progress)
        self._lent.add(connection)
        return connection

    async def _connect_in_place(self, route: Route, progress: Progress) -> Connection:
        connecting = Deferred.fromCoroutine(self._connect(route, progress))
        self._connecting.add(connecting)
        try:
            return await connecting
        except BaseException:
            self._give_up_place(route)
            self._refuse_if_closed()
            raise
        finally:
            self._connecting.discard(connecting)

    def release(self, route: Route, connection: Connection, *, reusable: bool) -> None:
        """The request is over; `reusable` if its connection can carry another."""
        self._lent.discard(connection)
        if not reusable or not connection.is_open or self._closed:
            connection.abort()
            self._give_up_place(route)
            return
        waiter = self._next_waiter(route)
        if waiter is not None:
            waiter.callback(connection)
            return
        connection.idle_since = self._reactor.seconds()
        connection.ended = lambda lost: self._forget(route, lost)
        self._idle.setdefault(route, []).append(connection)
        if self._sweeper is None:
            self._sweeper = self._reactor.callLater(self._limits.sweep_s, self._sweep)
        self._grant()

    def close(self) -> None:
        """Close everything: who waits or is being answered gets an error."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connections in list(self._idle.values()):
            for connection in list(connections):
                connection.abort()
        self._idle.clear()
        for connection in list(self._lent):
            connection.abort()
        for connecting in list(self._connecting):
            connecting.cancel()
        while self._waiting:
            waiter = self._next_waiter(next(iter(self._waiting)))
            if waiter is not None:
                waiter.errback(_closed())

    # Places.

    def _take_place(self, route: Route) -> bool:
        taken = self._places.get(route, 0)
        if taken >= self._limits.connections_per_route:
            return False
        if self._places_taken >= self._limits.connections and not self._close_one_idle():
            return False
        self._places[route] = taken + 1
        self._places_taken += 1
        return True

    def _give_up_place(self, route: Route) -> None:
        self._drop_place(route)
        self._grant()

    def _drop_place(self, route: Route) -> None:
        self._places_taken -= 1
        left = self._places[route] - 1
        if left:
            self._places[route] = left
        else:
            del self._places[route]

    # Waiting.

    async def _wait(self, route: Route) -> Connection | None:
        if self._waiting_count >= self._limits.waiting:
            raise RequestFailed(Step.POOL, "too many requests wait for a connection")
        waiter: _Waiter = Deferred(lambda waiter: self._forget_waiter(route, waiter))
        self._waiting.setdefault(route, deque()).append(waiter)
        self._waiting_count += 1
        return await waiter

    def _next_waiter(self, route: Route) -> _Waiter | None:
        queue = self._waiting.get(route)
        if not queue:
            return None
        waiter = queue.popleft()
        self._waiting_count -= 1
        if not queue:
            del self._waiting[route]
        return waiter

    def _forget_waiter(self, route: Route, waiter: _Waiter) -> None:
        queue = self._waiting.get(route)
        if queue and waiter in queue:
            queue.remove(waiter)
            self._waiting_count -= 1
            if not queue:
                del self._waiting[route]

    def _grant(self) -> None:
        """Give free places to who waits for one, one after the other and not within each other."""
        if self._granting or self._closed:
            return
        self._granting = True
        granted = True
        while granted and self._waiting:
            granted = False
            for route in list(self._waiting):
                if self._take_place(route):
                    waiter = self._next_waiter(route)
                    if waiter is None:
                        self._drop_place(route)
                        continue
                    # Its route goes to the end of the line.
                    if route in self._waiting:
                        self._waiting[route] = self._waiting.pop(route)
                    granted = True
                    waiter.callback(None)
                    break
                if self._is_full:
                    break
        self._granting = False

    @property
    def _is_full(self) -> bool:
        return self._places_taken >= self._limits.connections and not self._idle

    # Idle connections.

    def _take_idle(self, route: Route) -> Connection | None:
        connections = self._idle.get(route)
        if not connections:
            return None
        connection = connections.pop()  # the youngest is the least likely to be closed
        if not connections:
            del self._idle[route]
        return connection

    def _forget(self, route: Route, connection: Connection) -> None:
        """A connection has ended; unless it was idle, whoever has it gives up its place."""
        connections = self._idle.get(route)
        if connections is None or connection not in connections:
            return
        connections.remove(connection)
        if not connections:
            del self._idle[route]
        self._give_up_place(route)

    def _close_one_idle(self) -> bool:
        """Close the one that has been idle longest."""
        oldest: tuple[float, Route] | None = None
        for route, connections in self._idle.items():
            since = connections[0].idle_since
            if oldest is None or since < oldest[0]:
                oldest = since, route
        if oldest is None:
            return False
        self._close_idle(oldest[1], self._idle[oldest[1]][0])
        return True

    def _close_idle(self, route: Route, connection: Connection) -> None:
        self._idle[route].remove(connection)
        if not self._idle[route]:
            del self._idle[route]
        connection.abort()
        self._drop_place(route)

    def _sweep(self) -> None:
        """Close what has been idle for too long. Runs only while something is idle."""
        self._sweeper = None
        before = self._reactor.seconds() - self._limits.idle_s
        for route, connections in list(self._idle.items()):
            for connection in list(connections):
                if connection.idle_since <= before:
                    self._close_idle(route, connection)
        if self._idle:
            self._sweeper = self._reactor.callLater(self._limits.sweep_s, self._sweep)
        self._grant()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise _closed()


def _closed() -> RequestFailed:
    return RequestFailed(Step.POOL, "the server is stopping")
