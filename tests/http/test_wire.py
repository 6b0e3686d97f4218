"""What stands on the wire, and what comes back: one row for each rule."""

from unittest import TestCase

from tests.http.resources import site

GET = b"GET /echo HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
CLOSE = b"Connection: close\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"

# request, status, errcode, whether the connection is over (apart from lingering)
REQUESTS: list[tuple[bytes, int, str | None, bool]] = [
    (GET + b"\r\n", 200, None, False),
    (b"\r\n\r\n" + GET + b"\r\n", 200, None, False),
    (GET + CLOSE + b"\r\n", 200, None, True),
    (b"GET http://a/echo HTTP/1.1\r\nHost: a\r\n\r\n", 200, None, False),
    (b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", 404, "M_UNRECOGNIZED", False),
    (b"GET /echo HTTP/1.0\r\n\r\n", 200, None, True),
    (b"GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, None, False),
    (b"HEAD /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, None, True),
    (b"OPTIONS /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 204, None, False),
    (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204, None, False),
    # Host
    (b"GET /echo HTTP/1.1\r\n\r\n", 400, "M_UNKNOWN", True),
    (GET + b"Host: b\r\n\r\n", 400, "M_UNKNOWN", True),
    # Framing
    (POST + b"Content-Length: 2\r\n\r\nhi", 200, None, False),
    (POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 400, "M_UNKNOWN", True),
    (POST + b"Content-Length: 2, 2\r\n\r\nhi", 400, "M_UNKNOWN", True),
    (POST + b"Content-Length: +2\r\n\r\nhi", 400, "M_UNKNOWN", True),
    (POST + b"Content-Length: 99999999999999999999\r\n\r\n", 400, "M_UNKNOWN", True),
    (CHUNKED + b"\r\n2;x=y\r\nhi\r\n0\r\nT: 1\r\n\r\n", 200, None, False),
    (CHUNKED + b"\r\nzz\r\n", 400, "M_UNKNOWN", True),
    (CHUNKED + b"\r\nfffffffffffffffff\r\n", 400, "M_UNKNOWN", True),
    (POST + b"Transfer-Encoding: gzip\r\n\r\n", 400, "M_UNKNOWN", True),
    (CHUNKED + b"Content-Length: 2\r\n\r\nhi", 400, "M_UNKNOWN", True),
    (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi", 400, "M_UNKNOWN", True),
    (
        b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400, "M_UNKNOWN", True,
    ),
    # Limits
    (POST + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000, 200, None, False),
    (POST + b"Content-Length: 1001\r\n\r\n", 413, "M_TOO_LARGE", True),
    (
        CHUNKED + b"\r\n3e9\r\n" + b"x" * 1001,
        413, "M_TOO_LARGE", True,
    ),
    (GET + b"A: b\r\n" * 99 + b"\r\n", 200, None, False),
    (GET + b"A: b\r\n" * 100 + b"\r\n", 431, "M_TOO_LARGE", True),
    (GET + b"A: " + b"b" * 70_000 + b"\r\n\r\n", 431, "M_TOO_LARGE", True),
    (b"GET /" + b"b" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431, "M_TOO_LARGE", True),
    (b"GET /" + b"b" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 404, "M_UNRECOGNIZED", False),
    # What is no HTTP, or not ours
    (b"FOO /echo HTTP/1.1\r\nHost: a\r\n\r\n", 405, "M_UNRECOGNIZED", True),
    (b"TRACE /echo HTTP/1.1\r\nHost: a\r\n\r\n", 405, "M_UNRECOGNIZED", False),
    (b"PATCH /echo HTTP/1.1\r\nHost: a\r\n\r\n", 405, "M_UNRECOGNIZED", False),
    (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405, "M_UNRECOGNIZED", True),
    (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "M_UNKNOWN", True),
    (b"GET echo HTTP/1.1\r\nHost: a\r\n\r\n", 400, "M_UNKNOWN", True),
    (b"GET /\xff\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "M_UNKNOWN", True),
    (b"GET /echo HTTP/2.0\r\nHost: a\r\n\r\n", 400, "M_UNKNOWN", True),
    (b"GET /echo\r\n\r\n", 400, "M_UNKNOWN", True),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "M_UNKNOWN", True),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 405, "M_UNRECOGNIZED", True),
    (GET + b"A : b\r\n\r\n", 400, "M_UNKNOWN", True),
    (GET + b"A: b\x00\r\n\r\n", 400, "M_UNKNOWN", True),
    (GET + b"A: b\r\n c\r\n\r\n", 400, "M_UNKNOWN", True),
    (b"GET /echo HTTP/1.1\nHost: a\n\n", 400, "M_UNKNOWN", True),
    # Content
    (b"GET /echo?q=%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400, "M_INVALID_PARAM", False),
    (b"GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400, "M_INVALID_PARAM", False),
    (b"GET /bodies/%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "M_INVALID_PARAM", False),
    (b"GET /echo?q=%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "M_INVALID_PARAM", False),
    (b"DELETE /broken HTTP/1.1\r\nHost: a\r\n\r\n", 403, "M_FORBIDDEN", False),
]  # fmt: skip


class WireTests(TestCase):
    def test_every_request_gets_its_answer(self) -> None:
        for request, status, errcode, over in REQUESTS:
            with self.subTest(request=request[:200]):
                fake = site()
                connection = fake.connect()
                connection.send(request)
                is_head = request.startswith(b"HEAD")
                answer = connection.answer() if not is_head else None
                if answer is not None:
                    self.assertEqual(answer.status, status, answer)
                    self.assertEqual((answer.json or {}).get("errcode"), errcode)
                    self.assertEqual(answer.headers["server"], "Synapse/2.0.0")
                    self.assertEqual(answer.headers["access-control-allow-origin"], "*")
                    says_close = answer.headers.get("connection") == "close"
                    self.assertEqual(says_close, over)
                connection.send(GET + b"\r\n")
                fake.clock.pump([2, 2, 2])
                self.assertEqual(connection.closed, over)
                if not over:
                    self.assertEqual(connection.answer().status, 200)

    def test_the_answer_does_not_depend_on_how_the_bytes_arrive(self) -> None:
        for request, status, _, _ in REQUESTS:
            if len(request) > 2000 or request.startswith(b"HEAD"):
                continue
            with self.subTest(request=request):
                connection = site().connect()
                for at in range(len(request)):
                    connection.send(request[at : at + 1])
                self.assertEqual(connection.answer().status, status)

    def test_chunks_may_not_go_on_for_ever_without_content(self) -> None:
        for filler in (b"0" * 1000, b"1;" + b"x" * 996 + b"\r\n", b"0\r\n" + b"A: b\r\n" * 200):
            with self.subTest(filler=filler[:20]):
                connection = site().connect()
                connection.send(CHUNKED + b"\r\n" + filler)
                for _ in range(90):
                    connection.send(filler[3:])
                self.assertIn(connection.answer().status, (400, 413))

    def test_upgrade_is_ignored_with_and_without_a_body(self) -> None:
        upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
        connection = site().connect()
        connection.send(
            (GET + upgrade + b"\r\n") * 3000
            + POST + upgrade + b"Content-Length: 2\r\n\r\nhi"
            + POST + upgrade + b"Transfer-Encoding: chunked\r\n\r\n2\r\nho\r\n0\r\nX: 1\r\n\r\n"
            + GET + b"\r\n"
        )  # fmt: skip
        answers = connection.answers()
        self.assertEqual(len(answers), 3003)
        self.assertEqual([a.json.get("body") for a in answers[-3:]], ["hi", "ho", None])

    def test_header_names_have_no_case_and_repeated_ones_are_joined(self) -> None:
        fake = site()
        fake.site._x_forwarded = True
        answer = fake.request(
            "GET", "/echo", headers={"X-FORWARDED-for": "198.51.100.1", "x-forwarded-FOR": "::1"}
        )
        self.assertEqual(answer.json["ip"], "198.51.100.1")

    def test_preflight_needs_no_resource_and_names_the_methods(self) -> None:
        answer = site().request("OPTIONS", "/_matrix/client/v3/sync")
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertNotIn("content-length", answer.headers)
        self.assertIn("DELETE", answer.headers["access-control-allow-methods"])
        self.assertIn("Authorization", answer.headers["access-control-allow-headers"])

    def test_wrong_method_says_which_are_right(self) -> None:
        answer = site().request("DELETE", "/echo")
        self.assertEqual(answer.headers["allow"], "GET, PUT, POST, HEAD, OPTIONS")

    def test_unexpected_exception_says_nothing_of_the_inside(self) -> None:
        with self.assertLogs("synapse.http", "ERROR") as logs:
            answer = site().request("GET", "/broken")
        self.assertEqual(answer.status, 500)
        self.assertEqual(answer.json, {"errcode": "M_UNKNOWN", "error": "Internal server error"})
        self.assertIn("GET-1", logs.output[0])
        self.assertIn("a secret of the inside", logs.output[0])

    def test_header_values_cannot_start_another_header(self) -> None:
        answer = site().request("GET", "/bodies/a%0d%0ab")
        self.assertNotIn("x-evil", answer.headers)
