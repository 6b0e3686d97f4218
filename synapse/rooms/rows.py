"""The rows of one batch: what chunks become, table by table, for multi-row statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.rooms.chunks import Chunk, Redaction
from synapse.rooms.noise import MAIN_THREAD, Noise
from synapse.rooms.room import Room
from synapse.storage.sql import Row
from synapse.storage.stores.events import LIVE, LOUD, MARKED, REDACTED, SHOUT
from synapse.storage.stores.members import Membership
from synapse.storage.stores.relations import INSERT_RELATION, relation_row
from synapse.storage.stores.states import Link, next_link
from synapse.storage.stores.unread import ReadPoint, take_back, write_read_points
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a room stands in the database: what the next chunk must fit onto."""

    head: int
    chain: list[Link]
    # How many events outside threads notified and were highlighted by the predefined push rules.
    loud: int = 0
    shouts: int = 0

    @property
    def state_nid(self) -> int:
        return self.chain[-1].state_nid if self.chain else 0


class Rows:
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
        self._relations: list[Row] = []
        self._marks: list[tuple[Any, ...]] = []
        self._read_points: list[ReadPoint] = []

    def add(self, chunk: Chunk, tip: Tip, nid: int) -> Tip:
        """Take up a chunk whose first event gets `nid`; where the room stands after it."""
        chain, loud, shouts = tip.chain, tip.loud, tip.shouts
        for index, event in enumerate(chunk.events):
            event.nid = nid + index
            if event.state_key is not None:
                replaced = chunk.replaces[index]
                event.replaces_nid = 0 if replaced is None else replaced.nid
                chain = self._add_state(chunk.room, event, chain)
            event.state_nid = chain[-1].state_nid if chain else 0
            noise = chunk.noise[index]
            if noise.thread_id == MAIN_THREAD:
                loud += noise.loud
                shouts += noise.shout
            self._add_event(chunk, event, chunk.auth_events[index], _flags(noise), loud, shouts)
            self._add_noise(chunk.room, event, noise, loud, shouts)
        self._redactions += chunk.redactions
        return Tip(chunk.after.head, chain, loud, shouts)

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

    def _add_event(
        self,
        chunk: Chunk,
        event: Event,
        auth_events: Sequence[Event],
        flags: int,
        loud: int,
        shouts: int,
    ) -> None:
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
                flags,
                event.state_nid,
                event.replaces_nid or None,
                device_nid,
                txn_id,
                msgspec.msgpack.encode([e.nid for e in auth_events]) if is_state else None,
                event.json,
                loud,
                shouts,
            )
        )
        type_nid, sender_nid = self._names[event.type], self._names[event.sender]
        relation = relation_row(event, chunk.room.nid, type_nid, sender_nid)
        if relation is not None:
            self._relations.append(relation)

    def write(self, txn: Transaction) -> None:
        txn.execute_many(
            """INSERT INTO events (event_nid, event_id, room_nid, pos, type_nid, sender_nid,
                   slot_nid, depth, origin_server_ts, flags, state_nid, replaces, device_nid,
                   txn_id, auth, json, loud, shouts)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
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
        txn.execute_many(INSERT_RELATION, self._relations)
        txn.execute_many(
            "INSERT INTO marks (room_nid, listener, event_nid, thread_id, sender_nid, notify,"
            " highlight) VALUES (?, ?, ?, ?, ?, ?, ?)",
            self._marks,
        )
        write_read_points(txn, self._read_points)
        write_redactions(txn, self._redactions)


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


_UPSERT_MEMBER = """
    INSERT INTO members (user_nid, room_nid, membership, event_nid, since) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (user_nid, room_nid) DO UPDATE SET
        membership = excluded.membership,
        event_nid = excluded.event_nid,
        since = CASE WHEN members.membership = excluded.membership
                THEN members.since ELSE excluded.since END,
        forgotten = CASE WHEN members.membership = excluded.membership
                THEN members.forgotten ELSE 0 END"""


def write_redactions(txn: Transaction, redactions: Sequence[Redaction]) -> None:
    """Replace events by what redactions leave of them; the originals are kept for a while.

    Of several redactions of an event the last one is told of, as clients do.
    """
    if not redactions:
        return
    txn.execute_many(
        "INSERT INTO redacted_events (event_nid, redacted_ms, json) VALUES (?, ?, ?)"
        " ON CONFLICT (event_nid) DO NOTHING",
        [(r.target.nid, r.at_ms, r.target.json) for r in redactions],
    )
    last = {r.target.nid: r for r in redactions}
    txn.execute_many(
        "UPDATE events SET json = ?, redacted_by = ?, flags = flags | ? WHERE event_nid = ?",
        [(r.redacted.json, r.by.nid, REDACTED, nid) for nid, r in last.items()],
    )
    # What a redacted event said of its relation is gone; its own children stay.
    txn.execute("DELETE FROM relations WHERE event_nid = ANY(?)", list(last))
    take_back(txn, list(last))


def names_in(chunks: list[Chunk]) -> list[str]:
    names: dict[str, None] = {}
    for chunk in chunks:
        for event in chunk.events:
            names[event.type] = None
            names[event.sender] = None
            if event.type == EventTypes.MEMBER and event.state_key is not None:
                names[event.state_key] = None
    return list(names)


def slots_in(chunks: list[Chunk]) -> list[tuple[str, str]]:
    return [event.slot for chunk in chunks for event in chunk.events if event.state_key is not None]
