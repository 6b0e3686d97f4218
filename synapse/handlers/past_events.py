"""What readers of history need of other servers: `synapse.federation.backfill` has it."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from synapse.rooms.room import Room

# For so long who reads waits for other servers.
PATIENCE_S = 10.0


class Fill(Enum):
    """What came of filling a gap."""

    MORE = "more"  # the gap is smaller, or gone: read again
    UNDER_WAY = "under way"  # it takes longer; it goes on without who asked
    NOTHING = "nothing"  # nobody helps, for now


class PastEvents(Protocol):
    """Fetches what is missing in timelines."""

    async def fill(self, room: Room, pos: int, patience_s: float) -> Fill:
        """Fetch what belongs into the first gap at or below a place, or a part of it."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """An event that another server has."""

    server: str
    event_id: str
    ts_ms: int


class Jumps(Protocol):
    """Brings single events of long ago: `synapse.federation.jumps` has it."""

    async def nearest(self, room: Room, ts_ms: int, *, backwards: bool) -> Told | None:
        """The event nearest to a time, in a direction, that another server has."""
        ...

    async def bring(self, room: Room, told: Told, patience_s: float) -> None:
        """Bring an event into the timeline, if that can be; it may take longer than one waits."""
        ...
