"""Flips: slots of rooms' states that went to another event than the timeline says.

State resolution decides so where forks meet. Who tells what changed in a room between two positions
has to tell these as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synapse.events.event import Event
from synapse.storage.database import Database
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.slots import Slot, Slots

_COLUMNS = "stream, slot_nid, event_nid"

INSERT_FLIP = "INSERT INTO flips (room_nid, stream, slot_nid, event_nid) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Flip:
    """A slot that went to an event, or to none."""

    stream: int  # when
    slot: Slot
    slot_nid: int
    event: Event | None


class Flips:
    """What flipped in a room in an interval: the newest flip of each slot."""

    def __init__(self, flips: Sequence[Flip] = ()) -> None:
        """`flips` are in their order."""
        self.of: Mapping[Slot, Flip] = {flip.slot: flip for flip in flips}
        # Equal for the flips of two intervals that are the same.
        streams = [flip.stream for flip in flips]
        self.span = (streams[0], streams[-1]) if streams else (0, 0)

    def __bool__(self) -> bool:
        return bool(self.of)


NONE = Flips()


class FlipStore:
    """Reads flips; `synapse.rooms` writes them with the events that cause them."""

    def __init__(self, database: Database, slots: Slots, events: EventStore) -> None:
        self._database = database
        self._slots = slots
        self._events = events

    async def between(self, room_nid: int, since: int, upto: int) -> Flips:
        """What flipped in a room after one position, up to another one.

        Ask only if `Room.flipped` is above `since`.
        """
        rows = await self._database.fetch(
            f"SELECT {_COLUMNS} FROM flips WHERE room_nid = ? AND stream > ? AND stream <= ?"
            " ORDER BY stream, slot_nid",
            room_nid,
            since,
            upto,
        )
        slots = await self._slots.slots([slot_nid for _, slot_nid, _ in rows])
        events = await self._events.by_nids({nid for _, _, nid in rows if nid})
        return Flips(
            [
                Flip(stream, slots[slot_nid], slot_nid, events.get(nid))
                for stream, slot_nid, nid in rows
            ]
        )

    async def flipped_among(self, room_nids: Sequence[int]) -> set[int]:
        """Those of the rooms in which anything ever flipped."""
        rows = await self._database.fetch(
            "SELECT room_nid FROM rooms WHERE room_nid = ANY(?) AND flipped > 0", list(room_nids)
        )
        return {room_nid for (room_nid,) in rows}

    async def newest(self, room_nid: int) -> int:
        """When last anything flipped in a room that isn't in memory: see `Room.flipped`."""
        row = await self._database.fetch_one(
            "SELECT flipped FROM rooms WHERE room_nid = ?", room_nid
        )
        return 0 if row is None else row[0]
