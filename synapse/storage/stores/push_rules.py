"""Push rules: what each user has made of the predefined ones, as one document.

A change is made inside the transaction that stores it, so that of two changes at the same time
neither is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass

from synapse.api.errors import MatrixError
from synapse.storage.database import Database
from synapse.storage.transaction import Transaction

# From the document as it is (None: there is none yet) to the one to store. May raise `MatrixError`,
# and may be called again if the transaction has to be.
Edit = Callable[[bytes | None], bytes]


@dataclass(frozen=True, slots=True)
class _Change:
    user_nid: int
    edit: Edit


_DOCUMENT = "SELECT json FROM push_rules WHERE user_nid = ?"
_CHANGED_DOCUMENT = "SELECT json FROM push_rules WHERE user_nid = ? AND stream > ?"
_DOCUMENTS = "SELECT user_nid, json FROM push_rules WHERE user_nid = ANY(?)"
_UPSERT = """
    INSERT INTO push_rules (user_nid, json, stream) VALUES (?, ?, ?)
    ON CONFLICT (user_nid) DO UPDATE SET json = excluded.json, stream = excluded.stream
"""


class PushRuleStore:
    """Remembers users' push rules."""

    def __init__(self, database: Database, moved: Callable[[int, int], object]) -> None:
        """`moved(user_nid, stream)` is told of each change, after its commit."""
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

    async def change(self, user_nid: int, edit: Edit) -> None:
        """Store what `edit` makes of the document. Raises the `MatrixError` that it raises."""
        refusal = await self._database.write(self._change, _Change(user_nid, edit))
        if refusal is not None:
            raise refusal

    def _change(self, txn: Transaction, changes: list[_Change]) -> list[MatrixError | None]:
        first = txn.stream(len(changes))
        rows = txn.execute(_DOCUMENTS, list({change.user_nid for change in changes}))
        documents: dict[int, bytes] = dict(rows)
        changed: dict[int, int] = {}
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
                changed[change.user_nid] = stream
        txn.execute_many(
            _UPSERT, [(nid, documents[nid], stream) for nid, stream in changed.items()]
        )
        txn.after_commit(lambda: self._announce(changed))
        return refusals

    def _announce(self, changed: dict[int, int]) -> None:
        for user_nid, stream in changed.items():
            self._moved(user_nid, stream)
