"""Rooms that are new to a client: in its first sync, or just joined. State and newest events.

A user may be in hundreds of rooms, so each question is asked once for all of them.
"""

from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.handlers.own_memberships import OwnMemberships
from synapse.handlers.retention import Retention
from synapse.handlers.sync.deltas import RoomDelta, RoomDeltas
from synapse.handlers.sync.filters import RoomFilter
from synapse.handlers.sync.hidden_changes import without_outdated
from synapse.handlers.visibility import Visibility
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import FIRST_POS
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.flips import FlipStore
from synapse.storage.stores.members import MemberRow, MemberStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.states import StateStore
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock


class WholeRooms:
    """Builds deltas from nothing to now."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        states: StateStore,
        flips: FlipStore,
        members: MemberStore,
        names: Names,
        deltas: RoomDeltas,
        visibility: Visibility,
        memberships: OwnMemberships,
        retention: Retention,
        clock: Clock,
    ) -> None:
        self._retention = retention
        self._rooms = rooms
        self._events = events
        self._states = states
        self._flips = flips
        self._members = members
        self._names = names
        self._deltas = deltas
        self._visibility = visibility
        self._memberships = memberships
        self._clock = clock

    async def deltas(
        self,
        user_id: str,
        memberships: Sequence[MemberRow],
        since: int,
        upto: int,
        wish: RoomFilter,
    ) -> dict[int, tuple[RoomDelta, list[str]]]:
        """By room_nid: state and newest events up to a position, and the heroes of nameless rooms.

        The timelines of rooms that the user was in at `since` begin after that position.

        With lazily loaded members, those are told who speak in the timeline, the heroes, and the
        user's own.
        """
        breaks = Breaks(self._clock)
        timelines = await self.timelines(user_id, memberships, since, upto, wish)
        room_nids = list(timelines)
        await breaks.take()
        states = await self._states.without_members_of(room_nids)
        await breaks.take()
        nameless = [room_nid for room_nid in room_nids if is_nameless(states[room_nid])]
        heroes = await self._members.heroes(nameless, user_id)
        flipped = set() if wish.state_after else await self._flips.flipped_among(room_nids)
        if wish.lazy_members:
            members = await self._lazy_members(user_id, timelines, heroes, flipped)
        else:
            members = await self._states.members_of(room_nids)
        await breaks.take()
        replaced = {} if wish.state_after else await self._replaced(timelines)
        histories = await self._memberships.until(
            {row.room_nid: row.event_nid for row in memberships}
        )
        deltas: dict[int, tuple[RoomDelta, list[str]]] = {}
        for room_nid, (timeline, end, limited) in timelines.items():
            await breaks.take()
            state = [*states[room_nid], *members[room_nid]]
            if room_nid in flipped:
                shown = _without_losers(timeline, state, upto, wish)
                timeline, limited = shown, limited or len(shown) < len(timeline)
            if not wish.state_after:
                state = _before(timeline, state, replaced)
            chosen: list[Event] = []
            async for some in breaks.portions(state):
                chosen += [e for e in some if e.nid <= upto and wish.state.matches(e)]
            delta = await self._deltas.render(
                timeline, chosen, limited, wish, end, history=histories[room_nid]
            )
            deltas[room_nid] = (delta, heroes.get(room_nid, []))
        return deltas

    async def timelines(
        self,
        user_id: str,
        memberships: Sequence[MemberRow],
        since: int,
        upto: int,
        wish: RoomFilter,
    ) -> "dict[int, Timeline]":
        """By room_nid: the newest events that a user who is in these rooms may see."""
        limit = wish.timeline.limit
        breaks = Breaks(self._clock)
        tails = await self._tails([row.room_nid for row in memberships], limit)
        timelines: dict[int, Timeline] = {}
        for row in memberships:
            await breaks.take()
            tail = [event for event in tails[row.room_nid] if event.nid <= upto]
            end = tail[-1].pos if tail else 0
            # What the client has already, or the room's beginning, leaves no gap.
            known = since if row.since <= since else 0
            reaches_back = bool(tail) and (
                tail[0].pos == FIRST_POS or any(e.live and e.nid <= known for e in tail)
            )
            unexpired = await self._retention.unexpired(row.room_nid, tail)
            visible = [e for e in unexpired if not known or (e.live and e.nid > known)]
            if any(not event.live or event.nid < row.since for event in visible):
                visible = await self._visibility.visible(user_id, row, visible)
            passed = [event for event in visible if wish.timeline.matches(event)]
            timeline = without_outdated(visible, passed[-limit:] if limit else [], wish, {})
            limited = len(passed) > len(timeline) or not reaches_back
            timelines[row.room_nid] = Timeline(timeline, end or 0, limited)
        return timelines

    async def _tails(self, room_nids: list[int], limit: int) -> dict[int, list[Event]]:
        tails: dict[int, list[Event]] = {}
        missing = []
        for room_nid in room_nids:
            room = self._rooms.peek(room_nid)
            # One more than is shown tells whether there are more.
            if room is not None and (room.tail_is_all or len(room.tail) > limit):
                tails[room_nid] = list(room.tail)[-(limit + 1) :]
            else:
                missing.append(room_nid)
        if missing:
            tails.update(await self._events.tails(missing, limit + 1))
        return tails

    async def _lazy_members(
        self,
        user_id: str,
        timelines: "dict[int, Timeline]",
        heroes: dict[int, list[str]],
        flipped: Container[int],
    ) -> dict[int, list[Event]]:
        wanted = {
            room_nid: {user_id, *heroes.get(room_nid, ()), *(e.sender for e in timeline.events)}
            for room_nid, timeline in timelines.items()
        }
        for room_nid, timeline in timelines.items():
            if room_nid in flipped:
                # Whether they hold their slots has to be seen.
                members = (e for e in timeline.events if e.type == EventTypes.MEMBER)
                wanted[room_nid].update(e.state_key for e in members if e.state_key is not None)
        names = {name for users in wanted.values() for name in users}
        nids = await self._names.nids(list(names))
        pairs = [(room_nid, nids[user]) for room_nid, users in wanted.items() for user in users]
        return await self._states.members_among(list(wanted), pairs)

    async def _replaced(self, timelines: "dict[int, Timeline]") -> dict[int, Event]:
        """The events that state events of the timelines replaced."""
        nids = {
            event.replaces_nid
            for timeline in timelines.values()
            for event in timeline.events
            if event.replaces_nid
        }
        return await self._events.by_nids(nids)


class Timeline(NamedTuple):
    """The end of a room's timeline, oldest first."""

    events: list[Event]
    end: int  # its last `pos`
    limited: bool  # there are older events


def _without_losers(
    timeline: Sequence[Event], state: Iterable[Event], upto: int, wish: RoomFilter
) -> list[Event]:
    """The part of a timeline behind its last state event that lost its slot; `state` is now."""
    slots = {event.slot for event in timeline if event.is_state}
    # Of a hundred thousand members, a few may be in question.
    keys = {key for _, key in slots}
    current = {event.slot: event for event in state if event.state_key in keys}
    settled = {slot: current.get(slot) for slot in slots}
    # What is newer is told by the next sync.
    settled = {slot: e for slot, e in settled.items() if e is None or e.nid <= upto}
    return without_outdated(timeline, timeline, wish, settled)


def _before(
    timeline: Sequence[Event], state: Iterable[Event], replaced: dict[int, Event]
) -> list[Event]:
    """The state before the timeline: the current one, with the timeline's changes undone."""
    state = list(state)
    keys = {event.state_key for event in timeline if event.is_state}
    # Of a hundred thousand members, a few may differ.
    before = {event.slot: event for event in state if event.state_key in keys}
    for event in reversed(timeline):
        if event.state_key is None:
            continue
        current = before.get(event.slot)
        if current is None or current.nid != event.nid:
            continue
        previous = replaced.get(event.replaces_nid)
        if previous is None:
            del before[event.slot]
        else:
            before[event.slot] = previous
    return [*(event for event in state if event.state_key not in keys), *before.values()]


def is_nameless(state: Iterable[Event]) -> bool:
    """Whether clients make up a room's name from its members."""
    return not any(
        (event.type == EventTypes.NAME and event.content.get("name"))
        or (event.type == EventTypes.CANONICAL_ALIAS and event.content.get("alias"))
        for event in state
    )
