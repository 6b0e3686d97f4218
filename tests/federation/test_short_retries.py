"""Requests that are tried again while a client waits."""

from typing import Any

from synapse.config.federation import FederationRetries
from synapse.federation.backoff import Backoffs
from synapse.federation.errors import RemoteError
from synapse.federation.limited import LimitedTransport
from synapse.federation.short_retries import ShortRetries
from synapse.http.client.errors import RequestFailed, Step
from synapse.storage.stores.destinations import DestinationStore
from synapse.storage.stores.names import Names
from synapse.util.background import Background
from tests.federation.network import NetworkTestCase

PEER = "peer.example"


def failing(*errors: Exception) -> Any:
    """Answers with these errors, then as it should."""
    left = list(errors)

    def answer(json: Any) -> Any:
        if left:
            raise left.pop(0)
        return {"done": True}

    return answer


class ShortRetriesTests(NetworkTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.background = Background()
        self.addCleanup(self.background.finish)
        store = DestinationStore(self.database, Names(self.database))
        self.retries = FederationRetries()
        self.backoffs = Backoffs(store, self.clock, self.background, self.retries)

    async def ask(self, **options: Any) -> Any:
        """The answer, or the error; and after how many seconds."""
        limited = LimitedTransport(self.network, self.backoffs, is_urgent=True)
        transport = ShortRetries(limited, self.backoffs, self.clock, self.retries)
        started_s = self.seconds()
        try:
            answer: Any = await self.wait(transport.request(PEER, "GET", "/", **options))
        except (RequestFailed, RemoteError) as error:
            answer = error
        return answer, round(self.seconds() - started_s, 1)

    def assert_took(self, seconds: float, pauses_s: float) -> None:
        # The clock moves by tenths, and each pause ends up to one later.
        self.assertTrue(pauses_s <= seconds < pauses_s + 0.5, seconds)

    async def test_a_hiccup_is_not_noticed(self) -> None:
        self.network.answers[PEER] = failing(
            RequestFailed(Step.TCP, "refused"),
            RequestFailed(Step.HTTP, "closed"),
            RemoteError(PEER, 502, "M_UNKNOWN", "restarting"),
        )
        answer, seconds = await self.ask()
        self.assertEqual(answer, {"done": True})
        self.assert_took(seconds, 0.5 + 1 + 2)
        self.assertIsNone(self.backoffs.get(PEER))

    async def test_it_ends(self) -> None:
        error, seconds = await self.ask()
        self.assertIs(error.step, Step.TCP)
        self.assert_took(seconds, 3.5)
        self.assertEqual(len(self.network.asked()), 4)
        # From now on, one try shows whether it is there.
        await self.ask()
        self.assertEqual(len(self.network.asked()), 1)

    async def test_as_configured(self) -> None:
        for retries, requests, seconds in (
            (FederationRetries(max_short_retries=0), 1, 0),
            (FederationRetries(max_short_retries=1), 2, 0.5),
            (FederationRetries(max_short_retries=4, max_short_retry_delay_ms=300), 5, 1.2),
            (FederationRetries(max_short_retries=9, client_timeout_ms=3_000), 3, 1.5),
        ):
            with self.subTest(retries=retries):
                self.retries = retries
                self.backoffs.forget(PEER)
                self.assert_took((await self.ask())[1], seconds)
                self.assertEqual(len(self.network.asked()), requests)

    async def test_what_would_not_pass_is_not_tried_again(self) -> None:
        for error in (
            RequestFailed(Step.BLOCKED, "never"),
            RequestFailed(Step.DNS, "no such name"),
            RequestFailed(Step.CERTIFICATE, "somebody else's"),
            RequestFailed(Step.HTTP, "too late", timed_out=True),
            RemoteError(PEER, 404, "M_NOT_FOUND", "no"),
            RemoteError(PEER, 500, "M_UNKNOWN", "broken"),
        ):
            with self.subTest(error=str(error)):
                self.backoffs.forget(PEER)
                self.network.answers[PEER] = failing(error)
                self.assertIs((await self.ask())[0], error)
