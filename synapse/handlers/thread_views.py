"""Threads as a reader sees them who may not see all of the room.

As a rule a reader sees a thread whole, and the database counts it. Who has left the room, or came
late to one that hides what was before, may see a part: then its events are looked through, newest
first, within a bound.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from synapse.events.event import Event
from synapse.events.relations import THREAD
from synapse.handlers.visibility import Reader, Visibility
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.relations import RelationStore

_READ_AT_ONCE = 100
# Beyond the places of all events, however much history comes in.
_ENDS = 2**60


@dataclass(slots=True)
class Budget:
    """How many events may be looked at for one request."""

    left: int = 2_000


@dataclass(frozen=True, slots=True)
class ThreadView:
    """What a reader sees of a thread."""

    newest: Event
    length: int  # a part of it, if the budget was used up


class ThreadViews:
    """Looks through threads."""

    def __init__(
        self, relations: RelationStore, events: EventStore, visibility: Visibility
    ) -> None:
        self._relations = relations
        self._events = events
        self._visibility = visibility

    async def view(
        self, reader: Reader, root_id: str, ignored: frozenset[str], budget: Budget
    ) -> ThreadView | None:
        """The thread without events of ignored users; None: the reader sees nothing of it."""
        newest, length = None, 0
        async for event in self._visible(reader, root_id, ignored, budget):
            newest = newest or event
            length += 1
        return None if newest is None else ThreadView(newest, length)

    async def newest(
        self, reader: Reader, root_id: str, ignored: frozenset[str], budget: Budget
    ) -> Event | None:
        """The thread's newest event that the reader sees."""
        async for event in self._visible(reader, root_id, ignored, budget):
            return event
        return None

    async def _visible(
        self, reader: Reader, root_id: str, ignored: frozenset[str], budget: Budget
    ) -> AsyncIterator[Event]:
        below, is_end = _ENDS, False
        while not is_end and budget.left > 0:
            rows = await self._relations.children(
                reader.room_nid,
                root_id,
                rel_type=THREAD,
                event_type=None,
                depth=1,
                above=-_ENDS,
                below=below,
                backwards=True,
                limit=_READ_AT_ONCE,
            )
            budget.left -= _READ_AT_ONCE
            is_end = len(rows) < _READ_AT_ONCE
            if rows:
                below = rows[-1][1]
            events = await self._events.by_nids(nid for nid, _ in rows)
            page = [events[nid] for nid, _ in rows if nid in events]
            for event in await self._visibility.visible_to(reader, page):
                if event.sender not in ignored:
                    yield event
