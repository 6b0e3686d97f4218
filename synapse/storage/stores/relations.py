"""Relations between events: a row for each event that relates to another one.

The persister writes them with the events (`relation_row`, `INSERT_RELATION`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from synapse.api.identifiers import is_short_text
from synapse.events.event import Event
from synapse.events.relations import (
    ANNOTATION,
    REFERENCE,
    REPLACE,
    THREAD,
    may_replace,
    relation_of,
)
from synapse.storage.background_updates import Position, Step
from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.stores.events import COLUMNS, JOINS, REDACTED, event_from_row
from synapse.storage.transaction import Transaction

INSERT_RELATION = """
    INSERT INTO relations (event_nid, room_nid, pos, parent_id, rel_type, type_nid, sender_nid,
        key_hash, edit_ts)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (event_nid) DO NOTHING"""

# How many events that reference another one are told of with it.
_REFERENCES = 100


class Child(NamedTuple):
    """An event that is told of with its parent."""

    parent_nid: int
    rel_type: str
    event_nid: int
    event_id: str
    # Of threads, whose child is the newest one.
    length: int
    user_participated: int  # 0 or 1

    def of_part(self, event_nid: int, event_id: str, length: int) -> "Child":
        """The same of a part of the thread, of which this is the newest event."""
        return self._replace(event_nid=event_nid, event_id=event_id, length=length)


class ThreadEnd(NamedTuple):
    """A thread: its root, and its newest event with the place of that."""

    pos: int
    newest_nid: int
    root_nid: int


class RelationStore:
    """Reads relations."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._parents = database.gathering(self._parents_of_all)

    async def parents(self, event_nids: Sequence[int]) -> list[int]:
        """Those of the events with which others may be bundled: one look into an index for each.

        What is asked in one turn of the reactor is one statement.
        """
        return await self._parents.ask(event_nids)

    async def _parents_of_all(self, asked: Sequence[Sequence[int]]) -> list[list[int]]:
        nids = {nid for event_nids in asked for nid in event_nids}
        found = {nid for (nid,) in await self._database.fetch(_PARENTS, list(nids))}
        return [[nid for nid in event_nids if nid in found] for event_nids in asked]

    async def aggregated(
        self, event_nids: Sequence[int], user_nid: int, ignored: Sequence[int] = ()
    ) -> list[Child]:
        """What is bundled with these events of a timeline, for a user; references oldest first.

        Of edits, there may be several with the same `origin_server_ts`. `ignored` are the users
        whose events don't count.
        """
        nids, senders = list(event_nids), list(ignored)
        rows = await self._database.fetch(
            f"{_EDITS} UNION ALL {_THREADS} UNION ALL {_REFERENCES_OF} ORDER BY 1, 3",
            senders,
            nids,
            senders,
            senders,
            user_nid,
            nids,
            senders,
            _REFERENCES,
            nids,
        )
        return [Child(*row) for row in rows]

    async def has_annotation(
        self, room_nid: int, parent_id: str, key: str, sender: str, type: str
    ) -> bool:
        """Whether a user has annotated an event so."""
        rows = await self._database.fetch(
            """SELECT 1 FROM relations WHERE parent_id = ? AND room_nid = ? AND rel_type = ?
               AND sender_nid = (SELECT nid FROM names WHERE name = ?)
               AND type_nid = (SELECT nid FROM names WHERE name = ?) AND key_hash = ? LIMIT 1""",
            parent_id,
            room_nid,
            ANNOTATION,
            sender,
            type,
            key_hash(key),
        )
        return bool(rows)

    async def with_children(
        self,
        event_nids: Sequence[int],
        senders: Iterable[str] | None,
        rel_types: Iterable[str] | None,
        *,
        below: int,
    ) -> set[int]:
        """Those of the events to which another one relates, of these senders and kinds.

        None: of whatever kind. The other event stands below a place in the room.
        """
        wanted = "c.parent_id = e.event_id AND c.room_nid = e.room_nid AND c.pos < ?"
        params: list[object] = [below]
        if rel_types is not None:
            wanted += " AND c.rel_type = ANY(?)"
            params.append([text for text in rel_types if is_short_text(text)])
        if senders is not None:
            wanted += " AND c.sender_nid IN (SELECT nid FROM names WHERE name = ANY(?))"
            params.append([text for text in senders if is_short_text(text)])
        rows = await self._database.fetch(
            f"""SELECT e.event_nid FROM events e WHERE e.event_nid = ANY(?)
                AND EXISTS (SELECT 1 FROM relations c WHERE {wanted})""",
            list(event_nids),
            *params,
        )
        return {nid for (nid,) in rows}

    async def children(
        self,
        room_nid: int,
        parent_id: str,
        *,
        rel_type: str | None,
        event_type: str | None,
        depth: int,
        above: int,
        below: int,
        backwards: bool,
        limit: int,
    ) -> list[tuple[int, int]]:
        """(event_nid, pos) of the events that relate to one, through at most `depth` relations.

        Those with `above` < pos < `below`, the latest first if `backwards`.
        """
        wanted = "c.room_nid = ?"
        params: list[object] = [room_nid]
        if rel_type is not None:
            wanted += " AND c.rel_type = ?"
            params.append(rel_type)
        if event_type is not None:
            wanted += " AND c.type_nid = (SELECT nid FROM names WHERE name = ?)"
            params.append(event_type)
        order = "DESC" if backwards else "ASC"
        if depth == 1:
            sql = f"""SELECT c.event_nid, c.pos FROM relations c
                WHERE c.parent_id = ? AND {wanted} AND c.pos > ? AND c.pos < ?
                ORDER BY c.pos {order} LIMIT ?"""
            found = await self._database.fetch(sql, parent_id, *params, above, below, limit)
        else:
            sql = f"""WITH RECURSIVE related (event_nid, pos, depth) AS (
                    SELECT c.event_nid, c.pos, 1 FROM relations c
                    WHERE c.parent_id = ? AND {wanted}
                    UNION
                    SELECT c.event_nid, c.pos, d.depth + 1 FROM related d
                    JOIN events e ON e.event_nid = d.event_nid
                    JOIN relations c ON c.parent_id = e.event_id AND {wanted}
                    WHERE d.depth < ?)
                SELECT DISTINCT event_nid, pos FROM related WHERE pos > ? AND pos < ?
                ORDER BY pos {order} LIMIT ?"""
            found = await self._database.fetch(
                sql, parent_id, *params, *params, depth, above, below, limit
            )
        return [(nid, pos) for nid, pos in found]

    async def threads(
        self,
        room_nid: int,
        below: int,
        limit: int,
        ignored: Sequence[int],
        participant: int | None,
        *,
        only_ends: bool,
    ) -> tuple[list[ThreadEnd], int | None]:
        """The threads whose newest event stands below a place, among the next `limit` events.

        The second value is the place at which to go on; None: these are all. `ignored` are the
        users whose events don't count, `participant` one who must have taken part. Unless
        `only_ends`, older events of threads are told of as well, each as if it were the newest.
        """
        took_part = "" if participant is None else f"AND (e.sender_nid = ? OR {_TOOK_PART})"
        is_end = _IS_END if only_ends else ""
        rows = await self._database.fetch(
            _THREAD_EVENTS.format(took_part=took_part, is_end=is_end),
            list(ignored),
            *([list(ignored)] if only_ends else ()),
            *(() if participant is None else (participant, participant)),
            room_nid,
            below,
            limit,
        )
        ends = [ThreadEnd(*row[:3]) for row in rows if row[3]]
        return ends, rows[-1][0] if len(rows) == limit else None


def key_hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def relation_row(event: Event, room_nid: int, type_nid: int, sender_nid: int) -> Row | None:
    """The row of `INSERT_RELATION`, if the event relates to another one."""
    relation = relation_of(event)
    if relation is None or event.pos is None:
        return None
    return (
        event.nid,
        room_nid,
        event.pos,
        relation.parent_id,
        relation.rel_type,
        type_nid,
        sender_nid,
        None if relation.key is None else key_hash(relation.key),
        event.origin_server_ts if may_replace(event, relation) else None,
    )


def fill_relations(txn: Transaction, position: Position, size: int) -> Step:
    """A step of the background update `relations`: the events of before the table."""
    rows = txn.execute(
        f"SELECT {COLUMNS}, e.room_nid, e.type_nid, e.sender_nid FROM events e {JOINS}"
        " WHERE e.event_nid > ? ORDER BY e.event_nid LIMIT ?",
        position.get("event_nid", 0),
        size,
    )
    found = [relation_row(event_from_row(row), *row[-3:]) for row in rows]
    txn.execute_many(INSERT_RELATION, [row for row in found if row is not None])
    return Step(len(rows), {"event_nid": rows[-1][0]} if len(rows) == size else None)


_PARENTS = f"""
    SELECT e.event_nid FROM events e WHERE e.event_nid = ANY(?) AND EXISTS (
        SELECT 1 FROM relations c WHERE c.parent_id = e.event_id AND c.room_nid = e.room_nid
        AND c.rel_type IN ('{REPLACE}', '{THREAD}', '{REFERENCE}'))"""
_PLAIN = "e.event_nid = ANY(?) AND e.slot_nid IS NULL"
_EDITS = f"""
    SELECT e.event_nid AS parent_nid, '{REPLACE}' AS rel_type, c.event_nid AS child_nid,
        x.event_id, 0 AS length, 0 AS participated
    FROM events e
    JOIN relations c ON c.parent_id = e.event_id AND c.room_nid = e.room_nid
        AND c.sender_nid = e.sender_nid AND c.type_nid = e.type_nid
        AND NOT (c.sender_nid = ANY(?)) AND c.edit_ts = (
            SELECT MAX(l.edit_ts) FROM relations l
            WHERE l.parent_id = e.event_id AND l.room_nid = e.room_nid
            AND l.sender_nid = e.sender_nid AND l.type_nid = e.type_nid AND l.edit_ts IS NOT NULL)
    JOIN events x ON x.event_nid = c.event_nid
    WHERE {_PLAIN} AND e.flags & {REDACTED} = 0 AND NOT EXISTS (
        SELECT 1 FROM relations o WHERE o.event_nid = e.event_nid AND o.rel_type = '{REPLACE}')"""
_IN_THREAD = f"c.parent_id = e.event_id AND c.room_nid = e.room_nid AND c.rel_type = '{THREAD}'"
_THREADS = f"""
    SELECT t.parent_nid, '{THREAD}', t.child_nid, x.event_id, t.length, t.participated
    FROM (
        SELECT e.event_nid AS parent_nid,
            (SELECT c.event_nid FROM relations c WHERE {_IN_THREAD}
                AND NOT (c.sender_nid = ANY(?)) ORDER BY c.pos DESC LIMIT 1) AS child_nid,
            (SELECT COUNT(*) FROM relations c WHERE {_IN_THREAD}
                AND NOT (c.sender_nid = ANY(?))) AS length,
            CASE WHEN EXISTS (SELECT 1 FROM relations c WHERE {_IN_THREAD}
                AND c.sender_nid = ?) THEN 1 ELSE 0 END AS participated
        FROM events e
        WHERE {_PLAIN} AND EXISTS (SELECT 1 FROM relations c WHERE {_IN_THREAD})
            AND NOT EXISTS (SELECT 1 FROM relations o WHERE o.event_nid = e.event_nid)
    ) t JOIN events x ON x.event_nid = t.child_nid"""
_REFERENCES_OF = f"""
    SELECT e.event_nid, '{REFERENCE}', c.event_nid, x.event_id, 0, 0
    FROM events e
    JOIN relations c ON c.parent_id = e.event_id AND c.room_nid = e.room_nid
        AND c.rel_type = '{REFERENCE}' AND c.pos IN (
            SELECT l.pos FROM relations l WHERE l.parent_id = e.event_id
            AND l.room_nid = e.room_nid AND l.rel_type = '{REFERENCE}'
            AND NOT (l.sender_nid = ANY(?)) ORDER BY l.pos DESC LIMIT ?)
    JOIN events x ON x.event_nid = c.event_nid
    WHERE {_PLAIN}"""
_TOOK_PART = f"""EXISTS (
    SELECT 1 FROM relations m WHERE m.parent_id = c.parent_id AND m.room_nid = c.room_nid
    AND m.rel_type = '{THREAD}' AND m.sender_nid = ?)"""
# Only the newest event of a thread stands for it, and only if its root can have a thread.
_IS_END = f"""AND NOT EXISTS (
            SELECT 1 FROM relations l WHERE l.parent_id = c.parent_id AND l.room_nid = c.room_nid
            AND l.rel_type = '{THREAD}' AND l.pos > c.pos AND NOT (l.sender_nid = ANY(?)))"""
_THREAD_EVENTS = f"""
    SELECT c.pos, c.event_nid, e.event_nid, CASE WHEN e.event_nid IS NOT NULL AND e.slot_nid IS NULL
        AND NOT (c.sender_nid = ANY(?))
        {{is_end}}
        AND NOT EXISTS (SELECT 1 FROM relations o WHERE o.event_nid = e.event_nid)
        {{took_part}} THEN 1 ELSE 0 END
    FROM relations c LEFT JOIN events e ON e.event_id = c.parent_id AND e.room_nid = c.room_nid
    WHERE c.room_nid = ? AND c.rel_type = '{THREAD}' AND c.pos < ?
    ORDER BY c.pos DESC LIMIT ?"""
