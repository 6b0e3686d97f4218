"""Finding the event nearest to a time ("jump to date").

The clocks of servers differ, so a room's timeline is not sorted by time: the events are looked
through in the order of their `origin_server_ts`, from the time on, until one is met that the
reader may see.

Where the room's history has a gap, others are asked for an event that is nearer. If there is one,
it is brought here, whatever lies between, if that goes while the reader waits.
"""

from synapse.api.errors import NotFound
from synapse.events.event import Event
from synapse.handlers.auth import Requester
from synapse.handlers.past_events import PATIENCE_S, Jumps
from synapse.handlers.room_access import room_of_member
from synapse.handlers.visibility import Reader, Visibility
from synapse.rooms.cache import RoomCache
from synapse.rooms.history import History
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.util.clock import Clock

_READ_AT_ONCE = 50
# How many events that the reader may not see are looked through.
_MAX_READ = 1_000
# Before and behind every `pos`.
_OUTERMOST = 2**60


class EventByTime:
    """Answers `/timestamp_to_event`."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        visibility: Visibility,
        history: History,
        jumps: Jumps,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._visibility = visibility
        self._history = history
        self._jumps = jumps
        self._clock = clock

    async def nearest(
        self, requester: Requester, room_id: str, ts_ms: int, *, backwards: bool
    ) -> Event:
        """The first event at or after a time, or with `backwards` the last at or before it.

        Raises `Forbidden` for who may not read the room, `NotFound` if there is no such event.
        """
        room = await room_of_member(self._rooms, room_id)
        reader = await self._visibility.reader(room, requester.user_id, requester.user_nid)
        event = await self._first_visible(room, reader, ts_ms, backwards)
        if reader.is_joined and await self._bring_nearer(room, event, ts_ms, backwards):
            event = await self._first_visible(room, reader, ts_ms, backwards)
        if event is None and (edge_ms := await self._edge(room, reader, backwards)) is not None:
            # Beyond all that was hidden from the reader.
            edge_ms = min(ts_ms, edge_ms) if backwards else max(ts_ms, edge_ms)
            event = await self._first_visible(room, reader, edge_ms, backwards)
        if event is None:
            where = "before" if backwards else "after"
            raise NotFound(f"There is no event {where} {ts_ms} that you may see in this room")
        return event

    async def _bring_nearer(
        self, room: Room, event: Event | None, ts_ms: int, backwards: bool
    ) -> bool:
        """Whether there may be a nearer event now, which another server has told."""
        if await self._history.gap(room.nid, _OUTERMOST) is None:
            return False
        until = self._clock.monotonic() + PATIENCE_S
        told = await self._jumps.nearest(room, ts_ms, backwards=backwards)
        if told is None:
            return False
        if event is not None and abs(told.ts_ms - ts_ms) >= abs(event.origin_server_ts - ts_ms):
            return False
        await self._jumps.bring(room, told, max(0.0, until - self._clock.monotonic()))
        return True

    async def _first_visible(
        self, room: Room, reader: Reader, ts_ms: int, backwards: bool
    ) -> Event | None:
        place = (ts_ms, _OUTERMOST if backwards else -_OUTERMOST)
        for size in (1, *[_READ_AT_ONCE] * (_MAX_READ // _READ_AT_ONCE)):
            page = await self._events.by_time(room.nid, place, size, backwards=backwards)
            visible = await self._visibility.visible_to(reader, page)
            if visible:
                return visible[0]
            if len(page) < size:
                return None
            place = (page[-1].origin_server_ts, page[-1].pos or 0)
        return None

    async def _edge(self, room: Room, reader: Reader, backwards: bool) -> int | None:
        """When what the reader has seen for certain begins or, backwards, ends."""
        if backwards:
            return None if reader.leave is None else reader.leave.origin_server_ts
        if reader.joined_since is None:
            return None
        joins = await self._events.after(room.nid, reader.joined_since - 1, 1)
        return joins[0].origin_server_ts if joins else None
