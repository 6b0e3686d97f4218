"""OpenID tokens: who shows one to another service is the user that it was made for."""

from dataclasses import dataclass

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class OpenIdToken:
    """A token to remember."""

    token_hash: bytes  # SHA-256
    user_nid: int
    expires_ms: int


_USER = """
    SELECT u.name FROM openid_tokens t JOIN users u ON u.user_nid = t.user_nid
    WHERE t.token_hash = ? AND t.expires_ms > ? AND u.deactivated = 0 AND u.locked = 0
"""


class OpenIdStore:
    """Remembers tokens until they expire."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: OpenIdToken) -> None:
        await self._database.write(_add, token)

    async def user_of(self, token_hash: bytes, now_ms: int) -> str | None:
        """The id of the user whom a token proves, if it is valid and so is the account."""
        row = await self._database.fetch_one(_USER, token_hash, now_ms)
        return None if row is None else row[0]

    async def forget_expired(self, now_ms: int) -> None:
        await self._database.write(_forget_expired, now_ms)


def _add(txn: Transaction, tokens: list[OpenIdToken]) -> None:
    txn.execute_many(
        "INSERT INTO openid_tokens (token_hash, user_nid, expires_ms) VALUES (?, ?, ?)",
        [(token.token_hash, token.user_nid, token.expires_ms) for token in tokens],
    )


def _forget_expired(txn: Transaction, times: list[int]) -> None:
    txn.execute("DELETE FROM openid_tokens WHERE expires_ms <= ?", max(times))
