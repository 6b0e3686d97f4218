"""Keys of other servers, and the documents that they come from."""

from collections.abc import Sequence

from synapse.crypto.server_keys import KeyDocument, KnownKeys, ServerKey, merged
from synapse.crypto.signing import VerifyKey
from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.transaction import Transaction

_KEYS = """
    SELECT server, key_id, public_key, valid_until_ms, expired_ms, fetched_ms FROM server_keys
    WHERE server = ANY(?)
"""
_UPSERT_KEY = """
    INSERT INTO server_keys (server, key_id, public_key, valid_until_ms, expired_ms, fetched_ms)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (server, key_id) DO UPDATE SET public_key = excluded.public_key,
        valid_until_ms = excluded.valid_until_ms, expired_ms = excluded.expired_ms,
        fetched_ms = excluded.fetched_ms
"""
_UPSERT_DOCUMENT = """
    INSERT INTO server_key_documents (server, fetched_ms, direct, json) VALUES (?, ?, ?, ?)
    ON CONFLICT (server, fetched_ms) DO UPDATE SET direct = excluded.direct, json = excluded.json
"""
_FORGET_DOCUMENTS = """
    DELETE FROM server_key_documents WHERE server = ANY(?) AND NOT EXISTS (
        SELECT 1 FROM server_keys k WHERE k.server = server_key_documents.server
            AND k.fetched_ms = server_key_documents.fetched_ms)
"""
_DOCUMENTS = "SELECT server, fetched_ms, json FROM server_key_documents WHERE server = ANY(?)"


class ServerKeyStore:
    """Remembers what servers say about their keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, servers: Sequence[str]) -> dict[str, KnownKeys]:
        """The keys of those servers of which there are any."""
        return _by_server(await self._database.fetch(_KEYS, list(servers)))

    async def add(self, documents: Sequence[KeyDocument]) -> dict[str, KnownKeys]:
        """Take up documents; what is known of their servers' keys then."""
        return await self._database.write(_add, documents)

    async def documents(self, servers: Sequence[str]) -> dict[tuple[str, int], bytes]:
        """The servers' documents, by server and `fetched_ms`, as canonical JSON."""
        rows = await self._database.fetch(_DOCUMENTS, list(servers))
        return {(server, fetched_ms): bytes(json) for server, fetched_ms, json in rows}


def _add(txn: Transaction, items: list[Sequence[KeyDocument]]) -> list[dict[str, KnownKeys]]:
    documents = [document for item in items for document in item]
    # In one order for all, so that processes don't wait for each other in a circle.
    servers = sorted({document.server for document in documents})
    before = _by_server(txn.execute(_KEYS, servers))
    after: dict[str, KnownKeys] = dict(before)
    for document in documents:
        after[document.server] = merged(after.get(document.server, {}), document)
    changed = [
        (server, key_id, key.key.public, key.valid_until_ms, key.expired_ms, key.fetched_ms)
        for server in servers
        for key_id, key in sorted(after[server].items())
        if before.get(server, {}).get(key_id) != key
    ]
    dropped = [
        (server, key_id)
        for server in servers
        for key_id in before.get(server, {})
        if key_id not in after[server]
    ]
    latest = {(document.server, document.fetched_ms): document for document in documents}
    txn.execute_many(_UPSERT_KEY, changed)
    txn.execute_many("DELETE FROM server_keys WHERE server = ? AND key_id = ?", dropped)
    txn.execute_many(
        _UPSERT_DOCUMENT,
        [
            (*key, int(document.is_direct), document.json)
            for key, document in sorted(latest.items())
        ],
    )
    txn.execute(_FORGET_DOCUMENTS, servers)
    return [{document.server: after[document.server] for document in item} for item in items]


def _by_server(rows: Sequence[Row]) -> dict[str, KnownKeys]:
    found: dict[str, dict[str, ServerKey]] = {}
    for server, key_id, public, valid_until_ms, expired_ms, fetched_ms in rows:
        key = VerifyKey(key_id, bytes(public))
        found.setdefault(server, {})[key_id] = ServerKey(
            key, valid_until_ms, expired_ms, fetched_ms
        )
    return dict(found)
