"""Whether an event already says what somebody wants to say."""

from typing import Any

from synapse.events import canonical
from synapse.events.event import Event
from synapse.util.canonicaljson import NotCanonical


def is_same_content(event: Event, content: dict[str, Any]) -> bool:
    """Whether the event's content is this one, byte for byte.

    Python's `==` would do for most, but it takes `true`, `1` and `1.0` for the same.
    """
    if event.content != content:
        return False
    try:
        return canonical.encode(event.content, event.version) == canonical.encode(
            content, event.version
        )
    except NotCanonical:
        return False
