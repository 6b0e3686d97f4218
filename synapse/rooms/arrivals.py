"""Arrivals: events of other servers on their way into a room."""

from collections.abc import Sequence
from dataclasses import dataclass

from synapse.api.errors import MatrixError
from synapse.events.event import Event
from synapse.storage.stores.forks import KnownState


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event whose hashes and signatures are right."""

    event: Event
    auth_events: Sequence[Event]  # all that it cites, from the database
    signed_by: frozenset[str]  # the servers whose signatures were verified
    before: KnownState | None = None  # the state that it stands on, if its `prev_events` can't tell
    told_by: str = ""  # the server that told that state
    # The event of another server that came into the room by this one: a join, by `send_join`. The
    # other servers in the room hear of it from us.
    is_passed_on: bool = False
    # What the room's policy server says against it.
    objection: MatrixError | None = None
