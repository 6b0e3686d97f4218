"""From bytes to requests: no I/O, no reactor.

llhttp (through httptools) knows HTTP's grammar and refuses two Content-Lengths, a Content-Length
beside Transfer-Encoding, and most other ways in which two readers of one request could disagree.
What it leaves to us stands here: the number and size of headers, Host, the size of bodies, the
forms of a request's target, and `Upgrade`, which we ignore.

One call of `feed` may complete several requests (pipelining); they wait in `ready`.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from synapse.api.errors import MatrixError, TooLarge, Unrecognized
from synapse.http.limits import Limits
from synapse.http.request import Request
from synapse.http.resource import MEBIBYTE
from synapse.http.routing import Handler, Route, Router


class Phase(Enum):
    IDLE = "idle"  # between requests
    HEAD = "head"
    BODY = "body"
    ENDED = "ended"  # nothing that follows will be read


class Incoming:
    """A request that has been read, with what will answer it: a handler or an error."""

    __slots__ = ("error", "handler", "keep_alive", "parameters", "request", "route")

    def __init__(self, request: Request, keep_alive: bool) -> None:
        self.request = request
        self.keep_alive = keep_alive
        self.route: Route | None = None
        self.handler: Handler | None = None
        self.parameters: dict[str, str] = {}
        self.error: MatrixError | None = None


# Makes a request of method, target, headers and HTTP version; knows the peer and the listener.
MakeRequest = Callable[[str, str, dict[bytes, bytes], str], Request]


class _Refused(Exception):
    """Stops the parser."""


class RequestReader:
    """Reads the requests of one connection."""

    def __init__(self, limits: Limits, router: Router, make_request: MakeRequest) -> None:
        self.ready: deque[Incoming] = deque()
        self.phase = Phase.IDLE
        # The rest of what the client sent was not read.
        self.refused = False
        self.expects_continue = False
        self.body_bytes = 0
        self._limits = limits
        self._router = router
        self._make_request = make_request
        self._parser = HttpRequestParser(self)
        self._fed_bytes = 0
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_count = 0
        self._body: list[bytes] = []
        self._body_limit = 0
        self._upgrading = False
        self._incoming: Incoming | None = None

    def feed(self, data: bytes) -> None:
        """Read `data`. Never raises; what can't be read becomes a refusal in `ready`."""
        self._fed_bytes += len(data)
        while data and self.phase is not Phase.ENDED:
            data = self._parse(data)
        if self.phase is Phase.HEAD and self._fed_bytes > self._limits.head_bytes:
            self.refuse(_head_too_large())
        elif self.phase is Phase.BODY and self._fed_bytes > self._most_raw_bytes():
            self.refuse(self._too_large())

    def _parse(self, data: bytes) -> bytes:
        """Give `data` to llhttp; returns what it has left over."""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._ignore_upgrade()
            return data[upgrade.args[0] :]
        except HttpParserCallbackError as error:
            if not isinstance(error.__context__, _Refused):
                raise
        except HttpParserInvalidMethodError:
            self.refuse(Unrecognized(405))
        except HttpParserError as error:
            self.refuse(MatrixError(400, "M_UNKNOWN", f"This is not an HTTP request: {error}"))
        return b""

    def refuse(self, error: MatrixError) -> None:
        """Answer what is being read with `error`, and read no further."""
        if self.phase is Phase.ENDED:
            return
        self.refused = True
        incoming = self._incoming
        if incoming is None:
            target = self._target.decode("latin-1") or "-"
            incoming = Incoming(self._make_request("-", target, self._headers, "1.1"), False)
        if incoming.error is None:
            incoming.error = error
        self._end(incoming)

    # What llhttp calls.

    def on_message_begin(self) -> None:
        self.phase = Phase.HEAD
        self._target = b""
        self._headers = {}
        self._header_count = 0

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        if self.phase is Phase.BODY:
            return  # a trailer
        name = name.lower()
        if name not in self._headers:
            self._headers[name] = value
        elif name == b"host":
            self._stop(MatrixError(400, "M_UNKNOWN", "The request has two Host headers"))
        else:
            self._headers[name] += (b"; " if name == b"cookie" else b", ") + value

    def on_headers_complete(self) -> None:
        parser = self._parser
        headers = self._headers
        method = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        target = _origin_form(self._target.decode("latin-1"))
        request = self._make_request(method, target, headers, version)
        self._incoming = incoming = Incoming(request, parser.should_keep_alive())
        self._check_head(method, version)
        self._body_limit = self._find_handler(incoming)
        self.phase = Phase.BODY
        self.body_bytes = 0
        self._upgrading = parser.should_upgrade()
        length = headers.get(b"content-length")
        if length is not None or b"transfer-encoding" in headers:
            if length is not None and int(length) > self._body_limit:
                self._stop(self._too_large())
            self._fed_bytes = 0
            if b"expect" in headers and headers[b"expect"].lower() == b"100-continue":
                self._expect_continue(incoming)

    def on_body(self, part: bytes) -> None:
        self.body_bytes += len(part)
        if self.body_bytes > self._body_limit:
            self._stop(self._too_large())
        self._body.append(part)

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        incoming = self._incoming
        assert incoming is not None, "a message ends after its headers"
        if self._body:
            incoming.request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._body = []
        if incoming.keep_alive:
            self._incoming = None
            self._fed_bytes = 0
            self.phase = Phase.IDLE
            self.expects_continue = False
            self.ready.append(incoming)
        else:
            self._end(incoming)

    # How that is judged.

    def _check_head(self, method: str, version: str) -> None:
        """Refuse what llhttp lets pass."""
        headers = self._headers
        if self._header_count > self._limits.headers:
            self._stop(_head_too_large())
        if self._fed_bytes > self._limits.head_bytes:
            # Part of it may be body, or the next request.
            size = sum(len(name) + len(value) + 4 for name, value in headers.items())
            if size + len(self._target) > self._limits.head_bytes:
                self._stop(_head_too_large())
        if version == "1.1":
            if b"host" not in headers:
                self._stop(MatrixError(400, "M_UNKNOWN", "The request has no Host header"))
        elif version != "1.0":
            self._stop(MatrixError(400, "M_UNKNOWN", "This server speaks HTTP/1.1"))
        elif b"transfer-encoding" in headers:
            # RFC 9112, section 6.1: faulty framing, perhaps a smuggled request.
            self._stop(MatrixError(400, "M_UNKNOWN", "HTTP/1.0 has no Transfer-Encoding"))
        if method == "CONNECT":
            self._stop(Unrecognized(405))

    def _find_handler(self, incoming: Incoming) -> int:
        """Route the request, so that its body's limit is known before the body is read."""
        request = incoming.request
        if request.method == "OPTIONS":
            return MEBIBYTE
        if not request.path.startswith("/"):
            self._stop(MatrixError(400, "M_UNKNOWN", "The request's target is not a path"))
        try:
            route, incoming.parameters = self._router.find(request.path)
            incoming.route = route
            incoming.handler = route.handler(request.method)
        except MatrixError as error:
            # The body is read and dropped, so that the connection can go on.
            incoming.error = error
            return MEBIBYTE
        return route.max_body_bytes

    def _expect_continue(self, incoming: Incoming) -> None:
        if incoming.error is not None:
            # The client waits for leave to send a body that would be dropped: answer instead.
            self._stop(incoming.error)
        self.expects_continue = incoming.request.version == "1.1"

    def _ignore_upgrade(self) -> None:
        """Read a request with `Upgrade` as if it had none, as RFC 9110, section 7.8 allows.

        llhttp stops after its headers. A new parser is told about the body, and reads on.
        """
        self._upgrading = False
        headers = self._headers
        self._parser = HttpRequestParser(_BodyOnly(self))
        if b"transfer-encoding" in headers:
            framing = b"Transfer-Encoding: " + headers[b"transfer-encoding"]
        else:
            framing = b"Content-Length: " + headers.get(b"content-length", b"0")
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")

    def _most_raw_bytes(self) -> int:
        # Chunks may be small, and carry extensions and trailers; but not for ever.
        return self._limits.head_bytes + 8 * self._body_limit

    def _too_large(self) -> MatrixError:
        return TooLarge(f"The body may have at most {self._body_limit} bytes")

    def _stop(self, error: MatrixError) -> None:
        self.refuse(error)
        raise _Refused

    def _end(self, incoming: Incoming) -> None:
        incoming.keep_alive = False
        self._incoming = None
        self._body = []
        self.expects_continue = False
        self.phase = Phase.ENDED
        self.ready.append(incoming)


class _BodyOnly:
    """Passes on what follows the headers, until the next request begins."""

    def __init__(self, reader: RequestReader) -> None:
        self._reader = reader
        self._in_first = True
        self.on_body = reader.on_body

    def on_message_complete(self) -> None:
        self._reader.on_message_complete()
        self._in_first = False

    def on_message_begin(self) -> None:
        if not self._in_first:
            self._reader.on_message_begin()

    def on_url(self, part: bytes) -> None:
        if not self._in_first:
            self._reader.on_url(part)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_first:
            self._reader.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._in_first:
            self._reader.on_headers_complete()


def _origin_form(target: str) -> str:
    """The path and query of a target; proxies may send the whole URL (RFC 9112, section 3.2.2)."""
    if target.startswith("/"):
        return target
    scheme, separator, rest = target.partition("://")
    if not separator or "/" in scheme:
        return target
    _, slash, path = rest.partition("/")
    return slash + path or "/"


def _head_too_large() -> MatrixError:
    return MatrixError(431, "M_TOO_LARGE", "The request's headers are too large")
