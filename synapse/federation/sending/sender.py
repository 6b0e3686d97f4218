"""The sender: one line for each server, and what becomes of servers that can't be reached.

A server gets one transaction at a time, with what has gathered meanwhile. If it fails, it is tried
again, after longer and longer pauses; then the server is left alone (`Backoffs`), and everything
for it is in the stream. Nothing is written for each event and server: every few seconds, how far
those are that lack something, and how far all others (see `Destination.confirmed`). What a crash
makes forgotten is sent twice; that harms nobody, since events are known by their ids.

EDUs that must not be missed wait in the outbox, which is in the database, until their server has
them. Those know themselves again as well.
"""

import logging
from collections.abc import Callable, Sequence
from itertools import islice

from twisted.internet.defer import Deferred

from synapse.config.federation import FederationRetries
from synapse.federation.backoff import Backoffs
from synapse.federation.errors import RemoteError
from synapse.federation.sending.backlog import Backlog, Page
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
from synapse.storage.stores.outbox import Letter, OutboxStore
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
# Of the outbox, in one transaction: there is room for changes of devices as well.
_MOST_MAIL = 80
_MOST_MAIL_BYTES = 2 * 1024 * 1024
# After how many EDUs the outbox of a server is looked at that takes none.
_TRIM_EVERY = 500


class Sender:
    """All destinations."""

    def __init__(
        self,
        dispatch: Dispatch,
        store: DestinationStore,
        backlog: Backlog,
        outbox: OutboxStore,
        backoffs: Backoffs,
        clock: Clock,
        background: Background,
        retries: FederationRetries,
    ) -> None:
        self._dispatch = dispatch
        self._store = store
        self._backlog = backlog
        self._outbox = outbox
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
        outbox.listen(self._posted)

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

    def _posted(self, server: str, position: int) -> None:
        """The outbox holds something for a server."""
        destination = self.destination(server)
        destination.mail = max(destination.mail, position)
        destination.mail_count += 1
        if destination.mail_count >= _TRIM_EVERY:
            destination.mail_count = 0
            self._background.spawn("trim an outbox", self._outbox.trim(server))
        self.wake(destination)

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
        for server, newest in (await self._outbox.servers()).items():
            self._posted(server, newest)
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
                if not destination.working and not destination.has_edus:
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
                transaction = await self._next(destination)
                if transaction is None or not await self._deliver(destination, transaction):
                    break
        except BaseException:
            # A fault of ours, or of the database; all of it is still there.
            self._leave_alone(destination, _AFTER_FAULT_MS)
            raise
        finally:
            destination.rest()
        if destination.queue or (destination.has_edus and not destination.is_behind):
            self.wake(destination)

    async def _next(self, destination: Destination) -> Transaction | None:
        """What is to be sent next; None: nothing."""
        mail = await self._mail(destination)
        page = await self._missed(destination) if destination.is_behind else None
        if page is None:  # then what waits in memory
            items = list(islice(destination.queue, MAX_PDUS))
            page = Page(items, items[-1].position if items else 0)
        page = _fitting(page, MAX_EDUS - len(mail))
        edus = [letter.edu for letter in mail]
        if destination.edus:
            edus += destination.edus.take(_room_beside(page.items) - len(mail))
        if not page.items and not edus:
            return None
        mail_up_to = mail[-1].position if mail else 0
        return self._dispatch.transaction(page.items, edus, page.up_to, mail_up_to)

    async def _mail(self, destination: Destination) -> list[Letter]:
        """The next EDUs of the outbox."""
        if not destination.mail:
            return []
        newest = destination.mail
        mail = await self._outbox.page(destination.server, _MOST_MAIL, _MOST_MAIL_BYTES)
        if not mail and destination.mail == newest:
            destination.mail = 0
        return mail

    async def _missed(self, destination: Destination) -> Page | None:
        """The events that a server that is behind lacks; None: it has caught up."""
        breaks = Breaks(self._clock)
        while destination.is_behind:
            up_to = destination.gap_to or self.position
            server, after = destination.server, destination.position
            page = await self._backlog.page(server, after, up_to, MAX_PDUS)
            if not destination.is_open and page.up_to >= up_to:
                destination.open(self.position)
            if page.items:
                return page
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
                await self._sent(destination, transaction)
                return True
            if is_blocked(error):
                break
        if self._stopped:
            return False
        logger.info("Sending to %s fails: %s", server, error)
        self._backoffs.failed(server)
        self._leave_alone(destination, self._backoffs.wait_ms(server))
        return False

    async def _sent(self, destination: Destination, transaction: Transaction) -> None:
        destination.sent(transaction.up_to)
        if transaction.mail_up_to:
            await self._outbox.sent(destination.server, transaction.mail_up_to)
            if destination.mail <= transaction.mail_up_to:
                destination.mail = 0

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


def _fitting(page: Page, room: int) -> Page:
    """As much of a page as holds no more EDUs than there is room for."""
    for number, item in enumerate(page.items):
        if item.is_edu:
            if not room:
                return Page(page.items[:number], item.position - 1)
            room -= 1
    return page


def _room_beside(items: Sequence[Item]) -> int:
    """How many EDUs fit into a transaction beside those that have a position."""
    return MAX_EDUS - sum(item.is_edu for item in items)


def _cancel(destination: Destination) -> None:
    if destination.timer is not None and destination.timer.active():
        destination.timer.cancel()
    destination.timer = None
