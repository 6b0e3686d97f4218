"""The state of rooms: as it is now, and as it was after each event.

The current state of a room stands in two tables: `members` holds its member events, `room_state`
all others, so that a room's name and rules are found without reading past its members. A snapshot
of an older state is a packed delta against an even older one (`synapse.state.packing`), a few rows
away from the empty state.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from synapse.api.constants import EventTypes
from synapse.events.event import Event, StateMap
from synapse.state.layers import Layer
from synapse.state.packing import base_of, merge, pack, state_from, unpack
from synapse.storage.database import Database
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import Membership
from synapse.storage.stores.names import Names
from synapse.storage.stores.slots import Slot, Slots
from synapse.storage.transaction import Reader, Transaction
from synapse.util.caches import Cache

# Which events, first: most of them are in memory, and need not be read again.
_STATE = "SELECT s.room_nid, s.event_nid FROM room_state s"
_MEMBERS = "SELECT m.room_nid, m.event_nid FROM members m"


class StateStore:
    """Reads states, and adds snapshots."""

    def __init__(self, database: Database, names: Names, slots: Slots, events: EventStore) -> None:
        self._database = database
        self._names = names
        self._slots = slots
        self._events = events
        # Snapshots never change, and those of small rooms are read again and again.
        self._snapshots: Cache[int, dict[int, int]] = Cache(2_000, "states")

    # The state now.

    async def current(self, room_nid: int, slots: Sequence[Slot]) -> StateMap:
        """The events that fill these slots now."""
        # No name holds a NUL, but an event's content may name something that does.
        slots = [slot for slot in slots if "\0" not in slot[0] and "\0" not in slot[1]]
        members = [key for type_, key in slots if type_ == EventTypes.MEMBER]
        others = [slot for slot in slots if slot[0] != EventTypes.MEMBER]
        found: list[Event] = []
        if others:
            nids = await self._slots.nids(others)
            found += await self._of_one(
                f"{_STATE} WHERE s.room_nid = ? AND s.slot_nid = ANY(?)",
                room_nid,
                list(nids.values()),
            )
        if members:
            # By number: a sub-select would let PostgreSQL read all members of the room.
            users = await self._names.nids(members)
            found += await self._of_one(
                f"{_MEMBERS} WHERE m.room_nid = ? AND m.user_nid = ANY(?)",
                room_nid,
                list(users.values()),
            )
        return {event.slot: event for event in found}

    async def without_members(self, room_nid: int) -> list[Event]:
        """All of the current state but `m.room.member`."""
        return await self._of_one(f"{_STATE} WHERE s.room_nid = ?", room_nid)

    async def without_members_of(self, room_nids: Sequence[int]) -> dict[int, list[Event]]:
        """The same for many rooms, in one query."""
        return await self._of_many(room_nids, f"{_STATE} WHERE s.room_nid = ANY(?)")

    async def slot_of(self, room_nids: Sequence[int], slot: Slot) -> dict[int, Event]:
        """What fills a slot now in those of many rooms where something does."""
        nids = await self._slots.nids([slot])
        if not nids:
            return {}
        rows = await self._database.fetch(
            f"{_STATE} WHERE s.room_nid = ANY(?) AND s.slot_nid = ?", list(room_nids), nids[slot]
        )
        events = await self._events.by_nids([nid for _, nid in rows])
        return {room_nid: events[nid] for room_nid, nid in rows}

    async def current_of(
        self, room_nids: Sequence[int], slots: Sequence[Slot]
    ) -> dict[int, list[Event]]:
        """What fills these slots, none of them a member's, in many rooms; in one query."""
        nids = await self._slots.nids(slots)
        rows = await self._database.fetch(
            f"{_STATE} WHERE s.room_nid = ANY(?) AND s.slot_nid = ANY(?)",
            list(room_nids),
            list(nids.values()),
        )
        return await self._by_room(room_nids, rows)

    async def members(
        self, room_nid: int, memberships: Iterable[Membership] = tuple(Membership)
    ) -> list[Event]:
        """The current `m.room.member` events of these memberships."""
        wanted = [int(membership) for membership in memberships]
        # They may be a hundred thousand.
        rows = await self._database.scan(
            lambda reader: reader.fetch(
                f"{_MEMBERS} WHERE m.room_nid = ? AND m.membership = ANY(?)", room_nid, wanted
            )
        )
        return list((await self._events.by_nids([nid for _, nid in rows])).values())

    async def members_before(
        self, room_nid: int, membership: Membership, event_nid: int, limit: int
    ) -> list[Event]:
        """The member events of a membership that are older than an event, the newest first."""
        events = await self._of_one(
            f"{_MEMBERS} WHERE m.room_nid = ? AND m.membership = ? AND m.event_nid < ?"
            " ORDER BY m.event_nid DESC LIMIT ?",
            room_nid,
            int(membership),
            event_nid,
            limit,
        )
        return sorted(events, key=lambda event: event.nid, reverse=True)

    async def members_of(self, room_nids: Sequence[int]) -> dict[int, list[Event]]:
        """All current `m.room.member` events of many rooms, in one query."""
        rows = await self._database.scan(
            lambda reader: reader.fetch(f"{_MEMBERS} WHERE m.room_nid = ANY(?)", list(room_nids))
        )
        return await self._by_room(room_nids, rows)

    async def members_among(
        self, room_nids: Sequence[int], pairs: Sequence[tuple[int, int]]
    ) -> dict[int, list[Event]]:
        """The current member events of some (room_nid, user_nid), in a query for each thousand."""
        rows: list[Any] = []
        for start in range(0, len(pairs), 1000):
            some = pairs[start : start + 1000]
            values = ", ".join(["(?, ?)"] * len(some))
            rows += await self._database.fetch(
                f"""WITH wanted (room_nid, user_nid) AS (VALUES {values})
                    SELECT m.room_nid, m.event_nid FROM wanted w
                    JOIN members m ON m.room_nid = w.room_nid AND m.user_nid = w.user_nid""",
                *(nid for pair in some for nid in pair),
            )
        return await self._by_room(room_nids, rows)

    async def _of_one(self, sql: str, *params: object) -> list[Event]:
        rows = await self._database.fetch(sql, *params)
        return list((await self._events.by_nids([nid for _, nid in rows])).values())

    async def _of_many(self, room_nids: Sequence[int], sql: str) -> dict[int, list[Event]]:
        return await self._by_room(room_nids, await self._database.fetch(sql, list(room_nids)))

    async def _by_room(
        self, room_nids: Sequence[int], rows: Sequence[Any]
    ) -> dict[int, list[Event]]:
        by_room: dict[int, list[Event]] = {nid: [] for nid in room_nids}
        events = await self._events.by_nids([nid for _, nid in rows])
        for room_nid, nid in rows:
            by_room[room_nid].append(events[nid])
        return by_room

    # The state then.

    async def at(self, state_nid: int) -> dict[int, int]:
        """A snapshot, whole: slot_nid → event_nid. Don't change it."""
        if state_nid == 0:
            return {}
        snapshot = self._snapshots.get(state_nid)
        if snapshot is None:
            chain = await self._chain(state_nid)
            snapshot = state_from(link.delta for link in chain)
            if len(snapshot) <= 1_000:
                self._snapshots[state_nid] = snapshot
        return snapshot

    async def filled(self, state_nid: int, slot_nids: Sequence[int]) -> dict[int, int]:
        """What fills these slots of a snapshot: slot_nid → event_nid."""
        snapshot = await self.at(state_nid)
        return {slot: snapshot[slot] for slot in slot_nids if slot in snapshot}

    async def events_at(self, state_nid: int, slots: Sequence[Slot] | None = None) -> StateMap:
        """The events of a snapshot: all of them, or those in some slots."""
        snapshot = await self.at(state_nid)
        if slots is None:
            nids = list(snapshot.values())
        else:
            wanted = await self._slots.nids(slots)
            nids = [snapshot[slot] for slot in wanted.values() if slot in snapshot]
        events = await self._events.by_nids(nids)
        return {event.slot: event for event in events.values()}

    async def _chain(self, state_nid: int) -> list["Link"]:
        return _links(await self._database.fetch(_CHAIN, state_nid))

    async def whole(self, state_nid: int) -> dict[int, int]:
        """The same for a snapshot that may be large, unpacked in a reader's thread."""

        def read(reader: Reader) -> dict[int, int]:
            return state_from(layer.delta for layer in read_layers(reader, state_nid, {}))

        return await self._database.scan(read)

    # Writing.

    def chain(self, txn: Transaction, state_nid: int) -> list["Link"]:
        """The rows that lead to a snapshot, oldest first; none for the empty state."""
        return _links(txn.execute(_CHAIN, state_nid)) if state_nid else []

    def add(
        self,
        txn: Transaction,
        room_nid: int,
        state_nid: int,
        base_nid: int,
        changes: Mapping[int, int],
    ) -> int:
        """Write the snapshot that differs by `changes` from another one; which one it is.

        `state_nid` is the number for it, if it is a new one.
        """
        if not changes:
            return base_nid
        chain = self.chain(txn, base_nid)
        _, (_, change, link_base_nid, delta) = next_link(chain, state_nid, dict(changes))
        txn.execute(_INSERT, state_nid, room_nid, change, link_base_nid, delta)
        return state_nid


def insert_state(
    txn: Transaction, room_nid: int, state_nid: int, row: tuple[int, int, int, bytes]
) -> None:
    """Write a row that `next_link` made."""
    _, change, base_nid, delta = row
    txn.execute(_INSERT, state_nid, room_nid, change, base_nid, delta)


def add_whole(txn: Transaction, room_nid: int, state_nid: int, state: Mapping[int, int]) -> None:
    """Write a snapshot that is large, and on which others are to stand."""
    txn.execute(_INSERT, state_nid, room_nid, _WHOLE, 0, pack(state))


def link_on_whole(whole_nid: int) -> "Link":
    """The row of such a snapshot, for what is written on it: that doesn't repeat it."""
    return Link(whole_nid, _WHOLE, {})


class Link(NamedTuple):
    """One row of the chain of deltas that leads to a snapshot."""

    state_nid: int
    change: int
    delta: dict[int, int]


# A whole state is numbered as if so many changes had led to it: the rows that follow are deltas
# from it (`synapse.state.packing`), and none of them holds it again.
_WHOLE = 32**3

_INSERT = """
    INSERT INTO states (state_nid, room_nid, change, base_nid, delta) VALUES (?, ?, ?, ?, ?)"""
# From a snapshot to its base, the base's base, …: at most a handful of rows.
_CHAIN = """
    WITH RECURSIVE chain (state_nid, change, base_nid, delta) AS (
        SELECT state_nid, change, base_nid, delta FROM states WHERE state_nid = ?
        UNION ALL
        SELECT b.state_nid, b.change, b.base_nid, b.delta
        FROM chain c JOIN states b ON b.state_nid = c.base_nid
    )
    SELECT state_nid, change, delta FROM chain ORDER BY change"""


def read_layers(reader: Reader, state_nid: int, known: dict[int, Layer]) -> list[Layer]:
    """A snapshot as layers of deltas.

    Those that are in `known`, by number, are not unpacked again; others are put there.
    """
    layers = []
    for nid, _, delta in reader.fetch(_CHAIN, state_nid) if state_nid else ():
        if nid not in known:
            known[nid] = Layer(nid, unpack(delta))
        layers.append(known[nid])
    return layers


def _links(rows: list[Any]) -> list[Link]:
    return [Link(state_nid, change, unpack(delta)) for state_nid, change, delta in rows]


def next_link(
    chain: list[Link], state_nid: int, changes: dict[int, int]
) -> tuple[list[Link], tuple[int, int, int, bytes]]:
    """Add a snapshot that differs by `changes` (slot → event) from the one a chain leads to.

    Returns the new snapshot's own chain, and its row: (state_nid, change, base_nid, delta).
    """
    change = chain[-1].change + 1 if chain else 1
    base = base_of(change)
    kept = [link for link in chain if link.change <= base]
    since = [link.delta for link in chain if link.change > base]
    delta = merge([*since, changes])
    base_nid = kept[-1].state_nid if kept else 0
    link = Link(state_nid, change, delta)
    return [*kept, link], (state_nid, change, base_nid, pack(delta))
