"""Events that wait: for servers that are away, and not because of others."""

from typing import Any

from twisted.internet import reactor

from synapse.events.event import Event
from synapse.federation.errors import RemoteError
from synapse.http.client.errors import RequestFailed, Step
from synapse.util.clock import Clock
from tests.federation.servers import is_quiet
from tests.federation.test_transactions import BOB, THEIRS, TransactionTestCase, pdu_of

HOUR_S = 3600


class InboxTests(TransactionTestCase):
    async def arrange(self, version: str = "12") -> None:
        await super().arrange(version)
        self.asked = 0

    def answer_with(self, told: Any) -> None:
        """What their server answers (or the error that comes of asking it)."""

        async def answer(destination: str, method: str, path: str, **options: Any) -> Any:
            self.asked += 1
            found = told(path) if callable(told) else told
            if isinstance(found, Exception):
                raise found
            return found

        self.server.federation.graph._transport.request = answer  # type: ignore[method-assign]

    async def rest(self, seconds: float = 0) -> None:
        self.time.advance(seconds)
        while not is_quiet(self.server):
            await Clock(reactor).sleep(0.001)

    async def miss(self) -> tuple[Event, Event]:
        """An event that our server doesn't get, and one that it does."""
        missing = self.elsewhere.say(BOB, "missing")
        late = self.elsewhere.say(BOB, "late")
        await self.accept(late)
        await self.rest()
        return missing, late

    async def test_a_server_that_is_away_for_hours_is_asked_when_it_is_back(self) -> None:
        await self.arrange()
        self.answer_with(RequestFailed(Step.TCP, "refused"))
        missing, late = await self.miss()
        for _ in range(12):
            await self.rest(HOUR_S)
        # Less and less often.
        self.assertLess(self.asked, 25)
        self.answer_with({"events": [pdu_of(missing)]})
        await self.rest(HOUR_S)
        self.assertEqual((await self.timeline())[-2:], [missing.event_id, late.event_id])

    async def test_a_server_that_does_not_tell_is_given_up_soon(self) -> None:
        await self.arrange()
        self.answer_with({"events": [], "pdu_ids": [], "auth_chain_ids": []})
        await self.miss()
        for _ in range(5):
            await self.rest(60)
        staged = await self.server.database.fetch("SELECT event_id FROM staged_events")
        self.assertEqual(staged, [])

    async def test_other_events_do_not_wait_for_it(self) -> None:
        await self.arrange()
        before = self.elsewhere.last
        self.answer_with(RequestFailed(Step.TCP, "refused"))
        await self.miss()
        other = self.elsewhere.say(BOB, "other", after=[before])
        await self.accept(other)
        # At once, not after the pause.
        await self.rest()
        self.assertIn(other.event_id, await self.timeline())

    async def test_a_contact_that_is_lost_while_a_state_is_fetched(self) -> None:
        await self.arrange()
        topic = self.elsewhere.join("@carol:elsewhere")

        def told(path: str) -> Any:
            if "get_missing_events" in path:
                return {"events": []}
            if "state_ids" in path:
                known = [e.event_id for e in self.elsewhere.state()]
                return {"pdu_ids": known, "auth_chain_ids": known}
            return RequestFailed(Step.TCP, "refused") if contact == "lost" else truth(path)

        def truth(path: str) -> Any:
            wanted = topic if topic.event_id[1:] in path else None
            return {"pdus": [pdu_of(wanted)]} if wanted else RemoteError(THEIRS, 404, "", "")

        contact = "lost"
        self.answer_with(told)
        _, late = await self.miss()
        self.assertNotIn(late.event_id, await self.timeline())
        contact = "there"
        await self.rest(HOUR_S)
        self.assertIn(late.event_id, await self.timeline())

    async def test_what_we_fail_at_ourselves_holds_up_nothing(self) -> None:
        await self.arrange()
        before = self.elsewhere.last
        self.answer_with(ValueError("a mistake of ours"))
        with self.assertLogs("synapse.federation.inbox", "ERROR"):
            await self.miss()
        other = self.elsewhere.say(BOB, "other", after=[before])
        await self.accept(other)
        await self.rest()
        self.assertIn(other.event_id, await self.timeline())
