"""What we lack of a room's graph, asked of other servers of the room.

All of it is bounded: a server that is asked can make us neither read nor keep more than a room may
have, and each question is asked once of each. What it answers is verified like any event.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from msgspec import Raw
from twisted.internet.defer import Deferred, FirstError, gatherResults

from synapse.events.auth_selection import CREATE_SLOT, Slot
from synapse.events.event import Event
from synapse.federation.errors import FAILURES, RemoteError, Unanswered
from synapse.federation.helpers import Helpers
from synapse.federation.outliers import Outliers
from synapse.federation.pdus import Pdus, Refused, Verified
from synapse.federation.told_bodies import MAX_EVENTS, read_graph, values_of
from synapse.federation.wire import MEBIBYTE, Transport
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.forks import KnownState
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

# A room of a hundred thousand members has a state of some 70 MiB.
_MAX_STATE_BYTES = 200 * MEBIBYTE
# And one of three hundred thousand events, ids of 20 MiB.
_MAX_IDS_BYTES = 20 * MEBIBYTE
_STATE_TIMEOUT_S = 300.0
# Single events that are fetched; if a state lacks more, it is fetched whole.
_FEW = 50
_AT_ONCE = 5
# What a server answers that doesn't have an event, or doesn't show it to us.
_UNTOLD = frozenset({403, 404})


class RemoteGraph:
    """Asks for events, what authorises them, and states.

    Where the `server` that is to be asked doesn't help, others of the room may (`Helpers`), unless
    it says otherwise. Raises `Unanswered`, and what the transport raises.
    """

    def __init__(
        self,
        transport: Transport,
        pdus: Pdus,
        outliers: Outliers,
        helpers: Helpers,
        events: EventStore,
        slots: Slots,
        states: StateStore,
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._pdus = pdus
        self._outliers = outliers
        self._helpers = helpers
        self._events = events
        self._slots = slots
        self._states = states
        self._clock = clock

    async def auth_events(self, server: str, room: Room, event: Event) -> list[Event]:
        """What the event cites, from the database; missing ones are fetched and kept."""
        cited = event.auth_event_ids()
        known = await self._events.get_many(cited)
        if len(known) < len(set(cited)):
            attempt = partial(self._auth_events_of, room, event)
            known = await self._helpers.ask(room, server, attempt)
        return [known[event_id] for event_id in cited]

    async def _auth_events_of(self, room: Room, event: Event, server: str) -> dict[str, Event]:
        """All that the event cites."""
        cited = event.auth_event_ids()
        path = _path("event_auth", room.room_id, event.event_id)
        answer = await self._transport.request(
            server,
            "GET",
            path,
            timeout_s=_STATE_TIMEOUT_S,
            max_bytes=_MAX_STATE_BYTES,
            decode=read_graph,
        )
        known = await self._events.get_many(cited)
        known |= await self.keep(room, answer["auth_chain"])
        missing = [event_id for event_id in cited if event_id not in known]
        if missing:
            raise Unanswered(f"{server} doesn't tell what authorises {event.event_id}: {missing}")
        return known

    async def missing_events(
        self, server: str, room: Room, latest: Sequence[str], *, limit: int
    ) -> list[Verified]:
        """What `latest` stand on, without what the ends of the graph that we know stand on; oldest
        first. Only this server is asked."""
        answer = await self._transport.request(
            server,
            "POST",
            _path("get_missing_events", room.room_id),
            json={
                "earliest_events": [tip.event_id for tip in room.tips],
                "latest_events": list(latest),
                "limit": limit,
                # No `min_depth`: a fork that is shorter than ours has smaller depths.
            },
        )
        told = _events_in(answer, "events")[:limit]
        verified = await self._verified(room, told)
        return sorted(verified, key=lambda one: one.event.depth)

    async def event(self, server: str, room: Room, event_id: str) -> Verified:
        """One event. Only this server is asked."""
        answer = await self._transport.request(server, "GET", _path("event", event_id))
        for one in await self._verified(room, _events_in(answer, "pdus")[:1]):
            if one.event.event_id == event_id:
                return one
        raise Unanswered(f"{server} doesn't tell the event {event_id}")

    async def state_before(self, server: str, room: Room, event_id: str) -> KnownState:
        """The state before an event, as another server has it; its events are kept."""
        attempt = partial(self.state_told_by, room, event_id)
        return await self._helpers.ask(room, server, attempt)

    async def state_told_by(self, room: Room, event_id: str, server: str) -> KnownState:
        """The same. Only this server is asked."""
        path = _path("state_ids", room.room_id)
        query = {"event_id": event_id}
        answer = await self._transport.request(
            server, "GET", path, query=query, timeout_s=_STATE_TIMEOUT_S, max_bytes=_MAX_IDS_BYTES
        )
        state_ids, auth_ids = _ids_in(answer, "pdu_ids"), _ids_in(answer, "auth_chain_ids")
        wanted = list(dict.fromkeys([*state_ids, *auth_ids]))
        if len(wanted) > MAX_EVENTS:
            raise Unanswered(f"{server} tells a state of {len(wanted)} events")
        known = await self._events.in_room(room.room_id, wanted)
        missing = [event_id for event_id in wanted if event_id not in known]
        if len(missing) > _FEW:
            known |= await self._keep_whole_state(server, room, event_id)
        elif missing:
            known |= await self._keep_some(server, room, missing)
            known |= await self._keep_of_others(server, room, set(missing) - set(known))
        lacking = [event_id for event_id in state_ids if event_id not in known]
        if lacking:
            logger.info("%s lacks %d events of the state before %s", server, len(lacking), event_id)
        state = [known[event_id] for event_id in state_ids if event_id in known]
        if not any(event.slot == CREATE_SLOT and not event.rejected for event in state):
            # By such a state, the event and all that stands on it would be rejected for good.
            raise Unanswered(f"{server} tells a state before {event_id} that has no beginning")
        return await self._known_state(room, state)

    async def keep(self, room: Room, told: Sequence[Raw]) -> dict[str, Event]:
        """Verify and keep state events as outliers; those that were kept, or known before."""
        values = await values_of(told, Breaks(self._clock))
        return await self._outliers.keep(room.nid, await self._verified(room, values))

    async def _keep_whole_state(self, server: str, room: Room, event_id: str) -> dict[str, Event]:
        answer = await self._transport.request(
            server,
            "GET",
            _path("state", room.room_id),
            query={"event_id": event_id},
            timeout_s=_STATE_TIMEOUT_S,
            max_bytes=_MAX_STATE_BYTES,
            decode=read_graph,
        )
        return await self.keep(room, [*answer["auth_chain"], *answer["pdus"]])

    async def _keep_some(
        self, server: str, room: Room, event_ids: Sequence[str]
    ) -> dict[str, Event]:
        found: list[Verified] = []
        for start in range(0, len(event_ids), _AT_ONCE):
            asked = [
                Deferred.fromCoroutine(self._maybe(server, room, event_id))
                for event_id in event_ids[start : start + _AT_ONCE]
            ]
            try:
                answers = await gatherResults(asked, consumeErrors=True)
            except FirstError as error:
                error.subFailure.raiseException()
            found += [one for one in answers if one is not None]
        return await self._outliers.keep(room.nid, found)

    async def _keep_of_others(self, server: str, room: Room, missing: set[str]) -> dict[str, Event]:
        """Those of the events, which `server` doesn't have, that others do."""
        known: dict[str, Event] = {}
        for other in await self._helpers.besides(room, server) if missing else ():
            try:
                known |= await self._keep_some(other, room, [*(missing - set(known))])
            except FAILURES as error:
                logger.info("%s doesn't help: %s", other, error)
            if missing <= set(known):
                break
        return known

    async def _maybe(self, server: str, room: Room, event_id: str) -> Verified | None:
        try:
            return await self.event(server, room, event_id)
        except (Unanswered, RemoteError) as error:
            if isinstance(error, RemoteError) and error.status not in _UNTOLD:
                raise
            logger.info("%s", error)
            return None

    async def _verified(self, room: Room, told: Sequence[Any]) -> list[Verified]:
        verified = []
        for one in await self._pdus.verify(room.version, room.room_id, told):
            if isinstance(one, Refused):
                logger.info("%s is refused: %s", one.event_id, one.reason)
            else:
                verified.append(one)
        return verified

    async def _known_state(self, room: Room, events: Sequence[Event]) -> KnownState:
        """These events as a state, told by how it differs from the room's."""
        filled = {event.slot: event.nid for event in events if not event.rejected}
        nids: dict[Slot, int] = {}
        async for some in Breaks(self._clock).portions(list(filled)):
            nids |= await self._slots.nids(some)
        state = {nids[slot]: nid for slot, nid in filled.items()}
        view = await self._states.at(room.view_nid)
        changes = {slot: nid for slot, nid in state.items() if view.get(slot) != nid}
        changes.update(dict.fromkeys(view.keys() - state.keys(), 0))
        return KnownState(room.view_nid, changes)


def _path(*segments: str) -> str:
    return "/".join(["/_matrix/federation/v1", *(quote(segment, safe="") for segment in segments)])


def _events_in(answer: Any, key: str) -> list[Any]:
    events = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(events, list):
        raise Unanswered(f"The answer has no list {key}")
    return events


def _ids_in(answer: Any, key: str) -> list[str]:
    ids = _events_in(answer, key)
    if not all(isinstance(event_id, str) for event_id in ids):
        raise Unanswered(f"{key} is not a list of event ids")
    return ids
