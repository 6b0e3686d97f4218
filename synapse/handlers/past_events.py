"""What readers of history need of other servers: `synapse.federation.backfill` has it."""

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

    async def nearest(self, room: Room, ts_ms: int, *, backwards: bool) -> tuple[str, int] | None:
        """The event nearest to a time, in a direction, that another server has, with its time."""
        ...
