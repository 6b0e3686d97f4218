"""Answers as bytes: what is understood, what is refused, and in which pieces it may come."""

import gzip

from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.http.client.answer import Answer
from synapse.http.client.errors import ClosedEarly, RequestFailed, Step
from synapse.http.client.limits import ClientLimits
from synapse.http.client.reader import AnswerReader
from tests.case import TestCase

LIMITS = ClientLimits(head_bytes=2000, headers=20)
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
IN_GZIP = HEAD + b"Content-Encoding: gzip\r\n"
ZIPPED = gzip.compress(b"hello")


def read(
    data: bytes, *, method: str = "GET", max_bytes: int = 100, ends: bool = False, piece: int = 0
) -> AnswerReader:
    reader = AnswerReader(method, max_bytes=max_bytes, limits=LIMITS)
    for start in range(0, len(data), piece or len(data) or 1):
        reader.feed(data[start : start + (piece or len(data))])
    if ends and reader.answer is None:
        reader.connection_ended("it was closed", cleanly=True)
    return reader


ANSWERS = [
    # name, bytes, method, does the connection end, body, can the connection be used again
    ("length", HEAD + b"Content-Length: 5\r\n\r\nhello", "GET", False, b"hello", True),
    ("nothing", HEAD + b"Content-Length: 0\r\n\r\n", "PUT", False, b"", True),
    (
        "chunks",
        CHUNKED + b"\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: a\r\n\r\n",
        "GET",
        False,
        b"hello",
        True,
    ),
    ("to the end", HEAD + b"\r\nhello", "GET", True, b"hello", False),
    ("close", HEAD + b"Connection: close\r\nContent-Length: 1\r\n\r\nx", "GET", False, b"x", False),
    ("1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "GET", False, b"ok", False),
    (
        "1.0 kept",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
        "GET",
        False,
        b"ok",
        True,
    ),
    ("head", HEAD + b"Content-Length: 5\r\n\r\n", "HEAD", False, b"", False),
    ("head, chunked", CHUNKED + b"\r\n", "HEAD", False, b"", False),
    ("204", b"HTTP/1.1 204 No Content\r\n\r\n", "GET", False, b"", True),
    ("304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET", False, b"", True),
    (
        "interim",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        + HEAD
        + b"Content-Length: 2\r\n\r\nok",
        "GET",
        False,
        b"ok",
        True,
    ),
    (
        "gzip",
        IN_GZIP + b"Content-Length: %d\r\n\r\n" % len(ZIPPED) + ZIPPED,
        "GET",
        False,
        b"hello",
        True,
    ),
    ("gzip", HEAD + b"Content-Encoding: x-gzip\r\n\r\n" + ZIPPED, "GET", True, b"hello", False),
    (
        "nothing, in gzip",
        IN_GZIP + b"Content-Length: 0\r\n\r\n",
        "GET",
        False,
        b"",
        True,
    ),
    ("no reason", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", False, b"", True),
    (
        "more than was asked for",
        HEAD + b"Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "GET",
        False,
        b"ok",
        False,
    ),
    ("rubbish behind", HEAD + b"Content-Length: 2\r\n\r\nok\x01\x02", "GET", False, b"ok", False),
]  # fmt: skip

REFUSED = [
    # bytes, method, does the connection end, step, part of the reason
    (b"SSH-2.0-OpenSSH\r\n", False, Step.HTTP, "not HTTP"),
    (b"HTTP/2.0 200 OK\r\n\r\n", False, Step.HTTP, "HTTP"),
    (b"HTTP/1.1 999 Eh\r\nContent-Length: 0\r\n\r\n", False, Step.HTTP, "no status 999"),
    (b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", False, Step.HTTP, "asked for"),
    (HEAD + b"Content-Length: 5\r\n\r\nhell", True, Step.HTTP, "ends early"),
    (HEAD + b"Content-Len", True, Step.HTTP, "ends early"),
    (CHUNKED + b"\r\n2\r\nok\r\n", True, Step.HTTP, "ends early"),
    (b"HTTP/1.1 100 Continue\r\n\r\n", True, Step.HTTP, "ends early"),
    (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", False, Step.HTTP, "not HTTP"),
    (CHUNKED + b"Content-Length: 5\r\n\r\n", False, Step.HTTP, "not HTTP"),
    (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", False, Step.HTTP, "not spoken"),
    (HEAD + b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\n", False, Step.HTTP, "'br'"),
    (IN_GZIP + b"Content-Length: 4\r\n\r\nnone", False, Step.HTTP, "gzip"),
    (IN_GZIP + b"\r\n" + ZIPPED[:-3], True, Step.HTTP, "ends early"),
    (IN_GZIP + b"\r\n" + ZIPPED + b"x", True, Step.HTTP, "something follows"),
    (HEAD + b"Content-Length: 101\r\n\r\n", False, Step.TOO_LARGE, "100 bytes"),
    (HEAD + b"\r\n" + b"x" * 101, False, Step.TOO_LARGE, "100 bytes"),
    (HEAD + b"X: " + b"x" * 2000 + b"\r\n\r\n", False, Step.TOO_LARGE, "headers"),
    (HEAD + b"X: " + b"x" * 2000, False, Step.TOO_LARGE, "headers"),
    (HEAD + b"X: y\r\n" * 21 + b"\r\n", False, Step.TOO_LARGE, "headers"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 200, False, Step.TOO_LARGE, "headers"),
]  # fmt: skip


class ReaderTests(TestCase):
    def test_answers_are_read_in_any_pieces(self) -> None:
        for name, data, method, ends, body, keep_alive in ANSWERS:
            for piece in (0, 1, 3, 7):
                with self.subTest(name=name, piece=piece):
                    reader = read(data, method=method, ends=ends, piece=piece)
                    assert reader.answer is not None
                    self.assertEqual(reader.answer.body, body)
                    self.assertEqual(reader.keep_alive, keep_alive)

    def test_what_is_refused_and_why(self) -> None:
        for data, ends, step, reason in REFUSED:
            for piece in (0, 1):
                with self.subTest(data=data[:60], piece=piece):
                    with self.assertRaises(RequestFailed) as raised:
                        read(data, ends=ends, piece=piece)
                    self.assertEqual(raised.exception.step, step)
                    self.assertIn(reason, raised.exception.reason)

    def test_a_bomb_is_noticed_while_it_is_small(self) -> None:
        bomb = gzip.compress(b"\0" * 10_000_000)
        with self.assertRaises(RequestFailed) as raised:
            read(IN_GZIP + b"\r\n" + bomb[:600], max_bytes=1000)
        self.assertEqual(raised.exception.step, Step.TOO_LARGE)

    def test_extensions_of_chunks_are_bounded(self) -> None:
        with self.assertRaises(RequestFailed) as raised:
            read(CHUNKED + b"\r\n1;" + b"e" * 5000, piece=100)
        self.assertEqual(raised.exception.step, Step.TOO_LARGE)

    def test_a_connection_that_ends_before_any_byte_is_told_apart(self) -> None:
        with self.assertRaises(ClosedEarly):
            read(b"", ends=True)

    def test_a_body_to_the_end_needs_a_clean_end(self) -> None:
        reader = AnswerReader("GET", max_bytes=100, limits=LIMITS)
        reader.feed(HEAD + b"\r\nhel")
        with self.assertRaises(RequestFailed):
            reader.connection_ended("reset", cleanly=False)

    def test_names_of_headers_are_lower_case_and_doubled_ones_joined(self) -> None:
        reader = read(HEAD + b"X-A: 1\r\nx-a: 2\r\nContent-LENGTH: 0\r\n\r\n")
        assert reader.answer is not None
        self.assertEqual(reader.answer.headers, {"x-a": "1, 2", "content-length": "0"})

    def test_json_that_is_none_is_an_error_of_the_answer(self) -> None:
        for body in (b"<html>", b'{"a": 1, "a": 2}', b"\xff", b"", b"[" * 2000):
            with self.subTest(body=body), self.assertRaises(RequestFailed) as raised:
                Answer(200, {}, body).json()
            self.assertEqual(raised.exception.step, Step.HTTP)


def outcome(pieces: list[bytes], method: str) -> object:
    reader = AnswerReader(method, max_bytes=50, limits=LIMITS)
    try:
        for piece in pieces:
            if reader.answer is None:
                reader.feed(piece)
        if reader.answer is None:
            reader.connection_ended("over", cleanly=True)
    except RequestFailed as failure:
        return failure.step
    return reader.answer


LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 C\r\n\r\n", b"HTTP/1.0 404 No\r\n", b"\r\n", b"ok",
        b"Content-Length: 2\r\n", b"Content-Length: 60\r\n", b"Transfer-Encoding: chunked\r\n",
        b"2\r\nok\r\n", b"0\r\n\r\n", b"Content-Encoding: gzip\r\n", ZIPPED, b"X: y\r\n", b"\x00",
        b"Connection: close\r\n", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"HTTP/1.1 204 N\r\n",
    ]
)  # fmt: skip


class ReaderFuzz(TestCase):
    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.one_of(LINES, st.binary(max_size=20)), max_size=12),
        st.sampled_from(["GET", "HEAD", "CONNECT"]),
    )
    def test_any_bytes_give_an_answer_or_a_named_failure(
        self, lines: list[bytes], method: str
    ) -> None:
        outcome(lines, method)

    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(LINES, max_size=8),
        st.lists(st.integers(1, 30), max_size=10),
    )
    def test_how_the_bytes_are_cut_does_not_matter(
        self, lines: list[bytes], cuts: list[int]
    ) -> None:
        data = HEAD + b"".join(lines)
        pieces = []
        rest = data
        for cut in cuts:
            pieces.append(rest[:cut])
            rest = rest[cut:]
        pieces.append(rest)
        self.assertEqual(
            outcome([piece for piece in pieces if piece], "GET"), outcome([data], "GET")
        )
