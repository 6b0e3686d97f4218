"""Gaps on the way of a reader: places of a timeline where this server lacks what others have.

Who comes to a gap waits a little while it is filled, from above, a page at a time. If that takes
longer, the reader is told to ask again, with a token that counts how often that was; if nobody
helps, or it was too often, the gap is passed over. So reading always gets somewhere. The gap stays,
and who reads there later is luckier, perhaps.
"""

from synapse.events.event import Event
from synapse.handlers.past_events import PATIENCE_S, Fill, PastEvents
from synapse.rooms.history import History
from synapse.rooms.room import Room
from synapse.util.clock import Clock

# How many times a reader has other servers asked for one page.
_MAX_CROSSINGS = 20
# How often a reader asks again at the same place.
_MAX_TRIES = 5


class Gaps:
    """The gaps to which one reader comes, in one direction."""

    def __init__(
        self,
        history: History,
        past: PastEvents,
        clock: Clock,
        room: Room,
        *,
        backwards: bool,
        tries: int = 0,
        asks_others: bool = True,
    ) -> None:
        """`tries`: how often the reader was told to ask again at this place."""
        self._history = history
        self._past = past
        self._clock = clock
        self._room = room
        self.backwards = backwards
        self._tries = tries
        self._asks_others = asks_others
        self._until = clock.monotonic() + PATIENCE_S
        self._passed: int | None = None
        self._crossings = 0

    async def next(self, place: int) -> int | None:
        """Where the next gap is, seen from a place: the `pos` below which events are missing."""
        if self.backwards:
            upto = place + 1 if self._passed is None else min(place + 1, self._passed - 1)
            gap = await self._history.gap(self._room.nid, upto)
            return None if gap is None else gap[0]
        # Of one just behind the place, nothing has room between the two.
        above = place + 1 if self._passed is None else max(place + 1, self._passed)
        return await self._history.gap_above(self._room.nid, above)

    def is_on_this_side(self, event: Event, gap: int) -> bool:
        """Whether the reader comes to an event before they come to a gap."""
        assert event.pos is not None, "events of the timeline have a place in it"
        return event.pos >= gap if self.backwards else event.pos < gap

    def is_within(self, gap: int, bound: int | None) -> bool:
        """Whether the reader comes to a gap before they come to where they want to stop."""
        if bound is None:
            return True
        return bound < gap - 1 if self.backwards else bound >= gap

    async def cross(self, gap: int) -> bool:
        """Whether to read on: a gap is smaller or gone, or was passed over. Else ask again."""
        if not self._asks_others:
            return False
        patience_s = self._until - self._clock.monotonic()
        self._crossings += 1
        if patience_s > 0 and self._crossings <= _MAX_CROSSINGS:
            filled = await self._past.fill(self._room, gap, patience_s)
        else:
            filled = Fill.UNDER_WAY
        if filled is Fill.UNDER_WAY and self._tries < _MAX_TRIES:
            return False
        if filled is not Fill.MORE:
            self._passed = gap
        return True
