"""Rule 3 (rule 2 until version 11): the list of `auth_events` that an event came with."""

from collections.abc import Iterable

from synapse.api.constants import EventTypes
from synapse.events.auth_rules.error import AuthError
from synapse.events.auth_selection import CREATE_SLOT, Slot, auth_slots
from synapse.events.event import Event


def check_auth_events(event: Event, auth_events: Iterable[Event]) -> None:
    """Raises `AuthError` unless these are events that may authorise this one."""
    if event.type == EventTypes.CREATE:
        return  # rule 1 alone decides about it
    content = event.content if event.type == EventTypes.MEMBER else {}
    allowed = auth_slots(event.type, event.state_key, event.sender, content, event.version)
    seen: set[Slot] = set()
    for entry in auth_events:
        if entry.state_key is None or entry.slot not in allowed:  # 3.2
            raise AuthError(f"{entry.event_id} ({entry.type}) is no auth event for this event")
        if entry.slot in seen:  # 3.1
            raise AuthError(f"Two auth events for {entry.slot}")
        seen.add(entry.slot)
        if entry.rejected:  # 3.3
            raise AuthError(f"The auth event {entry.event_id} was rejected")
        if entry.room_id != event.room_id:  # 3.5
            raise AuthError(f"The auth event {entry.event_id} belongs to another room")
    if not event.version.room_id_is_hash and CREATE_SLOT not in seen:  # 2.4 until version 11
        raise AuthError("The create event is missing in the auth events")
