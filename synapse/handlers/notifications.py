"""What a user has been notified about (`GET /notifications`).

Nothing is kept for it: the events of the user's rooms are looked through when it is asked for, and
put before the push rules that the user has now, in the rooms as they are now.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from synapse.api.constants import EventTypes
from synapse.api.errors import InvalidParam
from synapse.events.event import Event, StateMap
from synapse.handlers.auth import Requester
from synapse.handlers.ignored_users import IgnoredUsers, hides
from synapse.handlers.listeners import Listeners, facts_of
from synapse.handlers.threads import thread_of
from synapse.handlers.visibility import Visibility
from synapse.push.actions import ActionRules
from synapse.push.evaluation import outcome_of
from synapse.push.rules import Rules
from synapse.rooms.noise import MAIN_THREAD
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import Membership, MemberStore
from synapse.storage.stores.notifications import NEWEST, NotificationStore, Place, PlacedEvent
from synapse.storage.stores.rooms import RoomStore
from synapse.storage.stores.states import StateStore
from synapse.storage.stores.thread_subscriptions import ThreadSubscriptionStore
from synapse.storage.stores.unread import UnreadStore
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

# How many events are looked at together, and for one request.
_PORTION = 50
_MAX_LOOKED_AT = 500
_SLOTS = ((EventTypes.CREATE, ""), (EventTypes.POWER_LEVELS, ""))
_TOKEN = re.compile(r"(-?[0-9]{1,18})_([0-9]{1,18})_(-?[0-9]{1,18})", re.ASCII)


@dataclass(slots=True)
class Notification:
    """An event of which the user is notified."""

    event: Event
    place: Place
    actions: list[Any]
    is_read: bool = False


@dataclass(frozen=True, slots=True)
class NotificationPage:
    """Notifications, newest first. There may be few or none although there is a `next_token`: a
    request looks at a bounded number of events.
    """

    notifications: list[Notification]
    next_token: str | None  # None: there are no more


class Notifications:
    """Finds what a user has been notified about."""

    def __init__(
        self,
        store: NotificationStore,
        unread: UnreadStore,
        rooms: RoomStore,
        members: MemberStore,
        events: EventStore,
        states: StateStore,
        listeners: Listeners,
        visibility: Visibility,
        ignored_users: IgnoredUsers,
        thread_subscriptions: ThreadSubscriptionStore,
        clock: Clock,
    ) -> None:
        self._store = store
        self._unread = unread
        self._rooms = rooms
        self._members = members
        self._events = events
        self._states = states
        self._listeners = listeners
        self._visibility = visibility
        self._ignored_users = ignored_users
        self._thread_subscriptions = thread_subscriptions
        self._clock = clock

    async def page(
        self, requester: Requester, token: str | None, limit: int, *, only_highlights: bool
    ) -> NotificationPage:
        """Up to `limit` notifications from a token on. Raises `InvalidParam`."""
        place = NEWEST if token is None else _parse(token)
        rules = Rules(requester.user_id, await self._listeners.document(requester.user_nid))
        search = _Search(
            requester,
            rules,
            await self._ignored_users.of(requester),
            only_highlights,
            Breaks(self._clock),
        )
        found: list[Notification] = []
        is_end = False
        for _ in range(_MAX_LOOKED_AT // _PORTION):
            portion = await self._store.before(requester.user_nid, place, _PORTION)
            is_end = len(portion) < _PORTION
            found += await self._look_at(search, portion)
            if len(found) > limit:
                found, is_end = found[:limit], False
                place = found[-1].place
            elif portion:
                place = portion[-1].place
            if is_end or len(found) == limit:
                break
        await self._tell_read(requester, found)
        return NotificationPage(found, None if is_end else "_".join(map(str, place)))

    async def _look_at(
        self, search: "_Search", portion: Sequence[PlacedEvent]
    ) -> list[Notification]:
        events = await self._events.by_nids([placed.event_nid for placed in portion])
        by_room: dict[int, list[Event]] = {}
        for placed in portion:
            event = events.get(placed.event_nid)
            if event is not None and search.may_notify(event):
                by_room.setdefault(placed.place.room_nid, []).append(event)
        actions: dict[int, list[Any]] = {}
        for room_nid, asked in by_room.items():
            actions |= await self._actions(search, room_nid, asked)
        return [
            Notification(events[nid], place, actions[nid])
            for nid, place in portion
            if nid in actions
        ]

    async def _actions(
        self, search: "_Search", room_nid: int, events: Sequence[Event]
    ) -> dict[int, list[Any]]:
        """What to do about those of a room's events that notify, by their nids."""
        user_id = search.requester.user_id
        row = await self._members.get(search.requester.user_nid, room_nid)
        if row is None or row.membership != Membership.JOIN:
            return {}  # the user has just left
        visible = await self._visibility.visible(user_id, row, events)
        if not visible:
            return {}
        room = search.rooms.get(room_nid)
        if room is None:
            room = search.rooms[room_nid] = await self._room(search, room_nid, visible[0].room_id)
        subscribed: dict[int, bool] = {}
        if room.rules.asks_threads:
            subscribed = await self._subscribed(search, visible)
        actions = {}
        for event in visible:
            told = room.actions(event, subscribed.get(event.nid))
            outcome = outcome_of(told)
            if outcome.notify and (outcome.highlight or not search.only_highlights):
                actions[event.nid] = told
            await search.breaks.take()
        return actions

    async def _subscribed(self, search: "_Search", events: Sequence[Event]) -> dict[int, bool]:
        """Of those events that stand in a thread (their nids), whether the user hears that one."""
        threads = await self._threads(events)
        threads = {nid: thread for nid, thread in threads.items() if thread != MAIN_THREAD}
        since = await self._thread_subscriptions.since(
            search.requester.user_nid, list(set(threads.values()))
        )
        return {nid: thread in since and nid > since[thread] for nid, thread in threads.items()}

    async def _threads(self, events: Sequence[Event]) -> dict[int, str]:
        """By nid, the thread of each event."""
        threads = dict.fromkeys([event.nid for event in events], MAIN_THREAD)
        for event in events:
            if event.state_key is None:
                threads[event.nid] = await thread_of(self._events, event.room_id, event.content)
        return threads

    async def _room(self, search: "_Search", room_nid: int, room_id: str) -> "_Room":
        user_id = search.requester.user_id
        row = await self._rooms.get(room_id)
        state = await self._states.current(room_nid, [*_SLOTS, (EventTypes.MEMBER, user_id)])
        member = state.get((EventTypes.MEMBER, user_id))
        name = None if member is None else member.content.get("displayname")
        return _Room(
            room_id,
            0 if row is None else row.joined,
            state,
            name if type(name) is str else None,
            ActionRules(search.rules, room_id),
        )

    async def _tell_read(self, requester: Requester, found: Sequence[Notification]) -> None:
        threads = await self._threads([notification.event for notification in found])
        read = await self._unread.read_up_to(
            requester.user_nid,
            list({notification.place.room_nid for notification in found}),
            ["", *set(threads.values())],
        )
        for notification in found:
            nid, room_nid = notification.event.nid, notification.place.room_nid
            points = (read.get((room_nid, thread), 0) for thread in ("", threads[nid]))
            notification.is_read = nid <= max(points)


@dataclass(frozen=True, slots=True)
class _Room:
    """A room as the user's push rules see it."""

    room_id: str
    member_count: int
    state: StateMap
    display_name: str | None
    rules: ActionRules

    def actions(self, event: Event, is_subscribed: bool | None) -> list[Any]:
        facts = facts_of(event, self.room_id, self.member_count, self.state)
        return self.rules.of(replace(facts, is_subscribed=is_subscribed), self.display_name)


@dataclass(frozen=True, slots=True)
class _Search:
    """One request's wish, and what it has learnt on the way."""

    requester: Requester
    rules: Rules
    ignored: frozenset[str]
    only_highlights: bool
    breaks: Breaks
    rooms: dict[int, _Room] = field(default_factory=dict)

    def may_notify(self, event: Event) -> bool:
        if event.redacted:
            return False  # there is nothing left to tell
        return event.sender != self.requester.user_id and not hides(self.ignored, event)


def _parse(token: str) -> Place:
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise InvalidParam(f"Not a token of this server: {token[:100]!r}")
    return Place(*map(int, match.groups()))
