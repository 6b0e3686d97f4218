"""The rooms a user is not in: `rooms.invite`, `rooms.knock` and `rooms.leave` of a sync."""

import orjson

from synapse.api.constants import EventTypes
from synapse.config.rooms import PrejoinStateConfig
from synapse.events.client_format import stripped
from synapse.events.event import Event
from synapse.handlers.sync.deltas import RoomDeltas
from synapse.handlers.sync.request import SyncRequest
from synapse.handlers.visibility import Visibility
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import MemberRow, Membership
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


class RoomsElsewhere:
    """Makes the JSON of rooms to which a user is invited, where they knock, or that they left."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        states: StateStore,
        deltas: RoomDeltas,
        visibility: Visibility,
        prejoin_state: PrejoinStateConfig,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._states = states
        self._deltas = deltas
        self._visibility = visibility
        self._prejoin_state = prejoin_state

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
        """What a user who may join is shown of the room, with their own membership."""
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

    async def left(self, row: MemberRow, request: SyncRequest, since: int, upto: int) -> bytes:
        """A member of `rooms.leave`: what the user saw before leaving, and the leave itself."""
        room = await self._rooms.get_by_nid(row.room_nid)
        leave = (await self._events.by_nids([row.event_nid]))[row.event_nid]
        if not await self._was_joined(leave):
            delta = self._deltas.render([leave], [], False, request.filter.room, leave.pos or 0)
        else:
            delta = await self._deltas.between(
                room, since, min(upto, leave.nid), request.filter.room
            )
            visible = await self._visibility.visible(request.requester.user_id, row, delta.events)
            if len(visible) != len(delta.events):
                delta = self._deltas.render(
                    visible, [], delta.limited, request.filter.room, leave.pos or 0
                )
        return (
            b'%b:{"timeline":{"events":[%b],"limited":%b,"prev_batch":"%b"},'
            b'"state":{"events":[%b]},"account_data":{"events":[]}}'
        ) % (
            orjson.dumps(room.room_id),
            delta.timeline,
            b"true" if delta.limited else b"false",
            delta.prev_batch.encode(),
            delta.state,
        )

    async def _was_joined(self, leave: Event) -> bool:
        if not leave.replaces_nid:
            return False
        before = (await self._events.by_nids([leave.replaces_nid])).get(leave.replaces_nid)
        return before is not None and before.membership == Membership.JOIN.text
