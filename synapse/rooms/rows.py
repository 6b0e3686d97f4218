"""The rows of one batch: what chunks become, table by table, for multi-row statements."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.rooms.chunks import Chunk, Entry, Fork, Redaction
from synapse.rooms.noise import MAIN_THREAD, Noise
from synapse.rooms.redaction_rows import write_redactions
from synapse.rooms.room import Room, Slot
from synapse.rooms.server_rows import ServerRows
from synapse.storage.sql import Row
from synapse.storage.stores.events import LIVE, LOUD, MARKED, OUTGOING, SHOUT
from synapse.storage.stores.flips import INSERT_FLIP
from synapse.storage.stores.members import UPSERT_MEMBER, Membership
from synapse.storage.stores.relations import INSERT_RELATION, relation_row
from synapse.storage.stores.states import Link, next_link
from synapse.storage.stores.unread import ReadPoint, write_read_points
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a room stands in the database: what the next chunk must fit onto."""

    head: int
    chain: list[Link]
    # How many events outside threads notified and were highlighted by the predefined push rules.
    loud: int = 0
    shouts: int = 0
    flipped: int = 0  # when last a slot went to another event than the timeline says

    @property
    def state_nid(self) -> int:
        return self.chain[-1].state_nid if self.chain else 0


class _Member(NamedTuple):
    """What a row of `members` becomes; no membership: the row goes."""

    membership: Membership | None
    event_nid: int
    since: int  # if this is another membership than before


class Rows:
    """The rows of one batch, gathered table by table."""

    def __init__(
        self,
        names: dict[str, int],
        slots: dict[tuple[str, str], int],
        *,
        chain: Callable[[int], list[Link]],
    ) -> None:
        """`chain` reads the rows that lead to a snapshot."""
        self._names = names
        self._slots = slots
        self._chain = chain
        self._events: list[tuple[Any, ...]] = []
        self._placed: list[tuple[Any, ...]] = []
        self._states: list[tuple[Any, ...]] = []
        self._flips: list[tuple[int, int, int, int]] = []
        self._room_state: dict[tuple[int, int], int] = {}
        # Each round has one change for a user in a room: whether a membership began anew is seen
        # by comparing with the row before.
        self._member_rounds: list[dict[tuple[int, int], _Member]] = []
        self._redactions: list[Redaction] = []
        self._early_redactions: list[tuple[str, Event]] = []
        self._gaps: list[tuple[int, str, int]] = []
        self._servers = ServerRows()
        self._relations: list[Row] = []
        self._marks: list[tuple[Any, ...]] = []
        self._read_points: list[ReadPoint] = []

    def add(self, chunk: Chunk, tip: Tip, nid: int) -> Tip:
        """Take up a chunk whose first event gets `nid`; where the room stands after it."""
        chain, loud, shouts, flipped = tip.chain, tip.loud, tip.shouts, tip.flipped
        if chunk.servers is not None:
            self._servers.enter(chunk.room.nid, self._numbered(chunk.servers.items()), nid)
        for entry in chunk.entries:
            event, noise = entry.event, entry.noise
            entry.position = nid
            nid += _positions(entry)
            if not entry.was_outlier:
                event.nid, event.live = entry.position, True
            if entry.moves:
                self._servers.add(chunk.room.nid, self._numbered(entry.moves), entry.position)
            event.replaces_nid = 0 if entry.replaces is None else entry.replaces.nid
            if entry.fork is not None:
                chain = self._add_fork(chunk.room, entry, entry.fork, chain)
                if entry.fork.flips and entry.fork.is_told:
                    flipped = entry.position
            else:
                if event.state_key is not None:
                    self._fill(chunk.room, event.slot, event, event.nid)
                    changes = {self._slots[event.slot]: event.nid}
                    chain = self._add_state(chunk.room, event.nid, chain, changes)
                event.state_nid = event.view_nid = chain[-1].state_nid if chain else 0
            if noise.thread_id == MAIN_THREAD:
                loud += noise.loud
                shouts += noise.shout
            self._add_event(chunk, entry, loud, shouts)
            if not entry.was_outlier:
                self._add_noise(chunk.room, event, noise, loud, shouts)
        for redaction in chunk.redactions:
            redaction.place()
        self._redactions += chunk.redactions
        self._early_redactions += chunk.early_redactions
        self._gaps += [(chunk.room.nid, *gap) for gap in chunk.gaps]
        return Tip(chunk.after.head, chain, loud, shouts, flipped)

    def _numbered(self, servers: Iterable[tuple[str, int]]) -> list[tuple[int, int]]:
        return [(self._names[server], joined) for server, joined in servers]

    def _add_fork(self, room: Room, entry: Entry, fork: Fork, view: list[Link]) -> list[Link]:
        """Take up an event that has another state before it than the view; the new view."""
        event, position = entry.event, entry.position
        after = dict(fork.before.changes)
        if event.state_key is not None:
            after[self._slots[event.slot]] = event.nid
        event.state_nid = fork.before.base_nid
        if after:
            before = self._chain(fork.before.base_nid)
            event.state_nid = self._add_state(room, position, before, after)[-1].state_nid
        seen = {self._slots[slot]: 0 if e is None else e.nid for slot, e in fork.flips.items()}
        if fork.is_told:
            self._flips += [(room.nid, position, slot_nid, nid) for slot_nid, nid in seen.items()]
        for slot, winner in fork.flips.items():
            self._fill(room, slot, winner, position)
        if event.state_key is not None and event.slot not in fork.flips:
            self._fill(room, event.slot, event, position)
            seen[self._slots[event.slot]] = event.nid
        if seen:
            view = self._add_state(room, position + 1, view, seen)
        event.view_nid = view[-1].state_nid if view else 0
        return view

    def _add_state(
        self, room: Room, state_nid: int, chain: list[Link], changes: dict[int, int]
    ) -> list[Link]:
        chain, (state_nid, change, base_nid, delta) = next_link(chain, state_nid, changes)
        self._states.append((state_nid, room.nid, change, base_nid, delta))
        return chain

    def _fill(self, room: Room, slot: Slot, event: Event | None, since: int) -> None:
        """Note that a slot of the current state goes to an event, or is empty from now on."""
        nid = 0 if event is None else event.nid
        if slot[0] != EventTypes.MEMBER:
            self._room_state[room.nid, self._slots[slot]] = nid
            return
        key = (self._names[slot[1]], room.nid)
        for members in self._member_rounds:
            if key not in members:
                break
        else:
            members = {}
            self._member_rounds.append(members)
        membership = None if event is None else Membership.of(event.membership)
        members[key] = _Member(membership, nid, since)

    def _add_noise(self, room: Room, event: Event, noise: Noise, loud: int, shouts: int) -> None:
        sender, thread_id = self._names[event.sender], noise.thread_id
        if thread_id != MAIN_THREAD and noise.loud:
            self._marks.append(
                (room.nid, 0, event.nid, thread_id, sender, int(noise.loud), int(noise.shout))
            )
        for mark in noise.marks:
            self._marks.append(
                (room.nid, mark.listener, event.nid, thread_id, sender, mark.notify, mark.highlight)
            )
        # Who says something has read what was said before.
        self._read_points.append(ReadPoint(sender, room.nid, thread_id, event.nid, loud, shouts))

    def _add_event(self, chunk: Chunk, entry: Entry, loud: int, shouts: int) -> None:
        event = entry.event
        view_nid = None if event.view_nid == event.state_nid else event.view_nid
        replaces = event.replaces_nid or None
        if entry.was_outlier:
            self._placed.append(
                (event.pos, event.state_nid, view_nid, replaces, loud, shouts, event.nid)
            )
        else:
            device_nid, txn_id = chunk.txn or (None, None)
            self._events.append(
                event_row(
                    event,
                    chunk.room.nid,
                    entry.auth_events,
                    self._names,
                    self._slots,
                    flags=_flags(entry.noise) | OUTGOING * entry.is_outgoing,
                    sent=(view_nid, replaces, device_nid, txn_id),
                    heard=(loud, shouts),
                )
            )
        type_nid, sender_nid = self._names[event.type], self._names[event.sender]
        relation = relation_row(event, chunk.room.nid, type_nid, sender_nid)
        if relation is not None:
            self._relations.append(relation)

    def write(self, txn: Transaction) -> None:
        txn.execute_many(INSERT_EVENT, self._events)
        txn.execute_many(_PLACE_OUTLIER, self._placed)
        txn.execute_many(
            "INSERT INTO states (state_nid, room_nid, change, base_nid, delta)"
            " VALUES (?, ?, ?, ?, ?)",
            self._states,
        )
        txn.execute_many(INSERT_FLIP, self._flips)
        txn.execute_many(
            "INSERT INTO gaps (room_nid, event_id, below) VALUES (?, ?, ?)"
            " ON CONFLICT (room_nid, event_id) DO NOTHING",
            list(dict.fromkeys(self._gaps)),
        )
        self._write_room_state(txn)
        for members in self._member_rounds:
            self._write_members(txn, members)
        self._servers.write(txn)
        txn.execute_many(INSERT_RELATION, self._relations)
        txn.execute_many(
            "INSERT INTO marks (room_nid, listener, event_nid, thread_id, sender_nid, notify,"
            " highlight) VALUES (?, ?, ?, ?, ?, ?, ?)",
            self._marks,
        )
        write_read_points(txn, self._read_points)
        write_redactions(txn, self._redactions, self._early_redactions)

    def _write_room_state(self, txn: Transaction) -> None:
        txn.execute_many(
            """INSERT INTO room_state (room_nid, slot_nid, event_nid) VALUES (?, ?, ?)
               ON CONFLICT (room_nid, slot_nid) DO UPDATE SET event_nid = excluded.event_nid""",
            [(*key, nid) for key, nid in self._room_state.items() if nid],
        )
        txn.execute_many(
            "DELETE FROM room_state WHERE room_nid = ? AND slot_nid = ?",
            [key for key, nid in self._room_state.items() if not nid],
        )

    def _write_members(self, txn: Transaction, members: dict[tuple[int, int], _Member]) -> None:
        txn.execute_many(
            UPSERT_MEMBER,
            [
                (*key, int(row.membership), row.event_nid, row.since)
                for key, row in members.items()
                if row.membership is not None
            ],
        )
        txn.execute_many(
            "DELETE FROM members WHERE user_nid = ? AND room_nid = ?",
            [key for key, row in members.items() if row.membership is None],
        )


def _flags(noise: Noise) -> int:
    is_main = noise.thread_id == MAIN_THREAD
    flags = LIVE
    if noise.loud and is_main:
        flags |= LOUD
    if noise.shout and is_main:
        flags |= SHOUT
    if noise.marks or (noise.loud and not is_main):
        flags |= MARKED
    return flags


INSERT_EVENT = """
    INSERT INTO events (event_nid, event_id, room_nid, pos, type_nid, sender_nid, slot_nid, depth,
        origin_server_ts, flags, state_nid, view_nid, replaces, device_nid, txn_id, auth, json,
        loud, shouts)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

_PLACE_OUTLIER = """
    UPDATE events SET pos = ?, state_nid = ?, view_nid = ?, replaces = ?, loud = ?, shouts = ?
    WHERE event_nid = ?"""


def event_row(
    event: Event,
    room_nid: int,
    auth_events: Sequence[Event],
    names: dict[str, int],
    slots: dict[Slot, int],
    *,
    flags: int,
    sent: tuple[int | None, int | None, int | None, str | None] = (None, None, None, None),
    heard: tuple[int, int] = (0, 0),
) -> tuple[Any, ...]:
    """The values of `INSERT_EVENT`.

    `sent`: the view, what the event replaces, device and transaction id; `heard`: the room's
    running numbers.
    """
    is_state = event.state_key is not None
    return (
        event.nid,
        event.event_id,
        room_nid,
        event.pos,
        names[event.type],
        names[event.sender],
        slots[event.slot] if is_state else None,
        event.depth,
        event.origin_server_ts,
        flags,
        event.state_nid,
        *sent,
        msgspec.msgpack.encode([auth.nid for auth in auth_events]) if is_state else None,
        event.json,
        *heard,
    )


def positions(chunk: Chunk) -> int:
    """How many positions of the stream a chunk takes."""
    return sum(map(_positions, chunk.entries))


def _positions(entry: Entry) -> int:
    # The snapshots of the state after an event and of the view after it are two.
    return 1 if entry.fork is None else 2


def names_in(chunks: list[Chunk]) -> list[str]:
    names: dict[str, None] = {}
    for chunk in chunks:
        names.update(dict.fromkeys(chunk.servers or ()))
        for entry in chunk.entries:
            names[entry.event.type] = None
            names[entry.event.sender] = None
            for move in entry.moves:
                names[move.server] = None
    for type_, key in slots_in(chunks):
        if type_ == EventTypes.MEMBER:
            names[key] = None
    return list(names)


def slots_in(chunks: list[Chunk]) -> list[Slot]:
    slots: list[Slot] = []
    for chunk in chunks:
        for entry in chunk.entries:
            if entry.event.state_key is not None:
                slots.append(entry.event.slot)
            if entry.fork is not None:
                slots += entry.fork.flips
    return slots
