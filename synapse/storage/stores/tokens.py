"""Access and refresh tokens, known only by their SHA-256.

A refresh token is exchanged for a new pair of tokens, and stays good until the new pair is used for
the first time: a client that lost the answer can ask again. So an exchanged refresh token points
at its successor (`next_hash`), each access token names the refresh token that was given out with
it (`refresh_hash`), and the first use of either new token ends everything older:

    log-in:   R1, A1 (refresh_hash R1)
    refresh:  R1.next_hash = R2;  R2, A2 (refresh_hash R2, used 0)
    A2 or R2 is used:  whatever points at R2 goes, which is R1, and A1 with it
"""

from dataclasses import dataclass

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Session:
    """What an access token stands for."""

    token_nid: int
    user_nid: int
    user_id: str
    device_nid: int | None
    device_id: str | None
    expires_ms: int | None
    is_used: bool
    is_guest: bool
    is_admin: bool
    is_locked: bool
    last_seen_ms: int | None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a refresh token stands for."""

    user_nid: int
    user_id: str
    is_locked: bool
    expires_ms: int | None
    session_expires_ms: int | None


@dataclass(frozen=True, slots=True)
class NewTokens:
    """An access token, and perhaps a refresh token, to give out."""

    access_hash: bytes
    access_expires_ms: int | None
    refresh_hash: bytes | None = None
    refresh_expires_ms: int | None = None
    session_expires_ms: int | None = None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A log-in: the tokens for a device, which is made if it isn't there."""

    user_nid: int
    device_id: str
    display_name: str | None
    now_ms: int
    tokens: NewTokens


@dataclass(frozen=True, slots=True)
class Exchange:
    """A refresh token to exchange."""

    old_hash: bytes
    now_ms: int
    tokens: NewTokens


_SESSION = """
    SELECT t.token_nid, t.user_nid, u.name, t.device_nid, d.device_id, t.expires_ms,
        t.used, u.guest, u.admin, u.locked, d.last_seen_ms
    FROM access_tokens t
    JOIN users u ON u.user_nid = t.user_nid
    LEFT JOIN devices d ON d.device_nid = t.device_nid
    WHERE t.token_hash = ?
"""
_REFRESH_TOKEN = """
    SELECT r.user_nid, u.name, u.locked, r.expires_ms, r.session_expires_ms
    FROM refresh_tokens r JOIN users u ON u.user_nid = r.user_nid
    WHERE r.token_hash = ?
"""
_DEVICE = """
    INSERT INTO devices (user_nid, device_id, display_name, created_ms) VALUES (?, ?, ?, ?)
    ON CONFLICT (user_nid, device_id) DO UPDATE SET device_id = excluded.device_id
    RETURNING device_nid
"""
_ACCESS = """
    INSERT INTO access_tokens (token_hash, token_nid, user_nid, device_nid, created_ms,
        expires_ms, validated_ms, used, refresh_hash)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_REFRESH = """
    INSERT INTO refresh_tokens (token_hash, user_nid, device_nid, expires_ms, session_expires_ms)
    VALUES (?, ?, ?, ?, ?)
"""
_EXCHANGED = """
    SELECT user_nid, device_nid, next_hash FROM refresh_tokens WHERE token_hash = ?
"""
_PREDECESSORS = """
    DELETE FROM refresh_tokens WHERE user_nid = ? AND device_nid = ? AND next_hash = ?
    RETURNING token_hash
"""
_ACCESS_WITH = """
    DELETE FROM access_tokens WHERE user_nid = ? AND device_nid = ? AND refresh_hash = ?
    RETURNING validated_ms
"""
_FIRST_USE = """
    UPDATE access_tokens SET used = 1 WHERE token_hash = ? AND used = 0
    RETURNING user_nid, device_nid, refresh_hash
"""
_VALIDATED = "SELECT validated_ms FROM access_tokens WHERE user_nid = ? AND token_nid = ?"


class TokenStore:
    """Remembers tokens, and the sessions they open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def session(self, access_hash: bytes) -> Session | None:
        row = await self._database.fetch_one(_SESSION, access_hash)
        if row is None:
            return None
        token_nid, user_nid, user_id, device_nid, device_id, expires_ms = row[:6]
        is_used, is_guest, is_admin, is_locked = map(bool, row[6:10])
        return Session(
            token_nid=token_nid,
            user_nid=user_nid,
            user_id=user_id,
            device_nid=device_nid,
            device_id=device_id,
            expires_ms=expires_ms,
            is_used=is_used,
            is_guest=is_guest,
            is_admin=is_admin,
            is_locked=is_locked,
            last_seen_ms=row[10],
        )

    async def refresh_token(self, refresh_hash: bytes) -> RefreshToken | None:
        row = await self._database.fetch_one(_REFRESH_TOKEN, refresh_hash)
        if row is None:
            return None
        user_nid, user_id, locked, expires_ms, session_expires_ms = row
        return RefreshToken(user_nid, user_id, bool(locked), expires_ms, session_expires_ms)

    async def start(self, session: NewSession) -> None:
        """Log in; tokens that the device had before are no longer good."""
        await self._database.write(self._start, session)

    async def exchange(self, exchange: Exchange) -> bool:
        """Exchange a refresh token; False if it is no longer good."""
        return await self._database.write(self._exchange, exchange)

    async def first_used(self, access_hash: bytes) -> None:
        """An access token was used for the first time: end the tokens before it."""
        await self._database.write(self._first_used, access_hash)

    async def validated(self, user_nid: int, token_nid: int, now_ms: int) -> None:
        """The token's user has just proved who they are."""
        await self._database.write(self._validated, (now_ms, user_nid, token_nid))

    async def validated_ms(self, user_nid: int, token_nid: int) -> int:
        """When the token's user last proved who they are."""
        row = await self._database.fetch_one(_VALIDATED, user_nid, token_nid)
        return 0 if row is None else row[0]

    async def revoke(self, user_nid: int, token_nid: int) -> None:
        """End a token that belongs to no device."""
        await self._database.write(self._revoke, (user_nid, token_nid))

    def _start(self, txn: Transaction, sessions: list[NewSession]) -> None:
        token_nid = txn.stream(len(sessions))
        for nid, session in enumerate(sessions, token_nid):
            user_nid, now_ms, tokens = session.user_nid, session.now_ms, session.tokens
            device = (user_nid, session.device_id, session.display_name, now_ms)
            ((device_nid,),) = txn.execute(_DEVICE, *device)
            for table in ("access_tokens", "refresh_tokens"):
                txn.execute(
                    f"DELETE FROM {table} WHERE user_nid = ? AND device_nid = ?",
                    user_nid,
                    device_nid,
                )
            # Counts as used: there is nothing before it that its first use would end.
            _insert(txn, nid, (user_nid, device_nid), now_ms, now_ms, tokens, used=1)

    def _exchange(self, txn: Transaction, exchanges: list[Exchange]) -> list[bool]:
        token_nid = txn.stream(len(exchanges))
        return [_exchange_one(txn, nid, item) for nid, item in enumerate(exchanges, token_nid)]

    def _first_used(self, txn: Transaction, access_hashes: list[bytes]) -> None:
        for access_hash in access_hashes:
            for user_nid, device_nid, refresh_hash in txn.execute(_FIRST_USE, access_hash):
                _end_before(txn, (user_nid, device_nid), refresh_hash)

    def _validated(self, txn: Transaction, items: list[tuple[int, int, int]]) -> None:
        txn.execute_many(
            "UPDATE access_tokens SET validated_ms = ? WHERE user_nid = ? AND token_nid = ?", items
        )

    def _revoke(self, txn: Transaction, items: list[tuple[int, int]]) -> None:
        txn.execute_many("DELETE FROM access_tokens WHERE user_nid = ? AND token_nid = ?", items)


def _exchange_one(txn: Transaction, token_nid: int, exchange: Exchange) -> bool:
    found = txn.execute(_EXCHANGED, exchange.old_hash)
    if not found:
        return False
    user_nid, device_nid, next_hash = found[0]
    owner = (user_nid, device_nid)
    validated = _end_before(txn, owner, exchange.old_hash)
    if next_hash is not None:
        # The answer to an earlier exchange got lost: its tokens were never used.
        txn.execute("DELETE FROM refresh_tokens WHERE token_hash = ?", next_hash)
        validated += [ms for (ms,) in txn.execute(_ACCESS_WITH, *owner, next_hash)]
    validated += [
        ms
        for (ms,) in txn.execute(
            "SELECT validated_ms FROM access_tokens"
            " WHERE user_nid = ? AND device_nid = ? AND refresh_hash = ?",
            *owner,
            exchange.old_hash,
        )
    ]
    _insert(
        txn, token_nid, owner, exchange.now_ms, max(validated, default=0), exchange.tokens, used=0
    )
    txn.execute(
        "UPDATE refresh_tokens SET next_hash = ? WHERE token_hash = ?",
        exchange.tokens.refresh_hash,
        exchange.old_hash,
    )
    return True


def _insert(
    txn: Transaction,
    token_nid: int,
    owner: tuple[int, int],
    now_ms: int,
    validated_ms: int,
    tokens: NewTokens,
    *,
    used: int,
) -> None:
    validity = (now_ms, tokens.access_expires_ms, validated_ms, used, tokens.refresh_hash)
    txn.execute(_ACCESS, tokens.access_hash, token_nid, *owner, *validity)
    if tokens.refresh_hash is not None:
        txn.execute(
            _REFRESH,
            tokens.refresh_hash,
            *owner,
            tokens.refresh_expires_ms,
            tokens.session_expires_ms,
        )


def _end_before(txn: Transaction, owner: tuple[int, int], refresh_hash: bytes) -> list[int]:
    """End what was exchanged for `refresh_hash`; when users of the ended tokens were validated."""
    validated: list[int] = []
    for (predecessor,) in txn.execute(_PREDECESSORS, *owner, refresh_hash):
        validated += [ms for (ms,) in txn.execute(_ACCESS_WITH, *owner, predecessor)]
    return validated
