"""Deleting messages that have expired (`synapse.events.retention`), in the background.

A job goes through all rooms, one after the other, in small batches with pauses in between. It saves
how far it came, so that a new start goes on there. What a batch has deleted twice is deleted once.
State stays, and so do the events that the room's next one builds on.
"""

import logging
from collections.abc import Sequence

from synapse.api.constants import EventTypes
from synapse.config.retention import PurgeJobConfig
from synapse.events.event import Event
from synapse.events.retention import RetentionRules, max_lifetime_ms
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.purging import BEGINNING, JobProgress, PurgeBatch, PurgeStore
from synapse.storage.stores.states import StateStore
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

_SLOT = (EventTypes.RETENTION, "")
_ROOMS_AT_ONCE = 100
_EVENTS_AT_ONCE = 500
_PAUSE_S = 0.5


class Purging:
    """Runs the jobs that are due."""

    def __init__(
        self,
        store: PurgeStore,
        rooms: RoomCache,
        events: EventStore,
        states: StateStore,
        clock: Clock,
        rules: RetentionRules | None,
        jobs: Sequence[PurgeJobConfig],
    ) -> None:
        """`rules` None: nothing ever expires. Without `jobs` there is one for all rooms."""
        self._store = store
        self._rooms = rooms
        self._events = events
        self._states = states
        self._clock = clock
        self._rules = rules
        self._jobs = jobs or (PurgeJobConfig(),)
        self._is_running = False
        self._is_stopped = False

    def stop(self) -> None:
        """Let the batch in flight be the last one."""
        self._is_stopped = True

    async def run_due(self) -> None:
        """Run each job whose time has come, or whose last run was interrupted."""
        if self._rules is None or self._is_running:
            return
        self._is_running = True
        try:
            for job in self._jobs:
                await self._run(job, self._rules)
        finally:
            self._is_running = False

    async def _run(self, job: PurgeJobConfig, rules: RetentionRules) -> None:
        name = f"{job.shortest_max_lifetime_ms} to {job.longest_max_lifetime_ms}"
        now_ms = self._clock.now_ms()
        progress = await self._store.progress(name)
        if progress is None or progress.room_nid is None:
            if progress is not None and now_ms < progress.started_ms + job.interval_ms:
                return
            progress = JobProgress(name, now_ms, 0)
        room_nid: int | None = progress.room_nid
        while room_nid is not None and not self._is_stopped:
            room_nid = await self._purge_rooms_after(room_nid, job, rules)
            if not self._is_stopped:
                await self._clock.sleep(_PAUSE_S)
                await self._store.save_progress(JobProgress(name, progress.started_ms, room_nid))

    async def _purge_rooms_after(
        self, room_nid: int, job: PurgeJobConfig, rules: RetentionRules
    ) -> int | None:
        """Purge a handful of rooms; where to go on, or None: these were the last."""
        room_nids = await self._store.rooms_after(room_nid, _ROOMS_AT_ONCE)
        policies = await self._states.slot_of(room_nids, _SLOT)
        for nid in room_nids:
            lifetime_ms = max_lifetime_ms(_content(policies.get(nid)), rules)
            if lifetime_ms is not None and _looks_after(job, lifetime_ms):
                await self._purge_room(nid, self._clock.now_ms() - lifetime_ms)
        return room_nids[-1] if len(room_nids) == _ROOMS_AT_ONCE else None

    async def _purge_room(self, room_nid: int, before_ms: int) -> None:
        count = 0
        place: tuple[int, int] | None = BEGINNING
        while place is not None and not self._is_stopped:
            purged = await self._store.purge(
                PurgeBatch(room_nid, place, before_ms, _EVENTS_AT_ONCE)
            )
            self._forget(room_nid, purged.event_nids)
            count += len(purged.event_nids)
            place = purged.place
            if place is not None:
                await self._clock.sleep(_PAUSE_S)
        if count:
            logger.info("Deleted %d expired messages of room number %d", count, room_nid)

    def _forget(self, room_nid: int, event_nids: list[int]) -> None:
        for nid in event_nids:
            self._events.forget(nid)
        room = self._rooms.peek(room_nid)
        if room is not None and event_nids:
            room.purged(set(event_nids))


def _looks_after(job: PurgeJobConfig, lifetime_ms: int) -> bool:
    shortest, longest = job.shortest_max_lifetime_ms, job.longest_max_lifetime_ms
    if shortest is not None and lifetime_ms <= shortest:
        return False
    return longest is None or lifetime_ms <= longest


def _content(event: Event | None) -> dict[str, object] | None:
    return None if event is None else event.content
