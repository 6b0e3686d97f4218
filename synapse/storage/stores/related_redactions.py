"""Redactions that take along what relates to the event, for what comes later."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction


class RelatedRedaction(NamedTuple):
    """What a user wants to be redacted with an event."""

    target_id: str
    user_nid: int
    rel_types: frozenset[str]
    content: dict[str, Any]


class RelatedRedactionStore:
    """Keeps them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, redaction: RelatedRedaction) -> None:
        """Remember what a user wants; what they wanted before of the same event is forgotten."""
        await self._database.write(_add, redaction)

    async def of(self, event_ids: Sequence[str]) -> list[RelatedRedaction]:
        """What is wanted of the relatives of events."""
        rows = await self._database.fetch(
            "SELECT target_id, user_nid, rel_types, content FROM related_redactions"
            " WHERE target_id = ANY(?)",
            list(event_ids),
        )
        return [
            RelatedRedaction(
                target_id, user_nid, frozenset(orjson.loads(types)), orjson.loads(content)
            )
            for target_id, user_nid, types, content in rows
        ]


def _add(txn: Transaction, redactions: list[RelatedRedaction]) -> None:
    newest = {(one.target_id, one.user_nid): one for one in redactions}
    txn.execute_many(
        """INSERT INTO related_redactions (target_id, user_nid, rel_types, content)
           VALUES (?, ?, ?, ?)
           ON CONFLICT (target_id, user_nid) DO UPDATE SET
               rel_types = excluded.rel_types, content = excluded.content""",
        [
            (
                *key,
                orjson.dumps(sorted(one.rel_types)).decode(),
                orjson.dumps(one.content),
            )
            for key, one in newest.items()
        ],
    )
