"""What a server is told when one of its users has joined: the room's state, and its auth chain.

Server-server API, `PUT /send_join`. The state is that before the join. A server that can do with
less (`omit_members`) is told of the members only those who give the room a name, and which servers
are in it; it fetches the rest later.
"""

from collections.abc import AsyncIterator, Mapping

import orjson

from synapse.api.constants import EventTypes
from synapse.api.identifiers import domain_of
from synapse.events.event import Event
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores.event_graph import EventGraph
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.join_facts import JoinFactStore
from synapse.storage.stores.members import MemberStore
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore

_NAMING = [(EventTypes.NAME, ""), (EventTypes.CANONICAL_ALIAS, "")]


class JoinAnswers:
    """Puts answers together, from the bytes of events, while they are sent."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        states: StateStore,
        slots: Slots,
        member_store: MemberStore,
        facts: JoinFactStore,
        graph: EventGraph,
        *,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._states = states
        self._slots = slots
        self._members = member_store
        self._facts = facts
        self._graph = graph
        self._server_name = server_name

    async def answer(self, room: Room, join: Event, *, omit_members: bool) -> AsyncIterator[bytes]:
        """The JSON about a join that was committed, in pieces."""
        state = await self._state_before(join)
        cited = await self._events.get_many(join.auth_event_ids())
        auth_nids = [event.nid for event in cited.values()]
        members = await self._heroes(room, join, state) if omit_members else None
        facts = await self._facts.of(list(state.values()), auth_nids, members=members)
        more = b""
        if omit_members:
            others = await self._facts.servers(room.nid, domain_of(join.sender))
            more = b',"servers_in_room":%b' % orjson.dumps([self._server_name, *others])
        between = b'],"event":%b,"members_omitted":%b,"origin":%b%b,"state":[' % (
            join.json,
            b"true" if omit_members else b"false",
            orjson.dumps(self._server_name),
            more,
        )
        return self._graph.pieces(
            [(b'{"auth_chain":[', facts.auth_chain), (between, facts.state), (b"]}", [])]
        )

    async def _state_before(self, join: Event) -> Mapping[int, int]:
        state = dict(await self._states.at(join.state_nid))
        own_slot = (await self._slots.nids([join.slot]))[join.slot]
        if join.replaces_nid:
            state[own_slot] = join.replaces_nid
        else:
            state.pop(own_slot, None)
        return state

    async def _heroes(self, room: Room, join: Event, state: Mapping[int, int]) -> set[int]:
        """The member events that are told all the same, if nothing else gives the room a name."""
        naming = await self._rooms.state(room, _NAMING)
        if any(event.content for event in naming.values()):
            return set()
        names = (await self._members.heroes([room.nid], join.sender)).get(room.nid, [])
        slots = await self._slots.nids([(EventTypes.MEMBER, user_id) for user_id in names])
        return {state[slot_nid] for slot_nid in slots.values() if slot_nid in state}
