"""Push rules: what each user has made of the predefined ones, as one document.

A change is made inside the transaction that stores it, so that of two changes at the same time
neither is lost.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from synapse.api.errors import MatrixError
from synapse.storage.database import Database
from synapse.storage.stores.unread_counting import Listener
from synapse.storage.transaction import Transaction

# From the document as it is (None: there is none yet) to the one to store. May raise `MatrixError`,
# and may be called again if the transaction has to be.
Edit = Callable[[bytes | None], bytes]


# As whom the user hears a room with such a document.
Hear = Callable[[bytes | None, str], Listener]


class RoomDocument(NamedTuple):
    """The document of a member of a room."""

    user_nid: int
    user_id: str
    json: bytes


@dataclass(frozen=True, slots=True)
class _Change:
    user_nid: int
    edit: Edit
    hear: Hear


_DOCUMENT = "SELECT json FROM push_rules WHERE user_nid = ?"
_CHANGED_DOCUMENT = "SELECT json FROM push_rules WHERE user_nid = ? AND stream > ?"
_DOCUMENTS = "SELECT user_nid, json FROM push_rules WHERE user_nid = ANY(?)"
_DOCUMENTS_IN = """
    SELECT p.user_nid, n.name, p.json
    FROM members m JOIN push_rules p ON p.user_nid = m.user_nid JOIN names n ON n.nid = m.user_nid
    WHERE m.room_nid = ? AND m.membership = 1"""
# CROSS JOIN: these users, and not all members.
_DOCUMENTS_OF = """
    SELECT p.user_nid, n.name, p.json FROM push_rules p
    CROSS JOIN members m JOIN names n ON n.nid = p.user_nid
    WHERE p.user_nid = ANY(?) AND m.user_nid = p.user_nid AND m.room_nid = ? AND m.membership = 1
"""
_JOINED = """
    SELECT m.room_nid, r.room_id, r.loud, r.shouts, r.last_nid, COALESCE((
        SELECT MAX(l.until_nid) FROM past_listeners l
        WHERE l.user_nid = m.user_nid AND l.room_nid = m.room_nid), 0)
    FROM members m JOIN rooms r ON r.room_nid = m.room_nid
    WHERE m.user_nid = ? AND m.membership = 1"""
# Serves keeping the table small: what was read by the rules of its time needs none of them.
_FORGET_PAST = """
    DELETE FROM past_listeners WHERE user_nid = ? AND EXISTS (
        SELECT 1 FROM read_points p
        WHERE p.user_nid = past_listeners.user_nid AND p.room_nid = past_listeners.room_nid
        AND p.thread_id = '' AND p.event_nid >= past_listeners.until_nid)"""
_INSERT_PAST = """
    INSERT INTO past_listeners (user_nid, room_nid, until_nid, listener, quiet, loud, shouts)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
_UPSERT = """
    INSERT INTO push_rules (user_nid, json, stream) VALUES (?, ?, ?)
    ON CONFLICT (user_nid) DO UPDATE SET json = excluded.json, stream = excluded.stream
"""


class PushRuleStore:
    """Remembers users' push rules."""

    def __init__(
        self, database: Database, moved: Callable[[int, int, Sequence[int]], object]
    ) -> None:
        """`moved(user_nid, stream, rooms)` is told of each change, after its commit, with the
        room_nids of the rooms that the user is in.
        """
        self._database = database
        self._moved = moved

    async def document(self, user_nid: int) -> bytes | None:
        """The user's document; None: there is none."""
        row = await self._database.fetch_one(_DOCUMENT, user_nid)
        return None if row is None else row[0]

    async def document_since(self, user_nid: int, stream: int) -> bytes | None:
        """The user's document, if it has changed after a position."""
        row = await self._database.fetch_one(_CHANGED_DOCUMENT, user_nid, stream)
        return None if row is None else row[0]

    async def documents_in(
        self, room_nid: int, user_nids: set[int] | None = None
    ) -> list[RoomDocument]:
        """The documents of a room's members, or of those among them who are named."""
        if user_nids is None:
            # It looks at all members.
            rows = await self._database.scan(lambda reader: reader.fetch(_DOCUMENTS_IN, room_nid))
        else:
            rows = await self._database.fetch(_DOCUMENTS_OF, list(user_nids), room_nid)
        return [RoomDocument(*row) for row in rows]

    async def change(self, user_nid: int, edit: Edit, hear: Hear) -> None:
        """Store what `edit` makes of the document, and what the user had not read by the old one.

        Raises the `MatrixError` that `edit` raises.
        """
        refusal = await self._database.write(self._change, _Change(user_nid, edit, hear))
        if refusal is not None:
            raise refusal

    def _change(self, txn: Transaction, changes: list[_Change]) -> list[MatrixError | None]:
        first = txn.stream(len(changes))
        rows = txn.execute(_DOCUMENTS, list({change.user_nid for change in changes}))
        documents: dict[int, bytes] = dict(rows)
        changed: dict[int, tuple[int, list[int]]] = {}
        refusals: list[MatrixError | None] = []
        for stream, change in enumerate(changes, first):
            known = documents.get(change.user_nid)
            try:
                edited = change.edit(known)
            except MatrixError as error:
                # Others' writes share the transaction: it must not fail.
                refusals.append(error)
                continue
            refusals.append(None)
            if edited != known:
                documents[change.user_nid] = edited
                rooms = self._keep_past(txn, change, stream, known, edited)
                changed[change.user_nid] = stream, rooms
        txn.execute_many(
            _UPSERT, [(nid, documents[nid], stream) for nid, (stream, _) in changed.items()]
        )
        txn.after_commit(lambda: self._announce(changed))
        return refusals

    def _keep_past(
        self, txn: Transaction, change: _Change, stream: int, old: bytes | None, new: bytes
    ) -> list[int]:
        """Remember as whom the user heard the rooms that sound different now; all their rooms."""
        past = []
        txn.execute(_FORGET_PAST, change.user_nid)
        rooms = txn.execute(_JOINED, change.user_nid)
        for room_nid, room_id, loud, shouts, last_nid, past_until in rooms:
            if last_nid <= past_until:
                continue  # nothing was said since the rules last changed
            before = change.hear(old, room_id)
            if before != change.hear(new, room_id):
                heard = (before.key, before.flags)
                past.append((change.user_nid, room_nid, stream, *heard, loud, shouts))
        txn.execute_many(_INSERT_PAST, past)
        return [room[0] for room in rooms]

    def _announce(self, changed: dict[int, tuple[int, list[int]]]) -> None:
        for user_nid, (stream, rooms) in changed.items():
            self._moved(user_nid, stream, rooms)
