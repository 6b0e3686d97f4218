"""Chunks: new events of a room that are written together, with what else begins or ends by them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from synapse.events.event import Event
from synapse.rooms.noise import Noise
from synapse.rooms.room import Room


@dataclass(slots=True)
class Redaction:
    """An event of which a redaction in the same chunk takes the content away."""

    target: Event
    redacted: Event
    by: Event
    at_ms: int


@dataclass(slots=True)
class Chunk:
    """New events of one room, in order, with what the room's row looks like after them."""

    room: Room
    events: list[Event]
    head: int  # before the first of them
    after: "RoomNumbers"
    auth_events: list[Sequence[Event]]
    replaces: list[Event | None]
    noise: list[Noise]
    txn: tuple[int, str] | None = None  # device_nid and transaction id of the (only) event
    redactions: list[Redaction] = field(default_factory=list)
    beginning: "Beginning | None" = None  # of a room that this chunk begins


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
    joined: int
    invited: int
    local_joined: int
