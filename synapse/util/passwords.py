"""Password hashes: the one place that says which bytes are hashed.

bcrypt is given the password in Unicode's NFKC form, so that "é" typed on one keyboard is "é" typed
on another, followed by the pepper. bcrypt reads 72 bytes and no more. Hashes made by Synapse ignore
what comes after, so we cut there on purpose: refusing long passwords would lock out those who have
one.
"""

import unicodedata

_BCRYPT_READS_BYTES = 72


def hash_password(password: str, rounds: int, pepper: str = "") -> str:
    """The value for `users.password_hash`, `$2b$…`. Takes a quarter of a second at 12 rounds."""
    import bcrypt

    return bcrypt.hashpw(_hashed_bytes(password, pepper), bcrypt.gensalt(rounds)).decode("ascii")


def check_password(password: str, password_hash: str, pepper: str = "") -> bool:
    """Whether the hash was made from this password; a hash that is not bcrypt's matches none."""
    import bcrypt

    try:
        return bcrypt.checkpw(_hashed_bytes(password, pepper), password_hash.encode("utf-8"))
    except ValueError:
        return False


def _hashed_bytes(password: str, pepper: str) -> bytes:
    # JSON can carry lone surrogates, which have no UTF-8: they must not end a log-in with an error.
    peppered = unicodedata.normalize("NFKC", password) + pepper
    return peppered.encode("utf-8", "surrogatepass")[:_BCRYPT_READS_BYTES]
