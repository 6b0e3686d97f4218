"""Chunks: new events of a room that are written together, with what else begins or ends by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from synapse.events.event import Event
from synapse.rooms.moves import Move
from synapse.rooms.noise import Noise
from synapse.rooms.room import Room, Slot
from synapse.storage.stores.forks import KnownState

_MANY_FLIPS = 100


@dataclass(slots=True)
class Redaction:
    """An event of which a redaction in the same chunk takes the content away."""

    target: Event
    redacted: Event
    by: Event
    at_ms: int

    def place(self) -> None:
        """Put the redacted event in the target's place: that may be as new as the chunk."""
        target, redacted = self.target, self.redacted
        redacted.nid, redacted.pos = target.nid, target.pos
        redacted.state_nid, redacted.view_nid = target.state_nid, target.view_nid
        redacted.replaces_nid, redacted.live = target.replaces_nid, target.live


@dataclass(frozen=True, slots=True)
class Fork:
    """How an event stands beside a room's newest events, if it doesn't stand on all of them."""

    before: KnownState  # the state that it builds on
    # What the room's state becomes by it, besides what its timeline says: slots that go to another
    # event (None: to none). If the event's own slot is here, it doesn't get it.
    flips: Mapping[Slot, Event | None]
    is_told: bool = True  # False: nobody of ours was in the room, so there is nobody to be told


@dataclass(slots=True)
class Entry:
    """A new event of a room's timeline, with what its rows say beyond it."""

    event: Event
    auth_events: Sequence[Event]
    replaces: Event | None  # what filled its slot in the state that it builds on
    noise: Noise
    fork: Fork | None = None  # None: it stands on the room's newest events
    # The event is in the database already, as an outlier: it gets its place in the timeline, but it
    # is no news any more, since it keeps its number.
    was_outlier: bool = False
    moves: Sequence[Move] = ()
    is_outgoing: bool = False  # other servers in the room hear of it from us
    # Where it came in the stream, once it is written; its number, unless it was an outlier.
    position: int = 0

    @property
    def flips(self) -> Mapping[Slot, Event | None]:
        return {} if self.fork is None else self.fork.flips


@dataclass(slots=True)
class Chunk:
    """New events of one room, in order, with what the room's row looks like after them."""

    room: Room
    head: int  # before the first of them
    after: "RoomNumbers"
    entries: list[Entry] = field(default_factory=list)
    txn: tuple[int, str] | None = None  # device_nid and transaction id of the (only) event
    redactions: list[Redaction] = field(default_factory=list)
    # Redactions of events that we don't have yet.
    early_redactions: list[tuple[str, Event]] = field(default_factory=list)
    # Events that we don't have, and the `pos` of what stands on them.
    gaps: list[tuple[str, int]] = field(default_factory=list)
    beginning: "Beginning | None" = None  # of a room that this chunk begins
    # In a room that this server enters: the other servers, with how many members each has.
    servers: Mapping[str, int] | None = None
    # Of one that it enters without being told of the members: the servers that are in it.
    partial_servers: Sequence[str] | None = None

    @property
    def last(self) -> Event:
        return self.entries[-1].event

    @property
    def is_large(self) -> bool:
        """Whether writing it takes longer than others should wait: see `storage.writer`."""
        return sum(len(entry.flips) for entry in self.entries) > _MANY_FLIPS


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a new room has besides its events, from its first moment."""

    created_ms: int
    alias: str | None = None  # made by the creator of the room
    published: bool = False  # in the room directory
    # room_nid of the room that this one replaces: it takes over that one's aliases and its place
    # in the directory.
    replaces: int | None = None
    # The user for whom the creator begins it to tell them server notices.
    notices_for: str | None = None


@dataclass(frozen=True, slots=True)
class RoomNumbers:
    """Columns of `rooms` that a chunk changes."""

    head: int
    pos: int
    depth: int
    tips: Sequence[Event]
    joined: int
    invited: int
    local_joined: int


def numbers(room: Room) -> RoomNumbers:
    """The room as it is now."""
    return RoomNumbers(
        room.head,
        room.pos,
        room.depth,
        room.tips,
        room.joined,
        room.invited,
        room.local_joined,
    )
