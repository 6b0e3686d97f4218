"""Compressed bodies, with a bound on what comes out."""

import zlib

from synapse.http.client.errors import RequestFailed, Step


class TooMuch(Exception):
    """More came out than there may be."""


class Gunzip:
    """Decompresses a body piece by piece. A bomb is noticed before it is in memory."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(31)

    def feed(self, data: bytes, most_bytes: int) -> bytes:
        """Raises `TooMuch` and `RequestFailed`."""
        try:
            out = self._inflater.decompress(data, most_bytes + 1)
        except zlib.error:
            raise RequestFailed(
                Step.HTTP, "the body is not the gzip that it claims to be"
            ) from None
        if len(out) > most_bytes:
            raise TooMuch
        if self._inflater.unused_data:
            raise RequestFailed(Step.HTTP, "something follows the end of the body's gzip")
        return out

    def end(self) -> None:
        if not self._inflater.eof:
            raise RequestFailed(Step.HTTP, "the body's gzip ends early")
