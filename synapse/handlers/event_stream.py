"""The stream of events from before `/sync`: a user's rooms, or one room that is looked into.

It tells of events only, one after the other, each in full. Looking into a room without joining it
("peeking") is what clients still use it for.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from twisted.internet.defer import Deferred

from synapse.api.errors import Forbidden
from synapse.events.event import Event
from synapse.events.filtering import EventFilter
from synapse.handlers.auth import Requester
from synapse.handlers.room_access import room_of_member
from synapse.handlers.timelines import Page, Timelines
from synapse.rooms.cache import RoomCache
from synapse.storage.database import Database
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import Membership, MemberStore
from synapse.storage.stores.rooms import RoomStore
from synapse.streams.followers import Follower, Followers
from synapse.streams.tokens import SyncToken
from synapse.streams.typing import Typing
from synapse.util.clock import Clock

_MAX_TIMEOUT_MS = 10 * 60 * 1000
# Of one room, and of all rooms together.
_PAGE = EventFilter({}, 100)
_MAX_EVENTS = 1_000


@dataclass(frozen=True, slots=True)
class StreamPage:
    """What happened between two tokens."""

    events: list[Event]
    start: SyncToken
    end: SyncToken


_Read = Callable[[SyncToken, SyncToken], Awaitable[StreamPage]]


class EventStream:
    """Waits for events."""

    def __init__(
        self,
        database: Database,
        rooms: RoomCache,
        room_store: RoomStore,
        members: MemberStore,
        events: EventStore,
        timelines: Timelines,
        followers: Followers,
        typing: Typing,
        clock: Clock,
    ) -> None:
        self._database = database
        self._rooms = rooms
        self._room_store = room_store
        self._members = members
        self._events = events
        self._timelines = timelines
        self._followers = followers
        self._typing = typing
        self._clock = clock

    async def news(
        self, requester: Requester, since: SyncToken | None, timeout_ms: int
    ) -> StreamPage:
        """Events of the user's rooms after a token, at once or when there are some."""
        follower = await self._followers.follow(requester.user_id, requester.user_nid)

        async def read(since: SyncToken, upto: SyncToken) -> StreamPage:
            return await self._news(requester, follower, since, upto)

        return await self._wait_for_news(since, timeout_ms, read, follower.wait)

    async def peek(
        self, requester: Requester, room_id: str, since: SyncToken | None, timeout_ms: int
    ) -> StreamPage:
        """Events of one room. Raises `Forbidden` for who may not, or no longer, read it."""
        room = await room_of_member(self._rooms, room_id)

        async def read(since: SyncToken, upto: SyncToken) -> StreamPage:
            page = await self._page(requester, room_id, since)
            news = _News([])
            news.add(page)
            return news.page(since, upto)

        return await self._wait_for_news(
            since, timeout_ms, read, lambda: self._followers.watch(room.nid)
        )

    async def _wait_for_news(
        self,
        since: SyncToken | None,
        timeout_ms: int,
        read: _Read,
        moved: Callable[[], Deferred[None]],
    ) -> StreamPage:
        deadline = self._clock.monotonic() + min(timeout_ms, _MAX_TIMEOUT_MS) / 1000
        start = since or self._now()
        while True:
            # Waiting begins before the reading, so that nothing slips between the two.
            news = moved()
            try:
                page = await read(start, self._now())
                left = deadline - self._clock.monotonic()
                if page.events or left <= 0:
                    return page
                if not await self._clock.wait_for(news, left):
                    return page
            finally:
                if not news.called:
                    news.addErrback(lambda failure: None)
                    news.cancel()

    def _now(self) -> SyncToken:
        return SyncToken(self._database.position, self._typing.serial)

    async def _news(
        self, requester: Requester, follower: Follower, since: SyncToken, upto: SyncToken
    ) -> StreamPage:
        position = since.position
        if position >= follower.since and not follower.has_news_since(position):
            return StreamPage([], since, upto)
        touched = dict.fromkeys(follower.rooms_touched_since(position))
        if position < follower.since:
            user_nid = requester.user_nid
            touched |= dict.fromkeys(await self._room_store.touched_since(user_nid, position))
        asked: list[int] = []
        for row in await self._members.changed_since(requester.user_nid, position):
            if row.membership in (Membership.INVITE, Membership.KNOCK):
                touched.pop(row.room_nid, None)
                asked.append(row.event_nid)
            elif not row.forgotten:
                touched[row.room_nid] = None
        news = _News((await self._events.by_nids(asked)).values())
        for room_id in (await self._room_store.ids(touched)).values():
            try:
                news.add(await self._page(requester, room_id, since))
            except Forbidden:
                continue  # an invitation that was declined
        return news.page(since, upto)

    async def _page(self, requester: Requester, room_id: str, since: SyncToken) -> Page:
        """A room's news; what found a place late, or came with history, is none."""
        start = str(since)
        while True:
            page = await self._timelines.messages(
                requester, room_id, _PAGE, backwards=False, start=start, stop=None
            )
            news = [event for event in page.events if event.live]
            if news or page.end is None:
                return replace(page, events=news)
            start = page.end


class _News:
    """The rooms' events in the order of their arrival, as far as all rooms were read."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = list(events)
        self._end: int | None = None  # the event_nid up to which all rooms are told
        self._cut(None)

    def add(self, page: Page) -> None:
        """Add a room's news."""
        self._events += page.events
        has_more = page.end is not None and page.events
        self._cut(page.events[-1].nid if has_more else None)

    def page(self, since: SyncToken, upto: SyncToken) -> StreamPage:
        events = sorted(self._events, key=lambda event: event.nid)
        if self._end is not None:
            return StreamPage(events, since, SyncToken(self._end, since.typing))
        newest = events[-1].nid if events else 0
        return StreamPage(events, since, SyncToken(max(upto.position, newest), upto.typing))

    def _cut(self, end: int | None) -> None:
        """Tell no more than fits, and nothing of what comes after `end`."""
        ends = [nid for nid in (self._end, end) if nid is not None]
        if len(self._events) > _MAX_EVENTS:
            ends.append(sorted(event.nid for event in self._events)[_MAX_EVENTS - 1])
        if ends:
            self._end = min(ends)
            self._events = [event for event in self._events if event.nid <= self._end]
