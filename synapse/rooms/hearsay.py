"""Hearsay: members of a room of which this server doesn't know all.

An event cites the member events that allow it. In a room that was entered without its members
(`synapse.rooms.entrances`), those stand in for what is not known: who speaks is taken for a member,
until somebody tells who is one. So clients are shown names, and nothing is refused for want of
knowledge. What a member event of the room's timeline says is known, and no hearsay.
"""

from collections.abc import Callable, Sequence

from synapse.api.constants import EventTypes
from synapse.events.event import Event, StateMap


def hearsay(
    state: StateMap, auth_events: Sequence[Event], is_ours: Callable[[Event], bool]
) -> StateMap:
    """The members among an event's auth events that stand in for what a state doesn't know.

    What is so of our own users, we know.
    """
    return {
        auth.slot: auth
        for auth in auth_events
        if auth.type == EventTypes.MEMBER and not auth.rejected and not is_ours(auth)
        if _is_unknown(state.get(auth.slot), auth)
    }


def _is_unknown(known: Event | None, told: Event) -> bool:
    if known is None:
        return True
    # Outliers have no place: it is hearsay, too, and this is newer.
    return known.pos is None and known.event_id != told.event_id
