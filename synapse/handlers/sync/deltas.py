"""Room deltas: what happened in a room between two positions, built once for all who ask.

A hundred clients that wait for the same room ask for the same interval with, mostly, the same
filter: the first one builds the delta, rendered to bytes, the others find it. What differs between
them (transaction ids, account data, …) is added outside.

The interval's lower end is not the client's position, which differs from client to client, but
the room's last event up to it.

Where forks met, state resolution may have given slots to other events than the timeline says
(`synapse.storage.stores.flips`): what fills them at the interval's end is told as state. A slot
that nothing fills any more can't be told: neither `state` nor `state_after` has a form for that.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.handlers.own_memberships import JOINED, UNKNOWN, OwnHistory
from synapse.handlers.retention import Retention
from synapse.handlers.sync.filters import RoomFilter
from synapse.handlers.sync.hidden_changes import without_outdated
from synapse.rooms.room import FIRST_POS, Room, Slot
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.flips import NONE, Flips, FlipStore
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
    emptied: Sequence[Slot] = ()  # slots that nothing fills any more, since forks met

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
        self,
        events: EventStore,
        states: StateStore,
        flips: FlipStore,
        retention: Retention,
        clock: Clock,
    ) -> None:
        self._events = events
        self._flips = flips
        self._retention = retention
        self._states = states
        self._clock = clock
        self._deltas: Cache[tuple[int, int, int, tuple[int, int], str], RoomDelta] = Cache(
            2_000, "room_deltas"
        )

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
        flips = NONE
        if room.flipped > since:
            flips = await self._flips.between(room.nid, since, upto)
        newest, is_whole = _from_tail(room, since, upto)
        key = None
        if is_whole and newest and see is None:
            key = (room.nid, newest[-1].nid, newest[0].nid, flips.span, wish.key)
            delta = self._deltas.get(key)
            if delta is not None and now_ms - delta.made_ms < _SHARED_MS:
                return delta
        interval = await self._read(room, newest, is_whole, since, upto, wish)
        settled = await self._settled(flips, interval.events[:1])
        unexpired = await self._retention.unexpired(room.nid, interval.events)
        chosen = [event for event in unexpired if wish.timeline.matches(event)]
        if see is not None:
            chosen = await see(chosen)
        limit = wish.timeline.limit
        timeline = without_outdated(interval.events[::-1], chosen[:limit][::-1], wish, settled)
        limited = len(chosen) > len(timeline) or not interval.is_whole
        if wish.state_after:
            state = await self._state_after(interval, settled, since, wish)
        else:
            state = await self._state(interval.events, settled, timeline, limited, since, wish)
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
            emptied=[slot for slot, event in settled.items() if event is None],
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
        emptied: Sequence[Slot] = (),
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
        # What came from another server about a room that we aren't in has no place in a timeline.
        first = timeline[0].pos if timeline else None
        changed = {event.type for event in chain(timeline, state)}
        changed.update(type_ for type_, _ in emptied)
        return RoomDelta(
            events=timeline,
            rendered=rendered,
            timeline=b",".join(rendered),
            state_events=list(state),
            state=b",".join(rendered_state),
            speakers=list(speakers),
            is_after=wish.state_after,
            limited=limited,
            prev_batch=timeline_token(end if first is None else first - 1),
            senders=frozenset(event.sender for event in timeline),
            naming_changed=not changed.isdisjoint(_NAMING),
            made_ms=now_ms,
            history=history,
            emptied=emptied,
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
            if not page:
                is_whole = below == FIRST_POS
                break
            for event in page:
                below = event.pos
                if not event.live:
                    continue
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
        settled: Mapping[Slot, Event | None],
        timeline: list[Event],
        limited: bool,
        since: int,
        wish: RoomFilter,
    ) -> list[Event]:
        """What changed the state before the timeline begins, or is left out of it by its filter.

        Of slots that flipped and that the timeline doesn't fill, it is what fills them in the end.

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
            snapshot = await self._states.at(first.view_nid)
            nids = [nid for nid in snapshot.values() if nid > since and nid not in shown]
            if first.nid in shown and first.is_state and first.replaces_nid > since:
                nids.append(first.replaces_nid)
            for event in (await self._events.by_nids(nids)).values():
                # The interval may know a newer one, which a filter keeps out of the timeline.
                known = changed.get(event.slot)
                if known is None or known.nid < event.nid:
                    changed[event.slot] = event
        filled = {event.slot for event in timeline if event.is_state}
        _settle(changed, {slot: e for slot, e in settled.items() if slot not in filled})
        return [event for event in changed.values() if wish.state.matches(event)]

    async def _state_after(
        self,
        interval: "_Interval",
        settled: Mapping[Slot, Event | None],
        since: int,
        wish: RoomFilter,
    ) -> list[Event]:
        """What changed the state until the interval ends."""
        if interval.is_whole or not interval.events:
            changed = {event.slot: event for event in reversed(interval.events) if event.is_state}
        else:
            snapshot = await self._states.at(interval.events[0].view_nid)
            nids = [nid for nid in snapshot.values() if nid > since]
            changed = {e.slot: e for e in (await self._events.by_nids(nids)).values()}
        _settle(changed, settled)
        return [event for event in changed.values() if wish.state.matches(event)]

    async def _settled(self, flips: Flips, newest: Sequence[Event]) -> Mapping[Slot, Event | None]:
        """What fills the slots that flipped, at the end of an interval.

        `newest` is the interval's last event, if it has any: a slot may have gone to a state event
        after it flipped.
        """
        settled = {slot: flip.event for slot, flip in flips.of.items()}
        earlier = {
            slot: flip.slot_nid
            for slot, flip in flips.of.items()
            if newest and flip.stream < newest[0].nid
        }
        if earlier:
            view = await self._states.filled(newest[0].view_nid, list(earlier.values()))
            events = await self._events.by_nids(view.values())
            settled |= {slot: events.get(view.get(nid, 0)) for slot, nid in earlier.items()}
        return settled

    async def _speakers(self, room: Room, timeline: list[Event], upto: int) -> list[Event]:
        """The member events of the timeline's senders, for clients that load members lazily."""
        slots = {(EventTypes.MEMBER, event.sender) for event in timeline}
        members = {slot: event for slot in slots if (event := room.current(slot)) is not None}
        if unknown := [slot for slot in slots if slot not in members]:
            members.update(await self._states.current(room.nid, unknown))
        if newer := [slot for slot, event in members.items() if not 0 < event.nid <= upto]:
            members.update(await self._states.events_at(timeline[-1].view_nid, newer))
        return list(members.values())


def _settle(changed: dict[Slot, Event], settled: Mapping[Slot, Event | None]) -> None:
    for slot, event in settled.items():
        if event is None:
            changed.pop(slot, None)
        else:
            changed[slot] = event


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
        if not event.live:
            continue
        if event.nid <= since:
            return newest, True
        if event.nid <= upto:
            newest.append(event)
    return newest, room.tail_is_all and bool(room.tail) and room.tail[0].pos == FIRST_POS


def _last_pos(room: Room, upto: int) -> int:
    """The `pos` of the room's last event up to a position, as far as memory tells."""
    for event in reversed(room.tail):
        if event.live and event.nid <= upto and event.pos is not None:
            return event.pos
    return room.tail[0].pos - 1 if room.tail and room.tail[0].pos is not None else room.pos
