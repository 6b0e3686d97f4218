"""The sender: one line for each server, and what becomes of servers that can't be reached.

A server gets one transaction at a time, with what has gathered meanwhile. If it fails, it is tried
again, after longer and longer pauses; then the server is left alone (`Backoffs`), and everything
for it is in the stream. Nothing is written for each event and server: every few seconds, how far
those are that lack something, and how far all others (see `Destination.confirmed`). What a crash
makes forgotten is sent twice; that harms nobody, since events are known by their ids.
"""

import logging
from collections.abc import Callable, Sequence
from itertools import islice

from twisted.internet.defer import Deferred

from synapse.config.federation import FederationRetries
from synapse.federation.backoff import Backoffs
from synapse.federation.errors import RemoteError
from synapse.federation.sending.backlog import Backlog
from synapse.federation.sending.destination import Destination, Item
from synapse.federation.sending.pending_edus import PendingEdus
from synapse.federation.sending.places import Places
from synapse.federation.sending.transaction import (
    MAX_EDUS,
    MAX_PDUS,
    Dispatch,
    Transaction,
    is_blocked,
)
from synapse.http.client.errors import RequestFailed
from synapse.storage.stores.destinations import DestinationStore
from synapse.util.background import Background
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock, Timer

logger = logging.getLogger(__name__)

# Transactions that are under way at once: to servers that were reached, and to all others. Those
# that take a minute to fail so don't keep the others waiting.
_PLACES = 100
_DOUBTFUL_PLACES = 50
_SAVE_S = 5.0
_ROWS_AT_ONCE = 500
_AFTER_FAULT_MS = 60_000


class Sender:
    """All destinations."""

    def __init__(
        self,
        dispatch: Dispatch,
        store: DestinationStore,
        backlog: Backlog,
        backoffs: Backoffs,
        clock: Clock,
        background: Background,
        retries: FederationRetries,
    ) -> None:
        self._dispatch = dispatch
        self._store = store
        self._backlog = backlog
        self._backoffs = backoffs
        self._clock = clock
        self._background = background
        self._retries = retries
        self._destinations: dict[str, Destination] = {}
        self._reached: set[str] = set()
        self._places = Places(_PLACES)
        self._doubtful_places = Places(_DOUBTFUL_PLACES)
        # Those that lack something, and those of which the database says so.
        self._unsettled: dict[str, Destination] = {}
        self._saved = 0
        self._saver: Timer | None = None
        self._stopped = True  # not started yet
        # Up to where events were distributed.
        self.position = 0
        backoffs.listen(self._try_earlier)

    def destination(self, server: str) -> Destination:
        """The server, which may be new."""
        found = self._destinations.get(server)
        if found is None:
            found = self._destinations[server] = Destination(server)
        return found

    def tell(self, server: str, add: Callable[[PendingEdus], object]) -> None:
        """Tell a server something in passing, unless it can't be reached."""
        if self._stopped or self._backoffs.wait_ms(server):
            return
        destination = self.destination(server)
        add(destination.edus)
        self.wake(destination)

    @property
    def destinations(self) -> list[Destination]:
        """Those for which something waits, or was lately."""
        return list(self._destinations.values())

    def distributed(self, position: int) -> None:
        """Whatever is up to a position has come to the destinations that it is for."""
        self.position = max(self.position, position)

    def wake(self, destination: Destination) -> None:
        """Send what waits for a server, unless that is under way."""
        self._unsettled[destination.server] = destination
        if destination.working or self._stopped:
            return
        wait_ms = self._backoffs.wait_ms(destination.server)
        if wait_ms:
            self._leave_alone(destination, wait_ms)
            return
        destination.working = True
        self._background.spawn("send to another server", self._work(destination))

    async def bring_up_to_date(self, server: str, timeout_s: float) -> bool:
        """Give a server what waits for it. True: it lacked something, and has it now."""
        destination = self._destinations.get(server)
        if destination is None or destination.confirmed() is None:
            return False
        self.wake(destination)
        self._try_earlier(server)
        if destination.working:
            done: Deferred[None] = Deferred()
            destination.waiting.append(done)
            if not await self._clock.wait_for(done, timeout_s):
                destination.waiting.remove(done)
        return destination.confirmed() is None

    # The server's life.

    async def resume(self) -> None:
        """Take up what the last process has left behind."""
        after = -1
        while rows := await self._store.page(after, _ROWS_AT_ONCE):
            for row in rows:
                if row.backoff is not None:
                    self._backoffs.restore(row.server, row.backoff)
                if row.position is not None:
                    destination = self.destination(row.server)
                    destination.position = destination.saved = row.position
                    destination.is_open = False
                    self._unsettled[row.server] = destination
            after = rows[-1].server_nid
        self.position = self._saved = await self._store.position()

    def start(self) -> None:
        """Send, from now on."""
        self._stopped = False
        for destination in list(self._unsettled.values()):
            self.wake(destination)
        self._plan_saving()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True
        if self._saver is not None and self._saver.active():
            self._saver.cancel()
        for destination in self._destinations.values():
            _cancel(destination)
            if destination.pause is not None:
                destination.pause.callback(None)

    async def save(self) -> None:
        """Remember how far everybody is."""
        position = self.position
        changed: dict[str, int | None] = {}
        for server, destination in list(self._unsettled.items()):
            confirmed = destination.confirmed()
            if confirmed != destination.saved:
                changed[server] = confirmed
            elif confirmed is None:
                del self._unsettled[server]
                if not destination.working and not destination.edus:
                    del self._destinations[server]
        if changed or position != self._saved:
            await self._store.save(position, changed)
            self._saved = position
            for server, confirmed in changed.items():
                self.destination(server).saved = confirmed

    def _plan_saving(self) -> None:
        if not self._stopped:
            self._saver = self._clock.call_later(_SAVE_S, self._save_now)

    def _save_now(self) -> None:
        self._background.spawn("remember what was sent", self._save_and_plan())

    async def _save_and_plan(self) -> None:
        try:
            await self.save()
        finally:
            self._plan_saving()

    # One destination.

    async def _work(self, destination: Destination) -> None:
        _cancel(destination)
        try:
            while not self._stopped:
                transaction = None
                if destination.is_behind:
                    transaction = await self._missed(destination)
                if transaction is None:
                    transaction = self._queued(destination)
                if transaction is None or not await self._deliver(destination, transaction):
                    break
        except BaseException:
            # A fault of ours, or of the database; all of it is still there.
            self._leave_alone(destination, _AFTER_FAULT_MS)
            raise
        finally:
            destination.rest()
        if destination.queue or destination.edus:
            self.wake(destination)

    def _queued(self, destination: Destination) -> Transaction | None:
        """What waits in memory; None: nothing."""
        queue, edus = destination.queue, destination.edus
        if not queue and not edus:
            return None
        items = list(queue) if len(queue) <= MAX_PDUS else list(islice(queue, MAX_PDUS))
        told = edus.take(_room_beside(items)) if edus else ()
        return self._dispatch.transaction(items, told, items[-1].position if items else 0)

    async def _missed(self, destination: Destination) -> Transaction | None:
        """What a server that is behind lacks; None: it has caught up."""
        breaks = Breaks(self._clock)
        while destination.is_behind:
            up_to = destination.gap_to or self.position
            server, after = destination.server, destination.position
            page = await self._backlog.page(server, after, up_to, MAX_PDUS)
            if not destination.is_open and page.up_to >= up_to:
                destination.open(self.position)
            if page.items:
                edus = destination.edus.take(_room_beside(page.items))
                return self._dispatch.transaction(page.items, edus, page.up_to)
            destination.sent(page.up_to)
            await breaks.take()
        return None

    async def _deliver(self, destination: Destination, transaction: Transaction) -> bool:
        """Whether a server has got a transaction; else it is left alone for a while."""
        server = destination.server
        is_failing = self._backoffs.get(server) is not None
        tries = 1 if is_failing else 1 + self._retries.max_long_retries
        error: RequestFailed | RemoteError | None = None
        for number in range(tries):
            if error is not None:
                await self._pause(destination, number, error)
            if self._stopped:
                return False
            error = await self._try(server, transaction)
            if error is None:
                destination.sent(transaction.up_to)
                return True
            if is_blocked(error):
                break
        if self._stopped:
            return False
        logger.info("Sending to %s fails: %s", server, error)
        self._backoffs.failed(server)
        self._leave_alone(destination, self._backoffs.wait_ms(server))
        return False

    async def _try(
        self, server: str, transaction: Transaction
    ) -> RequestFailed | RemoteError | None:
        """Send; None if the server has got it."""
        places = self._places if server in self._reached else self._doubtful_places
        await places.acquire()
        try:
            await self._dispatch.send(server, transaction)
        except (RequestFailed, RemoteError) as error:
            self._reached.discard(server)
            return error
        finally:
            places.release()
        self._reached.add(server)
        self._backoffs.succeeded(server)
        return None

    async def _pause(
        self, destination: Destination, number: int, error: RequestFailed | RemoteError
    ) -> None:
        pause_s = 2.0 ** min(number - 1, 20)
        if isinstance(error, RemoteError) and error.retry_after_ms is not None:
            pause_s = max(pause_s, error.retry_after_ms / 1000)
        destination.pause = Deferred()
        destination.pauses_unheard = isinstance(error, RequestFailed)
        try:
            longest_s = self._retries.max_long_retry_delay_ms / 1000
            await self._clock.wait_for(destination.pause, min(pause_s, longest_s))
        finally:
            destination.pause = None

    def _leave_alone(self, destination: Destination, wait_ms: int) -> None:
        destination.fall_behind(self.position)
        _cancel(destination)
        destination.timer = self._clock.call_later(wait_ms / 1000, self.wake, destination)

    def _try_earlier(self, server: str) -> None:
        destination = self._destinations.get(server)
        if destination is None:
            return
        if destination.pause is not None and destination.pauses_unheard:
            destination.pause.callback(None)
        elif destination.is_behind:
            self.wake(destination)


def _room_beside(items: Sequence[Item]) -> int:
    """How many EDUs fit into a transaction beside those that have a position."""
    return MAX_EDUS - sum(item.is_edu for item in items)


def _cancel(destination: Destination) -> None:
    if destination.timer is not None and destination.timer.active():
        destination.timer.cancel()
    destination.timer = None
