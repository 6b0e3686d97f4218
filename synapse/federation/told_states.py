"""What we tell other servers of a room's state before an event, and of what authorised events.

Server-server API, "Retrieving events". A large room's state is many megabytes: it is put together
from the events' bytes while it is sent.
"""

from collections.abc import AsyncIterator

from synapse.api.constants import EventTypes
from synapse.api.errors import Forbidden, NotFound
from synapse.events.event import Event
from synapse.federation.outliers import create_id_of
from synapse.federation.partial_rooms import check_whole
from synapse.federation.server_visibility import ServerVisibility
from synapse.federation.visitors import Visitor, Visitors
from synapse.rooms.standing import Standings, UnknownState
from synapse.storage.stores.event_graph import EventGraph
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore

# Closes the last array, and has no events.
_END: tuple[bytes, list[int]] = (b"]}", [])


class ToldStates:
    """Answers about states and auth chains."""

    def __init__(
        self,
        visitors: Visitors,
        visibility: ServerVisibility,
        events: EventStore,
        states: StateStore,
        slots: Slots,
        standings: Standings,
        graph: EventGraph,
    ) -> None:
        self._visitors = visitors
        self._visibility = visibility
        self._events = events
        self._states = states
        self._slots = slots
        self._standings = standings
        self._graph = graph

    async def ids_before(
        self, server: str, room_id: str, event_id: str
    ) -> tuple[list[str], list[str]]:
        """The ids of the state before an event, and of its auth chain."""
        state = await self._state_before(server, room_id, event_id)
        chain = await self._graph.auth_chain(state)
        return await self._graph.ids(state), await self._graph.ids(chain)

    async def before(self, server: str, room_id: str, event_id: str) -> AsyncIterator[bytes]:
        """The answer of `/state`, in pieces. Raises before the first of them."""
        state = await self._state_before(server, room_id, event_id)
        chain = await self._graph.auth_chain(state)
        return self._graph.pieces([(b'{"auth_chain":[', chain), (b'],"pdus":[', state), _END])

    async def auth_chain(self, server: str, room_id: str, event_id: str) -> AsyncIterator[bytes]:
        """The answer of `/event_auth`, in pieces. Raises before the first of them."""
        _, event = await self._find(server, room_id, event_id)
        cited = event.auth_event_ids()
        if event.version.room_id_is_hash and event.type != EventTypes.CREATE:
            cited.append(create_id_of(event))
        direct = [auth.nid for auth in (await self._events.in_room(event.room_id, cited)).values()]
        chain = sorted({*direct, *await self._graph.auth_chain(direct)})
        return self._graph.pieces([(b'{"auth_chain":[', chain), _END])

    async def _find(self, server: str, room_id: str, event_id: str) -> tuple[Visitor, Event]:
        visitor = await self._visitors.visitor(server, room_id)
        event = await self._events.get(event_id) if "\0" not in event_id else None
        if event is None or event.room_id != visitor.room.room_id:
            raise NotFound(f"Could not find event {event_id[:255]}")
        is_hidden = not event.state_nid or event.nid in await self._visibility.hidden(
            visitor, [event]
        )
        if not visitor.is_inside and is_hidden:
            raise Forbidden("You do not have permission to access the state at the requested event")
        return visitor, event

    async def _state_before(self, server: str, room_id: str, event_id: str) -> list[int]:
        visitor, event = await self._find(server, room_id, event_id)
        check_whole(visitor.room)
        if not event.state_nid and event.type != EventTypes.CREATE:
            raise NotFound(f"The state at {event_id[:255]} is not known")
        try:
            before = await self._standings.state_before(visitor.room, event.prev_event_ids())
        except UnknownState:
            return await self._after_without(event)
        state = {**await self._states.at(before.base_nid), **before.changes}
        return [nid for nid in state.values() if nid]

    async def _after_without(self, event: Event) -> list[int]:
        """The same by the state after the event, for one whose `prev_events` we don't have."""
        state = dict(await self._states.at(event.state_nid))
        if event.is_state and not event.rejected:
            nids = await self._slots.nids([event.slot])
            state[nids[event.slot]] = event.replaces_nid
        return [nid for nid in state.values() if nid]
