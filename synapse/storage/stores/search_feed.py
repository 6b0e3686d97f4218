"""What the search index takes up from the stream: texts of events, until a redaction ends it.

Nothing of rooms that are encrypted is indexed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from synapse.api.constants import EventTypes
from synapse.events.searchable import TYPE_OF_KEY, text_of
from synapse.storage.sql import Row
from synapse.storage.stores.events import REJECTED, SOFT_FAILED
from synapse.storage.stores.search_index import Document, SearchIndex
from synapse.storage.stream_readers import Stretch
from synapse.storage.transaction import Reader, Transaction
from synapse.util.words import words

_TYPES = (*TYPE_OF_KEY.values(), EventTypes.REDACTION)

_TEXTS = """
    SELECT e.event_nid, e.room_nid, e.json FROM events e
    WHERE e.event_nid > ? AND e.event_nid <= ? AND e.type_nid = ANY(?)
    AND e.pos IS NOT NULL AND e.redacted_by IS NULL AND e.flags & ? = 0
    AND NOT EXISTS (
        SELECT 1 FROM room_state s WHERE s.room_nid = e.room_nid AND s.slot_nid = ?)
"""
_ENCRYPTION = """
    SELECT s.slot_nid FROM slots s JOIN names t ON t.nid = s.type_nid
    JOIN names k ON k.nid = s.key_nid WHERE t.name = ? AND k.name = ''
"""
_REDACTED = """
    SELECT e.event_nid, e.room_nid, r.json FROM events e
    JOIN redacted_events r ON r.event_nid = e.event_nid
    WHERE e.event_id = ANY(?) AND e.redacted_by IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What a stretch of the stream adds, and which events it redacts."""

    documents: list[Document]
    redacted_ids: list[str]


class SearchFeed:
    """The work of the reader of the stream that fills the search index."""

    def __init__(self, index: SearchIndex) -> None:
        self._index = index

    def gather(self, reader: Reader, stretch: Stretch) -> Found | None:
        names = reader.fetch("SELECT name, nid FROM names WHERE name = ANY(?)", list(_TYPES))
        types: dict[str, int] = dict(names)
        redaction = types.pop(EventTypes.REDACTION, 0)
        (encryption,) = reader.fetch_one(_ENCRYPTION, EventTypes.ENCRYPTION) or (0,)
        rows = reader.fetch(
            _TEXTS,
            stretch.after,
            stretch.up_to,
            list(types.values()),
            REJECTED | SOFT_FAILED,
            encryption,
        )
        redactions = reader.fetch(
            "SELECT json FROM events WHERE event_nid > ? AND event_nid <= ? AND type_nid = ?",
            stretch.after,
            stretch.up_to,
            redaction,
        )
        found = Found(list(_documents(rows)), list(_targets(redactions)))
        return found if found.documents or found.redacted_ids else None

    def write(self, txn: Transaction, gathered: Found) -> None:
        self._index.add(txn, gathered.documents)
        if gathered.redacted_ids:
            originals = list(_documents(txn.execute(_REDACTED, gathered.redacted_ids)))
            known = self._index.indexed(txn, [original.event_nid for original in originals])
            self._index.remove(txn, [o for o in originals if o.event_nid in known])


def _documents(rows: Iterable[Row]) -> Iterable[Document]:
    for nid, room_nid, json in rows:
        if found := words(text_of(orjson.loads(json))):
            yield Document(nid, room_nid, found)


def _targets(rows: Iterable[Row]) -> Iterable[str]:
    """The events that redactions name, wherever their room's version writes it."""
    for (json,) in rows:
        event = orjson.loads(json)
        for target in (event.get("redacts"), event["content"].get("redacts")):
            if isinstance(target, str) and "\0" not in target:
                yield target
