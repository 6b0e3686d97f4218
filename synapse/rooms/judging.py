"""Judging events of other servers: by what they cite, and by a state."""

from synapse.api.identifiers import domain_of
from synapse.events.auth_rules import AuthError, check_auth
from synapse.events.auth_rules.auth_events import check_auth_events
from synapse.events.auth_selection import CREATE_SLOT, Slot, auth_slots, judging_slots
from synapse.events.event import Event, StateMap
from synapse.rooms.arrivals import Arrival


def why_not(arrival: Arrival, state: StateMap) -> AuthError | None:
    """Why its auth events or a state forbid an event; None: they don't."""
    event = arrival.event
    cited = _cited(arrival, state)
    slots = auth_slots(event.type, event.state_key, event.sender, event.content, event.version)
    try:
        _check_cited(arrival, cited)
        # Usually an event cites just what fills the slots; then that was one check.
        if any(_id(state.get(slot)) != _id(cited.get(slot)) for slot in slots):
            check_auth(event, state, signed_by=arrival.signed_by.__contains__)
    except AuthError as error:
        return error
    return None


def is_hearsay(arrival: Arrival, state: StateMap) -> bool:
    """Whether nothing speaks against an event but a state that somebody else than its sender's
    server told. Another server could so make us reject for good what all others accept."""
    if arrival.told_by in ("", domain_of(arrival.event.sender)):
        return False
    try:
        _check_cited(arrival, _cited(arrival, state))
    except AuthError:
        return False
    return True


def _cited(arrival: Arrival, state: StateMap) -> StateMap:
    cited = {auth.slot: auth for auth in arrival.auth_events if auth.state_key is not None}
    if CREATE_SLOT in state:
        cited.setdefault(CREATE_SLOT, state[CREATE_SLOT])  # implied since version 12
    return cited


def _check_cited(arrival: Arrival, cited: StateMap) -> None:
    check_auth_events(arrival.event, arrival.auth_events)
    check_auth(arrival.event, cited, signed_by=arrival.signed_by.__contains__)


def slots_of_event(event: Event) -> list[Slot]:
    """The slots of a state by which an event is judged."""
    return judging_slots(event.type, event.state_key, event.sender, event.content, event.version)


def _id(event: Event | None) -> str | None:
    return None if event is None else event.event_id
