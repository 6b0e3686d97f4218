"""What new events add to the unread counts: see `synapse.storage.stores.unread`."""

from dataclasses import dataclass
from typing import Final, NamedTuple

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
    thread_id: str = MAIN_THREAD  # "main", or the root of the thread in which it stands


SILENCE: Final = Noise()
