"""Changes to a large database that go on while the server runs.

A migration starts one by inserting a row into `background_updates`; the code for its name is given
to `BackgroundUpdates`. It proceeds in steps, each one write that also saves how far it came, so a
crash costs at most the step in flight. Steps are sized so that each takes about
`background_update_duration_ms`, with pauses in between.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

Position = dict[str, Any]
# (transaction, where the last step ended, about how many items to do) -> what was done
Update = Callable[[Transaction, Position, int], "Step"]

# A step that failed for a reason that may pass is tried again after this; then the update rests
# until the next start.
_RETRY_PAUSES_S = (1.0, 10.0, 60.0)
_MAX_BATCH = 100_000

_NEXT = "SELECT name FROM background_updates ORDER BY ordering, name"
# An update of nothing: it locks the row, so that two processes do not do the same step.
_LOAD = "UPDATE background_updates SET items = items WHERE name = ? RETURNING position"
_SAVE = "UPDATE background_updates SET position = ?, items = items + ? WHERE name = ?"
_DONE = "DELETE FROM background_updates WHERE name = ?"


@dataclass(frozen=True, slots=True)
class Pace:
    """The configuration's `background_updates` section."""

    duration_ms: int = 100
    sleep_enabled: bool = True
    sleep_duration_ms: int = 1000
    min_batch_size: int = 1
    default_batch_size: int = 100


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did, and where the next one begins; `None` when the update is complete."""

    items: int
    position: Position | None


@dataclass(frozen=True, slots=True)
class Status:
    """How far an unfinished update is."""

    name: str
    items: int
    position: Position


class BackgroundUpdates:
    """Runs the updates that the database asks for, one after the other."""

    def __init__(
        self, database: Database, clock: Clock, updates: Mapping[str, Update], pace: Pace
    ) -> None:
        self._database = database
        self._clock = clock
        self._updates = updates
        self._pace = pace
        # Set to False to pause after the current step.
        self.enabled = True

    async def run(self) -> None:
        """Work until nothing is left to do, or `enabled` is False."""
        for (name,) in await self._database.fetch(_NEXT):
            update = self._updates.get(name)
            if update is None:
                logger.error("Nothing is known about the background update %s; it waits", name)
            elif not await self._complete(name, update):
                return

    async def unfinished(self) -> list[Status]:
        """What is still to do, for administrators; in the order in which it will be done."""
        rows = await self._database.fetch(
            "SELECT name, items, position FROM background_updates ORDER BY ordering, name"
        )
        return [Status(name, items, json.loads(position)) for name, items, position in rows]

    async def _complete(self, name: str, update: Update) -> bool:
        logger.info("Background update %s goes on", name)
        run = _Run(name, update)
        batch_size = self._pace.default_batch_size
        while self.enabled:
            started = self._clock.monotonic()
            step = await self._step(run, batch_size)
            if step is None:
                return False
            if step.position is None:
                logger.info("Background update %s is complete", name)
                return True
            took_ms = (self._clock.monotonic() - started) * 1000
            batch_size = self._next_size(batch_size, step.items, took_ms)
            if self._pace.sleep_enabled:
                await self._clock.sleep(self._pace.sleep_duration_ms / 1000)
        return False

    async def _step(self, run: "_Run", batch_size: int) -> Step | None:
        for pause_s in (*_RETRY_PAUSES_S, None):
            try:
                return await self._database.write(run.apply, batch_size)
            except Exception:
                logger.exception("A step of the background update %s failed", run.name)
            if pause_s is not None:
                await self._clock.sleep(pause_s)
        return None

    def _next_size(self, size: int, items: int, took_ms: float) -> int:
        """As many items as should take `duration_ms`; at most twice as many as before."""
        if items > 0 and took_ms > 0:
            size = min(2 * size, int(items * self._pace.duration_ms / took_ms))
        else:
            size *= 2
        return max(self._pace.min_batch_size, min(size, _MAX_BATCH))


class _Run:
    """One update, as a write for the database."""

    def __init__(self, name: str, update: Update) -> None:
        self.name = name
        self._update = update

    def apply(self, tx: Transaction, batch_sizes: list[int]) -> list[Step]:
        return [self._step(tx, size) for size in batch_sizes]

    def _step(self, tx: Transaction, size: int) -> Step:
        rows = tx.execute(_LOAD, self.name)
        if not rows:
            return Step(0, None)  # another process has completed it
        ((position,),) = rows
        step = self._update(tx, json.loads(position), size)
        if step.position is None:
            tx.execute(_DONE, self.name)
        else:
            tx.execute(_SAVE, json.dumps(step.position), step.items, self.name)
        return step
