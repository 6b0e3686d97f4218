"""What one server says of a room doesn't make us reject what another one says in it."""

from typing import Any

from synapse.federation.errors import RemoteError
from synapse.http.client.errors import RequestFailed, Step
from tests.federation.honest_answers import honest_answer
from tests.federation.servers import Link, key_of
from tests.federation.test_transactions import BOB, OURS, THEIRS, TransactionTestCase, pdu_of

MALLORY = "mallory.test"
EVE = "@eve:mallory.test"
VERSIONS = ("1", "10", "12")


class HearsayTests(TransactionTestCase):
    """Mallory's server passes on an event of Bob's, and lies about the state before it."""

    async def arrange(self, version: str = "12") -> None:
        self.network.sites.clear()
        await super().arrange(version)
        self.add_server(MALLORY)
        self.elsewhere.key, self.elsewhere.server_name = key_of(MALLORY), MALLORY
        await self.accept_of_mallory(self.elsewhere.join(EVE))
        self.elsewhere.key, self.elsewhere.server_name = self.key, THEIRS
        # Users whom Mallory leaves out of the state.
        self.denied = BOB
        self.is_away = False
        self.asked: list[str] = []
        self.ask_with(self.answer)

    async def accept_of_mallory(self, event: Any) -> None:
        self.sent += 1
        link = Link(self.network, MALLORY, key_of(MALLORY))
        body = {"origin": MALLORY, "origin_server_ts": 1, "pdus": [pdu_of(event)]}
        path = f"/_matrix/federation/v1/send/{self.sent}"
        answer = await link.request(OURS, "PUT", path, json=body)
        self.assertEqual(answer, {"pdus": {event.event_id: {}}})
        await self.rest()

    async def answer(self, destination: str, method: str, path: str, **options: Any) -> Any:
        self.asked.append(destination)
        truth = honest_answer(self.elsewhere, path, options)
        if "get_missing_events" in path:
            return {"events": []}
        if destination == THEIRS and self.is_away:
            raise RequestFailed(Step.TCP, "refused")
        if destination == MALLORY and "state_ids" in path:
            events = self.elsewhere.events
            truth["pdu_ids"] = [e for e in truth["pdu_ids"] if events[e].state_key != self.denied]
        return truth

    def late(self, **more: Any) -> Any:
        """An event that stands on one that is missing here."""
        missing = self.elsewhere.say(BOB, "missing")
        self.elsewhere.last = missing.event_id
        return self.elsewhere.must_send("m.room.message", BOB, {"body": "late"}, **more)

    async def test_the_senders_server_is_asked(self) -> None:
        for version in VERSIONS:
            await self.arrange(version)
            event = self.late()
            await self.accept_of_mallory(event)
            self.assertIn(event.event_id, await self.timeline())
            self.assertIn(THEIRS, self.asked)

    async def test_what_another_server_says_against_an_event_is_not_remembered(self) -> None:
        for version in VERSIONS:
            await self.arrange(version)
            self.is_away = True
            event = self.late()
            await self.accept_of_mallory(event)
            for _ in range(5):  # until it is given up
                self.time.advance(3_600)
                await self.rest()
            self.assertIsNone(await self.server.stores.events.get(event.event_id))
            staged = await self.server.database.fetch("SELECT event_id FROM staged_events")
            self.assertEqual(staged, [])
            self.is_away = False
            await self.accept(event)
            await self.rest()
            self.assertIn(event.event_id, await self.timeline())

    async def test_the_room_goes_on_behind_an_event_that_is_in_doubt(self) -> None:
        await self.arrange()
        self.is_away = True
        first = self.elsewhere.last
        await self.accept_of_mallory(self.late())
        said = self.elsewhere.say(BOB, "meanwhile", after=[first])
        await self.accept(said)
        await self.rest()
        self.assertIn(said.event_id, await self.timeline())

    async def test_what_the_senders_server_says_against_an_event_counts(self) -> None:
        for version in VERSIONS:
            await self.arrange(version)
            self.denied = EVE
            self.late()
            self.elsewhere.key, self.elsewhere.server_name = key_of(MALLORY), MALLORY
            event = self.elsewhere.must_send("m.room.message", EVE, {"body": "mine"})
            await self.accept_of_mallory(event)
            stored = await self.server.stores.events.get(event.event_id)
            assert stored is not None
            self.assertTrue(stored.rejected)

    async def test_what_its_auth_events_forbid_is_rejected_whoever_tells_the_state(self) -> None:
        await self.arrange()
        self.is_away = True
        self.late()
        event = self.elsewhere.send("m.room.name", BOB, {"name": "mine"}, "", forbidden=True)
        assert event is not None
        await self.accept_of_mallory(event)
        stored = await self.server.stores.events.get(event.event_id)
        assert stored is not None
        self.assertTrue(stored.rejected)

    async def test_a_sender_whose_server_knows_nothing(self) -> None:
        await self.arrange()
        self.denied = "nobody"
        event = self.late()

        async def answer(destination: str, method: str, path: str, **options: Any) -> Any:
            if destination == THEIRS:
                raise RemoteError(THEIRS, 404, "M_NOT_FOUND", "No such event")
            return await self.answer(destination, method, path, **options)

        self.ask_with(answer)
        await self.accept_of_mallory(event)
        self.assertIn(event.event_id, await self.timeline())
