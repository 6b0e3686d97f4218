"""Threads: in which one an event stands."""

from typing import Any, Final

from synapse.rooms.noise import MAIN_THREAD
from synapse.storage.stores.events import EventStore

# How far relations are followed: client-server API, "Receiving notifications".
_MAX_HOPS: Final = 3


async def thread_of(events: EventStore, room_id: str, content: dict[str, Any]) -> str:
    """The root of the thread in which an event with this content stands, or "main".

    What relates to an event of a thread, such as an edit, belongs to the thread as well.
    """
    for _ in range(_MAX_HOPS):
        relation = content.get("m.relates_to")
        if type(relation) is not dict:
            return MAIN_THREAD
        target = relation.get("event_id")
        if type(target) is not str or not 0 < len(target) <= 255 or "\0" in target:
            return MAIN_THREAD
        if relation.get("rel_type") == "m.thread":
            return target
        event = await events.get(target)
        if event is None or event.room_id != room_id:
            return MAIN_THREAD
        content = event.content
    return MAIN_THREAD
