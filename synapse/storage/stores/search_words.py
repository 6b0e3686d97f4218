"""The words of all messages, each once, by their parts: how a search finds the middle of a word.

A part is looked for among the distinct words, of which there are far fewer than words in messages;
the words that hold it are then searched in the index of messages (`search_index`).

Each word names a message that holds it, its witness. When the witness is taken out of the index,
another one is sought, and without one the word goes: what a redaction or a retention policy takes
away doesn't stay here. (Counting the messages would mean to write ten rows for each one.)
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from synapse.storage.transaction import Reader, Transaction
from synapse.util.words import parts, parts_within

# The newest messages that hold words, by word; those that no message holds are missing.
Newest = Callable[[Transaction, Sequence[str]], dict[str, int]]

_KNOWN = "SELECT word FROM search_words WHERE word = ANY(?)"
_WITNESSED = "SELECT word FROM search_words WHERE word = ANY(?) AND event_nid = ANY(?)"


class SearchWords(ABC):
    """Knows the words that have parts."""

    def add(self, txn: Transaction, witnesses: dict[str, int]) -> None:
        """Take up words that messages hold, as far as they are new."""
        searchable = {word: found for word in witnesses if (found := parts(word))}
        known = {word for (word,) in txn.execute(_KNOWN, list(searchable))} if searchable else set()
        new = [
            (word, witnesses[word], " ".join(found))
            for word, found in searchable.items()
            if word not in known
        ]
        if new:
            self._insert(txn, new)

    def forget(
        self, txn: Transaction, words: Sequence[str], event_nids: Sequence[int], newest: Newest
    ) -> None:
        """These words' messages are no longer in the index."""
        rows = txn.execute(_WITNESSED, list(words), list(event_nids))
        if not rows:
            return
        orphans = [word for (word,) in rows]
        heirs = newest(txn, orphans)
        self._set_witnesses(txn, heirs)
        self._delete(txn, [word for word in orphans if word not in heirs])

    def around(self, reader: Reader, part: str, limit: int) -> list[str]:
        """Words with the part behind their beginning: the shortest, for they are the closest."""
        rows = self._around(reader, part, parts_within(part), limit)
        return [word for (word,) in rows]

    @abstractmethod
    def _insert(self, txn: Transaction, rows: list[tuple[str, int, str]]) -> None:
        """Words, their witnesses, and their parts with blanks in between."""

    @abstractmethod
    def _set_witnesses(self, txn: Transaction, witnesses: dict[str, int]) -> None: ...

    @abstractmethod
    def _delete(self, txn: Transaction, words: list[str]) -> None: ...

    @abstractmethod
    def _around(
        self, reader: Reader, part: str, within: list[str], limit: int
    ) -> list[tuple[str]]: ...


class SqliteWords(SearchWords):
    """A table of words, and one of FTS5 for their parts."""

    def _insert(self, txn: Transaction, rows: list[tuple[str, int, str]]) -> None:
        ((last,),) = txn.execute("SELECT coalesce(max(word_nid), 0) FROM search_words")
        numbered = list(enumerate(rows, last + 1))
        txn.execute_many(
            "INSERT INTO search_words (word_nid, word, event_nid) VALUES (?, ?, ?)",
            [(nid, word, event_nid) for nid, (word, event_nid, _) in numbered],
        )
        txn.execute_many(
            "INSERT INTO search_parts (rowid, parts) VALUES (?, ?)",
            [(nid, found) for nid, (_, _, found) in numbered],
        )

    def _set_witnesses(self, txn: Transaction, witnesses: dict[str, int]) -> None:
        txn.execute_many(
            "UPDATE search_words SET event_nid = ? WHERE word = ?",
            [(event_nid, word) for word, event_nid in witnesses.items()],
        )

    def _delete(self, txn: Transaction, words: list[str]) -> None:
        rows = txn.execute(
            "DELETE FROM search_words WHERE word = ANY(?) RETURNING word_nid, word", words
        )
        txn.execute_many(
            "INSERT INTO search_parts (search_parts, rowid, parts) VALUES ('delete', ?, ?)",
            [(nid, " ".join(parts(word))) for nid, word in rows],
        )

    def _around(self, reader: Reader, part: str, within: list[str], limit: int) -> list[tuple[str]]:
        return reader.fetch(
            """SELECT w.word FROM search_parts CROSS JOIN search_words w
                   ON w.word_nid = search_parts.rowid
               WHERE search_parts MATCH ? AND instr(w.word, ?) > 1
               ORDER BY length(w.word), w.word LIMIT ?""",
            " AND ".join(f'"{piece}"' for piece in within),
            part,
            limit,
        )


class PostgresWords(SearchWords):
    """A table of words with their parts, and a GIN index on these."""

    def _insert(self, txn: Transaction, rows: list[tuple[str, int, str]]) -> None:
        txn.execute_many(
            "INSERT INTO search_words (word, event_nid, parts) VALUES (?, ?, CAST(? AS tsvector))",
            rows,
        )

    def _set_witnesses(self, txn: Transaction, witnesses: dict[str, int]) -> None:
        # All of them are there; but only an INSERT takes many rows at once.
        txn.execute_many(
            "INSERT INTO search_words (word, event_nid, parts) VALUES (?, ?, '')"
            " ON CONFLICT (word) DO UPDATE SET event_nid = excluded.event_nid",
            list(witnesses.items()),
        )

    def _delete(self, txn: Transaction, words: list[str]) -> None:
        txn.execute("DELETE FROM search_words WHERE word = ANY(?)", words)

    def _around(self, reader: Reader, part: str, within: list[str], limit: int) -> list[tuple[str]]:
        return reader.fetch(
            """SELECT word FROM search_words
               WHERE parts @@ CAST(? AS tsquery) AND position(? IN word) > 1
               ORDER BY length(word), word LIMIT ?""",
            " & ".join(f"'{piece}'" for piece in within),
            part,
            limit,
        )
