"""Requests to a router's resources, in process: through the real protocol, without sockets.

    site = FakeSite(Router([Versions()]))
    status, body, headers = site.request("GET", "/_matrix/client/versions")

A resource that waits (for a database thread, or in a long poll) has not answered yet when the
request has been written: `await site.fetch(…)` waits for it, and `site.start(…)` returns the
connection, on which a test can wait, move the site's clock (`site.clock.advance(…)`) or hang up.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import orjson
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from synapse.http.limits import Limits
from synapse.http.routing import Router
from synapse.http.server import HttpSite


class Answer(NamedTuple):
    """A response. `json` is `None` if the body isn't JSON; header names are lower-case."""

    status: int
    json: Any
    headers: dict[str, str]
    body: bytes = b""


class Peer:
    host = "192.0.2.7"
    port = 50000


class Connection:
    """The client's end of a connection to a `FakeSite`, and the transport that the server sees.

    It takes all that the server writes, unless a test sets `is_full`.
    """

    def __init__(
        self,
        site: HttpSite,
        *,
        is_head: bool = False,
        check: Callable[[Answer], None] | None = None,
    ) -> None:
        """`check` raises an `AssertionError` for an answer that is not as it should be."""
        self.sent = b""  # by the server, and not yet taken with `answer`
        self.closed = False
        self.aborted = False
        self.reading_paused = False
        self.is_full = False
        self.producer: Any = None
        self._is_head = is_head
        self._check = check
        self._waiting: list[Deferred[Answer]] = []
        self._protocol = site.buildProtocol(None)
        self._protocol.transport = self
        self._protocol.connectionMade()

    def send(self, data: bytes) -> None:
        """Bytes from the client."""
        if not self.closed:
            self._protocol.dataReceived(data)

    def send_no_more(self) -> None:
        """The client closes its half of the connection."""
        self._protocol.readConnectionLost()

    def hang_up(self) -> None:
        """The client closes the connection."""
        self._close()

    def drain(self) -> None:
        """The client takes what the transport has buffered."""
        self.is_full = False
        if self.producer is not None:
            self.producer.resumeProducing()

    def answers(self) -> list[Answer]:
        """The complete answers so far."""
        answers = []
        data = self.sent
        while length := _length_of_first(data, self._is_head):
            answers.append(_parsed(data[:length]))
            data = data[length:]
        return answers

    def answer(self) -> Answer:
        """The next complete answer, which is taken away. Fails if there is none yet."""
        return self._checked(self._take())

    async def answered(self) -> Answer:
        """Wait for the next answer."""
        if not _length_of_first(self.sent, self._is_head):
            waiting: Deferred[Answer] = Deferred()
            self._waiting.append(waiting)
            return self._checked(await waiting)
        return self.answer()

    def _take(self) -> Answer:
        length = _length_of_first(self.sent, self._is_head)
        assert length, f"No complete answer yet, only {self.sent!r}"
        answer = _parsed(self.sent[:length])
        self.sent = self.sent[length:]
        return answer

    def _checked(self, answer: Answer) -> Answer:
        if self._check is not None:
            self._check(answer)
        return answer

    # The transport, as the protocol uses it.

    def write(self, data: bytes) -> None:
        assert type(data) is bytes, "Twisted's transports take bytes"
        assert not self.closed, "The connection is closed"
        self.sent += data
        if self._waiting and _length_of_first(self.sent, self._is_head):
            self._waiting.pop(0).callback(self._take())
        if self.is_full and self.producer is not None:
            self.producer.pauseProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming and self.producer is None
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self.reading_paused = True

    def resumeProducing(self) -> None:
        self.reading_paused = False

    def loseConnection(self) -> None:
        self._close()

    def abortConnection(self) -> None:
        self.aborted = True
        self._close()

    def getPeer(self) -> Peer:
        return Peer()

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def _close(self) -> None:
        if not self.closed:
            self.closed = True
            if self.producer is not None:
                self.producer.stopProducing()
            self._protocol.connectionLost()
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.errback(ConnectionError(f"Closed without an answer: {self.sent!r}"))


class FakeSite:
    """A server with these resources, a fake clock, and no sockets."""

    def __init__(
        self,
        router: Router,
        *,
        limits: Limits | None = None,
        check: Callable[[str, str, Answer], None] | None = None,
        **options: Any,
    ) -> None:
        """`check` is called with method, path and answer of each request."""
        self.clock = Clock()
        self._check = check
        self.site = HttpSite(
            router,
            self.clock,
            tag="test",
            limits=limits,
            **options,
        )

    def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send a request that is answered at once."""
        return self.start(method, path, json, token=token, headers=headers, body=body).answer()

    async def fetch(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send a request and wait for the answer."""
        connection = self.start(method, path, json, token=token, headers=headers, body=body)
        answer = await connection.answered()
        connection.hang_up()
        return answer

    def start(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Connection:
        """Send a request on a connection of its own."""
        if body is None:
            body = b"" if json is None else orjson.dumps(json)
        lines = [f"{method} {path} HTTP/1.1", "Host: test"]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        if body or method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        check = None if self._check is None else partial(self._check, method, path)
        connection = Connection(self.site, is_head=method == "HEAD", check=check)
        connection.send("\r\n".join([*lines, "", ""]).encode() + body)
        return connection

    def connect(self) -> Connection:
        """A connection on which nothing has been sent."""
        return Connection(self.site)


def _length_of_first(data: bytes, is_head: bool) -> int:
    """The length of the first response in `data`; 0 if it isn't complete."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return 0
    headers = _headers(head)
    start = len(head) + 4
    status = int(head.split(b" ", 2)[1])
    if is_head or status in (204, 304) or 100 <= status < 200:
        return start
    if "content-length" in headers:
        length = int(headers["content-length"])
        return start + length if len(rest) >= length else 0
    stop = rest.find(b"0\r\n\r\n")
    return start + stop + 5 if stop >= 0 else 0


def _parsed(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    headers = _headers(head)
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    is_json = headers.get("content-type") == "application/json"
    json = orjson.loads(body) if is_json and body and "content-encoding" not in headers else None
    return Answer(int(head.split(b" ", 2)[1]), json, headers, body)


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def _unchunked(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body += data[:length]
        data = data[length + 2 :]
        if length == 0:
            break
    return body
