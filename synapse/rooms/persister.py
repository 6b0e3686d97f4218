"""The persister: what is pending in all rooms, written in one transaction.

A writer hands over a `Chunk`: events that follow one another in a room and stand or fall together.
The database's group commit calls `apply` with all chunks that wait, of all rooms, and `apply` turns
them into a handful of multi-row statements. The room's row is lock and version check in one: it is
updated `WHERE head = what the writer knew`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from synapse.api.constants import EventTypes
from synapse.api.errors import MatrixError
from synapse.events.event import Event
from synapse.rooms.room import HeadMoved, Room
from synapse.storage.database import Database
from synapse.storage.stores.events import LIVE, REDACTED, EventStore
from synapse.storage.stores.members import Membership
from synapse.storage.stores.names import Names
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import Link, StateStore, next_link
from synapse.storage.transaction import Transaction
from synapse.util.caches import Cache


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
    txn: tuple[int, str] | None = None  # device_nid and transaction id of the (only) event
    redactions: list[Redaction] = field(default_factory=list)
    beginning: "Beginning | None" = None  # of a room that this chunk begins


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a new room has besides its events, from its first moment."""

    created_ms: int
    alias: str | None = None  # made by the creator of the room
    published: bool = False  # in the room directory


@dataclass(frozen=True, slots=True)
class RoomNumbers:
    """Columns of `rooms` that a chunk changes."""

    head: int
    pos: int
    depth: int
    joined: int
    invited: int
    local_joined: int


@dataclass(frozen=True, slots=True)
class _Tip:
    """Where a room stands in the database: what the next chunk must fit onto."""

    head: int
    chain: list[Link]

    @property
    def state_nid(self) -> int:
        return self.chain[-1].state_nid if self.chain else 0


class Persister:
    """Writes chunks, and tells of the committed ones."""

    def __init__(
        self,
        database: Database,
        names: Names,
        slots: Slots,
        events: EventStore,
        states: StateStore,
        *,
        committed: Callable[[list[Chunk]], None],
    ) -> None:
        self._database = database
        self._names = names
        self._slots = slots
        self._events = events
        self._states = states
        self._committed = committed
        self._tips: Cache[int, _Tip] = Cache(5_000, "room_tips")
        # One object, since the database gathers the items of one and the same function.
        self._write = self._apply

    async def persist(self, chunk: Chunk) -> None:
        """Returns when the chunk is committed. Raises `HeadMoved`, or what the database raises."""
        await self._database.write(self._write, chunk)

    # In the writer's thread.

    def _apply(self, txn: Transaction, chunks: list[Chunk]) -> None:
        # The stream's row is locked first, by everyone, so that nobody waits in a circle.
        nid = txn.stream(sum(len(chunk.events) for chunk in chunks))
        self._insert_rooms(txn, [chunk for chunk in chunks if chunk.head == 0])
        tips = self._load_tips(txn, {chunk.room.nid for chunk in chunks})
        rows = _Rows(
            self._names.intern(txn, _names(chunks)), self._slots.intern(txn, _state_slots(chunks))
        )
        for chunk in chunks:
            tip = tips[chunk.room.nid]
            if tip.head != chunk.head:
                raise HeadMoved(chunk.room.room_id)
            tips[chunk.room.nid] = rows.add(chunk, tip, nid)
            nid += len(chunk.events)
        self._update_rooms(txn, chunks, tips)
        self._insert_aliases(txn, chunks)
        rows.write(txn)
        txn.after_commit(lambda: self._after_commit(chunks, tips))

    def _insert_rooms(self, txn: Transaction, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            assert chunk.beginning is not None, "a room's first chunk says how it begins"
            made = txn.execute(
                """INSERT INTO rooms (room_id, version, head, pos, first_pos, depth, last_nid, tips,
                       state_nid, joined, invited, local_joined, published, created_ms)
                   VALUES (?, ?, 0, 0, 1, 0, 0, '[]', 0, 0, 0, 0, ?, ?)
                   ON CONFLICT (room_id) DO NOTHING RETURNING room_nid""",
                chunk.room.room_id,
                chunk.room.version.identifier,
                int(chunk.beginning.published),
                chunk.beginning.created_ms,
            )
            if not made:
                raise HeadMoved(chunk.room.room_id)
            ((chunk.room.nid,),) = made

    def _insert_aliases(self, txn: Transaction, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            alias = None if chunk.beginning is None else chunk.beginning.alias
            if alias is None:
                continue
            creator = chunk.events[0].sender
            if not txn.execute(
                "INSERT INTO room_aliases (alias, room_nid, creator_nid) VALUES (?, ?, ?)"
                " ON CONFLICT (alias) DO NOTHING RETURNING alias",
                alias,
                chunk.room.nid,
                self._names.intern(txn, [creator])[creator],
            ):
                raise AliasInUse(alias)

    def _load_tips(self, txn: Transaction, room_nids: set[int]) -> dict[int, _Tip]:
        tips: dict[int, _Tip] = {}
        missing = []
        for room_nid in room_nids:
            tip = self._tips.get(room_nid)
            if tip is None:
                missing.append(room_nid)
            else:
                tips[room_nid] = tip
        if missing:
            tips.update(self._read_tips(txn, missing))
        return tips

    def _read_tips(self, txn: Transaction, room_nids: list[int]) -> dict[int, _Tip]:
        rows = txn.execute(
            "SELECT room_nid, head, state_nid FROM rooms WHERE room_nid = ANY(?)", room_nids
        )
        return {
            room_nid: _Tip(head, self._states.chain(txn, state_nid))
            for room_nid, head, state_nid in rows
        }

    def _update_rooms(self, txn: Transaction, chunks: list[Chunk], tips: dict[int, _Tip]) -> None:
        first: dict[int, Chunk] = {}
        last: dict[int, Chunk] = {}
        for chunk in chunks:
            first.setdefault(chunk.room.nid, chunk)
            last[chunk.room.nid] = chunk
        updates = []
        for room_nid, chunk in last.items():
            tip, after = chunk.events[-1].nid, chunk.after
            state_nid = tips[room_nid].state_nid
            updates.append(
                (
                    after.head,
                    after.pos,
                    after.depth,
                    tip,
                    f"[{tip}]",
                    state_nid,
                    after.joined,
                    after.invited,
                    after.local_joined,
                    room_nid,
                    first[room_nid].head,
                )
            )
        changed = txn.execute_many(
            """UPDATE rooms SET head = ?, pos = ?, depth = ?, last_nid = ?, tips = ?,
                   state_nid = ?, joined = ?, invited = ?, local_joined = ?
               WHERE room_nid = ? AND head = ?""",
            updates,
        )
        if changed != len(updates):
            # Which room it was shows when each chunk is tried alone.
            for room_nid in last:
                self._tips.pop(room_nid)
            raise HeadMoved(chunks[0].room.room_id)

    # In the reactor's thread.

    def _after_commit(self, chunks: list[Chunk], tips: dict[int, _Tip]) -> None:
        for room_nid, tip in tips.items():
            self._tips[room_nid] = tip
        for chunk in chunks:
            for event in chunk.events:
                self._events.remember(event)
            for redaction in chunk.redactions:
                self._events.remember_redacted(redaction.redacted)
        self._committed(chunks)


class AliasInUse(MatrixError):
    """400 `M_ROOM_IN_USE`: the alias of a new room belongs to another one."""

    def __init__(self, alias: str) -> None:
        super().__init__(400, "M_ROOM_IN_USE", f"The alias {alias} is already taken")


def _names(chunks: list[Chunk]) -> list[str]:
    names: dict[str, None] = {}
    for chunk in chunks:
        for event in chunk.events:
            names[event.type] = None
            names[event.sender] = None
            if event.type == EventTypes.MEMBER and event.state_key is not None:
                names[event.state_key] = None
    return list(names)


def _state_slots(chunks: list[Chunk]) -> list[tuple[str, str]]:
    return [event.slot for chunk in chunks for event in chunk.events if event.state_key is not None]


class _Rows:
    """The rows of one batch, gathered table by table."""

    def __init__(self, names: dict[str, int], slots: dict[tuple[str, str], int]) -> None:
        self._names = names
        self._slots = slots
        self._events: list[tuple[Any, ...]] = []
        self._states: list[tuple[Any, ...]] = []
        self._room_state: dict[tuple[int, int], int] = {}
        # Each round has one change for a user in a room: whether a membership began anew is seen
        # by comparing with the row before.
        self._member_rounds: list[dict[tuple[int, int], tuple[int, int]]] = []
        self._redactions: list[Redaction] = []

    def add(self, chunk: Chunk, tip: _Tip, nid: int) -> _Tip:
        """Take up a chunk whose first event gets `nid`; where the room stands after it."""
        chain = tip.chain
        for index, event in enumerate(chunk.events):
            event.nid = nid + index
            if event.state_key is not None:
                replaced = chunk.replaces[index]
                event.replaces_nid = 0 if replaced is None else replaced.nid
                chain = self._add_state(chunk.room, event, chain)
            event.state_nid = chain[-1].state_nid if chain else 0
            self._add_event(chunk, event, chunk.auth_events[index])
        self._redactions += chunk.redactions
        return _Tip(chunk.after.head, chain)

    def _add_state(self, room: Room, event: Event, chain: list[Link]) -> list[Link]:
        slot_nid = self._slots[event.slot]
        chain, (state_nid, change, base_nid, delta) = next_link(
            chain, event.nid, {slot_nid: event.nid}
        )
        self._states.append((state_nid, room.nid, change, base_nid, delta))
        if event.type != EventTypes.MEMBER:
            self._room_state[room.nid, slot_nid] = event.nid
            return chain
        assert event.state_key is not None
        key = (self._names[event.state_key], room.nid)
        for members in self._member_rounds:
            if key not in members:
                break
        else:
            members = {}
            self._member_rounds.append(members)
        members[key] = (Membership.of(event.membership), event.nid)
        return chain

    def _add_event(self, chunk: Chunk, event: Event, auth_events: Sequence[Event]) -> None:
        is_state = event.state_key is not None
        device_nid, txn_id = chunk.txn or (None, None)
        self._events.append(
            (
                event.nid,
                event.event_id,
                chunk.room.nid,
                event.pos,
                self._names[event.type],
                self._names[event.sender],
                self._slots[event.slot] if is_state else None,
                event.depth,
                event.origin_server_ts,
                LIVE,
                event.state_nid,
                event.replaces_nid or None,
                device_nid,
                txn_id,
                msgspec.msgpack.encode([e.nid for e in auth_events]) if is_state else None,
                event.json,
            )
        )

    def write(self, txn: Transaction) -> None:
        txn.execute_many(
            """INSERT INTO events (event_nid, event_id, room_nid, pos, type_nid, sender_nid,
                   slot_nid, depth, origin_server_ts, flags, state_nid, replaces, device_nid,
                   txn_id, auth, json)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            self._events,
        )
        txn.execute_many(
            "INSERT INTO states (state_nid, room_nid, change, base_nid, delta)"
            " VALUES (?, ?, ?, ?, ?)",
            self._states,
        )
        txn.execute_many(
            """INSERT INTO room_state (room_nid, slot_nid, event_nid) VALUES (?, ?, ?)
               ON CONFLICT (room_nid, slot_nid) DO UPDATE SET event_nid = excluded.event_nid""",
            [(room, slot, nid) for (room, slot), nid in self._room_state.items()],
        )
        for members in self._member_rounds:
            txn.execute_many(
                _UPSERT_MEMBER,
                [
                    (user, room, int(membership), nid, nid)
                    for (user, room), (membership, nid) in members.items()
                ],
            )
        self._write_redactions(txn)

    def _write_redactions(self, txn: Transaction) -> None:
        txn.execute_many(
            "INSERT INTO redacted_events (event_nid, redacted_ms, json) VALUES (?, ?, ?)"
            " ON CONFLICT (event_nid) DO NOTHING",
            [(r.target.nid, r.at_ms, r.target.json) for r in self._redactions],
        )
        txn.execute_many(
            "UPDATE events SET json = ?, redacted_by = ?, flags = flags | ?"
            " WHERE event_nid = ? AND redacted_by IS NULL",
            [(r.redacted.json, r.by.nid, REDACTED, r.target.nid) for r in self._redactions],
        )


_UPSERT_MEMBER = """
    INSERT INTO members (user_nid, room_nid, membership, event_nid, since) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (user_nid, room_nid) DO UPDATE SET
        membership = excluded.membership,
        event_nid = excluded.event_nid,
        since = CASE WHEN members.membership = excluded.membership
                THEN members.since ELSE excluded.since END,
        forgotten = CASE WHEN members.membership = excluded.membership
                THEN members.forgotten ELSE 0 END"""
