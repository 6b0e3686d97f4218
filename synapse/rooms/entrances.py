"""Entrances: how this server comes into a room that lives on other servers.

A server of the room tells its state, and what authorised that; these are kept as outliers
(`synapse.rooms.asides`). Then the first join is put at the end of the timeline, on top of that
state, with a gap below it: what was said before comes when somebody reads back.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from synapse.api.constants import EventTypes, Membership
from synapse.api.identifiers import domain_of
from synapse.api.room_versions import RoomVersion
from synapse.events.event import Event, StateMap
from synapse.rooms.arrivals import Arrival
from synapse.rooms.cache import RoomCache
from synapse.rooms.chunks import Chunk, Entry, Fork, numbers
from synapse.rooms.commits import Commits
from synapse.rooms.judging import slots_of_event, why_not
from synapse.rooms.noise import SILENCE
from synapse.rooms.room import HeadMoved, Room, Slot
from synapse.storage.database import Database
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.forks import KnownState
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore
from synapse.storage.transaction import Transaction
from synapse.util.clock import Clock

# How many users a server has in a room whose members aren't known: so many that it stays in the
# room, whoever leaves.
UNCOUNTED = 2**20


@dataclass(frozen=True, slots=True)
class _NewRoom:
    room_id: str
    version: str
    created_ms: int


class Entrances:
    """Makes rooms of other servers known, and enters them."""

    def __init__(
        self,
        database: Database,
        rooms: RoomCache,
        events: EventStore,
        states: StateStore,
        slots: Slots,
        commits: Commits,
        clock: Clock,
        *,
        server_name: str,
    ) -> None:
        self._database = database
        self._rooms = rooms
        self._events = events
        self._states = states
        self._slots = slots
        self._commits = commits
        self._clock = clock
        self._domain = ":" + server_name
        self._write = _open

    async def open(self, room_id: str, version: RoomVersion) -> int:
        """The number of a room, which is known from now on if it wasn't.

        Before there are events in it, we have the version from hearsay: the newest counts.
        """
        new = _NewRoom(room_id, version.identifier, self._clock.now_ms())
        room_nid = await self._database.write(self._write, new)
        room = self._rooms.peek(room_nid)
        if room is not None and room.version is not version and not room.tips:
            self._rooms.discard(room)
        return room_nid

    async def enter(
        self,
        join: Arrival,
        state: Sequence[Event],
        *,
        partial_servers: Sequence[str] | None = None,
    ) -> None:
        """Put a join of ours into a room that this server is not in, on top of its state.

        `state` is in the database, and so is the room. If it lacks the members, `partial_servers`
        are said to have some; the others come later (`synapse.rooms.completion`). Raises
        `AuthError` if it forbids the join, and `HeadMoved` if somebody else came first: then look
        again.
        """
        filled: StateMap = {event.slot: event for event in state}
        event = join.event
        wanted = {slot: filled[slot] for slot in slots_of_event(event) if slot in filled}
        if error := why_not(join, wanted):
            raise error
        room = await self._rooms.get(event.room_id)
        await room.turns.acquire()
        try:
            await room.writes.empty()
            if room.lost or room.local_joined:
                raise HeadMoved(room.room_id)
            await self._enter(room, join, filled, partial_servers)
        finally:
            room.turns.release()

    async def _enter(
        self, room: Room, join: Arrival, state: StateMap, partial_servers: Sequence[str] | None
    ) -> None:
        event = join.event
        if partial_servers is not None:
            state = {**await self._our_members(room), **state}
        nids = await self._slots.nids(list(state))
        changes, flips = await self._changes(room, state, nids)
        flips.pop(event.slot, None)  # which is the join's, whatever invited to it
        replaced = state.get(event.slot)
        chunk = Chunk(room, room.head, numbers(room))
        fork = Fork(KnownState(room.view_nid, changes), flips, is_told=False)
        chunk.entries.append(Entry(event, join.auth_events, replaced, SILENCE, fork))
        chunk.servers = _settle(room, event, {**state, event.slot: event}, self._domain)
        if partial_servers is not None:
            chunk.partial_servers = partial_servers
            chunk.servers = dict.fromkeys(partial_servers, UNCOUNTED)
            # Not the truth, but no less than it, and enough to see that there are others.
            room.joined = max(room.joined, room.local_joined + len(partial_servers))
        chunk.gaps = [(event_id, room.pos) for event_id in event.prev_event_ids()]
        chunk.after = numbers(room)
        self._rooms.busy(room)
        await self._commits.commit(chunk)
        # What it knows of the room is of before.
        self._rooms.discard(room)

    async def _our_members(self, room: Room) -> StateMap:
        """What was last known of users of ours who were here before, as long as nobody tells."""
        known = await self._states.at(room.view_nid)
        slots = await self._slots.slots(known)
        ours = [
            known[nid]
            for nid, (type_, key) in slots.items()
            if type_ == EventTypes.MEMBER and key.endswith(self._domain)
        ]
        events = (await self._events.by_nids(ours)).values()
        return {e.slot: e for e in events if e.membership != Membership.JOIN}

    async def _changes(
        self, room: Room, state: StateMap, nids: dict[Slot, int]
    ) -> tuple[dict[int, int], dict[Slot, Event | None]]:
        """How a state differs from what we knew of the room: by number, and by name."""
        known = await self._states.at(room.view_nid)
        changes = {
            nids[slot]: event.nid
            for slot, event in state.items()
            if known.get(nids[slot]) != event.nid
        }
        flips: dict[Slot, Event | None] = {
            slot: event for slot, event in state.items() if nids[slot] in changes
        }
        gone = set(known) - set(nids.values())
        changes.update(dict.fromkeys(gone, 0))
        flips.update(dict.fromkeys((await self._slots.slots(gone)).values()))
        return changes, flips


def _settle(room: Room, event: Event, state: StateMap, domain: str) -> dict[str, int]:
    """Move the room on to a state that has little to do with the one before.

    Returns which other servers are in it, each with how many members it has.
    """
    members = {
        slot[1]: member.membership for slot, member in state.items() if slot[0] == EventTypes.MEMBER
    }
    joined = [user_id for user_id, membership in members.items() if membership == Membership.JOIN]
    room.enter(
        event,
        joined=len(joined),
        invited=sum(membership == Membership.INVITE for membership in members.values()),
        local_joined=sum(user_id.endswith(domain) for user_id in joined),
    )
    return Counter(domain_of(user_id) for user_id in joined if not user_id.endswith(domain))


def _open(txn: Transaction, rooms: list[_NewRoom]) -> list[int]:
    wanted = {room.room_id: room for room in rooms}
    txn.execute_many(
        """INSERT INTO rooms (room_id, version, head, pos, first_pos, depth, last_nid, tips,
               state_nid, joined, invited, local_joined, published, created_ms)
           VALUES (?, ?, 0, 0, 1, 0, 0, '[]', 0, 0, 0, 0, 0, ?)
           ON CONFLICT (room_id) DO UPDATE SET version = excluded.version
           WHERE rooms.head = 0""",
        [(room.room_id, room.version, room.created_ms) for room in wanted.values()],
    )
    rows = txn.execute("SELECT room_id, room_nid FROM rooms WHERE room_id = ANY(?)", list(wanted))
    nids: dict[str, int] = dict(rows)
    return [nids[room.room_id] for room in rooms]
