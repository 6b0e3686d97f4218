"""Requests to servers that can't be reached fail at once."""

from typing import Any

from synapse.config.federation import FederationRetries
from synapse.federation.backoff import Backoffs
from synapse.federation.errors import RemoteError
from synapse.federation.limited import LimitedTransport
from synapse.http.client.errors import RequestFailed, Step
from synapse.storage.stores.destinations import DestinationStore
from synapse.storage.stores.names import Names
from synapse.util.background import Background
from tests.federation.network import NetworkTestCase

PEER = "peer.example"
MINUTE_S = 60


class LimitedTests(NetworkTestCase):
    def setUp(self) -> None:
        super().setUp()
        background = Background()
        self.addCleanup(background.finish)
        self.destinations = DestinationStore(self.database, Names(self.database))
        self.backoffs = Backoffs(self.destinations, self.clock, background, FederationRetries())
        self.transport = LimitedTransport(self.network, self.backoffs)
        self.urgent = LimitedTransport(self.network, self.backoffs, is_urgent=True)

    async def step(self, transport: LimitedTransport | None = None) -> Step | None:
        """At which step a request fails, if it does."""
        try:
            await (transport or self.transport).request(PEER, "GET", "/")
        except RequestFailed as failure:
            return failure.step
        return None

    async def test_they_do_until_the_time_is_over(self) -> None:
        self.assertEqual(await self.step(), Step.TCP)
        self.assertEqual(await self.step(), Step.BLOCKED)
        self.time.advance(10 * MINUTE_S - 1)
        self.assertEqual(await self.step(), Step.BLOCKED)
        self.time.advance(1)
        self.assertEqual(await self.step(), Step.TCP)
        self.time.advance(20 * MINUTE_S - 1)
        self.assertEqual(await self.step(), Step.BLOCKED)
        self.network.answers[PEER] = {}
        self.time.advance(1)
        self.assertIsNone(await self.step())
        self.assertIsNone(self.backoffs.get(PEER))

    async def test_what_is_urgent_is_tried(self) -> None:
        await self.step()
        self.assertEqual(await self.step(self.urgent), Step.TCP)
        # That one counts no second time.
        self.assertEqual(self.backoffs.wait_ms(PEER), 10 * MINUTE_S * 1000)
        self.network.answers[PEER] = {}
        self.assertIsNone(await self.step(self.urgent))
        self.assertIsNone(await self.step())

    async def test_a_server_that_is_heard_from_is_tried(self) -> None:
        await self.step()
        self.backoffs.heard_from(PEER)
        self.assertEqual(await self.step(), Step.BLOCKED)
        self.time.advance(30)
        self.backoffs.heard_from(PEER)
        self.assertEqual(await self.step(), Step.TCP)
        self.assertEqual(self.backoffs.wait_ms(PEER), 20 * MINUTE_S * 1000)

    async def test_the_interval_has_a_limit(self) -> None:
        for _ in range(20):
            await self.step()
            self.time.advance(8 * 24 * 3600)
        backoff = self.backoffs.get(PEER)
        assert backoff is not None
        self.assertEqual(backoff.retry_interval_ms, 7 * 24 * 3600 * 1000)

    async def test_which_answers_say_that_a_server_can_not_be_reached(self) -> None:
        for status, is_out_of_reach in ((404, False), (429, False), (500, False), (502, True)):

            def refuse(json: Any, status: int = status) -> None:
                raise RemoteError(PEER, status, "M_UNKNOWN", "no")

            self.network.answers[PEER] = refuse
            with self.assertRaises(RemoteError):
                await self.transport.request(PEER, "GET", "/")
            self.assertEqual(self.backoffs.get(PEER) is not None, is_out_of_reach, status)
