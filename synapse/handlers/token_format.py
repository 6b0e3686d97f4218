"""How access and refresh tokens look: `syt_<localpart>_<20 letters>_<checksum>`.

Scanners for leaked secrets know Synapse's tokens by their prefix and their checksum: the CRC-32 of
all before it in six digits of base 62. The localpart, in URL-safe base64, tells an administrator
whose token has leaked.
"""

import hashlib
import secrets
import string
import zlib
from base64 import urlsafe_b64encode

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def new_access_token(localpart: str) -> str:
    owner = urlsafe_b64encode(localpart.encode()).decode().rstrip("=")
    return _with_checksum(f"syt_{owner}_{random_letters(20)}")


def new_refresh_token(localpart: str) -> str:
    owner = urlsafe_b64encode(localpart.encode()).decode().rstrip("=")
    return _with_checksum(f"syr_{owner}_{random_letters(20)}")


def new_device_id() -> str:
    return "".join(secrets.choice(string.ascii_uppercase) for _ in range(10))


def random_letters(count: int) -> str:
    """5.7 bits each, from the system's secure source."""
    return "".join(secrets.choice(string.ascii_letters) for _ in range(count))


def token_hash(token: str) -> bytes:
    """What the database knows of a token."""
    return hashlib.sha256(token.encode()).digest()


def _with_checksum(text: str) -> str:
    return f"{text}_{_base62(zlib.crc32(text.encode()))}"


def _base62(number: int) -> str:
    digits = []
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
