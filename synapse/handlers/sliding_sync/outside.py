"""The rooms a user is not in: invited to, knocked on, left, or removed from."""

from functools import partial
from typing import Any

import orjson

from synapse.api.errors import Forbidden
from synapse.events.event import Event
from synapse.handlers.auth import Requester
from synapse.handlers.retention import Retention
from synapse.handlers.sliding_sync.drafts import Draft
from synapse.handlers.sliding_sync.joined import JoinedViews, wish
from synapse.handlers.sliding_sync.room_parts import (
    AVATAR,
    NAME,
    naming_part,
    speakers,
)
from synapse.handlers.sliding_sync.room_state import RequiredStates, chosen
from synapse.handlers.sliding_sync.wanted import Moment, Wanted
from synapse.handlers.sync.deltas import RoomDelta, RoomDeltas
from synapse.handlers.sync.elsewhere import RoomsElsewhere
from synapse.handlers.visibility import Visibility
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import Membership

# The members that hold the stripped state. The proposal knows the last one; today's clients look
# for `invite_state`, and find out by its member events whether it is a knock.
_STRIPPED = {
    Membership.INVITE: ("invite_state", "stripped_state"),
    Membership.KNOCK: ("invite_state", "knock_state", "stripped_state"),
}


class OutsideViews:
    """Makes the parts of rooms that a user is not in."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        states: RequiredStates,
        deltas: RoomDeltas,
        elsewhere: RoomsElsewhere,
        visibility: Visibility,
        retention: Retention,
        joined: JoinedViews,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._states = states
        self._deltas = deltas
        self._elsewhere = elsewhere
        self._visibility = visibility
        self._retention = retention
        self._joined = joined

    async def part(self, item: Wanted, requester: Requester, moment: Moment) -> Draft:
        """All that the user may know of the room."""
        row = item.entry.row
        room = await self._rooms.get_by_nid(row.room_nid)
        limit = item.config.timeline_limit
        facts = {
            "membership": Membership(row.membership).text,
            "bump_stamp": row.event_nid or row.since,
            "is_dm": item.is_dm,
            "notification_count": 0,
            "highlight_count": 0,
        }
        stripped = _STRIPPED.get(Membership(row.membership))
        if stripped is not None:
            state = await self._elsewhere.stripped_state(room, requester.user_id, row)
            part, delta = {"initial": True, **dict.fromkeys(stripped, state)}, None
        else:
            part, delta = await self._left(item, room, requester, moment)
        return Draft(item, part, item.as_sent(moment.upto, set(), limit), wish(limit), delta, facts)

    async def _left(
        self, item: Wanted, room: Room, requester: Requester, moment: Moment
    ) -> tuple[dict[str, Any], RoomDelta]:
        row, sent = item.entry.row, item.sent
        found = await self._events.by_nids([row.event_nid])
        newest = found.get(row.event_nid)  # None: their only membership went when forks met
        end = await self._end(room, requester)
        if end is None:
            # An invitation that came to nothing.
            only = [newest] if newest else []
            delta = await self._render(item, only, [], newest, limited=False)
            initial = True
        elif sent is not None and sent.is_inside and sent.upto < end.nid:
            delta = await self._until(item, room, requester, end, moment)
            initial = False
        else:
            return await self._whole_until(item, requester, end, newest)
        if newest is not None and delta.events[-1:] != [newest]:
            events = [*delta.events, newest]
            delta = await self._render(
                item, events, delta.state_events, newest, limited=delta.limited
            )
        changes = {event.slot: event for event in delta.state_events}
        if newest is not None:
            changes[newest.slot] = newest
        required = chosen(changes, item.config.required)
        part: dict[str, Any] = {"required_state": self._fragments(required)}
        if initial:
            part["initial"] = True
        return part, delta

    async def _end(self, room: Room, requester: Requester) -> Event | None:
        """What ended the user's last join; None for one who never was in the room."""
        try:
            reader = await self._visibility.reader(room, requester.user_id, requester.user_nid)
        except Forbidden:
            return None
        return reader.leave

    async def _until(
        self, item: Wanted, room: Room, requester: Requester, end: Event, moment: Moment
    ) -> RoomDelta:
        sent = item.sent
        assert sent is not None, "what came since is told to one who was told before"
        see = partial(self._visibility.visible, requester.user_id, item.entry.row)
        filter_ = wish(item.config.timeline_limit)
        return await self._deltas.between(room, sent.upto, min(moment.upto, end.nid), filter_, see)

    async def _whole_until(
        self,
        item: Wanted,
        requester: Requester,
        end: Event,
        newest: Event | None,
    ) -> tuple[dict[str, Any], RoomDelta]:
        """The room as it was when the user left, for a client that knows nothing of it."""
        room_nid = item.entry.row.room_nid
        limit, required = item.config.timeline_limit, item.config.required
        assert end.pos is not None, "who was in a room left it by an event of its timeline"
        page = (await self._events.before(room_nid, end.pos + 1, limit + 1))[::-1]
        unexpired = await self._retention.unexpired(room_nid, page)
        visible = await self._visibility.visible(requester.user_id, item.entry.row, unexpired)
        timeline = visible[-limit:] if limit else []
        if newest is not None and newest.nid != end.nid and limit:
            timeline = [*timeline, newest][-limit:]
        users = speakers(timeline) if required.lazy_members else set()
        state = await self._states.required_at(end.state_nid, required, users, (NAME, AVATAR))
        limited = len(page) > len(timeline)
        delta = await self._render(item, timeline, [], newest, limited=limited)
        part = {
            "initial": True,
            **naming_part(state, whole=True),
            "required_state": self._fragments(chosen(state, required, users)),
        }
        return part, delta

    def _fragments(self, events: list[Event]) -> list[orjson.Fragment]:
        return [orjson.Fragment(self._joined.render(event)) for event in events]

    async def _render(
        self,
        item: Wanted,
        timeline: list[Event],
        state: list[Event],
        newest: Event | None,
        *,
        limited: bool,
    ) -> RoomDelta:
        filter_ = wish(item.config.timeline_limit)
        end = 0 if newest is None else newest.pos or 0
        return await self._deltas.render(timeline, state, limited, filter_, end)
