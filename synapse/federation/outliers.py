"""Keeping outliers: what authorises events, and what states consist of.

An outlier is judged by the events that it cites, so these are kept before it. One whose own
permission can't be traced to the room's beginning is dropped, and one that it forbids is kept as
rejected, so that nothing that cites it is allowed.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence

from synapse.api.constants import EventTypes
from synapse.events.auth_rules import AuthError, check_auth
from synapse.events.auth_rules.auth_events import check_auth_events
from synapse.events.auth_selection import CREATE_SLOT
from synapse.events.event import Event
from synapse.federation.pdus import Verified
from synapse.rooms.asides import Aside, Asides
from synapse.storage.stores.events import EventStore
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

# Kept in one transaction: others should not wait long for theirs.
_AT_ONCE = 200
_READ_AT_ONCE = 500


class Outliers:
    """Judges and keeps them."""

    def __init__(self, events: EventStore, asides: Asides, clock: Clock) -> None:
        self._events = events
        self._asides = asides
        self._clock = clock

    async def keep(self, room_nid: int, verified: Sequence[Verified]) -> dict[str, Event]:
        """Keep state events; those that are in the database now, or were before, by event id.

        What they cite must be among them or in the database.
        """
        wanted = {one.event.event_id: one for one in verified if one.event.state_key is not None}
        breaks = Breaks(self._clock)
        known: dict[str, Event] = {}
        async for some in breaks.portions(list(wanted), _READ_AT_ONCE):
            known |= await self._events.get_many(some)
            for event_id in some:
                event = known.get(event_id)
                if event is not None and event.room_id != wanted[event_id].event.room_id:
                    logger.info(
                        "%s is dropped: %s has an event of that id", event_id, event.room_id
                    )
                    del known[event_id], wanted[event_id]
        new = {event_id: one for event_id, one in wanted.items() if event_id not in known}
        needs: dict[str, list[str]] = {}
        for event_id, one in new.items():
            needs[event_id] = _needed(one.event)
            await breaks.take()
        cited = {needed for needs_of_one in needs.values() for needed in needs_of_one}
        known |= await self._events.get_many(list(cited - set(new)))
        batch: list[Aside] = []
        for event_id in _in_order(needs):
            one = new[event_id]
            event = one.event
            if any(needed not in known for needed in needs[event_id]):
                logger.info("%s is dropped: what authorises it is not known", event.event_id)
                continue
            auth_events = [known[auth] for auth in event.auth_event_ids()]
            error = _why_not(one, auth_events, known)
            if error is not None:
                logger.info("%s is rejected: %s", event.event_id, error)
                event.rejected = True
            known[event.event_id] = event
            batch.append(Aside(event, auth_events))
            if len(batch) == _AT_ONCE:
                await self._asides.keep(room_nid, batch)
                batch = []
            await breaks.take()
        if batch:
            await self._asides.keep(room_nid, batch)
        return {event_id: known[event_id] for event_id in wanted if event_id in known}


def _why_not(
    one: Verified, auth_events: Sequence[Event], known: dict[str, Event]
) -> AuthError | None:
    event = one.event
    state = {auth.slot: auth for auth in auth_events if auth.state_key is not None}
    if event.version.room_id_is_hash and event.type != EventTypes.CREATE:
        state[CREATE_SLOT] = known[create_id_of(event)]
    try:
        check_auth_events(event, auth_events)
        check_auth(event, state, signed_by=one.signed_by.__contains__)
    except AuthError as error:
        return error
    return None


def create_id_of(event: Event) -> str:
    """The create event that the room's id implies, since version 12."""
    return "$" + event.room_id[1:]


def _needed(event: Event) -> list[str]:
    """What must be known before the event can be judged."""
    needed = event.auth_event_ids()
    if event.version.room_id_is_hash and event.type != EventTypes.CREATE:
        needed.append(create_id_of(event))
    return needed


def _in_order(needs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Each after those of the others that it needs; those in a circle are left out."""
    done: set[str] = set()
    opened: set[str] = set()
    # A stack instead of recursion: auth chains are thousands of events deep.
    stack = list(needs)[::-1]
    while stack:
        event_id = stack[-1]
        if event_id in done:
            stack.pop()
            continue
        missing = [needed for needed in needs[event_id] if needed in needs and needed not in done]
        if not missing:
            done.add(event_id)
            yield event_id
            stack.pop()
        elif event_id in opened:
            stack.pop()
        else:
            opened.add(event_id)
            stack += missing
