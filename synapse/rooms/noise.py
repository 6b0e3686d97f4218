"""What new events add to the unread counts: see `synapse.storage.stores.unread`."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

MAIN_THREAD: Final = "main"


class Mark(NamedTuple):
    """By how much a listener's counts differ because of an event."""

    listener: int
    notify: int
    highlight: int


@dataclass(frozen=True, slots=True)
class Noise:
    """Whom an event reaches."""

    loud: bool = False  # it notifies those who keep the predefined push rules
    shout: bool = False  # and is highlighted for them
    marks: tuple[Mark, ...] = ()  # for others


SILENCE: Final = Noise()


def thread_of(content: dict[str, Any]) -> str:
    """The thread in which an event with this content stands: its root, or "main"."""
    relation = content.get("m.relates_to")
    if type(relation) is dict and relation.get("rel_type") == "m.thread":
        root = relation.get("event_id")
        if type(root) is str and 0 < len(root) <= 255 and root != MAIN_THREAD:
            return root
    return MAIN_THREAD
