"""Room deltas: what happened in a room between two positions, built once for all who ask.

A hundred clients that wait for the same room ask for the same interval with, mostly, the same
filter: the first one builds the delta, rendered to bytes, the others find it. What differs between
them (transaction ids, account data, …) is added outside.

The interval's lower end is not the client's position, which differs from client to client, but
the room's last event up to it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.handlers.own_memberships import JOINED, UNKNOWN, OwnHistory
from synapse.handlers.retention import Retention
from synapse.handlers.sync.filters import RoomFilter
from synapse.handlers.sync.hidden_changes import without_outdated
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.states import StateStore
from synapse.streams.tokens import timeline_token
from synapse.util.breaks import Breaks
from synapse.util.caches import Cache
from synapse.util.clock import Clock

# Picks the events that a reader may see.
_See = Callable[[list[Event]], Awaitable[list[Event]]]

# What a room is called, if need be after its members.
_NAMING = (EventTypes.MEMBER, EventTypes.NAME, EventTypes.CANONICAL_ALIAS)
# A delta carries the events' age when it was built, and clients order events by what they make of
# it: it is shared for this long.
_SHARED_MS = 500
# A filter that lets little through makes us read on; a reader is not made to wait for ever.
_MAX_READ = 2_000


@dataclass(slots=True)
class RoomDelta:
    """A room's timeline and state between two positions."""

    events: list[Event]
    rendered: list[bytes]  # the events, for any reader but their sender
    timeline: bytes  # `rendered`, joined
    state_events: list[Event]
    state: bytes  # JSON of the state events, joined
    # Members who only introduce the timeline's senders to clients that load them lazily.
    speakers: list[Event]
    is_after: bool  # the state is the one after the timeline, not before it
    limited: bool
    prev_batch: str
    senders: frozenset[str]
    naming_changed: bool  # the room's name or members
    made_ms: int
    history: OwnHistory  # of the readers' memberships

    @property
    def told_state(self) -> set[int]:
        """The state events from which a client learns the state, by nid."""
        return told_state(self.events, self.state_events, is_after=self.is_after)

    def state_with(self, members: Sequence[Event], wish: RoomFilter, history: OwnHistory) -> bytes:
        """The JSON of the state events and of more of them, joined."""
        now_ms, at = self.made_ms, history.at
        more = [wish.render(event, now_ms=now_ms, unsigned=at(event)) for event in members]
        return b",".join([self.state, *more] if self.state else more)


class RoomDeltas:
    """Builds deltas, and keeps those that others are likely to ask for."""

    def __init__(
        self, events: EventStore, states: StateStore, retention: Retention, clock: Clock
    ) -> None:
        self._events = events
        self._retention = retention
        self._states = states
        self._clock = clock
        self._deltas: Cache[tuple[int, int, int, str], RoomDelta] = Cache(2_000, "room_deltas")

    async def between(
        self,
        room: Room,
        since: int,
        upto: int,
        wish: RoomFilter,
        see: _See | None = None,
        history: OwnHistory = JOINED,
    ) -> RoomDelta:
        """What happened after position `since`, up to `upto`, for one who is joined all the time.

        `see` is for one who may not see all of it, and whose delta is nobody else's; `history` are
        that one's memberships.
        """
        now_ms = self._clock.now_ms()
        newest, is_whole = _from_tail(room, since, upto)
        key = None
        if is_whole and newest and see is None:
            key = (room.nid, newest[-1].nid, newest[0].nid, wish.key)
            delta = self._deltas.get(key)
            if delta is not None and now_ms - delta.made_ms < _SHARED_MS:
                return delta
        interval = await self._read(room, newest, is_whole, since, upto, wish)
        unexpired = await self._retention.unexpired(room.nid, interval.events)
        chosen = [event for event in unexpired if wish.timeline.matches(event)]
        if see is not None:
            chosen = await see(chosen)
        limit = wish.timeline.limit
        timeline = without_outdated(interval.events[::-1], chosen[:limit][::-1], wish)
        limited = len(chosen) > len(timeline) or not interval.is_whole
        if wish.state_after:
            state = await self._state_after(interval, since, wish)
        else:
            state = await self._state(interval.events, timeline, limited, since, wish)
        speakers: list[Event] = []
        if wish.lazy_members:
            told = told_state(timeline, state, is_after=wish.state_after)
            speakers = [
                event
                for event in await self._speakers(room, timeline, upto)
                if event.nid not in told and wish.state.matches(event)
            ]
        delta = await self.render(
            timeline,
            state,
            limited,
            wish,
            _last_pos(room, upto),
            speakers=speakers,
            history=history,
        )
        if key is not None:
            self._deltas[key] = delta
        return delta

    async def render(
        self,
        timeline: list[Event],
        state: Sequence[Event],
        limited: bool,
        wish: RoomFilter,
        end: int,
        *,
        speakers: Sequence[Event] = (),
        history: OwnHistory = UNKNOWN,
    ) -> RoomDelta:
        """A delta of events that are chosen already; `timeline` is oldest first.

        `end` is where the timeline ends, for one that is empty.
        """
        now_ms = self._clock.now_ms()
        rendered = [
            wish.render(event, now_ms=now_ms, unsigned=history.at(event)) for event in timeline
        ]
        rendered_state: list[bytes] = []
        async for some in Breaks(self._clock).portions(state):
            rendered_state += [
                wish.render(event, now_ms=now_ms, unsigned=history.at(event)) for event in some
            ]
        # An invite that was refused has no place in a timeline, nor has the refusal.
        if timeline and timeline[0].pos is not None:
            prev_batch = timeline_token(timeline[0].pos - 1)
        else:
            prev_batch = timeline_token(end)
        return RoomDelta(
            events=timeline,
            rendered=rendered,
            timeline=b",".join(rendered),
            state_events=list(state),
            state=b",".join(rendered_state),
            speakers=list(speakers),
            is_after=wish.state_after,
            limited=limited,
            prev_batch=prev_batch,
            senders=frozenset(event.sender for event in timeline),
            naming_changed=any(event.type in _NAMING for event in chain(timeline, state)),
            made_ms=now_ms,
            history=history,
        )

    async def _read(
        self,
        room: Room,
        newest: list[Event],
        is_whole: bool,
        since: int,
        upto: int,
        wish: RoomFilter,
    ) -> "_Interval":
        """Read on below what memory has, until more events pass the filter than are wanted."""
        limit = wish.timeline.limit
        events = list(newest)
        passed = sum(1 for event in events if wish.timeline.matches(event))
        below = events[-1].pos if events else _last_pos(room, upto) + 1
        while not is_whole and passed <= limit and len(events) < _MAX_READ:
            assert below is not None, "events of the timeline have a place in it"
            page = await self._events.before(room.nid, below, limit + 50)
            is_whole = not page
            for event in page:
                below = event.pos
                if event.nid <= since:
                    is_whole = True
                    break
                if event.nid <= upto:
                    events.append(event)
                    passed += wish.timeline.matches(event)
        return _Interval(events, is_whole)

    async def _state(
        self,
        interval: list[Event],
        timeline: list[Event],
        limited: bool,
        since: int,
        wish: RoomFilter,
    ) -> list[Event]:
        """What changed the state before the timeline begins, or is left out of it by its filter.

        A snapshot names the event that fills each slot, and events are numbered as they come: what
        changed since a position has a greater number.
        """
        shown = {event.nid for event in timeline}
        changed = {
            event.slot: event
            for event in reversed(interval)
            if event.is_state and event.nid not in shown
        }
        if limited and interval:
            first = timeline[0] if timeline else interval[0]
            snapshot = await self._states.at(first.state_nid)
            nids = [nid for nid in snapshot.values() if nid > since and nid not in shown]
            if first.nid in shown and first.is_state and first.replaces_nid > since:
                nids.append(first.replaces_nid)
            for event in (await self._events.by_nids(nids)).values():
                # The interval may know a newer one, which a filter keeps out of the timeline.
                known = changed.get(event.slot)
                if known is None or known.nid < event.nid:
                    changed[event.slot] = event
        return [event for event in changed.values() if wish.state.matches(event)]

    async def _state_after(
        self, interval: "_Interval", since: int, wish: RoomFilter
    ) -> list[Event]:
        """What changed the state until the interval ends."""
        if interval.is_whole or not interval.events:
            changed = {event.slot: event for event in reversed(interval.events) if event.is_state}
            events = list(changed.values())
        else:
            snapshot = await self._states.at(interval.events[0].state_nid)
            nids = [nid for nid in snapshot.values() if nid > since]
            events = list((await self._events.by_nids(nids)).values())
        return [event for event in events if wish.state.matches(event)]

    async def _speakers(self, room: Room, timeline: list[Event], upto: int) -> list[Event]:
        """The member events of the timeline's senders, for clients that load members lazily."""
        slots = {(EventTypes.MEMBER, event.sender) for event in timeline}
        members = {slot: event for slot in slots if (event := room.current(slot)) is not None}
        if unknown := [slot for slot in slots if slot not in members]:
            members.update(await self._states.current(room.nid, unknown))
        if newer := [slot for slot, event in members.items() if not 0 < event.nid <= upto]:
            members.update(await self._states.events_at(timeline[-1].state_nid, newer))
        return list(members.values())


def told_state(timeline: Sequence[Event], state: Sequence[Event], *, is_after: bool) -> set[int]:
    """From which events (their nids) a client learns the state.

    One that is told the state after the timeline takes none from the timeline.
    """
    told = {event.nid for event in state}
    return told if is_after else told.union(event.nid for event in timeline)


@dataclass(slots=True)
class _Interval:
    """Events of a room, newest first; `is_whole`: all there are between two positions."""

    events: list[Event]
    is_whole: bool


def _from_tail(room: Room, since: int, upto: int) -> tuple[list[Event], bool]:
    """The events of the interval that are in memory, newest first; whether those are all."""
    newest: list[Event] = []
    for event in reversed(room.tail):
        if event.nid <= since:
            return newest, True
        if event.nid <= upto:
            newest.append(event)
    return newest, room.tail_is_all


def _last_pos(room: Room, upto: int) -> int:
    """The `pos` of the room's last event up to a position, as far as memory tells."""
    for event in reversed(room.tail):
        if event.nid <= upto and event.pos is not None:
            return event.pos
    return room.tail[0].pos - 1 if room.tail and room.tail[0].pos is not None else room.pos
