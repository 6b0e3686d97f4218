"""The rooms a user is in: `rooms.join` of a sync."""

from collections.abc import Sequence

import orjson

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.handlers.own_memberships import OwnMemberships
from synapse.handlers.sync.deltas import RoomDelta, RoomDeltas
from synapse.handlers.sync.ephemeral import Ephemeral
from synapse.handlers.sync.filters import StateForm
from synapse.handlers.sync.lazy_members import LazyMembers
from synapse.handlers.sync.own_timelines import OwnTimelines
from synapse.handlers.sync.personal import PersonalNews
from synapse.handlers.sync.request import SyncRequest
from synapse.handlers.sync.unread import Unread
from synapse.handlers.sync.whole_rooms import WholeRooms, is_nameless
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores.members import MemberRow, MemberStore
from synapse.storage.stores.rooms import RoomStore
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

_ROOMS_AT_ONCE = 100


class JoinedRooms:
    """Makes the JSON of joined rooms: the shared delta, and what concerns the user."""

    def __init__(
        self,
        rooms: RoomCache,
        room_store: RoomStore,
        members: MemberStore,
        deltas: RoomDeltas,
        whole: WholeRooms,
        timelines: OwnTimelines,
        ephemeral: Ephemeral,
        unread: Unread,
        lazy: LazyMembers,
        memberships: OwnMemberships,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._room_store = room_store
        self._members = members
        self._deltas = deltas
        self._whole = whole
        self._timelines = timelines
        self._ephemeral = ephemeral
        self._unread = unread
        self._lazy = lazy
        self._memberships = memberships
        self._clock = clock

    async def news(
        self, room: Room, request: SyncRequest, since: int, upto: int, personal: PersonalNews
    ) -> bytes:
        """The room's member of `rooms.join`, or nothing if there is no news."""
        requester, wish = request.requester, request.filter
        delta = await self._deltas.between(room, since, upto, wish.room)
        account_data = personal.of_room(room.nid, room.room_id, wish)
        ephemeral: list[bytes] = []
        if wish.ephemeral.matches_room(room.room_id):
            ephemeral = await self._ephemeral.news(
                room.nid,
                requester.user_id,
                since,
                upto,
                request.since.typing if request.since else 0,
                wish.ephemeral,
            )
        own = await self._timelines.own([delta], requester)
        timeline = self._timelines.render(delta, wish.room, own)
        # How many members it has is told when they are known.
        is_counted = since < room.whole_since <= upto
        naming_changed = delta.naming_changed or is_counted
        is_still = not (timeline or delta.state or delta.limited or naming_changed)
        if (
            is_still
            and not (account_data or ephemeral)
            and not await self._ephemeral.has_read(room.nid, requester.user_id, since)
        ):
            return b""
        unread = await self._unread.of_rooms(
            requester, {room.nid: room.room_id}, by_thread=wish.counts_by_thread
        )
        summary, state = b"", delta.state
        heroes: list[str] = []
        if naming_changed and not room.is_partial:
            if await self._has_no_name(room):
                named = await self._members.heroes([room.nid], requester.user_id)
                heroes = named.get(room.nid, [])
            summary = _summary(room.joined, room.invited, heroes)
        if wish.room.lazy_members:
            state = await self._with_members(room, delta, heroes, request, upto)
        more = summary + unread[room.nid]
        form = wish.room.state_form
        return _room(room.room_id, form, delta, timeline, state, more, ephemeral, account_data)

    async def whole(
        self,
        memberships: Sequence[MemberRow],
        request: SyncRequest,
        upto: int,
        personal: PersonalNews,
    ) -> list[bytes]:
        """Members of `rooms.join` with all state: for rooms new to the client, or on demand.

        Each question is asked once for many rooms, but not for all: what ten thousand rooms hold
        would take ten times the memory of the answer.
        """
        parts: list[bytes] = []
        async for some in Breaks(self._clock).portions(memberships, _ROOMS_AT_ONCE):
            parts += await self._whole_of(some, request, upto, personal)
        return parts

    async def _whole_of(
        self,
        memberships: Sequence[MemberRow],
        request: SyncRequest,
        upto: int,
        personal: PersonalNews,
    ) -> list[bytes]:
        requester, wish = request.requester, request.filter
        breaks = Breaks(self._clock)
        rows = await self._room_store.get_many([row.room_nid for row in memberships])
        wanted = [
            row
            for row in memberships
            if row.room_nid in rows and wish.wants_room(rows[row.room_nid].room_id)
        ]
        room_nids = [row.room_nid for row in wanted]
        since = request.since.position if request.since else 0
        deltas = await self._whole.deltas(requester.user_id, wanted, since, upto, wish.room)
        await breaks.take()
        lively = [nid for nid in room_nids if wish.ephemeral.matches_room(rows[nid].room_id)]
        ephemeral = await self._ephemeral.all(lively, requester.user_id, upto, wish.ephemeral)
        own = await self._timelines.own(
            [delta for delta, _ in deltas.values()],
            requester,
            {rows[row.room_nid].room_id: row for row in wanted},
        )
        await breaks.take()
        unread = await self._unread.of_rooms(
            requester,
            {nid: rows[nid].room_id for nid in room_nids},
            by_thread=wish.counts_by_thread,
        )
        parts = []
        for room_nid in room_nids:
            await breaks.take()
            row, (delta, heroes) = rows[room_nid], deltas[room_nid]
            if wish.room.lazy_members:
                self._tell(request, upto, room_nid, delta, is_whole=True)
            summary = b""
            if row.entrance_nid is None:
                summary = _summary(row.joined, row.invited, heroes)
            parts.append(
                _room(
                    row.room_id,
                    wish.room.state_form,
                    delta,
                    self._timelines.render(delta, wish.room, own),
                    delta.state,
                    summary + unread[room_nid],
                    ephemeral.get(room_nid, []),
                    personal.of_room(room_nid, row.room_id, wish),
                )
            )
        return parts

    async def _with_members(
        self, room: Room, delta: RoomDelta, heroes: list[str], request: SyncRequest, upto: int
    ) -> bytes:
        """The delta's state and the members, heroes included, that the client doesn't know yet."""
        wish, told = request.filter.room, delta.told_state
        members = {event.nid: event for event in delta.speakers}
        if heroes:
            slots = [(EventTypes.MEMBER, hero) for hero in heroes]
            for event in (await self._rooms.state(room, slots)).values():
                if event.nid and event.nid not in told and wish.state.matches(event):
                    members[event.nid] = event
        unknown = self._lazy.news(request, room.nid, members.values())
        self._tell(request, upto, room.nid, delta, unknown, is_whole=False)
        history = await self._memberships.in_room(request.requester, room, unknown)
        return delta.state_with(unknown, wish, history)

    def _tell(
        self,
        request: SyncRequest,
        upto: int,
        room_nid: int,
        delta: RoomDelta,
        members: Sequence[Event] = (),
        *,
        is_whole: bool,
    ) -> None:
        timeline = [] if delta.is_after else delta.events
        events = (*timeline, *delta.state_events, *members)
        self._lazy.tell(request, upto, room_nid, events, is_whole=is_whole)

    async def _has_no_name(self, room: Room) -> bool:
        state = await self._rooms.state(
            room, [(EventTypes.NAME, ""), (EventTypes.CANONICAL_ALIAS, "")]
        )
        return is_nameless(state.values())


def _summary(joined: int, invited: int, heroes: list[str]) -> bytes:
    named = b'"m.heroes":%b,' % orjson.dumps(heroes) if heroes else b""
    return b',"summary":{%b"m.joined_member_count":%d,"m.invited_member_count":%d}' % (
        named,
        joined,
        invited,
    )


def _room(
    room_id: str,
    state_form: StateForm,
    delta: RoomDelta,
    timeline: bytes,
    state: bytes,
    more: bytes,
    ephemeral: list[bytes],
    account_data: list[bytes],
) -> bytes:
    return (
        b'%b:{"timeline":{"events":[%b],"limited":%b,"prev_batch":"%b"},"%b":{"events":[%b]}'
        b'%b,"ephemeral":{"events":[%b]},"account_data":{"events":[%b]}}'
    ) % (
        orjson.dumps(room_id),
        timeline,
        b"true" if delta.limited else b"false",
        delta.prev_batch.encode(),
        state_form.value.encode(),
        state,
        more,
        b",".join(ephemeral),
        b",".join(account_data),
    )
