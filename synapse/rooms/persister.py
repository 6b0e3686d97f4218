"""The persister: what is pending in all rooms, written in one transaction.

A writer hands over a `Chunk`: events that follow one another in a room and stand or fall together.
The database's group commit calls `apply` with all chunks that wait, of all rooms, and `apply` turns
them into a handful of multi-row statements. The room's row is lock and version check in one: it is
updated `WHERE head = what the writer knew`.
"""

import logging
from collections.abc import Callable
from functools import partial

import orjson

from synapse.api.errors import MatrixError
from synapse.events.event import Event
from synapse.rooms.chunks import Chunk
from synapse.rooms.room import HeadMoved
from synapse.rooms.rows import Rows, Tip, names_in, positions, slots_in
from synapse.storage.database import Database
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.partial_rooms import begin_partial, forget_partial
from synapse.storage.stores.rooms import move_names
from synapse.storage.stores.server_notices import add_notices_room
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore
from synapse.storage.transaction import Transaction
from synapse.util.caches import Cache

logger = logging.getLogger(__name__)


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
        self._tips: Cache[int, Tip] = Cache(5_000, "room_tips")
        # One object, since the database gathers the items of one and the same function.
        self._write = self._apply
        self._write_together = self._apply_groups

    async def persist(self, chunk: Chunk) -> None:
        """Returns when the chunk is committed. Raises `HeadMoved`, or what the database raises."""
        await self._database.write(self._write, chunk)

    async def persist_together(self, chunks: list[Chunk]) -> None:
        """The same for chunks of several rooms: all are committed, or none."""
        await self._database.write(self._write_together, chunks)

    # In the writer's thread.

    def _apply_groups(self, txn: Transaction, groups: list[list[Chunk]]) -> None:
        self._apply(txn, [chunk for chunks in groups for chunk in chunks])

    def _apply(self, txn: Transaction, chunks: list[Chunk]) -> None:
        # The stream's row is locked first, by everyone, so that nobody waits in a circle.
        nid = txn.stream(sum(positions(chunk) for chunk in chunks))
        self._insert_rooms(txn, chunks)
        tips = self._load_tips(txn, chunks)
        rows = Rows(
            self._names.intern(txn, names_in(chunks)),
            self._slots.intern(txn, slots_in(chunks)),
            chain=partial(self._states.chain, txn),
        )
        for chunk in chunks:
            tip = tips[chunk.room.nid]
            if tip.head != chunk.head:
                raise HeadMoved(chunk.room.room_id)
            tips[chunk.room.nid] = rows.add(chunk, tip, nid)
            nid += positions(chunk)
        self._update_rooms(txn, chunks, tips)
        self._insert_aliases(txn, chunks)
        self._move_names(txn, chunks)
        self._add_notices_rooms(txn, chunks)
        _begin_partial(txn, chunks)
        rows.write(txn)
        txn.after_commit(lambda: self._after_commit(chunks, tips))

    def _insert_rooms(self, txn: Transaction, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            if chunk.beginning is None:
                continue
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
            creator = chunk.entries[0].event.sender
            if not txn.execute(
                "INSERT INTO room_aliases (alias, room_nid, creator_nid) VALUES (?, ?, ?)"
                " ON CONFLICT (alias) DO NOTHING RETURNING alias",
                alias,
                chunk.room.nid,
                self._names.intern(txn, [creator])[creator],
            ):
                raise AliasInUse(alias)

    def _move_names(self, txn: Transaction, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            replaced = None if chunk.beginning is None else chunk.beginning.replaces
            if replaced is not None:
                move_names(txn, replaced, chunk.room.nid)

    def _add_notices_rooms(self, txn: Transaction, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            user_id = None if chunk.beginning is None else chunk.beginning.notices_for
            if user_id is None:
                continue
            sender, stream = chunk.entries[0].event.sender, chunk.last.nid
            nids = self._names.intern(txn, [user_id, sender])
            if not add_notices_room(txn, nids[user_id], nids[sender], chunk.room.nid, stream):
                raise NoticesRoomExists(user_id)

    def _load_tips(self, txn: Transaction, chunks: list[Chunk]) -> dict[int, Tip]:
        tips: dict[int, Tip] = {}
        missing = []
        for room_nid, chunk in _first_chunks(chunks).items():
            tip = self._tips.get(room_nid)
            # One that doesn't fit may be outdated: another process may have been here.
            if tip is None or tip.head != chunk.head:
                missing.append(room_nid)
            else:
                tips[room_nid] = tip
        if missing:
            tips.update(self._read_tips(txn, missing))
        return tips

    def _read_tips(self, txn: Transaction, room_nids: list[int]) -> dict[int, Tip]:
        rows = txn.execute(
            "SELECT room_nid, head, state_nid, loud, shouts, flipped FROM rooms"
            " WHERE room_nid = ANY(?)",
            room_nids,
        )
        return {
            room_nid: Tip(head, self._states.chain(txn, state_nid), loud, shouts, flipped)
            for room_nid, head, state_nid, loud, shouts, flipped in rows
        }

    def _update_rooms(self, txn: Transaction, chunks: list[Chunk], tips: dict[int, Tip]) -> None:
        first = _first_chunks(chunks)
        last = {chunk.room.nid: chunk for chunk in chunks}
        updates = []
        for room_nid, chunk in last.items():
            after, tip = chunk.after, tips[room_nid]
            updates.append(
                (
                    after.head,
                    after.pos,
                    after.depth,
                    chunk.entries[-1].position,
                    orjson.dumps([event.nid for event in after.tips]).decode(),
                    tip.state_nid,
                    after.joined,
                    after.invited,
                    after.local_joined,
                    tip.loud,
                    tip.shouts,
                    tip.flipped,
                    room_nid,
                    first[room_nid].head,
                )
            )
        changed = txn.execute_many(
            """UPDATE rooms SET head = ?, pos = ?, depth = ?, last_nid = ?, tips = ?,
                   state_nid = ?, joined = ?, invited = ?, local_joined = ?, loud = ?, shouts = ?,
                   flipped = ?
               WHERE room_nid = ? AND head = ?""",
            updates,
        )
        if changed != len(updates):
            # Which room it was shows when each chunk is tried alone.
            for room_nid in last:
                self._tips.pop(room_nid)
            raise HeadMoved(chunks[0].room.room_id)

    # In the reactor's thread.

    def _after_commit(self, chunks: list[Chunk], tips: dict[int, Tip]) -> None:
        for room_nid, tip in tips.items():
            self._tips[room_nid] = tip
        for chunk in chunks:
            try:
                self._remember(chunk)
            except Exception:
                logger.exception("What is committed in %s is read anew", chunk.room.room_id)
                for event in _touched(chunk):
                    self._events.forget(event.nid)
        self._committed(chunks)

    def _remember(self, chunk: Chunk) -> None:
        for entry in chunk.entries:
            self._events.remember_new(entry.event, entry.replaces)
        for redaction in chunk.redactions:
            self._events.remember_redacted(redaction.redacted, redaction.by)


class AliasInUse(MatrixError):
    """400 `M_ROOM_IN_USE`: the alias of a new room belongs to another one."""

    def __init__(self, alias: str) -> None:
        super().__init__(400, "M_ROOM_IN_USE", f"The alias {alias} is already taken")


class NoticesRoomExists(MatrixError):
    """The user has a notices room already: look for it again."""

    def __init__(self, user_id: str) -> None:
        super().__init__(503, "M_UNKNOWN", f"{user_id} has got a notices room already, try again")


def _touched(chunk: Chunk) -> list[Event]:
    """The events of which memory may say something else than the database, after a chunk."""
    return [entry.event for entry in chunk.entries] + [r.target for r in chunk.redactions]


def _begin_partial(txn: Transaction, chunks: list[Chunk]) -> None:
    """Note which rooms were entered without their members."""
    for chunk in chunks:
        if chunk.servers is None:
            continue
        forget_partial(txn, chunk.room.nid)
        if chunk.partial_servers is not None:
            begin_partial(txn, chunk.room.nid, chunk.last.nid, chunk.partial_servers)


def _first_chunks(chunks: list[Chunk]) -> dict[int, Chunk]:
    """The first chunk of each room."""
    return {chunk.room.nid: chunk for chunk in reversed(chunks)}
