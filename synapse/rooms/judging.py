"""Judging events of other servers: by what they cite, and by a state."""

from synapse.events.auth_rules import AuthError, check_auth
from synapse.events.auth_rules.auth_events import check_auth_events
from synapse.events.auth_selection import CREATE_SLOT, Slot, auth_slots, judging_slots
from synapse.events.event import Event, StateMap
from synapse.rooms.arrivals import Arrival


def why_not(arrival: Arrival, state: StateMap) -> AuthError | None:
    """Why its auth events or a state forbid an event; None: they don't."""
    event = arrival.event
    cited = {auth.slot: auth for auth in arrival.auth_events if auth.state_key is not None}
    if CREATE_SLOT in state:
        cited.setdefault(CREATE_SLOT, state[CREATE_SLOT])  # implied since version 12
    signed_by = arrival.signed_by.__contains__
    slots = auth_slots(event.type, event.state_key, event.sender, event.content, event.version)
    try:
        check_auth_events(event, arrival.auth_events)
        check_auth(event, cited, signed_by=signed_by)
        # Usually an event cites just what fills the slots; then that was one check.
        if any(_id(state.get(slot)) != _id(cited.get(slot)) for slot in slots):
            check_auth(event, state, signed_by=signed_by)
    except AuthError as error:
        return error
    return None


def slots_of_event(event: Event) -> list[Slot]:
    """The slots of a state by which an event is judged."""
    return judging_slots(event.type, event.state_key, event.sender, event.content, event.version)


def _id(event: Event | None) -> str | None:
    return None if event is None else event.event_id
