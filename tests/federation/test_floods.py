"""rc_federation: one server's transactions, by a clock that stands still."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest import TestCase

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as Time

from synapse.api.errors import LimitExceeded
from synapse.config.ratelimiting import FederationLimits
from synapse.federation.floods import Floods
from synapse.util.clock import Clock
from tests.federation.test_transactions import OURS, TransactionTestCase
from tests.rest.base import default_config

LIMITS = FederationLimits(
    window_size_ms=1_000, sleep_limit=2, sleep_delay_ms=500, reject_limit=3, concurrent=2
)


class FloodsTest(TestCase):
    def setUp(self) -> None:
        self.time = Time()
        self.floods = Floods(Clock(self.time, real=False), LIMITS)
        self.begun: list[str] = []

    def send(self, name: str, server: str = "one.test", *, takes_s: float = 0) -> Deferred[None]:
        async def take_up() -> None:
            async with self.floods.turn(server):
                self.begun.append(name)
                if takes_s:
                    await Clock(self.time, real=False).sleep(takes_s)

        return Deferred.fromCoroutine(take_up())

    def send_all(self, names: Sequence[str], **more: Any) -> list[Deferred[None]]:
        return [self.send(name, **more) for name in names]

    def test_more_than_usual_is_delayed(self) -> None:
        self.send_all("abc")
        self.assertEqual(self.begun, ["a", "b"])
        self.time.advance(0.4)
        self.assertEqual(self.begun, ["a", "b"])
        self.time.advance(0.1)
        self.assertEqual(self.begun, ["a", "b", "c"])

    def test_other_servers_do_not_suffer(self) -> None:
        self.send_all("abcd")
        self.send("other", "two.test")
        self.assertEqual(self.begun, ["a", "b", "other"])

    def test_a_while_later_nothing_is_held_against_a_server(self) -> None:
        self.send_all("ab")
        self.time.advance(1)
        self.send_all("cd")
        self.assertEqual(self.begun, ["a", "b", "c", "d"])

    def test_so_many_are_taken_up_at_once(self) -> None:
        self.send_all("ab", takes_s=60)
        self.time.advance(10)
        self.send_all("c")
        self.assertEqual(self.begun, ["a", "b"])
        self.time.advance(50)
        self.assertEqual(self.begun, ["a", "b", "c"])

    def test_too_many_that_wait_are_refused_until_fewer_do(self) -> None:
        self.send_all("abcde")
        refused = self.send("f")
        self.assertIsNotNone(refused.result.check(LimitExceeded))  # type: ignore[attr-defined]
        refused.addErrback(lambda _: None)
        self.time.advance(0.5)
        self.send("g")
        self.time.advance(0.5)
        self.assertEqual(self.begun, ["a", "b", "c", "d", "e", "g"])

    def test_one_that_fails_makes_way(self) -> None:
        async def fail() -> None:
            async with self.floods.turn("one.test"):
                raise ValueError

        for _ in range(10):
            Deferred.fromCoroutine(fail()).addErrback(lambda failure: failure.trap(ValueError))
            self.time.advance(1)
        self.send("after")
        self.assertEqual(self.begun, ["after"])

    def test_servers_that_are_quiet_are_forgotten(self) -> None:
        self.send("busy", "busy.test", takes_s=60)
        for number in range(12_000):
            self.send(str(number), f"{number}.test")
            self.time.advance(0.001)
        self.assertLess(len(self.floods._origins), 6_001)
        self.assertIn("busy.test", self.floods._origins)


class FloodedServerTests(TransactionTestCase):
    def config(self, name: str) -> Any:
        config = default_config(name)
        limits = replace(config.rate_limits, rc_federation=replace(LIMITS, sleep_limit=5))
        return replace(config, rate_limits=limits)

    async def test_a_flood_of_transactions(self) -> None:
        await self.arrange()
        sent = [Deferred.fromCoroutine(self._status(f"f{number}")) for number in range(20)]
        while sum(one.called for one in sent) < 19:
            await self.turn()
        # Two are taken up at once and three wait, one of them because it was one too many.
        statuses = [one.result for one in sent if one.called]
        self.assertEqual((statuses.count(200), statuses.count(429)), (4, 15))
        self.time.advance(0.5)
        while not all(one.called for one in sent):
            await self.turn()
        self.assertEqual([one.result for one in sent].count(200), 5)
        self.time.advance(2)
        self.assertEqual(await self._status("later"), 200)

    async def _status(self, txn_id: str) -> int:
        path = f"/_matrix/federation/v1/send/{txn_id}"
        body = {"origin": "elsewhere", "origin_server_ts": 0, "pdus": []}
        return (await self.link.fetch(OURS, "PUT", path, body)).status

    async def turn(self) -> None:
        await Clock(reactor).sleep(0)
