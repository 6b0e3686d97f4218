"""The rooms a user is not in: `rooms.invite`, `rooms.knock` and `rooms.leave` of a sync."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import orjson

from synapse.api.constants import EventTypes
from synapse.config.rooms import PrejoinStateConfig
from synapse.events.client_format import stripped
from synapse.events.event import Event
from synapse.handlers.auth import Requester
from synapse.handlers.ignored_users import IgnoredUsers, hides
from synapse.handlers.own_memberships import OwnMemberships
from synapse.handlers.sync.deltas import RoomDelta, RoomDeltas
from synapse.handlers.sync.filters import RoomFilter
from synapse.handlers.sync.own_timelines import OwnTimelines
from synapse.handlers.sync.personal import PersonalNews
from synapse.handlers.sync.request import SyncRequest
from synapse.handlers.visibility import Visibility
from synapse.rooms.cache import RoomCache
from synapse.rooms.doorstep import Doorstep
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import MemberRow, Membership
from synapse.storage.stores.names import Names
from synapse.storage.stores.states import StateStore

# "Stripped state": what servers show of a room to those who may join it.
_SHOWN = (
    EventTypes.CREATE,
    EventTypes.NAME,
    EventTypes.AVATAR,
    EventTypes.TOPIC,
    EventTypes.JOIN_RULES,
    EventTypes.CANONICAL_ALIAS,
    EventTypes.ENCRYPTION,
)

_JOIN = Membership.JOIN.text
# How many of a user's member events are looked through for the end of their last join.
_MAX_WALK = 100


class RoomsElsewhere:
    """Makes the JSON of rooms to which a user is invited, where they knock, or that they left."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        states: StateStore,
        deltas: RoomDeltas,
        visibility: Visibility,
        timelines: OwnTimelines,
        ignored: IgnoredUsers,
        memberships: OwnMemberships,
        prejoin_state: PrejoinStateConfig,
        doorstep: Doorstep,
        names: Names,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._states = states
        self._deltas = deltas
        self._visibility = visibility
        self._timelines = timelines
        self._ignored = ignored
        self._memberships = memberships
        self._prejoin_state = prejoin_state
        self._doorstep = doorstep
        self._names = names

    async def invited(self, row: MemberRow, user_id: str) -> bytes:
        """A member of `rooms.invite`."""
        room = await self._rooms.get_by_nid(row.room_nid)
        return b'%b:{"invite_state":{"events":%b}}' % (
            orjson.dumps(room.room_id),
            orjson.dumps(await self.stripped_state(room, user_id)),
        )

    async def knocked(self, row: MemberRow, user_id: str) -> bytes:
        """A member of `rooms.knock`."""
        room = await self._rooms.get_by_nid(row.room_nid)
        return b'%b:{"knock_state":{"events":%b}}' % (
            orjson.dumps(room.room_id),
            orjson.dumps(await self.stripped_state(room, user_id)),
        )

    async def stripped_state(self, room: Room, user_id: str) -> list[object]:
        """What a user who may join is shown of the room, with their own membership.

        Of a room that this server isn't in, that is what its servers showed.
        """
        if not room.local_joined and (shown := await self._shown_by_others(room, user_id)):
            return shown
        types: list[tuple[str, str | None]] = list(self._prejoin_state.additional_event_types)
        if not self._prejoin_state.disable_default_event_types:
            types += [(type_, "") for type_ in _SHOWN]
        slots = [(type_, key) for type_, key in types if key is not None]
        state = await self._rooms.state(room, [*slots, (EventTypes.MEMBER, user_id)])
        if of_any_key := {type_ for type_, key in types if key is None}:
            for event in await self._states.without_members(room.nid):
                if event.type in of_any_key:
                    state[event.slot] = event
        return [stripped(event) for event in state.values()]

    async def _shown_by_others(self, room: Room, user_id: str) -> list[object]:
        user_nid = await self._names.nid(user_id)
        shown = [] if user_nid is None else await self._doorstep.shown(room.nid, user_nid)
        own = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        if own is None:
            return shown
        others = [event for event in shown if (event["type"], event["state_key"]) != own.slot]
        return [*others, stripped(own)] if shown else []

    async def left(
        self,
        row: MemberRow,
        request: SyncRequest,
        since: int,
        upto: int,
        personal: PersonalNews,
    ) -> bytes:
        """A member of `rooms.leave`: what the user saw before leaving, and the leave itself."""
        room = await self._rooms.get_by_nid(row.room_nid)
        newest = (await self._events.by_nids([row.event_nid]))[row.event_nid]
        delta = await self._until_left(room, row, newest, request, since, upto)
        own = await self._timelines.own([delta], request.requester)
        return (
            b'%b:{"timeline":{"events":[%b],"limited":%b,"prev_batch":"%b"},'
            b'"%b":{"events":[%b]},"account_data":{"events":[%b]}}'
        ) % (
            orjson.dumps(room.room_id),
            self._timelines.render(delta, request.filter.room, own),
            b"true" if delta.limited else b"false",
            delta.prev_batch.encode(),
            request.filter.room.state_form.value.encode(),
            delta.state_with(delta.speakers, request.filter.room, delta.history),
            b",".join(personal.of_room(room.nid, room.room_id, request.filter)),
        )

    async def _until_left(
        self,
        room: Room,
        row: MemberRow,
        newest: Event,
        request: SyncRequest,
        since: int,
        upto: int,
    ) -> RoomDelta:
        """`newest` is the user's member event now: a leave, or a ban that may have followed it."""
        wish = request.filter.room
        history = (await self._memberships.until({room.nid: newest.nid}))[room.nid]
        own = await self._own_member_events(newest, since)
        ends = [
            event
            for event, before in pairwise([*own, None])
            if event is not None and before is not None and before.membership == _JOIN
        ]
        if not ends:
            return await self._deltas.render(
                [newest],
                _followed([], newest, wish),
                False,
                wish,
                newest.pos or 0,
                history=history,
            )
        # Who wasn't in the room at `since` knows nothing of its state.
        was_in = own[-1].nid <= since and own[-1].membership == _JOIN
        see = partial(self._shown, request.requester, row)
        delta = await self._deltas.between(
            room, since if was_in else 0, min(upto, ends[0].nid), wish, see, history
        )
        if ends[0] is newest:
            return delta
        timeline = [*delta.events, newest]
        state = _followed(delta.state_events, newest, wish)
        return await self._deltas.render(
            timeline,
            state,
            delta.limited,
            wish,
            newest.pos or 0,
            speakers=delta.speakers,
            history=history,
        )

    async def _shown(
        self, requester: Requester, row: MemberRow, events: list[Event]
    ) -> list[Event]:
        visible = await self._visibility.visible(requester.user_id, row, events)
        ignored = await self._ignored.of(requester)
        return [event for event in visible if not hides(ignored, event)]

    async def _own_member_events(self, newest: Event, since: int) -> list[Event]:
        """The user's member events from the newest back to the one that stood at `since`."""
        own = [newest]
        while own[-1].nid > since and own[-1].replaces_nid and len(own) < _MAX_WALK:
            nid = own[-1].replaces_nid
            own.append((await self._events.by_nids([nid]))[nid])
        return own


def _followed(state: Sequence[Event], newest: Event, wish: RoomFilter) -> list[Event]:
    """The state to tell if one more state event ends the timeline."""
    if not wish.state_after:
        return list(state)
    others = [event for event in state if event.slot != newest.slot]
    return [*others, newest] if wish.state.matches(newest) else others
