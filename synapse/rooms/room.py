"""`Room`: what a process knows of an active room, a little ahead of the database.

The writer builds each event on the one before without waiting for its commit, so this object knows
events that the database does not have yet: they stand in `pending` and in the numbers (`head`,
`pos`, …). If their write fails, the whole object is thrown away (`lost`), and the next one is
built from the database.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import MatrixError
from synapse.api.room_versions import RoomVersion
from synapse.events.event import Event
from synapse.storage.stores.events import is_told_of, tell_of_redacted
from synapse.util.caches import Cache
from synapse.util.drains import Drain
from synapse.util.turns import Turns

Slot = tuple[str, str]

TAIL_LENGTH = 50
# Where events are missing, so many places are left free for them.
GAP = 2**20
# Where rooms begin that began here; others are entered far from it.
FIRST_POS = 1
_ENTRANCE = 2**40
# Members whose events an active room keeps in memory.
_MEMBERS_KEPT = 2_000

# Stands in a cache for a slot that is known to be empty.
_EMPTY = None


class MemberChange(NamedTuple):
    """How the membership of a user changes."""

    user_id: str
    before: str
    after: str
    is_local: bool  # one of ours


class Room:
    """An active room. Only `synapse.rooms` changes it."""

    def __init__(self, room_id: str, version: RoomVersion) -> None:
        self.room_id = room_id
        self.version = version
        self.nid = 0  # 0 until the room is in the database

        # What the next event builds on, events not yet committed included.
        self.head = 0
        self.pos = 0
        self.depth = 0
        self.tips: list[Event] = []
        # Those of the tips on which history stands that came later. They stay tips until the next
        # event: only then it is found out what the room's state becomes without them.
        self.covered: set[str] = set()
        self.joined = 0
        self.invited = 0
        self.local_joined = 0
        # Our join, as long as this server doesn't know all members (`synapse.rooms.completion`).
        self.entrance: Event | None = None
        # When it knew all, if it didn't before: a position in the stream.
        self.whole_since = 0
        # Snapshot of the room's state after its newest committed event.
        self.view_nid = 0
        # When state resolution last gave a slot to another event: a position in the stream.
        self.flipped = 0
        # When the newest committed event came: its number, unless it was an outlier before.
        self.last_nid = 0

        # The newest committed events, without a gap, oldest first.
        self.tail: deque[Event] = deque(maxlen=TAIL_LENGTH)
        # Whether `tail` has all events of the timeline that are here.
        self.tail_is_all = False
        # Counts committed state changes: who reads the database can see that it was overtaken.
        self.state_changes = 0

        # Who may build on the newest event.
        self.turns = Turns()
        # What was handed over and is not committed yet.
        self.writes = Drain()
        self.lost = False
        self._approvals: Turns | None = None

        self._state: dict[Slot, Event | None] = {}
        self._members: Cache[str, tuple[Event | None]] = Cache(_MEMBERS_KEPT)
        self._pending: dict[Slot, Event] = {}

    @property
    def is_partial(self) -> bool:
        """Whether this server doesn't know all members yet, nor who is none."""
        return self.entrance is not None

    # The current state, as far as it is known.

    def knows(self, slot: Slot) -> bool:
        if slot in self._pending:
            return True
        if slot[0] == EventTypes.MEMBER:
            return slot[1] in self._members
        return slot in self._state

    def current(self, slot: Slot) -> Event | None:
        """What fills a slot that is known (`knows`), or None if it is empty."""
        event = self._pending.get(slot)
        if event is not None:
            return event
        if slot[0] == EventTypes.MEMBER:
            entry = self._members.get(slot[1])
            return None if entry is None else entry[0]
        return self._state.get(slot)

    def learn(self, slots: Iterable[Slot], found: dict[Slot, Event]) -> None:
        """Take up what the database says of slots; what is known already is newer."""
        for slot in slots:
            if slot[0] == EventTypes.MEMBER:
                if slot[1] not in self._members:
                    self._members[slot[1]] = (found.get(slot),)
            elif slot not in self._state:
                self._state[slot] = found.get(slot)

    def membership(self, user_id: str) -> str:
        """A known user's membership; "leave" for one who never was in the room."""
        event = self.current((EventTypes.MEMBER, user_id))
        return Membership.LEAVE if event is None else event.membership

    def is_pending(self, event: Event) -> bool:
        """Whether a state event of the room still waits for its commit."""
        return self._pending.get(event.slot) is event

    @property
    def approvals(self) -> Turns:
        """Who may show an event of ours to the room's policy server, if it has one."""
        if self._approvals is None:
            self._approvals = Turns()
        return self._approvals

    # Moving on.

    def append(self, event: Event, *, is_local: bool) -> None:
        """Put a new event at the end, on top of the newest ones, before it is committed."""
        if event.state_key is not None:
            if event.type == EventTypes.MEMBER:
                assert event.state_key is not None
                self._count(self.membership(event.state_key), event.membership, is_local=is_local)
            self._pending[event.slot] = event
        self._move_on(event, [event])

    def append_beside(
        self,
        event: Event,
        tips: list[Event],
        changes: Sequence[MemberChange],
        *,
        has_gap: bool,
    ) -> None:
        """Put a new event at the end that doesn't stand on the newest ones; `tips` are the ends.

        The room's state stays as it is until the commit. `changes` has the memberships that change
        by it.
        """
        for change in changes:
            self._count(change.before, change.after, is_local=change.is_local)
        if has_gap:
            self.pos += GAP
        self._move_on(event, tips)

    def enter(self, event: Event, *, joined: int, invited: int, local_joined: int) -> None:
        """Put an event at the end that has nothing to do with what was before it."""
        self.joined, self.invited, self.local_joined = joined, invited, local_joined
        self.pos = max(self.pos + GAP, _ENTRANCE)
        self._move_on(event, [event])

    def _move_on(self, event: Event, tips: list[Event]) -> None:
        self.pos += 1
        self.head = head_after(event)
        self.depth = max(self.depth, event.depth)
        self.tips = tips
        if self.covered:
            self.covered &= {tip.event_id for tip in tips}
        event.pos = self.pos

    def committed(self, event: Event, flips: Mapping[Slot, Event | None], position: int) -> None:
        """An appended event is in the database now, and these slots went to others by it."""
        if event.state_key is not None and event.slot not in flips:
            slot = event.slot
            if self._pending.get(slot) is event:
                del self._pending[slot]
            self._set(slot, event)
            self.state_changes += 1
        for slot, winner in flips.items():
            self._set(slot, winner)
            self.state_changes += 1
            self.flipped = position
        self.view_nid, self.last_nid = event.view_nid, position
        self.tail.append(event)
        if self.tail_is_all and self.tail[0].pos != FIRST_POS:
            self.tail_is_all = False

    def stood(self, event: Event) -> None:
        """A member event was kept that stands in no timeline."""
        self._set(event.slot, event)
        self.state_changes += 1

    def redacted(self, event: Event) -> None:
        """Replace an event by its redacted form wherever it is held."""
        for index, known in enumerate(self.tail):
            if known.event_id == event.event_id:
                self.tail[index] = event
        self.tips = [event if tip.event_id == event.event_id else tip for tip in self.tips]
        if event.state_key is not None and self.knows(event.slot):
            current = self.current(event.slot)
            if current is not None and current.event_id == event.event_id:
                self._set(event.slot, event)
        if is_told_of(event):
            for other in self._held():
                tell_of_redacted(other, event)

    def placed_below(self, pos: int) -> None:
        """Forget the newest events below a place, where there are more of them now."""
        self.tail_is_all = False
        kept = [event for event in self.tail if event.pos is not None and event.pos >= pos]
        self.tail = deque(kept, maxlen=TAIL_LENGTH)

    def stood_on(self, event_ids: Iterable[str]) -> None:
        """Events came with history that stand on these."""
        self.covered.update({tip.event_id for tip in self.tips}.intersection(event_ids))

    def purged(self, event_nids: set[int]) -> None:
        """Forget messages that were deleted; the room has no gap where they stood."""
        if any(event.nid in event_nids for event in self.tail):
            kept = [event for event in self.tail if event.nid not in event_nids]
            self.tail = deque(kept, maxlen=TAIL_LENGTH)

    def _held(self) -> Iterator[Event]:
        """The committed events that are held here, some of them twice."""
        yield from self.tail
        yield from filter(None, self._state.values())
        for user_id in self._members:
            entry = self._members.get(user_id)
            if entry is not None and entry[0] is not None:
                yield entry[0]

    def _set(self, slot: Slot, event: Event | None) -> None:
        if slot[0] == EventTypes.MEMBER:
            self._members[slot[1]] = (event,)
        else:
            self._state[slot] = event

    def _count(self, before: str, after: str, *, is_local: bool) -> None:
        joined = (after == Membership.JOIN) - (before == Membership.JOIN)
        self.joined += joined
        self.invited += (after == Membership.INVITE) - (before == Membership.INVITE)
        if is_local:
            self.local_joined += joined


def head_after(event: Event) -> int:
    """What `rooms.head` is when this event is the room's latest: a fingerprint of its id.

    A counter would not do: what was built on a failed event would fit onto whatever other event
    took that one's number.
    """
    digest = hashlib.blake2b(event.event_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1 or 1


def head_of_whole(head: int) -> int:
    """The same for a room that has become whole: who knows it as it was has to look again."""
    digest = hashlib.blake2b(f"whole {head}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1 or 1


class HeadMoved(MatrixError):
    """Another process wrote to the room first, or an earlier write of ours failed: build anew."""

    def __init__(self, room_id: str) -> None:
        super().__init__(503, "M_UNKNOWN", f"The room {room_id} is very busy, try again")
