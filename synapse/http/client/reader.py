"""From bytes to an answer: no I/O, no reactor. The counterpart of `synapse.http.reader`.

llhttp (through httptools) knows the grammar. What it leaves to us: the number and size of headers,
the size of bodies, gzip, interim answers (1xx), requests whose answers have no body, and bodies
that end with the connection.
"""

from enum import Enum

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpResponseParser,
)

from synapse.http.client.answer import Answer
from synapse.http.client.decoding import Gunzip, TooMuch
from synapse.http.client.errors import ClosedEarly, RequestFailed, Step
from synapse.http.client.limits import ClientLimits

_VERSIONS = ("1.1", "1.0")


class _Phase(Enum):
    HEAD = "head"
    INTERIM = "interim"  # an answer of status 1xx, before the one that counts
    BODY = "body"
    DONE = "done"


class _Stop(Exception):
    """Stops the parser; the reader's `_failure` says why."""


class AnswerReader:
    """Reads the answer to one request."""

    def __init__(self, method: str, *, max_bytes: int, limits: ClientLimits) -> None:
        self.answer: Answer | None = None
        # Whether any byte has arrived.
        self.started = False
        # Whether the connection can carry another request after the answer.
        self.keep_alive = False
        self._without_body = method in ("HEAD", "CONNECT")
        self._max_bytes = max_bytes
        self._limits = limits
        self._parser = HttpResponseParser(self)
        self._phase = _Phase.HEAD
        self._fed_bytes = 0
        self._headers: dict[str, str] = {}
        self._header_count = 0
        self._header_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._gunzip: Gunzip | None = None
        self._ends_with_connection = False
        self._failure: RequestFailed | None = None

    def feed(self, data: bytes) -> None:
        """Read `data`; a complete answer is then in `answer`. Raises `RequestFailed`."""
        self.started = True
        if self.answer is not None:
            self.keep_alive = False  # nobody asked for more
            return
        self._fed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as error:
            if not isinstance(error.__context__, _Stop):
                raise
            assert self._failure is not None, "whoever stops the parser says why"
            raise self._failure from None
        except HttpParserUpgrade:
            raise RequestFailed(Step.HTTP, "it changes to a protocol nobody asked for") from None
        except HttpParserError as error:
            if self.answer is None:
                raise RequestFailed(Step.HTTP, f"it is not HTTP: {error}") from None
            self.keep_alive = False
        self._check_raw_size()

    def connection_ended(self, reason: str, *, cleanly: bool) -> None:
        """No more data will come: completes an answer that ends so. Raises `RequestFailed`."""
        if not self.started:
            raise ClosedEarly(reason)
        if self._phase is not _Phase.BODY or not (self._ends_with_connection and cleanly):
            raise RequestFailed(Step.HTTP, f"it ends early: {reason}")
        try:
            self._complete()
        except _Stop:
            assert self._failure is not None, "whoever stops says why"
            raise self._failure from None

    # What llhttp calls.

    def on_message_begin(self) -> None:
        if self._phase is _Phase.DONE:
            self.keep_alive = False
            return
        self._phase = _Phase.HEAD
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is not _Phase.HEAD:
            return  # a trailer, or after the end
        self._header_count += 1
        self._header_bytes += len(name) + len(value) + 4
        limits = self._limits
        if self._header_count > limits.headers or self._header_bytes > limits.head_bytes:
            self._stop(_head_too_large())
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        old = self._headers.get(key)
        self._headers[key] = text if old is None else f"{old}, {text}"

    def on_headers_complete(self) -> None:
        if self._phase is _Phase.DONE:
            return
        parser = self._parser
        if parser.get_http_version() not in _VERSIONS:
            self._stop(RequestFailed(Step.HTTP, f"HTTP/{parser.get_http_version()} is not spoken"))
        status = parser.get_status_code()
        if not 100 <= status <= 599:
            self._stop(RequestFailed(Step.HTTP, f"there is no status {status}"))
        if status < 200:
            self._phase = _Phase.INTERIM
            return
        self._phase = _Phase.BODY
        self._fed_bytes = 0
        self.keep_alive = parser.should_keep_alive()
        if self._without_body:
            # llhttp would wait for a body; nor can it tell us what follows. So: nothing may.
            self.keep_alive = False
            self._complete()
        elif status not in (204, 304):
            self._prepare_body()

    def on_body(self, part: bytes) -> None:
        if self._phase is _Phase.DONE:
            self.keep_alive = False
            return
        if self._gunzip is not None:
            try:
                part = self._gunzip.feed(part, self._max_bytes - self._body_bytes)
            except TooMuch:
                self._stop(self._too_large())
            except RequestFailed as failure:
                self._stop(failure)
        self._body_bytes += len(part)
        if self._body_bytes > self._max_bytes:
            self._stop(self._too_large())
        self._body.append(part)

    def on_message_complete(self) -> None:
        if self._phase is _Phase.BODY:
            self._complete()

    # How that is judged.

    def _prepare_body(self) -> None:
        headers = self._headers
        length = headers.get("content-length")
        framing = headers.get("transfer-encoding")
        if framing is not None and framing.strip().lower() != "chunked":
            text = f"the transfer encoding {framing[:50]!r} is not spoken"
            self._stop(RequestFailed(Step.HTTP, text))
        if length is not None and length.isdecimal() and int(length) > self._max_bytes:
            self._stop(self._too_large())
        self._ends_with_connection = length is None and framing is None
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding in ("gzip", "x-gzip"):
            if length != "0":
                self._gunzip = Gunzip()
        elif coding not in ("identity", ""):
            text = f"the body is encoded as {coding[:50]!r}, which nobody asked for"
            self._stop(RequestFailed(Step.HTTP, text))

    def _complete(self) -> None:
        if self._gunzip is not None:
            try:
                self._gunzip.end()
            except RequestFailed as failure:
                self._stop(failure)
        self._phase = _Phase.DONE
        status = self._parser.get_status_code()
        self.answer = Answer(status, self._headers, b"".join(self._body))
        self._body = []

    def _check_raw_size(self) -> None:
        if self._phase in (_Phase.HEAD, _Phase.INTERIM):
            if self._fed_bytes > self._limits.head_bytes:
                raise _head_too_large()
        # Chunks may be small, and carry extensions and trailers; but not for ever.
        elif self._fed_bytes > self._limits.head_bytes + 8 * self._max_bytes:
            raise self._too_large()

    def _too_large(self) -> RequestFailed:
        return RequestFailed(Step.TOO_LARGE, f"the body is larger than {self._max_bytes} bytes")

    def _stop(self, failure: RequestFailed) -> None:
        self._failure = failure
        raise _Stop


def _head_too_large() -> RequestFailed:
    return RequestFailed(Step.TOO_LARGE, "its headers are too large")
