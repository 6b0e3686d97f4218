"""The index of messages, room names and topics by their words: SQLite's FTS5, PostgreSQL's GIN.

Neither keeps the text, which stands in `events`. FTS5 takes a document out only if it is told the
words once more, so what a redaction took away is read from `redacted_events`.

A word is found by its beginning, and by any other part of it through `search_words`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.stores.search_words import PostgresWords, SearchWords, SqliteWords
from synapse.storage.transaction import Reader, Transaction
from synapse.util.words import Term, is_spaced, may_be_part

# With more rooms than that, it is cheaper to look which room a match is in.
_MAX_ROOM_WORDS = 1_000
# The same on PostgreSQL, also if each of many words is looked for by itself.
_MAX_ROOM_LEXEMES = 100
_MAX_ROOM_LEXEMES_AROUND = 10
# Words in the middle or at the end of which a search finds what it looks for.
_MAX_WORDS_AROUND = 200
# An empty query adds nothing to the other.
_ANY_OF = """
    SELECT DISTINCT s.event_nid FROM unnest(CAST(? AS text[])) AS one (query), LATERAL (
        SELECT event_nid FROM search_index
        WHERE words @@ (CAST(one.query AS tsquery) && CAST(? AS tsquery))) AS s
"""
_TS_RANK = """
    (SELECT CASE WHEN i.words @@ q.close THEN ts_rank(i.words, q.close, 1) ELSE -1 END
     FROM search_index i, (SELECT CAST(? AS tsquery) AS close) AS q
     WHERE i.event_nid = f.event_nid)
"""


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
    # The higher the closer; below 0 if some word does not begin so. 0 for all if not `ranked`.
    rank: float


class Query(NamedTuple):
    """What is searched: the newest events of some rooms that hold all the terms."""

    terms: Sequence[Term]
    room_nids: Sequence[int]
    type_nids: Sequence[int]
    sender_nids: Sequence[int] | None  # None: all
    below: int  # only events with lower numbers
    limit: int
    ranked: bool = True


class SearchIndex(ABC):
    """Finds events by words; filled by a reader of the stream (`search_feed`)."""

    def __init__(self, database: Database, words: SearchWords) -> None:
        self._database = database
        self._words = words

    async def matches(self, query: Query) -> list[Match]:
        """Newest first. Events that were redacted since are not among them."""
        if not query.terms or not query.room_nids or query.limit <= 0:
            return []
        rows = await self._database.scan(lambda reader: self._search(reader, query))
        return [Match(*row) for row in rows]

    async def encrypted_rooms(self, room_nids: Sequence[int], slot_nid: int) -> set[int]:
        """Those of the rooms in whose state the slot of `m.room.encryption` is filled."""
        rows = await self._database.fetch(
            "SELECT room_nid FROM room_state WHERE room_nid = ANY(?) AND slot_nid = ?",
            list(room_nids),
            slot_nid,
        )
        return {room_nid for (room_nid,) in rows}

    def add(self, txn: Transaction, documents: Sequence[Document]) -> None:
        """Index events that are not in the index."""
        self._insert(txn, documents)
        self._words.add(txn, {word: doc.event_nid for doc in documents for word in doc.words})

    @abstractmethod
    def indexed(self, txn: Transaction, event_nids: Sequence[int]) -> set[int]:
        """Those of the events that are in the index."""

    def remove(self, txn: Transaction, documents: Sequence[Document]) -> None:
        """Take events out; they are in the index, under exactly these words."""
        self._delete(txn, documents)
        words = dict.fromkeys(word for document in documents for word in document.words)
        event_nids = [document.event_nid for document in documents]
        self._words.forget(txn, list(words), event_nids, self._newest)

    def _search(self, reader: Reader, query: Query) -> list[Row]:
        around = self._around(reader, query.terms)
        return self._find(reader, query, around)

    def _around(self, reader: Reader, terms: Sequence[Term]) -> dict[Term, list[str]]:
        """For terms that stand elsewhere in words than at their beginning: these words."""
        searched = [term for term in terms if len(term) == 1 and may_be_part(term[0])]
        found = {
            term: self._words.around(reader, term[0], _MAX_WORDS_AROUND // len(searched))
            for term in searched
        }
        return {term: words for term, words in found.items() if words}

    @abstractmethod
    def _insert(self, txn: Transaction, documents: Sequence[Document]) -> None: ...

    @abstractmethod
    def _delete(self, txn: Transaction, documents: Sequence[Document]) -> None: ...

    @abstractmethod
    def _newest(self, txn: Transaction, words: Sequence[str]) -> dict[str, int]:
        """The newest event with each of the words that are in the index."""

    @abstractmethod
    def _find(self, reader: Reader, query: Query, around: dict[Term, list[str]]) -> list[Row]: ...


def search_index(database: Database) -> SearchIndex:
    """The index of this database's engine."""
    if database.engine.name == "sqlite3":
        return SqliteIndex(database, SqliteWords())
    return PostgresIndex(database, PostgresWords())


class SqliteIndex(SearchIndex):
    """A table of FTS5, without content of its own."""

    def indexed(self, txn: Transaction, event_nids: Sequence[int]) -> set[int]:
        rows = txn.execute(
            "SELECT id FROM search_index_docsize WHERE id = ANY(?)", list(event_nids)
        )
        return {nid for (nid,) in rows}

    def _insert(self, txn: Transaction, documents: Sequence[Document]) -> None:
        txn.execute_many(
            "INSERT INTO search_index (rowid, words, room) VALUES (?, ?, ?)",
            [(nid, " ".join(words), f"#{room_nid}") for nid, room_nid, words in documents],
        )

    def _delete(self, txn: Transaction, documents: Sequence[Document]) -> None:
        txn.execute_many(
            "INSERT INTO search_index (search_index, rowid, words, room)"
            " VALUES ('delete', ?, ?, ?)",
            [(nid, " ".join(words), f"#{room_nid}") for nid, room_nid, words in documents],
        )

    def _newest(self, txn: Transaction, words: Sequence[str]) -> dict[str, int]:
        newest = {}
        for word in words:
            # In our own process: no round trips.
            for (nid,) in txn.execute(
                "SELECT rowid FROM search_index WHERE search_index MATCH ?"
                " ORDER BY rowid DESC LIMIT 1",
                f'"{word}"',
            ):
                newest[word] = nid
        return newest

    def _find(self, reader: Reader, query: Query, around: dict[Term, list[str]]) -> list[Row]:
        if not query.ranked:
            return self._matching(reader, query, around, "0.0")
        # bm25 counts the messages with each word of the query, and takes a rare word for a close
        # one: it ranks by how words begin, and the others come behind.
        close = self._matching(reader, query, {}, "-bm25(search_index, 1.0, 0.0)")
        if not around:
            return close
        by_nid = {row[0]: row for row in close}
        rows = self._matching(reader, query, around, "-1.0")
        return [by_nid.get(row[0], row) for row in rows]

    def _matching(
        self, reader: Reader, query: Query, around: dict[Term, list[str]], rank: str
    ) -> list[Row]:
        wanted = " AND ".join(f"({_fts5(term, around.get(term, ()))})" for term in query.terms)
        if len(query.room_nids) <= _MAX_ROOM_WORDS:
            rooms = " OR ".join(f'"#{nid}"' for nid in query.room_nids)
            wanted = f"{wanted} AND ({rooms})"
        filters, values = _filters(query)
        # CROSS JOIN: the index first, and never all events of a room.
        return reader.fetch(
            f"""SELECT e.event_nid, e.room_nid, e.sender_nid, e.flags, {rank}
                FROM search_index CROSS JOIN events e ON e.event_nid = search_index.rowid
                WHERE search_index MATCH ? AND search_index.rowid < ? AND {filters}
                ORDER BY search_index.rowid DESC LIMIT ?""",
            wanted,
            query.below,
            *values,
            query.limit,
        )


def _fts5(term: Term, around: Sequence[str]) -> str:
    if len(term) > 1:
        return '"' + " ".join(term) + '"'
    return " OR ".join([f'"{term[0]}" *', *(f'"{word}"' for word in around)])


class PostgresIndex(SearchIndex):
    """A table with a vector of words for each event, and a GIN index on it."""

    def indexed(self, txn: Transaction, event_nids: Sequence[int]) -> set[int]:
        rows = txn.execute(
            "SELECT event_nid FROM search_index WHERE event_nid = ANY(?)", list(event_nids)
        )
        return {nid for (nid,) in rows}

    def _insert(self, txn: Transaction, documents: Sequence[Document]) -> None:
        txn.execute_many(
            "INSERT INTO search_index (event_nid, words)"
            " VALUES (?, array_to_tsvector(?) || CAST(? AS tsvector))",
            [
                (nid, [*words, f"#{room_nid}"], _positions(words))
                for nid, room_nid, words in documents
            ],
        )

    def _delete(self, txn: Transaction, documents: Sequence[Document]) -> None:
        txn.execute(
            "DELETE FROM search_index WHERE event_nid = ANY(?)",
            [document.event_nid for document in documents],
        )

    def _newest(self, txn: Transaction, words: Sequence[str]) -> dict[str, int]:
        rows = txn.execute(
            """SELECT w.word, newest.event_nid FROM unnest(CAST(? AS text[])) AS w (word),
                   LATERAL (SELECT max(s.event_nid) AS event_nid FROM search_index s
                       WHERE s.words @@ CAST(quote_literal(w.word) AS tsquery)) AS newest
               WHERE newest.event_nid IS NOT NULL""",
            list(words),
        )
        return dict(rows)

    def _find(self, reader: Reader, query: Query, around: dict[Term, list[str]]) -> list[Row]:
        found, found_by = self._found(query, around)
        filters, values = _filters(query)
        rank, close = "0.0", []
        if query.ranked:
            rank, close = _TS_RANK, [" & ".join(map(_tsquery, query.terms))]
        # OFFSET 0: of the events, only those that were found are looked at, the newest first. What
        # the words find can't be estimated, and the rooms would seem to be less.
        return reader.fetch(
            f"""WITH found AS MATERIALIZED ({found})
                SELECT e.event_nid, e.room_nid, e.sender_nid, e.flags, {rank}
                FROM found f, LATERAL (
                    SELECT * FROM events WHERE event_nid = f.event_nid OFFSET 0) AS e
                WHERE f.event_nid < ? AND {filters}
                ORDER BY f.event_nid DESC LIMIT ?""",
            *found_by,
            *close,
            query.below,
            *values,
            query.limit,
        )

    def _found(self, query: Query, around: dict[Term, list[str]]) -> tuple[str, list[Any]]:
        """Those that hold all terms, in SQL with its values.

        One query with hundreds of words in an OR would be compared with each message that has one
        of them, so each word has a query of its own.
        """
        conditions = [_tsquery(term) for term in query.terms if term not in around]
        if len(query.room_nids) <= (_MAX_ROOM_LEXEMES_AROUND if around else _MAX_ROOM_LEXEMES):
            rooms = " | ".join(f"'#{nid}'" for nid in query.room_nids)
            conditions.append(f"({rooms})")
        everywhere = " & ".join(conditions)
        either = [[_tsquery(term), *map(_exactly, words)] for term, words in around.items()]
        values = [value for queries in either or [[""]] for value in (queries, everywhere)]
        return " INTERSECT ".join([_ANY_OF] * (len(values) // 2)), values


def _tsquery(term: Term) -> str:
    if len(term) > 1:
        return f"({' <-> '.join(map(_exactly, term))})"
    return f"{_exactly(term[0])}:*"


def _exactly(word: str) -> str:
    return f"'{word}'"


def _positions(words: Sequence[str]) -> str:
    """Where in the text pairs of characters stand, for terms of several; others need no place."""
    placed = enumerate(words, 1)
    return " ".join(f"'{word}':{place}" for place, word in placed if not is_spaced(word))


def _filters(query: Query) -> tuple[str, list[list[int]]]:
    """Conditions on `events e`, and their values."""
    conditions = ["e.redacted_by IS NULL", "e.room_nid = ANY(?)", "e.type_nid = ANY(?)"]
    values = [list(query.room_nids), list(query.type_nids)]
    if query.sender_nids is not None:
        conditions.append("e.sender_nid = ANY(?)")
        values.append(list(query.sender_nids))
    return " AND ".join(conditions), values
