"""What we tell other servers of a room's history: single events, and walks back from some.

Server-server API, "Backfilling and retrieving missing events" and "Retrieving events". Only what
has a place in the timeline is told in walks; they go on below what was refused. What a server in
the room may not see is told without its content: the graph has to hold together. (Who reads such an
event finds that its hash doesn't match, and takes it as redacted.)
"""

import heapq
from collections.abc import Collection, Sequence

from synapse.api.constants import EventTypes
from synapse.api.errors import Forbidden, InvalidParam, NotFound
from synapse.api.identifiers import domain_of
from synapse.events.event import Event
from synapse.events.redaction import redacted_event
from synapse.federation.server_visibility import ServerVisibility
from synapse.federation.visitors import Visitor, Visitors
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

MAX_EVENTS = 100
# Where a walk may start: more than the ends of any healthy room.
_MAX_STARTS = 50
# What was refused is walked through; a room full of it is not.
_MAX_WALK = 1_000
# Those who ask read 10 MiB at most.
_ENOUGH_BYTES = 5 * 1024 * 1024
_READ_AT_ONCE = 50
# How many events around a time are looked at for one that may be seen.
_MAX_READ = 500
_OUTERMOST = 2**60


class ToldHistory:
    """Answers about it, with events as they were signed."""

    def __init__(
        self, visitors: Visitors, visibility: ServerVisibility, events: EventStore, clock: Clock
    ) -> None:
        self._visitors = visitors
        self._visibility = visibility
        self._events = events
        self._clock = clock

    async def event(self, server: str, event_id: str) -> bytes:
        """One event, refused ones too: other servers may have accepted them, or others that stand
        on them. Raises `NotFound`, and `Forbidden` for what the server may not see at all."""
        event = await self._events.get(event_id) if "\0" not in event_id else None
        if event is None:
            raise NotFound("There is no such event")
        try:
            visitor = await self._visitors.visitor(server, event.room_id)
        except Forbidden:
            if server in _concerned(event):
                return event.json
            raise
        if visitor.is_inside and event.is_state:
            # They are part of states and auth chains, which are told to servers in the room.
            return event.json
        if not event.state_nid:
            raise NotFound("There is no such event")
        shown = await self._shown(visitor, [event])
        if not shown:
            raise Forbidden(f"The server {server} may not see this event")
        return shown[0]

    async def before(
        self, server: str, room_id: str, event_ids: Sequence[str], limit: int
    ) -> list[bytes]:
        """Up to `limit` events: these, and those that they stand on; newest first."""
        visitor = await self._visitors.visitor(server, room_id)
        limit = min(limit, MAX_EVENTS)
        walk = _Walk(visitor.room, self._events, Breaks(self._clock))
        await walk.start(event_ids[:_MAX_STARTS], look_ahead=limit)
        return await self._shown(visitor, await walk.events(limit))

    async def between(
        self,
        server: str,
        room_id: str,
        earliest: Collection[str],
        latest: Sequence[str],
        limit: int,
        min_depth: int,
    ) -> list[bytes]:
        """Up to `limit` events that `latest` stand on, without `earliest` and what these stand on;
        oldest first."""
        visitor = await self._visitors.visitor(server, room_id)
        walk = _Walk(
            visitor.room,
            self._events,
            Breaks(self._clock),
            without={*earliest, *latest},
            min_depth=min_depth,
        )
        for event in (await self._events.get_many(_sound(latest[:_MAX_STARTS]))).values():
            if event.room_id == room_id:
                await walk.start(event.prev_event_ids())
        return (await self._shown(visitor, await walk.events(min(limit, MAX_EVENTS))))[::-1]

    async def nearest(self, server: str, room_id: str, ts_ms: int, *, backwards: bool) -> Event:
        """The event nearest to a time, in a direction, that the server may see."""
        visitor = await self._visitors.visitor(server, room_id)
        place = (ts_ms, _OUTERMOST if backwards else -_OUTERMOST)
        for size in (1, *[_READ_AT_ONCE] * (_MAX_READ // _READ_AT_ONCE)):
            page = await self._events.by_time(visitor.room.nid, place, size, backwards=backwards)
            hidden = await self._visibility.hidden(visitor, page)
            for event in page:
                if event.nid not in hidden:
                    return event
            if len(page) < size:
                break
            place = (page[-1].origin_server_ts, page[-1].pos or 0)
        direction = "backward" if backwards else "forward"
        raise NotFound(f"Unable to find event from {ts_ms} in {direction} direction")

    async def _shown(self, visitor: Visitor, events: Sequence[Event]) -> list[bytes]:
        hidden = await self._visibility.hidden(visitor, events)
        breaks = Breaks(self._clock)
        shown: list[bytes] = []
        size = 0
        for event in events:
            if event.nid not in hidden:
                shown.append(event.json)
            elif visitor.is_inside:
                shown.append(redacted_event(event).json)
            else:
                continue  # who has left learns nothing of what came later
            size += len(shown[-1])
            if size > _ENOUGH_BYTES:
                break
            await breaks.take()
        return shown


class _Walk:
    """A walk back in a room's graph: the deepest events first, so that none comes before one that
    stands on it."""

    def __init__(
        self,
        room: Room,
        events: EventStore,
        breaks: Breaks,
        *,
        without: Collection[str] = (),
        min_depth: int = 0,
    ) -> None:
        self._room = room
        self._events = events
        self._breaks = breaks
        self._seen = set(without)
        self._min_depth = min_depth
        self._ahead: list[tuple[int, int, str, Event]] = []

    async def start(self, event_ids: Sequence[str], *, look_ahead: int = 0) -> None:
        """Go on from these events."""
        new = _sound([event_id for event_id in event_ids if event_id not in self._seen])
        self._seen.update(new)
        found = await self._events.get_many(new)
        for event in found.values():
            # An outlier's past is not known.
            if event.room_id == self._room.room_id and event.state_nid:
                place = (-event.depth, -(event.pos or 0), event.event_id)
                heapq.heappush(self._ahead, (*place, event))
        if look_ahead and self._ahead and self._ahead[0][3].pos is not None:
            # Most rooms are lines: with this, the walk finds all in memory.
            await self._events.before(self._room.nid, self._ahead[0][3].pos, look_ahead)

    async def events(self, limit: int) -> list[Event]:
        """Up to `limit` events of the timeline."""
        found: list[Event] = []
        for _ in range(_MAX_WALK):
            if not self._ahead or len(found) >= limit:
                break
            event = heapq.heappop(self._ahead)[-1]
            if event.depth < self._min_depth:
                break  # and so are all that are left
            if not (event.rejected or event.soft_failed) and event.pos is not None:
                found.append(event)
            await self.start(event.prev_event_ids())
            await self._breaks.take()
        return found


def positive(limit: int) -> int:
    """A limit that was asked for. Raises `InvalidParam`."""
    if limit < 1:
        raise InvalidParam("limit must be at least 1")
    return limit


def _concerned(event: Event) -> set[str]:
    """The servers of those whom an event is by or about."""
    key = event.state_key if event.type == EventTypes.MEMBER else None
    return {domain_of(event.sender), domain_of(key or "")}


def _sound(event_ids: Sequence[str]) -> list[str]:
    """Those that can be ids at all: a database may not take others."""
    return [event_id for event_id in event_ids if "\0" not in event_id]
