"""Taking up events of other servers, with what they need that we don't have.

Most events stand on what is here, and go straight to the receiver. For the others: what authorises
them is fetched; if their `prev_events` are missing, the events in between are asked for, a few
times further back; and where that leads nowhere, for the state before the event. Everything has a
bound, so that an event whose history never ends costs what any other may.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from synapse.api.identifiers import domain_of
from synapse.events.event import Event
from synapse.federation.errors import FAILURES, RemoteError, Unanswered
from synapse.federation.helpers import Helpers
from synapse.federation.pdus import Verified
from synapse.federation.remote_graph import RemoteGraph
from synapse.rooms.arrivals import Arrival
from synapse.rooms.cache import RoomCache
from synapse.rooms.receiver import Receiver, Verdict
from synapse.rooms.room import Room
from synapse.rooms.standing import UnknownState, stands_beside
from synapse.storage.stores.events import EventStore

logger = logging.getLogger(__name__)

# How many events in between are asked for, in how many steps back.
_AT_ONCE = 20
_STEPS = 5
_REFUSALS = frozenset({400, 403, 404})


class Inbound:
    """Takes up events of rooms that this server is in."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        receiver: Receiver,
        graph: RemoteGraph,
        helpers: Helpers,
        *,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._receiver = receiver
        self._graph = graph
        self._helpers = helpers
        self._server_name = server_name

    async def ready(self, verified: Sequence[Verified]) -> list[Arrival]:
        """Those of some events of one room, in their order, for which nothing is missing.

        It ends before the first for which something is.
        """
        cited: set[str] = set()
        for one in verified:
            cited.update(one.event.auth_event_ids(), one.event.prev_event_ids())
        known = await self._events.get_many(list(cited))
        room_ids = {one.event.room_id for one in verified}
        placed = {
            event_id
            for event_id, event in known.items()
            if event.state_nid and event.room_id in room_ids
        }
        arrivals: list[Arrival] = []
        for one in verified:
            auth_ids = one.event.auth_event_ids()
            if not placed.issuperset(one.event.prev_event_ids()) or not set(auth_ids) <= set(known):
                break
            auth_events = [known[event_id] for event_id in auth_ids]
            arrivals.append(Arrival(one.event, auth_events, one.signed_by))
            placed.add(one.event.event_id)
        return arrivals

    async def take_up_ready(self, room_id: str, verified: Sequence[Verified]) -> dict[str, Verdict]:
        """Take up as many of the events as need nothing more, by event id."""
        verdicts: dict[str, Verdict] = {}
        rest = list(verified)
        while arrivals := await self.ready(rest):
            done = await self._receiver.receive(room_id, arrivals)
            verdicts.update(
                (arrival.event.event_id, verdict)
                for arrival, verdict in zip(arrivals, done, strict=True)
            )
            rest = rest[len(arrivals) :]
        return verdicts

    async def take_up(self, server: str, room: Room, one: Verified) -> Verdict:
        """Take up one event, asking `server` for what it needs, and others if it doesn't help.

        Raises what `RemoteGraph` raises.
        """
        if await self._missing(room, one.event):
            await self._fill_in(server, room, one.event)
        arrival = await self._arrival(server, room, one)
        try:
            (verdict,) = await self._receiver.receive(room.room_id, [arrival])
        except UnknownState:
            arrival = await self._with_state(server, room, arrival)
            (verdict,) = await self._receiver.receive(room.room_id, [arrival])
        if verdict is Verdict.DOUBTFUL:
            raise Unanswered(f"{arrival.told_by} tells a state that forbids {one.event}")
        return verdict

    async def _with_state(self, server: str, room: Room, arrival: Arrival) -> Arrival:
        """With the state before an event, as its sender's server tells it; if that one doesn't, the
        one from which it came, or another."""
        event_id = arrival.event.event_id

        async def told(teller: str) -> Arrival:
            before = await self._graph.state_told_by(room, event_id, teller)
            return replace(arrival, before=before, told_by=teller)

        own = domain_of(arrival.event.sender)
        if own not in (server, self._server_name):
            try:
                return await told(own)
            except FAILURES as error:
                logger.info("%s doesn't tell the state before its event: %s", own, error)
        return await self._helpers.ask(room, server, told)

    async def _arrival(self, server: str, room: Room, one: Verified) -> Arrival:
        auth_events = await self._graph.auth_events(server, room, one.event)
        return Arrival(one.event, auth_events, one.signed_by)

    async def _fill_in(self, server: str, room: Room, event: Event) -> None:
        """Take up what is between the graph that we know and an event.

        Who answers, but not with what was asked for, doesn't have it: then a gap is left. But who
        could not answer may have it, so that this is raised, unless another one helps.
        """
        failure: Exception | None = None
        try:
            if await self._fill_in_from(server, room, event):
                return
        except FAILURES as error:
            logger.info("%s doesn't help: %s", server, error)
            failure = None if _is_answer(error) else error
        for other in await self._helpers.besides(room, server):
            logger.info("Asking %s in %s what %s stands on", other, room.room_id, event.event_id)
            try:
                if await self._fill_in_from(other, room, event):
                    return
            except FAILURES as error:
                logger.info("%s doesn't help: %s", other, error)
        if failure is not None:
            raise failure

    async def _fill_in_from(self, server: str, room: Room, event: Event) -> bool:
        """Take up what a server tells of it; whether that is all, or more than we ask for."""
        found: dict[str, Verified] = {}
        latest = [event.event_id]
        for _ in range(_STEPS):
            told = await self._graph.missing_events(server, room, latest, limit=_AT_ONCE)
            new = [one for one in told if one.event.event_id not in found]
            if not new:
                break
            found.update((one.event.event_id, one) for one in new)
            latest = await self._without_past(new, found)
            if not latest:
                break
        is_long = len(found) > _AT_ONCE * (_STEPS - 1)
        # What stands on nothing that is known would need a state of its own, each of them; one
        # state for the event that all this is for is enough.
        for one in sorted(found.values(), key=lambda one: one.event.depth):
            if stands_on_nothing(one.event) or await self._missing(room, one.event):
                continue
            arrival = await self._arrival(server, room, one)
            await self._receiver.receive(room.room_id, [arrival])
        return is_long or not await self._missing(room, event)

    async def _missing(self, room: Room, event: Event) -> list[str]:
        """Those of the `prev_events` whose state is not known."""
        prev_ids = event.prev_event_ids()
        if room.entrance is not None and stands_beside(room.entrance, prev_ids):
            return []
        known = await self._events.in_room(event.room_id, prev_ids)
        return [e for e in prev_ids if e not in known or not known[e].state_nid]

    async def _without_past(
        self, events: Sequence[Verified], found: Mapping[str, Verified]
    ) -> list[str]:
        """Those that stand on something that is neither here nor among what was found."""
        prev_ids = {e for one in events for e in one.event.prev_event_ids()} - set(found)
        known = await self._events.in_room(events[0].event.room_id, list(prev_ids))
        unknown = {e for e in prev_ids if e not in known or not known[e].state_nid}
        return [
            one.event.event_id
            for one in events
            if not unknown.isdisjoint(one.event.prev_event_ids())
        ]


def _is_answer(error: Exception) -> bool:
    """Whether it says that the server will not help later either."""
    if isinstance(error, RemoteError):
        return error.status in _REFUSALS
    return isinstance(error, Unanswered)


def stands_on_nothing(event: Event) -> bool:
    """Whether it is the room's beginning, which is known wherever the room is, or wants to be."""
    return not event.prev_event_ids()
