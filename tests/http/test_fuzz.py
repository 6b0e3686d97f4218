"""Whatever arrives, in whatever pieces: no exception, and an answer or a clean close."""

from unittest import TestCase

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.resources import site

# Pieces of requests, so that chance gets past the first line.
PIECES = [
    b"GET ", b"POST ", b"HEAD ", b"/echo", b"/bodies/stream", b"?q=%ff", b"%00", b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n", b"Host: a\r\n", b"Content-Length: 3\r\n", b"Content-Length: 3000\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n",
    b"Connection: Upgrade\r\nUpgrade: x\r\n", b"\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"abc",
    b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
]  # fmt: skip


class FuzzTests(TestCase):
    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)), max_size=12),
        st.booleans(),
    )
    def test_nothing_breaks_the_server(self, pieces: list[bytes], together: bool) -> None:
        fake = site()
        connection = fake.connect()
        for piece in [b"".join(pieces)] if together else pieces:
            connection.send(piece)
        # All deadlines there are.
        fake.clock.pump([2.0] * 80)
        self.assertTrue(connection.closed)
        self.assertFalse(connection.aborted and not connection.sent)
        if b"".join(pieces).strip(b"\r\n"):
            self.assertTrue(connection.sent.startswith(b"HTTP/1.1 "))
        self.assertNotIn(b"HTTP/1.1 5", connection.sent)
