"""`Destination`: what waits for one server.

New events come from memory, in the order of the stream (`queue`). A server that can't keep up, or
can't be reached, *falls behind*: its queue is dropped, and what is kept is how far it has
everything (`position`). What it lacks is then read from the database, page by page. When the last
page is near, the queue is opened again, and `gap_to` says up to where the database is to be read
before it.

EDUs that may be missed wait in memory as well (`edus`). Those that must not be are in the outbox,
in the database; what is kept here is that something is there (`mail`).
"""

from collections import deque
from typing import NamedTuple

from twisted.internet.defer import Deferred

from synapse.federation.sending.pending_edus import PendingEdus
from synapse.util.clock import Timer

# Events in memory for one server: ten transactions.
MAX_QUEUED = 500


class Item(NamedTuple):
    """An event on its way, or an EDU that has a position like one."""

    position: int
    json: bytes  # canonical
    is_edu: bool = False


class Destination:
    """One server; changed by `Sender` and `Distributor` only."""

    __slots__ = (
        "edus",
        "gap_to",
        "is_open",
        "mail",
        "mail_count",
        "pause",
        "pauses_unheard",
        "position",
        "queue",
        "saved",
        "server",
        "timer",
        "waiting",
        "working",
    )

    def __init__(self, server: str) -> None:
        self.server = server
        self.queue: deque[Item] = deque()  # those that are under way included
        self.edus = PendingEdus()
        self.mail = 0  # the outbox holds EDUs for it, the newest at this position; 0: none
        self.mail_count = 0  # how many were added since the outbox was trimmed
        self.is_open = True  # new events come into the queue
        self.gap_to: int | None = None
        self.position = 0  # as long as it is behind: all up to here is sent
        self.saved: int | None = None  # what the database says of `position`
        self.working = False
        self.timer: Timer | None = None  # when it is tried again
        self.pause: Deferred[None] | None = None  # the pause between two tries
        self.pauses_unheard = False  # until the server is heard of, at most
        self.waiting: list[Deferred[None]] = []  # for the end of what is under way

    @property
    def is_behind(self) -> bool:
        return not self.is_open or self.gap_to is not None

    @property
    def has_edus(self) -> bool:
        return bool(self.edus) or self.mail > 0

    def confirmed(self) -> int | None:
        """Up to where all is sent; None: whatever was distributed."""
        if self.is_behind:
            return self.position
        return self.queue[0].position - 1 if self.queue else None

    def sent(self, position: int) -> None:
        """All up to a position is sent."""
        if self.is_behind:
            self.position = max(self.position, position)
            if self.gap_to is not None and self.position >= self.gap_to:
                self.gap_to = None
        else:
            while self.queue and self.queue[0].position <= position:
                self.queue.popleft()

    def rest(self) -> None:
        """Nothing is under way any more."""
        self.working = False
        waiting, self.waiting = self.waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def fall_behind(self, position: int) -> None:
        """Let go of what waits; all up to `position` is distributed."""
        confirmed = self.confirmed()
        self.position = position if confirmed is None else confirmed
        self.is_open = False
        self.gap_to = None
        self.queue.clear()
        self.edus.clear()

    def open(self, position: int) -> None:
        """Take new events from here on; what is between is read from the database before."""
        self.is_open = True
        self.gap_to = position if position > self.position else None
