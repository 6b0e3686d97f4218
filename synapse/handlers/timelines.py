"""Reading a room's timeline: pages of messages, one event, an event with what surrounds it.

A token is a place between two events: `t5` stands behind the event whose `pos` is 5. Tokens of
`/sync` are taken too; each stands behind the room's newest event that had come as news by then.

Who reads comes to gaps, where this server lacks what others have. A page ends there if it has
something to show; the next one begins with filling the gap (`synapse.handlers.gaps`).
"""

from dataclasses import dataclass, replace

from synapse.api.constants import EventTypes
from synapse.api.errors import Forbidden, NotFound
from synapse.events.event import Event
from synapse.events.filtering import EventFilter
from synapse.handlers.auth import Requester
from synapse.handlers.gaps import Gaps
from synapse.handlers.ignored_users import IgnoredUsers
from synapse.handlers.past_events import PastEvents
from synapse.handlers.room_access import room_of_member
from synapse.handlers.states import States
from synapse.handlers.visibility import Reader, Visibility
from synapse.rooms.cache import RoomCache
from synapse.rooms.history import History
from synapse.rooms.room import Room
from synapse.rooms.wholeness import Wholeness
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.relations import RelationStore
from synapse.streams.tokens import SyncToken, parse_timeline_token, timeline_token, tries_of
from synapse.util.clock import Clock

MAX_EVENTS = 1_000
# If a filter or the history's visibility lets little through, a page is short rather than slow.
_MAX_READ = 2_000
_READ_AT_ONCE = 100
# Before the first event of every room, however much history comes in later.
_BEGINNING = -(2**60)
_END = 2**60


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a timeline, in the order in which it was asked for."""

    events: list[Event]
    start: str
    end: str | None  # None: there is nothing further
    state: list[Event] | None  # None: wasn't asked for


@dataclass(frozen=True, slots=True)
class Surroundings:
    """An event, and what stands around it."""

    event: Event
    before: list[Event]  # newest first
    after: list[Event]  # oldest first
    start: str
    end: str
    state: list[Event]


class Timelines:
    """Reads timelines as far as the reader may see them."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        relations: RelationStore,
        states: States,
        visibility: Visibility,
        wholeness: Wholeness,
        ignored: IgnoredUsers,
        history: History,
        past: PastEvents,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._relations = relations
        self._states = states
        self._visibility = visibility
        self._wholeness = wholeness
        self._ignored = ignored
        self._history = history
        self._past = past
        self._clock = clock

    async def messages(
        self,
        requester: Requester,
        room_id: str,
        wish: EventFilter,
        *,
        backwards: bool,
        start: str | None,
        stop: str | None,
    ) -> Page:
        """A page of up to `wish.limit` events from a token on, until another one.

        Raises `Forbidden` for who may not read the room, `InvalidParam` for what isn't a token.
        """
        room = await room_of_member(self._rooms, room_id)
        reader = await self._visibility.reader(room, requester.user_id, requester.user_nid)
        if start is not None:
            place = await self.place(room, start)
        else:
            place = await self._outermost(room, reader, backwards)
        bound = None if stop is None else await self.place(room, stop)
        wish = wish.ignoring(await self._ignored.of(requester))
        tries = 0 if start is None or start.startswith("s") else tries_of(start)
        gaps = self._gaps(room, backwards, tries=tries)
        events, end = await self._page(room, reader, place, wish, wish.limit, bound, gaps)
        state = None
        if wish.lazy_load_members:
            state = await self._members_of_senders(room, events) if events else []
        # Clients take a page that ends where it began for the end of the room.
        tries = tries + 1 if end == place and wish.limit else 0
        end_token = None if end is None else timeline_token(end, tries)
        return Page(events, start or timeline_token(place), end_token, state)

    async def last_before(self, room: Room, token: str) -> Event | None:
        """The event behind which a token stands; None at the room's beginning."""
        newest = await self._before(room, await self.place(room, token) + 1, 1)
        return newest[0] if newest else None

    async def event(self, requester: Requester, room_id: str, event_id: str) -> Event:
        """Raises `NotFound` also for who may not see the event."""
        try:
            return (await self.find(requester, room_id, event_id))[2]
        except Forbidden:
            raise _no_event(event_id) from None

    async def event_anywhere(self, requester: Requester, event_id: str) -> Event:
        """The same, of whichever room the event is in."""
        event = await self._events.get(event_id)
        if event is None:
            raise _no_event(event_id)
        return await self.event(requester, event.room_id, event_id)

    async def surroundings(
        self, requester: Requester, room_id: str, event_id: str, wish: EventFilter
    ) -> Surroundings:
        """An event with up to `wish.limit` events around it, and the state at the last of them."""
        room, reader, event = await self.find(requester, room_id, event_id)
        if room.is_partial and not wish.lazy_load_members:
            await self._wholeness.of(room)
            room, reader, event = await self.find(requester, room_id, event_id)
        wish = wish.ignoring(await self._ignored.of(requester))
        half = wish.limit // 2
        around = await self._around(room, reader, event, wish, half, wish.limit - half)
        last = around.after[-1] if around.after else event
        senders = None
        if wish.lazy_load_members:
            senders = {e.sender for e in (*around.before, event, *around.after)}
        state = await self._states.at_event(room, last, members=senders)
        return replace(around, state=[e for e in state if wish.matches(e)])

    async def neighbours(
        self, requester: Requester, event: Event, before: int, after: int
    ) -> Surroundings:
        """What the requester may see around an event, without state. Raises `Forbidden`."""
        room = await room_of_member(self._rooms, event.room_id)
        reader = await self._visibility.reader(room, requester.user_id, requester.user_nid)
        wish = EventFilter({}, 0)
        return await self._around(room, reader, event, wish, before, after, asks_others=False)

    async def _around(
        self,
        room: Room,
        reader: Reader,
        event: Event,
        wish: EventFilter,
        before_limit: int,
        after_limit: int,
        *,
        asks_others: bool = True,
    ) -> Surroundings:
        assert event.pos is not None, "what a reader may see stands in the timeline"
        gaps = self._gaps(room, True, asks_others=asks_others)
        before, _ = await self._page(room, reader, event.pos - 1, wish, before_limit, None, gaps)
        # A gap above is filled from its far end, for which nobody waits here.
        gaps = self._gaps(room, False, asks_others=False)
        after, _ = await self._page(room, reader, event.pos, wish, after_limit, None, gaps)
        first = before[-1] if before else event
        last = after[-1] if after else event
        return Surroundings(
            event=event,
            before=before,
            after=after,
            start=timeline_token((first.pos or 0) - 1),
            end=timeline_token(last.pos or 0),
            state=[],
        )

    async def find(
        self, requester: Requester, room_id: str, event_id: str
    ) -> tuple[Room, Reader, Event]:
        """An event, its room, and the requester as its reader.

        Raises `Forbidden` for who may not read the room, `NotFound` for who may not see the event.
        """
        room = await room_of_member(self._rooms, room_id)
        reader = await self._visibility.reader(room, requester.user_id, requester.user_nid)
        event = await self._events.get(event_id)
        if event is None or event.room_id != room.room_id:
            raise _no_event(event_id)
        if not await self._visibility.visible_to(reader, [event]):
            raise _no_event(event_id)
        return room, reader, event

    # Places.

    async def place(self, room: Room, token: str) -> int:
        """The `pos` of the last event before a token."""
        if not token.startswith("s"):
            return parse_timeline_token(token)
        position = SyncToken.parse(token).position
        places = [event.pos for event in room.tail if event.live and event.nid <= position]
        if places or room.tail_is_all:
            return places[-1] or 0 if places else _BEGINNING
        place = await self._events.pos_at(room.nid, position)
        return _BEGINNING if place is None else place

    async def _outermost(self, room: Room, reader: Reader, backwards: bool) -> int:
        """Where reading starts if no token says it."""
        if backwards:
            if reader.leave is not None and reader.leave.pos is not None:
                return reader.leave.pos
            return (room.tail[-1].pos or 0) if room.tail else room.pos
        first = await self._after(room, _BEGINNING, 1)
        return (first[0].pos or 0) - 1 if first else 0

    # Pages.

    async def _page(
        self,
        room: Room,
        reader: Reader,
        place: int,
        wish: EventFilter,
        limit: int,
        bound: int | None,
        gaps: Gaps,
    ) -> tuple[list[Event], int | None]:
        """Events behind a place, in one direction, and where to go on; None: nowhere."""
        backwards = gaps.backwards
        found: list[Event] = []
        if limit == 0:
            return found, place
        read = 0
        size = limit if wish.matches_all else max(limit, _READ_AT_ONCE)
        while read < _MAX_READ:
            gap = await gaps.next(place)
            # One more than is needed tells whether there are more.
            page = await self._read(room, place, size + 1, backwards)
            if gap is not None:
                page = [event for event in page if gaps.is_on_this_side(event, gap)]
            is_last = len(page) <= size
            page = page[:size]
            inside = [event for event in page if _is_inside(event, bound, backwards)]
            if is_last and gap is not None and gaps.is_within(gap, bound):
                is_last = False
            else:
                gap = None  # it is further away than this page, or than what is asked for
            is_last = is_last or len(inside) < len(page)
            wanted = [event for event in inside if wish.matches(event)]
            if wish.asks_for_children:
                wanted = await self._with_children(reader, wanted, wish)
            for event in await self._visibility.visible_to(reader, wanted):
                found.append(event)
                if len(found) == limit:
                    ended = is_last and event is inside[-1]
                    return found, None if ended else _behind(event, backwards)
            if is_last:
                return found, None
            read += len(page)
            if page:
                place = _behind(page[-1], backwards)
            if gap is not None and (found or not await gaps.cross(gap)):
                break
        return found, place

    def _gaps(
        self, room: Room, backwards: bool, *, tries: int = 0, asks_others: bool = True
    ) -> Gaps:
        return Gaps(
            self._history,
            self._past,
            self._clock,
            room,
            backwards=backwards,
            tries=tries,
            asks_others=asks_others,
        )

    async def _with_children(
        self, reader: Reader, events: list[Event], wish: EventFilter
    ) -> list[Event]:
        leave = reader.leave
        nids = await self._relations.with_children(
            [event.nid for event in events],
            wish.related_by_senders,
            wish.related_by_rel_types,
            # Who has left doesn't learn what relates to it since.
            below=_END if leave is None or leave.pos is None else leave.pos,
        )
        return [event for event in events if event.nid in nids]

    async def _read(self, room: Room, place: int, limit: int, backwards: bool) -> list[Event]:
        if backwards:
            return await self._before(room, place + 1, limit)
        return await self._after(room, place, limit)

    async def _before(self, room: Room, pos: int, limit: int) -> list[Event]:
        """Up to `limit` events below a `pos`, newest first; from memory if they are there."""
        newest = [e for e in reversed(room.tail) if e.pos is not None and e.pos < pos][:limit]
        if len(newest) == limit or room.tail_is_all:
            return newest
        return await self._events.before(room.nid, pos, limit)

    async def _after(self, room: Room, pos: int, limit: int) -> list[Event]:
        """Up to `limit` events above a `pos`, oldest first; from memory if they are there."""
        tail = room.tail
        if room.tail_is_all or (tail and tail[0].pos is not None and tail[0].pos <= pos + 1):
            return [e for e in tail if e.pos is not None and e.pos > pos][:limit]
        return await self._events.after(room.nid, pos, limit)

    async def _members_of_senders(self, room: Room, events: list[Event]) -> list[Event]:
        """The member events of those who speak on a page, as they are where the page starts."""
        slots = [(EventTypes.MEMBER, sender) for sender in {event.sender for event in events}]
        return list((await self._states.slots_in_view(room, events[0], slots)).values())


def _behind(event: Event, backwards: bool) -> int:
    """The place at which reading goes on after an event."""
    assert event.pos is not None, "events of the timeline have a place in it"
    return event.pos - 1 if backwards else event.pos


def _is_inside(event: Event, bound: int | None, backwards: bool) -> bool:
    if bound is None:
        return True
    assert event.pos is not None, "events of the timeline have a place in it"
    return event.pos > bound if backwards else event.pos <= bound


def _no_event(event_id: str) -> NotFound:
    return NotFound(f"There is no event {event_id[:255]} that you may see in this room")
