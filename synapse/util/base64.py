"""Unpadded base64 (appendices, "Unpadded Base64"): how Matrix writes binary values in JSON."""

import binascii

_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE = str.maketrans("-_", "+/")


def encode(data: bytes) -> bytes:
    """Unpadded base64 in ASCII bytes, ready to be spliced into JSON."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=")


def encode_url_safe(data: bytes) -> bytes:
    """The same with `-` and `_` for the last two symbols."""
    return encode(data).translate(_TO_URL_SAFE)


def from_url_safe(text: str) -> str:
    """The same text in the usual alphabet, in which `decode` reads it."""
    return text.translate(_FROM_URL_SAFE)


def decode(text: str) -> bytes:
    """The bytes that `text` stands for, with or without padding. Raises `ValueError`."""
    stripped = text.rstrip("=")
    return binascii.a2b_base64(stripped + "=" * (-len(stripped) % 4), strict_mode=True)
