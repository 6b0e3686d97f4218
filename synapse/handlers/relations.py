"""Reading the events that relate to another one, and the threads of a room.

The tokens are those of `/messages`: `t5` stands behind the event whose `pos` is 5.
"""

from dataclasses import dataclass

from synapse.api.errors import Forbidden, NotFound
from synapse.events.event import Event
from synapse.events.redaction import redacted_event
from synapse.handlers.auth import Requester
from synapse.handlers.ignored_users import IgnoredUsers
from synapse.handlers.room_access import room_of_member
from synapse.handlers.thread_views import Budget, ThreadViews
from synapse.handlers.timelines import Timelines
from synapse.handlers.visibility import Visibility
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.relations import RelationStore
from synapse.streams.tokens import parse_timeline_token, timeline_token

# How many relations `recurse` goes through; the specification asks for three at least.
MAX_DEPTH = 3
# If little of it may be seen, a page is short rather than slow.
_MAX_READ = 2_000
_READ_AT_ONCE = 100
# Beyond the places of all events, however much history comes in.
_ENDS = 2**60


@dataclass(frozen=True, slots=True)
class Wish:
    """Which of an event's children are wanted; `start` and `stop` are tokens."""

    rel_type: str | None
    event_type: str | None
    recurse: bool
    backwards: bool
    limit: int
    start: str | None
    stop: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """A page, in the order in which it was asked for; `end` None: there is nothing further."""

    events: list[Event]
    end: str | None


class Relations:
    """Reads relations as far as the requester may see the events."""

    def __init__(
        self,
        timelines: Timelines,
        relations: RelationStore,
        events: EventStore,
        rooms: RoomCache,
        visibility: Visibility,
        views: ThreadViews,
        ignored_users: IgnoredUsers,
    ) -> None:
        self._timelines = timelines
        self._relations = relations
        self._events = events
        self._rooms = rooms
        self._visibility = visibility
        self._views = views
        self._ignored_users = ignored_users

    async def children(
        self, requester: Requester, room_id: str, parent_id: str, wish: Wish
    ) -> Found:
        """A page of the events that relate to one. Raises `NotFound` for who may not see that one.

        Messages of users whom the requester ignores are left out.
        """
        try:
            room, reader, parent = await self._timelines.find(requester, room_id, parent_id)
        except Forbidden:
            raise NotFound(f"There is no event {parent_id[:255]} that you may see") from None
        start = None if wish.start is None else await self._timelines.place(room, wish.start)
        stop = None if wish.stop is None else await self._timelines.place(room, wish.stop)
        lower, upper = (stop, start) if wish.backwards else (start, stop)
        above = -_ENDS if lower is None else lower
        below = _ENDS if upper is None else upper + 1
        ignored = await self._ignored_users.of(requester)
        found: list[Event] = []
        size = max(wish.limit, _READ_AT_ONCE)
        for _ in range(_MAX_READ // _READ_AT_ONCE):
            rows = await self._relations.children(
                room.nid,
                parent.event_id,
                rel_type=wish.rel_type,
                event_type=wish.event_type,
                depth=MAX_DEPTH if wish.recurse else 1,
                above=above,
                below=below,
                backwards=wish.backwards,
                limit=size,
            )
            events = await self._events.by_nids(nid for nid, _ in rows)
            page = [events[nid] for nid, _ in rows if nid in events]
            for event in await self._visibility.visible_to(reader, page):
                if event.is_state or event.sender not in ignored:
                    if len(found) == wish.limit:
                        return Found(found, _behind(found[-1].pos or 0, wish.backwards))
                    found.append(event)
            if len(rows) < size:
                return Found(found, None)
            if wish.backwards:
                below = rows[-1][1]
            else:
                above = rows[-1][1]
        return Found(found, timeline_token(below - 1 if wish.backwards else above))

    async def threads(
        self,
        requester: Requester,
        room_id: str,
        *,
        only_participated: bool,
        limit: int,
        start: str | None,
    ) -> Found:
        """Thread roots of a room, those whose thread has the newest event first.

        Raises `Forbidden` for who may not read the room. The root of an ignored user is redacted.
        """
        room = await room_of_member(self._rooms, room_id)
        reader = await self._visibility.reader(room, requester.user_id, requester.user_nid)
        below = _ENDS if start is None else parse_timeline_token(start) + 1
        ignored = await self._ignored_users.of(requester)
        ignored_nids = await self._ignored_users.numbers_of(requester)
        participant = requester.user_nid if only_participated else None
        # By root the newest event that the reader sees, if that needn't be the newest one.
        newest: dict[str, int] | None = None if await self._visibility.sees_all(reader) else {}
        budget = Budget()
        found: list[Event] = []
        last = below
        for _ in range(_MAX_READ // _READ_AT_ONCE):
            ends, further = await self._relations.threads(
                room.nid, below, _READ_AT_ONCE, ignored_nids, participant, only_ends=newest is None
            )
            events = await self._events.by_nids(
                nid for end in ends for nid in (end.root_nid, end.newest_nid)
            )
            visible = {
                event.nid for event in await self._visibility.visible_to(reader, events.values())
            }
            for end in ends:
                if end.root_nid not in visible or end.newest_nid not in visible:
                    continue
                root = events[end.root_nid]
                if newest is not None:
                    if root.event_id not in newest:
                        seen = await self._views.newest(reader, root.event_id, ignored, budget)
                        newest[root.event_id] = 0 if seen is None else seen.nid
                    if newest[root.event_id] != end.newest_nid:
                        continue
                if len(found) == limit:
                    return Found(found, timeline_token(last - 1))
                found.append(redacted_event(root) if root.sender in ignored else root)
                last = end.pos
            if further is None:
                return Found(found, None)
            below = further
        return Found(found, timeline_token(below - 1))


def _behind(pos: int, backwards: bool) -> str:
    return timeline_token(pos - 1 if backwards else pos)
