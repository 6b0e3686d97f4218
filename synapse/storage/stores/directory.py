"""Searching the user directory: who is found by words, and whom the searcher may know of."""

from collections.abc import Sequence
from dataclasses import dataclass

from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.transaction import Reader

# How many users are looked at, and how many of them may be found.
_MAX_EXAMINED = 10_000
_MAX_FOUND = 500

_BY_WORD = """
    SELECT user_nid, row_number() OVER (ORDER BY word) AS place FROM (
        SELECT user_nid, word FROM directory_words WHERE word >= ? AND word < ?
        ORDER BY word LIMIT ?) AS few"""
# More words than are looked at begin with the letters that were typed: those who share a room with
# the searcher are looked at in any case.
_BY_ROOM = """
    SELECT DISTINCT o.user_nid, 0 AS place FROM members s
    JOIN members o ON o.room_nid = s.room_nid AND o.membership = 1
    WHERE s.user_nid = ? AND s.membership = 1 LIMIT ?"""
_IS_COMMON = """
    SELECT 1 FROM directory_words WHERE word >= ? AND word < ? ORDER BY word LIMIT 1 OFFSET ?"""
_FOUND = """
    SELECT n.name, d.displayname, d.avatar_url, d.is_local FROM ({candidates}) AS w
    JOIN directory_users d ON d.user_nid = w.user_nid JOIN names n ON n.nid = w.user_nid
    LEFT JOIN users u ON u.user_nid = w.user_nid
    WHERE w.user_nid <> ? AND (
        u.user_nid IS NULL OR (u.deactivated = 0 AND (u.locked = 0 OR ? = 1)))"""
_WITH_WORD = """
    AND EXISTS (SELECT 1 FROM directory_words o
        WHERE o.user_nid = w.user_nid AND o.word >= ? AND o.word < ?)"""
_LOCAL = " AND d.is_local = 1"
# In an open room, or in one together with the searcher.
_KNOWN = """
    AND EXISTS (SELECT 1 FROM members m WHERE m.user_nid = w.user_nid AND m.membership = 1 AND (
        EXISTS (SELECT 1 FROM open_rooms r WHERE r.room_nid = m.room_nid)
        OR EXISTS (SELECT 1 FROM members s WHERE s.user_nid = ? AND s.room_nid = m.room_nid
            AND s.membership = 1)))"""
# A user of whom several words fit is one result. A whole word stands before its continuations.
_GROUPED = """
    GROUP BY n.name, d.displayname, d.avatar_url, d.is_local ORDER BY min(w.place) LIMIT ?"""


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """A user as the directory shows them."""

    user_id: str
    displayname: str | None
    avatar_url: str | None
    is_local: bool


@dataclass(frozen=True, slots=True)
class DirectoryQuery:
    """Who searches whom."""

    searcher_nid: int
    words: Sequence[str]  # each begins a word of the user's
    everybody: bool = False  # not only whom the searcher may know from rooms
    only_local: bool = False
    with_locked: bool = False


class DirectoryStore:
    """Finds users; filled by a reader of the stream (`directory_feed`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, query: DirectoryQuery) -> list[DirectoryEntry]:
        """Some hundred users; not the searcher, and nobody whose account is closed."""
        if not query.words:
            return []
        rows = await self._database.scan(lambda reader: _find(reader, query))
        return [
            DirectoryEntry(name, shown, avatar, bool(local)) for name, shown, avatar, local in rows
        ]


def _find(reader: Reader, query: DirectoryQuery) -> list[Row]:
    # The longest word is likely to fit the fewest users. That of the server fits the most.
    first, *others = sorted(query.words, key=lambda word: (word[0] == ":", -len(word)))
    rows = _among(reader, query, _BY_WORD, [*_range(first), _MAX_EXAMINED], others)
    if reader.fetch(_IS_COMMON, *_range(first), _MAX_EXAMINED):
        known = _among(
            reader, query, _BY_ROOM, [query.searcher_nid, _MAX_EXAMINED], [first, *others]
        )
        rows = list(dict.fromkeys([*known, *rows]))
    return rows


def _among(
    reader: Reader, query: DirectoryQuery, candidates: str, values: list[object], words: list[str]
) -> list[Row]:
    """Those of the candidates who have these words and whom the query means."""
    sql = _FOUND.format(candidates=candidates)
    values = [*values, query.searcher_nid, int(query.with_locked)]
    for word in words:
        sql += _WITH_WORD
        values += _range(word)
    if query.only_local:
        sql += _LOCAL
    if not query.everybody:
        sql += _KNOWN
        values.append(query.searcher_nid)
    return reader.fetch(sql + _GROUPED, *values, _MAX_FOUND)


def _range(start: str) -> tuple[bytes, bytes]:
    """From where to where the words stand that begin so. No byte of UTF-8 is 0xFF."""
    return start.encode(), start.encode() + b"\xff"
