"""How many answers that cost much one server is given at a time."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from unittest import TestCase
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from synapse.api.errors import LimitExceeded, NotFound
from synapse.config.ratelimiting import FederationLimits
from synapse.federation.heavy_questions import HeavyQuestions
from synapse.util.clock import Clock
from tests.federation.test_transactions import BOB, OURS, THEIRS, TransactionTestCase
from tests.rest.base import default_config

LIMITS = FederationLimits(concurrent=2, reject_limit=3)


class HeavyQuestionsTests(TestCase):
    def setUp(self) -> None:
        self.questions = HeavyQuestions(LIMITS)
        self.begun: list[str] = []
        self.ends: dict[str, Deferred[None]] = {}

    def ask(self, name: str, server: str = "one.test") -> Deferred[None]:
        """An answer that is made until `end` says it is."""

        async def answer() -> None:
            async with self.questions.turn(server):
                self.begun.append(name)
                self.ends[name] = Deferred()
                await self.ends[name]

        return Deferred.fromCoroutine(answer())

    def end(self, name: str) -> None:
        self.ends[name].callback(None)

    def test_so_many_are_made_at_once(self) -> None:
        for name in "abc":
            self.ask(name)
        self.assertEqual(self.begun, ["a", "b"])
        self.end("a")
        self.assertEqual(self.begun, ["a", "b", "c"])

    def test_too_many_that_wait_are_refused(self) -> None:
        for name in "abcde":
            self.ask(name)
        refused = self.ask("f")
        failure = refused.result
        self.assertIsNotNone(failure.check(LimitExceeded))  # type: ignore[attr-defined]
        refused.addErrback(lambda _: None)
        self.end("a")
        self.ask("g")
        for name in "bcdeg":
            self.end(name)
        self.assertEqual(self.begun, list("abcdeg"))

    def test_other_servers_do_not_wait(self) -> None:
        for name in "abc":
            self.ask(name)
        self.ask("other", "two.test")
        self.assertEqual(self.begun, ["a", "b", "other"])

    def test_who_gives_up_makes_way(self) -> None:
        self.ask("a")
        self.ask("b")
        given_up = self.ask("c")
        self.ask("d")
        given_up.addErrback(lambda _: None)
        given_up.cancel()
        self.end("a")
        self.assertEqual(self.begun, ["a", "b", "d"])

    def test_nothing_is_remembered_of_who_asks_no_more(self) -> None:
        self.ask("a")
        self.end("a")
        self.assertEqual(self.questions._askers, {})

    # Streams

    async def begin(self) -> AsyncIterator[bytes]:
        self.begun.append("stream")
        return self.pieces()

    async def pieces(self) -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    def streamed(self) -> AsyncIterator[bytes]:
        stream = Deferred.fromCoroutine(self.questions.streamed("one.test", self.begin)).result
        assert not isinstance(stream, Deferred)
        return stream  # type: ignore[return-value]

    def test_a_stream_counts_until_it_was_taken(self) -> None:
        async def take(stream: AsyncIterator[bytes]) -> bytes:
            return b"".join([piece async for piece in stream])

        streams = [self.streamed() for _ in range(2)]
        self.ask("after")
        self.assertNotIn("after", self.begun)
        self.assertEqual(Deferred.fromCoroutine(take(streams[0])).result, b"ab")
        self.assertIn("after", self.begun)

    def test_a_stream_counts_until_it_is_let_go(self) -> None:
        streams = [self.streamed() for _ in range(2)]
        self.ask("after")
        for _ in range(2):  # whoever lets go of it once more does no harm
            Deferred.fromCoroutine(streams[0].aclose())  # type: ignore[attr-defined]
        self.ask("too many")
        self.assertEqual(self.begun, ["stream", "stream", "after"])

    def test_a_stream_that_fails_makes_way(self) -> None:
        async def fail() -> AsyncIterator[bytes]:
            raise NotFound("no such event")

        for _ in range(3):
            failed = Deferred.fromCoroutine(self.questions.streamed("one.test", fail))
            failed.addErrback(lambda failure: failure.trap(NotFound) and None)
        self.ask("after")
        self.assertEqual(self.begun, ["after"])


class CrowdedServerTests(TransactionTestCase):
    def config(self, name: str) -> Any:
        config = default_config(name)
        limits = replace(config.rate_limits, rc_federation=LIMITS)
        return replace(config, rate_limits=limits)

    async def test_questions_of_one_server_come_one_after_the_other(self) -> None:
        await self.arrange()
        event = self.elsewhere.say(BOB, "which state is this?")
        await self.accept(event)
        questions = self.server.federation.heavy_questions
        room = quote(self.room_id)
        query = f"event_id={quote(event.event_id)}"
        for method, path, body in (
            ("GET", f"state/{room}?{query}", None),
            ("GET", f"state_ids/{room}?{query}", None),
            ("GET", f"event_auth/{room}/{quote(event.event_id)}", None),
            ("GET", f"backfill/{room}?v={quote(event.event_id)}&limit=5", None),
            (
                "POST",
                f"get_missing_events/{room}",
                {"earliest_events": [], "latest_events": [event.event_id], "limit": 5},
            ),
        ):
            path = f"/_matrix/federation/v1/{path}"
            under_way = [questions.turn(THEIRS) for _ in range(2)]
            for turn in under_way:
                await turn.__aenter__()
            asked = [Deferred.fromCoroutine(self.status(method, path, body)) for _ in range(4)]
            while not any(one.called for one in asked):
                await Clock(reactor).sleep(0)
            self.assertEqual([one.result for one in asked if one.called], [429], path)
            for turn in under_way:
                await turn.__aexit__(None, None, None)
            statuses = await gatherResults(asked)
            self.assertEqual((statuses.count(200), statuses.count(429)), (3, 1), path)
            self.assertEqual(questions._askers, {})

    async def status(self, method: str, path: str, body: Any) -> int:
        return (await self.link.fetch(OURS, method, path, body)).status
