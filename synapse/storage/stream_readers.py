"""Readers of the stream: what is derived from events later, and in nobody's way.

A reader has one saved position. A step gathers what came behind it, in a reader's thread, and
writes what follows from that together with the new position, so that a crash costs at most the step
in flight. It starts at the beginning, so history that was there before the reader is read as well.

Several processes may follow for one reader: the position is moved only from where it was known to
be, and who finds it elsewhere goes on from there.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from synapse.storage.database import Database
from synapse.storage.transaction import Reader, Transaction
from synapse.util.background import Background
from synapse.util.clock import Clock, Timer

T = TypeVar("T")

# From a commit to the reading: what is written meanwhile is read in one go.
_DELAY_S = 1.0
# Between the steps of one who is far behind.
_PAUSE_S = 0.02
_RETRY_S = 60.0
# A step takes at most that many events, and whatever else changed at that many positions.
_EVENTS_AT_ONCE = 500
_POSITIONS_AT_ONCE = 2_000

_LOAD = "SELECT position FROM stream_readers WHERE name = ?"
_SAVE = """
    UPDATE stream_readers SET position = ? WHERE name = ? AND position = ? RETURNING position
"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of the stream: behind `after`, up to and with `up_to`."""

    after: int
    up_to: int
    is_last: bool  # nothing is behind it yet


class Work(Protocol[T]):
    """What a reader of the stream does with it."""

    def gather(self, reader: Reader, stretch: Stretch) -> T | None:
        """What `write` needs of a stretch; None if there is nothing to write."""
        ...

    def write(self, txn: Transaction, gathered: T) -> None: ...


@dataclass(frozen=True, slots=True)
class _Step(Generic[T]):
    saved: int
    stretch: Stretch
    gathered: T | None


class _Overtaken(Exception):
    """Another process has moved the position."""


class StreamReader(Generic[T]):
    """Follows the stream for one kind of work; `name` is its row in `stream_readers`."""

    def __init__(
        self, name: str, work: Work[T], database: Database, clock: Clock, background: Background
    ) -> None:
        self._name = name
        self._work = work
        self._database = database
        self._clock = clock
        self._background = background
        # The position in the database, and up to where there was nothing to write since.
        self._saved: int | None = None
        self._read = 0
        self._timer: Timer | None = None
        self._is_running = False
        self._moved = False
        self._stopped = False

    def start(self) -> None:
        """Follow from now on."""
        self._database.on_commit(self._wake)
        self._wake()

    def stop(self) -> None:
        """Stop after the step in flight."""
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    async def catch_up(self) -> None:
        """Read up to the stream's end."""
        while await self._step() and not self._stopped:
            await self._clock.sleep(_PAUSE_S)

    def _wake(self, position: int = 0) -> None:
        if self._is_running:
            self._moved = True
        elif self._timer is None and not self._stopped:
            self._timer = self._clock.call_later(_DELAY_S, self._run)

    def _run(self) -> None:
        self._timer = None
        self._is_running = True
        self._moved = False
        self._background.spawn(f"read the stream for {self._name}", self._follow())

    async def _follow(self) -> None:
        delay_s = _RETRY_S
        try:
            await self.catch_up()
            delay_s = _DELAY_S
        finally:
            self._is_running = False
            if not self._stopped and (self._moved or delay_s == _RETRY_S):
                self._timer = self._clock.call_later(delay_s, self._run)

    async def _step(self) -> bool:
        """Whether there is more to read."""
        if self._saved is None:
            ((self._saved,),) = await self._database.fetch(_LOAD, self._name)
            self._read = self._saved
        step = await self._database.scan(self._gather)
        # A full stretch is saved also if there is nothing in it, not to be read again.
        if step.gathered is not None or not step.stretch.is_last:
            try:
                await self._database.write(self._write, step)
            except _Overtaken:
                self._saved = None
                return True
            self._saved = step.stretch.up_to
        self._read = step.stretch.up_to
        return not step.stretch.is_last

    def _gather(self, reader: Reader) -> _Step[T]:
        assert self._saved is not None, "the position is loaded before"
        stretch = _next_stretch(reader, self._read)
        gathered = None
        if stretch.up_to > stretch.after:
            gathered = self._work.gather(reader, stretch)
        return _Step(self._saved, stretch, gathered)

    def _write(self, txn: Transaction, steps: list[_Step[T]]) -> None:
        for step in steps:
            if not txn.execute(_SAVE, step.stretch.up_to, self._name, step.saved):
                raise _Overtaken
            if step.gathered is not None:
                self._work.write(txn, step.gathered)


def _next_stretch(reader: Reader, after: int) -> Stretch:
    ((head,),) = reader.fetch("SELECT pos FROM stream")
    up_to = max(after, min(head, after + _POSITIONS_AT_ONCE))
    ((count, last),) = reader.fetch(
        """SELECT count(*), max(event_nid) FROM (
               SELECT event_nid FROM events WHERE event_nid > ? AND event_nid <= ?
               ORDER BY event_nid LIMIT ?) AS few""",
        after,
        up_to,
        _EVENTS_AT_ONCE,
    )
    if count == _EVENTS_AT_ONCE:
        up_to = last
    return Stretch(after, up_to, is_last=up_to >= head)
