"""From a resource's answer to the bytes of a response's head."""

import json
import time
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus

import orjson

import synapse
from synapse.api.errors import MatrixError
from synapse.http.response import Json, RawJson, Response

# Client-server API, "Web Browser Clients": on all responses, to every method.
_CORS = (
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n"
    "Access-Control-Allow-Headers: X-Requested-With, Content-Type, Authorization, Date\r\n"
)
_COMMON = f"Server: Synapse/{synapse.__version__}\r\n{_CORS}".encode()
_NOT_CACHED = "Cache-Control: no-cache, no-store, must-revalidate\r\n"
_JSON = f"Content-Type: application/json\r\n{_NOT_CACHED}".encode()
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
NO_BODY = (204, 304)

INTERNAL_ERROR = Response(
    500, orjson.dumps(MatrixError(500, "M_UNKNOWN", "Internal server error").body())
)


def to_response(result: Json) -> Response:
    """What a handler returned, as a response."""
    kind = type(result)
    if kind is dict or kind is list:
        return Response(200, orjson.dumps(result))
    if isinstance(result, Response):
        return result
    if isinstance(result, RawJson):
        return Response(200, result)
    return Response(200, orjson.dumps(result))


def error_response(error: MatrixError) -> Response:
    """A Matrix error, as a response."""
    body = error.body()
    try:
        text = orjson.dumps(body)
    except TypeError:
        # It quotes something that UTF-8 can't spell, such as a lone surrogate.
        text = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(error.status, text, headers=list(error.headers.items()))


def preflight_response() -> Response:
    """The answer to OPTIONS, whatever the path."""
    return Response(204, headers=[("Access-Control-Max-Age", "86400")])


def head(response: Response, length: int | None, connection: bytes) -> bytes:
    """The status line and headers. `length` None: the body is chunked, or ends with the
    connection; `connection` holds header lines about that, complete with their line ends."""
    lines = [_STATUS_LINES.get(response.status) or _unusual_status(response.status), _COMMON]
    if not response.headers and response.content_type == "application/json":
        lines.append(_JSON)
    else:
        lines.append(_own_headers(response))
    if length is not None and response.status not in NO_BODY:
        lines.append(b"Content-Length: %d\r\n" % length)
    lines.append(connection)
    lines.append(_date_line())
    return b"".join(lines)


def _own_headers(response: Response) -> bytes:
    names = {name.lower() for name, _ in response.headers}
    lines = []
    if response.status not in NO_BODY:
        if "content-type" not in names:
            lines.append(_header_line("Content-Type", response.content_type))
        if response.content_type == "application/json" and "cache-control" not in names:
            lines.append(_NOT_CACHED)
    lines += [_header_line(name, value) for name, value in response.headers]
    return "".join(lines).encode("latin-1", "replace")


def _header_line(name: str, value: str) -> str:
    # A line end in a value would start a header, or a body, of the value's choosing.
    return f"{name}: {value}\r\n" if value.isprintable() else f"{name}: {_printable(value)}\r\n"


def _printable(value: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in value)


def _unusual_status(status: int) -> bytes:
    return b"HTTP/1.1 %d Unknown\r\n" % status


_date: tuple[int, bytes] = (0, b"")


def _date_line() -> bytes:
    """The Date header and the end of the head; made anew once a second."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, f"Date: {formatdate(now, usegmt=True)}\r\n\r\n".encode())
    return _date[1]


def total_length(pieces: Sequence[bytes]) -> int:
    return sum(map(len, pieces))
