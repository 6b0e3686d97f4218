"""The rooms a user is in: told whole when they are new to the client, else what changed."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson

from synapse.api.constants import EventTypes
from synapse.events.event import Event, StateMap
from synapse.handlers.auth import Requester
from synapse.handlers.own_memberships import OwnMemberships
from synapse.handlers.sliding_sync.connections import MEMBERS_KEPT
from synapse.handlers.sliding_sync.drafts import Draft
from synapse.handlers.sliding_sync.required_state import RequiredState
from synapse.handlers.sliding_sync.room_parts import (
    AVATAR,
    NAME,
    bump_stamp,
    heroes_part,
    naming_part,
    speakers,
)
from synapse.handlers.sliding_sync.room_state import RequiredStates, chosen
from synapse.handlers.sliding_sync.wanted import Moment, Wanted
from synapse.handlers.sync.deltas import RoomDelta, RoomDeltas
from synapse.handlers.sync.filters import RoomFilter, StateForm, compile_filter
from synapse.handlers.sync.unread import Unread
from synapse.handlers.sync.whole_rooms import Timeline, WholeRooms
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room, Slot
from synapse.storage.stores.members import MemberStore
from synapse.storage.stores.unread_counting import Count
from synapse.util.clock import Clock


class JoinedViews:
    """Makes the parts of joined rooms."""

    def __init__(
        self,
        rooms: RoomCache,
        members: MemberStore,
        states: RequiredStates,
        deltas: RoomDeltas,
        whole: WholeRooms,
        unread: Unread,
        memberships: OwnMemberships,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._members = members
        self._states = states
        self._deltas = deltas
        self._whole = whole
        self._unread = unread
        self._memberships = memberships
        self._clock = clock

    async def timelines(self, user_id: str, wanted: list[Wanted], upto: int) -> dict[int, Timeline]:
        """The newest events of all rooms that are told from the beginning: read together."""
        by_limit: dict[int, list[Wanted]] = {}
        for item in wanted:
            by_limit.setdefault(item.config.timeline_limit, []).append(item)
        timelines: dict[int, Timeline] = {}
        for limit, items in by_limit.items():
            rows = [item.entry.row for item in items]
            timelines.update(await self._whole.timelines(user_id, rows, 0, upto, wish(limit)))
        return timelines

    async def unread(self, requester: Requester, wanted: list[Wanted]) -> dict[int, Count]:
        """What is unread in all rooms of an answer, by room_nid."""
        entries = [item.entry for item in wanted]
        return await self._unread.totals(
            requester, {entry.row.room_nid: entry.room_id for entry in entries if entry.is_joined}
        )

    async def whole(
        self,
        item: Wanted,
        requester: Requester,
        timeline: Timeline,
        unread: Count,
        moment: Moment,
    ) -> Draft:
        """A room from nothing."""
        room = await self._rooms.get_by_nid(item.entry.row.room_nid)
        required = item.config.required
        users = speakers(timeline.events) if required.lazy_members else set()
        state = await self._states.required(room, required, users, (NAME, AVATAR))
        delta = await self._deltas.render(
            timeline.events,
            chosen(state, required, users),
            timeline.limited,
            wish(item.config.timeline_limit),
            timeline.end,
            history=await self._memberships.in_room(requester, room, timeline.events),
        )
        part: dict[str, Any] = {
            "initial": True,
            **await self._naming(room, requester.user_id, state),
            **_counts(room),
            "required_state": _fragments(delta.state),
        }
        sent = item.as_sent(moment.upto, users, item.config.timeline_limit)
        facts = _facts(item, room, unread, moment.upto)
        return Draft(item, part, sent, wish(item.config.timeline_limit), delta, facts)

    async def news(
        self,
        item: Wanted,
        requester: Requester,
        timeline: Timeline | None,
        unread: Count,
        moment: Moment,
    ) -> Draft:
        """What is new in a room.

        `timeline` is told instead of the new events, if the client wants more of them.
        """
        sent = item.sent
        assert sent is not None, "who was told nothing is told the room whole"
        room = await self._rooms.get_by_nid(item.entry.row.room_nid)
        limit = item.config.timeline_limit
        delta = await self._deltas.between(room, sent.upto, moment.upto, wish(limit))
        changes = {event.slot: event for event in delta.state_events}
        shown = delta
        if timeline is not None:
            shown = await self._deltas.render(
                timeline.events,
                (),
                timeline.limited,
                wish(limit),
                timeline.end,
                history=await self._memberships.in_room(requester, room, timeline.events),
            )
        state, members = await self._changed_state(item, room, shown, changes, delta.limited)
        part: dict[str, Any] = {}
        if item.is_dm != sent.is_dm:
            part["is_dm"] = item.is_dm
        if timeline is not None:
            part["expanded_timeline"] = part["unstable_expanded_timeline"] = True
        if state:
            part["required_state"] = [orjson.Fragment(self.render(event)) for event in state]
        if sent.upto < room.whole_since <= moment.upto:
            part |= _counts(room)
        if changes or delta.emptied:
            part |= await self._renaming(room, requester.user_id, changes, delta.emptied)
        known = limit if delta.limited or timeline is not None else max(limit, sent.timeline_limit)
        return Draft(
            item,
            part,
            item.as_sent(moment.upto, members, known),
            wish(limit),
            shown,
            _facts(item, room, unread, moment.upto),
        )

    async def _changed_state(
        self, item: Wanted, room: Room, shown: RoomDelta, changes: StateMap, limited: bool
    ) -> tuple[list[Event], set[str]]:
        """The required state that the client lacks, and whose member events it has then."""
        sent, required = item.sent, item.config.required
        assert sent is not None, "who was told nothing is told the room whole"
        state = {slot: event for slot, event in changes.items() if required.matches(event)}
        added = RequiredState(required.pairs - sent.required.pairs)
        if added.pairs:
            for event in chosen(await self._states.required(room, required, ()), required):
                if not sent.required.matches(event):
                    state.setdefault(event.slot, event)
        if not required.lazy_members:
            return list(state.values()), set()
        users = speakers(shown.events)
        for slot, event in changes.items():
            is_member = slot[0] == EventTypes.MEMBER
            if is_member and (not limited or slot[1] in users or slot[1] in sent.members):
                state[slot] = event
        told = {key for type_, key in state if type_ == EventTypes.MEMBER}
        missing = [(EventTypes.MEMBER, user) for user in users - told - sent.members]
        state |= await self._states.current(room, missing)
        known = sent.members | users | told
        return list(state.values()), set(known if len(known) <= MEMBERS_KEPT else users)

    def render(self, event: Event) -> bytes:
        return wish(0).render(event, now_ms=self._clock.now_ms())

    async def _naming(self, room: Room, user_id: str, state: StateMap) -> dict[str, Any]:
        part = naming_part(state, whole=True)
        if "name" not in part:
            part |= await self._heroes(room, user_id)
        return part

    async def _renaming(
        self, room: Room, user_id: str, changes: StateMap, emptied: Sequence[Slot]
    ) -> dict[str, Any]:
        slots = {*changes, *emptied}
        part = naming_part(changes, whole=False, emptied=emptied)
        of_members = any(type_ == EventTypes.MEMBER for type_, _ in slots)
        if of_members:
            part |= _counts(room)
        if of_members or NAME in slots:
            state = await self._states.current(room, [NAME])
            if "name" not in naming_part(state, whole=True):
                part |= await self._heroes(room, user_id)
        return part

    async def _heroes(self, room: Room, user_id: str) -> dict[str, Any]:
        heroes = (await self._members.heroes([room.nid], user_id)).get(room.nid, [])
        members = await self._states.current(room, [(EventTypes.MEMBER, hero) for hero in heroes])
        return {"heroes": heroes_part(heroes, members)} if heroes else {}


@lru_cache(maxsize=256)
def wish(limit: int) -> RoomFilter:
    """The filter of a timeline of this length, without further conditions.

    State is told beside it, as it is after it.
    """
    definition = {"room": {"timeline": {"limit": limit}}}
    return compile_filter(definition, max_limit=-1, state_form=StateForm.AFTER).room


def _facts(item: Wanted, room: Room, unread: Count, upto: int) -> dict[str, Any]:
    """What is told of a room whenever it is told of."""
    part: dict[str, Any] = {
        "membership": "join",
        "notification_count": unread.notify,
        "highlight_count": unread.highlight,
    }
    stamp = bump_stamp(room, upto)
    if stamp is None and item.is_new:
        # It is older than the events in memory.
        stamp = next((e.nid for e in room.tail if e.live), item.entry.row.since)
    if stamp is not None:
        part["bump_stamp"] = stamp
    if item.is_new:
        part["is_dm"] = item.is_dm
    return part


def _counts(room: Room) -> dict[str, int]:
    if room.is_partial:
        return {}  # they are told when they are known
    return {"joined_count": room.joined, "invited_count": room.invited}


def _fragments(joined: bytes) -> list[orjson.Fragment]:
    return [orjson.Fragment(joined)] if joined else []
