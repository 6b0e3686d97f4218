"""What a resource answers with."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

# A body in one piece, in pieces whose sum is known, or as a stream.
Body: TypeAlias = bytes | list[bytes] | AsyncIterator[bytes]


class Response:
    """An answer whose status, type or headers differ from "200 with JSON".

    Headers are (name, value) pairs of Latin-1 text. A streamed body is sent as it comes, at the
    pace of the client; if `length` says how long it will be, the client can show its progress.
    """

    __slots__ = ("body", "content_type", "headers", "length", "status")

    def __init__(
        self,
        status: int = 200,
        body: Body = b"",
        content_type: str = "application/json",
        headers: Sequence[tuple[str, str]] = (),
        length: int | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = list(headers)
        self.length = length


class RawJson(bytes):
    """JSON that is already serialised, sent with status 200.

    It is a copy: what may have megabytes is the `body` of a `Response`.
    """

    __slots__ = ()


Json: TypeAlias = dict[str, Any] | list[Any] | RawJson | Response
