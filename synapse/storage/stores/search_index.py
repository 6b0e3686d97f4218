"""The index of messages, room names and topics by their words: SQLite's FTS5, PostgreSQL's GIN.

Neither keeps the text, which stands in `events`. FTS5 takes a document out only if it is told the
words once more, so what a redaction took away is read from `redacted_events`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.transaction import Reader, Transaction

# With more rooms than that, it is cheaper to look which room a match is in.
_MAX_ROOM_WORDS = 1_000


class Document(NamedTuple):
    """An event, under the words by which it is found."""

    event_nid: int
    room_nid: int
    words: list[str]


class Match(NamedTuple):
    """An event that holds all words that were asked for."""

    event_nid: int
    room_nid: int
    sender_nid: int
    flags: int  # see synapse.storage.stores.events
    rank: float  # the higher the closer


class Query(NamedTuple):
    """What is searched: the newest events of some rooms, all of whose words begin so."""

    words: Sequence[str]
    room_nids: Sequence[int]
    type_nids: Sequence[int]
    sender_nids: Sequence[int] | None  # None: all
    below: int  # only events with lower numbers
    limit: int


class SearchIndex(ABC):
    """Finds events by words; filled by a reader of the stream (`search_feed`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def matches(self, query: Query) -> list[Match]:
        """Newest first. Events that were redacted since are not among them."""
        if not query.words or not query.room_nids or query.limit <= 0:
            return []
        rows = await self._database.scan(lambda reader: self._find(reader, query))
        return [Match(*row) for row in rows]

    async def encrypted_rooms(self, room_nids: Sequence[int], slot_nid: int) -> set[int]:
        """Those of the rooms in whose state the slot of `m.room.encryption` is filled."""
        rows = await self._database.fetch(
            "SELECT room_nid FROM room_state WHERE room_nid = ANY(?) AND slot_nid = ?",
            list(room_nids),
            slot_nid,
        )
        return {room_nid for (room_nid,) in rows}

    @abstractmethod
    def add(self, txn: Transaction, documents: Sequence[Document]) -> None:
        """Index events that are not in the index."""

    @abstractmethod
    def indexed(self, txn: Transaction, event_nids: Sequence[int]) -> set[int]:
        """Those of the events that are in the index."""

    @abstractmethod
    def remove(self, txn: Transaction, documents: Sequence[Document]) -> None:
        """Take events out; they are in the index, under exactly these words."""

    @abstractmethod
    def _find(self, reader: Reader, query: Query) -> list[Row]: ...


def search_index(database: Database) -> SearchIndex:
    """The index of this database's engine."""
    return SqliteIndex(database) if database.engine.name == "sqlite3" else PostgresIndex(database)


class SqliteIndex(SearchIndex):
    """A table of FTS5, without content of its own."""

    def add(self, txn: Transaction, documents: Sequence[Document]) -> None:
        txn.execute_many(
            "INSERT INTO search_index (rowid, words, room) VALUES (?, ?, ?)",
            [(nid, " ".join(words), f"#{room_nid}") for nid, room_nid, words in documents],
        )

    def indexed(self, txn: Transaction, event_nids: Sequence[int]) -> set[int]:
        rows = txn.execute(
            "SELECT id FROM search_index_docsize WHERE id = ANY(?)", list(event_nids)
        )
        return {nid for (nid,) in rows}

    def remove(self, txn: Transaction, documents: Sequence[Document]) -> None:
        txn.execute_many(
            "INSERT INTO search_index (search_index, rowid, words, room)"
            " VALUES ('delete', ?, ?, ?)",
            [(nid, " ".join(words), f"#{room_nid}") for nid, room_nid, words in documents],
        )

    def _find(self, reader: Reader, query: Query) -> list[Row]:
        wanted = " AND ".join(f'"{word}" *' for word in query.words)
        if len(query.room_nids) <= _MAX_ROOM_WORDS:
            rooms = " OR ".join(f'"#{nid}"' for nid in query.room_nids)
            wanted = f"{wanted} AND ({rooms})"
        filters, values = _filters(query)
        # CROSS JOIN: the index first, and never all events of a room.
        return reader.fetch(
            f"""SELECT e.event_nid, e.room_nid, e.sender_nid, e.flags,
                    -bm25(search_index, 1.0, 0.0)
                FROM search_index CROSS JOIN events e ON e.event_nid = search_index.rowid
                WHERE search_index MATCH ? AND search_index.rowid < ? AND {filters}
                ORDER BY search_index.rowid DESC LIMIT ?""",
            wanted,
            query.below,
            *values,
            query.limit,
        )


class PostgresIndex(SearchIndex):
    """A table with a vector of words for each event, and a GIN index on it."""

    def add(self, txn: Transaction, documents: Sequence[Document]) -> None:
        txn.execute_many(
            "INSERT INTO search_index (event_nid, words) VALUES (?, array_to_tsvector(?))",
            [(nid, [*words, f"#{room_nid}"]) for nid, room_nid, words in documents],
        )

    def indexed(self, txn: Transaction, event_nids: Sequence[int]) -> set[int]:
        rows = txn.execute(
            "SELECT event_nid FROM search_index WHERE event_nid = ANY(?)", list(event_nids)
        )
        return {nid for (nid,) in rows}

    def remove(self, txn: Transaction, documents: Sequence[Document]) -> None:
        txn.execute(
            "DELETE FROM search_index WHERE event_nid = ANY(?)",
            [document.event_nid for document in documents],
        )

    def _find(self, reader: Reader, query: Query) -> list[Row]:
        words = " & ".join(f"'{word}':*" for word in query.words)
        wanted = words
        if len(query.room_nids) <= _MAX_ROOM_WORDS:
            rooms = " | ".join(f"'#{nid}'" for nid in query.room_nids)
            wanted = f"{words} & ({rooms})"
        filters, values = _filters(query)
        # MATERIALIZED: the words decide, and not the order, for which all events would be read.
        return reader.fetch(
            f"""WITH found AS MATERIALIZED (
                    SELECT event_nid, words FROM search_index WHERE words @@ CAST(? AS tsquery))
                SELECT e.event_nid, e.room_nid, e.sender_nid, e.flags,
                    ts_rank(f.words, CAST(? AS tsquery), 1)
                FROM found f JOIN events e ON e.event_nid = f.event_nid
                WHERE f.event_nid < ? AND {filters}
                ORDER BY f.event_nid DESC LIMIT ?""",
            wanted,
            words,
            query.below,
            *values,
            query.limit,
        )


def _filters(query: Query) -> tuple[str, list[list[int]]]:
    """Conditions on `events e`, and their values."""
    conditions = ["e.redacted_by IS NULL", "e.room_nid = ANY(?)", "e.type_nid = ANY(?)"]
    values = [list(query.room_nids), list(query.type_nids)]
    if query.sender_nids is not None:
        conditions.append("e.sender_nid = ANY(?)")
        values.append(list(query.sender_nids))
    return " AND ".join(conditions), values
