"""Mutated transactions and answers: nothing of ours breaks, and the room goes on.

To change more than the suite does:
`MUTATION_SEED=1 MUTATION_ROUNDS=500 trial tests.federation.test_mutations`
"""

import os
import random
import time
from typing import Any

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.util.canonicaljson import NotCanonical
from tests.federation.honest_answers import honest_answer
from tests.federation.mutations import Mutations, resigned
from tests.federation.test_transactions import BOB, OURS, THEIRS, TransactionTestCase, pdu_of

VERSIONS = ("1", "10", "12")
SEED = int(os.environ.get("MUTATION_SEED", "0"))
ROUNDS = int(os.environ.get("MUTATION_ROUNDS", "25"))
# What one request may take of a machine that has other things to do.
PATIENCE_S = 5.0


class MutationTests(TransactionTestCase):
    async def arrange(self, version: str = "12") -> None:
        self.network.sites.clear()
        await super().arrange(version)
        self.version = ROOM_VERSIONS[version]
        await self.accept(self.elsewhere.say(BOB, "hello"))
        self.before = await self.state()

    async def state(self) -> dict[tuple[str, str], str]:
        """What Bob may not change."""
        room = await self.server.rooms.cache.get(self.room_id)
        state = await self.server.stores.states.events_at(room.view_nid)
        return {slot: e.event_id for slot, e in state.items() if slot[1] != BOB}

    def candidates(self) -> list[dict[str, Any]]:
        """Events to be changed: of Bob, and some that he can only forge."""
        events = list(self.elsewhere.events.values())
        forbidden = self.elsewhere.send(
            "m.room.power_levels", BOB, {"users": {BOB: 100}}, "", forbidden=True
        )
        assert forbidden is not None
        self.elsewhere.last = events[-1].event_id
        redaction = self.elsewhere.must_send(
            "m.room.redaction", BOB, {}, redacts=events[-1].event_id
        )
        return [pdu_of(event) for event in (*events[-4:], forbidden, redaction)]

    async def put(self, pdus: Any, **more: Any) -> int:
        """The status of a transaction's answer, which comes soon."""
        self.sent += 1
        self.time.advance(1)
        body = {"origin": THEIRS, "origin_server_ts": 1, "pdus": pdus, **more}
        began = time.monotonic()
        path = f"/_matrix/federation/v1/send/{self.sent}"
        try:
            status = (await self.link.fetch(OURS, "PUT", path, body)).status
        except NotCanonical:
            return 400  # it can't even be signed
        self.assertLess(time.monotonic() - began, PATIENCE_S)
        return status

    async def assert_room_goes_on(self, *, for_bob: bool = True) -> None:
        """Nothing was done in others' names, nor what Bob may not do; and all can still talk."""
        self.assertEqual(await self.state(), self.before)
        room = await self.server.rooms.cache.get(self.room_id)
        for event in await self.server.stores.events.after(room.nid, -(2**60), 10_000):
            if event.event_id not in self.elsewhere.events:
                self.assertEqual(event.sender, BOB, event)
                self.assertIn(event.state_key, (None, BOB), event)
        path = f"/_matrix/client/v3/rooms/{self.room_id}/send/m.room.message/last"
        said = await self.client(OURS, "PUT", path, {"body": "still here"}, token=self.token)
        self.ask_with(self.answer_truly)
        # Bob may have gone by now, in one of his changed events.
        await self.accept(self.elsewhere.join(BOB), self.elsewhere.say(BOB, "so am I"))
        await self.rest()
        timeline = await self.timeline()
        self.assertIn(said["event_id"], timeline)
        if for_bob:
            self.assertIn(self.elsewhere.last, timeline)
        staged = await self.server.database.fetch("SELECT tries FROM staged_events")
        self.assertEqual([tries for (tries,) in staged if not tries], [])

    async def test_mutated_events(self) -> None:
        for version in VERSIONS:
            await self.arrange(version)
            chance = random.Random(SEED)
            mutations = Mutations(chance)
            with self.assertNoLogs(level="ERROR"):
                for _ in range(ROUNDS):
                    pdus = [mutations.of(chance.choice(self.candidates())) for _ in range(3)]
                    if chance.random() < 0.7:
                        pdus = [self.resigned(pdu) for pdu in pdus]
                    self.assertIn(await self.put(pdus), (200, 400))
                    await self.rest()
            await self.assert_room_goes_on()

    async def test_mutated_transactions(self) -> None:
        await self.arrange()
        mutations = Mutations(random.Random(SEED))
        good = {
            "pdus": self.candidates()[:2],
            "edus": [
                {
                    "edu_type": "m.typing",
                    "content": {"room_id": self.room_id, "user_id": BOB, "typing": True},
                },
                {
                    "edu_type": "m.receipt",
                    "content": {
                        self.room_id: {
                            "m.read": {BOB: {"data": {"ts": 1}, "event_ids": [self.elsewhere.last]}}
                        }
                    },
                },
                {
                    "edu_type": "m.presence",
                    "content": {"push": [{"user_id": BOB, "presence": "online"}]},
                },
            ],
        }
        with self.assertNoLogs(level="ERROR"):
            for _ in range(ROUNDS * 2):
                body = mutations.of(good)
                body = body if isinstance(body, dict) else {"pdus": body}
                status = await self.put(body.pop("pdus", []), **body)
                self.assertIn(status, (200, 400, 413))
                await self.rest()
        await self.assert_room_goes_on()

    async def test_mutated_answers(self) -> None:
        for version in VERSIONS:
            await self.arrange(version)
            chance = random.Random(SEED)
            mutations = Mutations(chance)
            with self.assertNoLogs(level="ERROR"):
                for number in range(ROUNDS // 2):
                    await self.miss_events(number, mutations)
            # Who lies about the state before his own events may have made them impossible.
            await self.assert_room_goes_on(for_bob=False)

    async def test_a_state_without_a_beginning_is_not_believed(self) -> None:
        await self.arrange()
        self.elsewhere.say(BOB, "missing")
        late = self.elsewhere.say(BOB, "late")

        async def answer(destination: str, method: str, path: str, **options: Any) -> Any:
            return {"events": [], "pdu_ids": [], "auth_chain_ids": []}

        self.ask_with(answer)
        await self.accept(late)
        await self.rest()
        stored = await self.server.stores.events.get(late.event_id)
        self.assertIsNone(stored)
        self.ask_with(self.answer_truly)
        self.time.advance(60)
        await self.rest()
        self.assertIn(late.event_id, await self.timeline())

    async def test_events_that_stand_on_nothing_hold_up_nothing(self) -> None:
        await self.arrange("10")
        create, *_, last = self.elsewhere.events.values()
        bare = {**pdu_of(last), "prev_events": [], "auth_events": last.auth_event_ids()}
        rootless = self.resigned(bare)
        said = self.elsewhere.say(BOB, "well")
        answer = await self.send(create, rootless, said)
        self.assertEqual([bool(verdict) for verdict in answer.values()], [True, True, False])
        self.assertEqual((await self.timeline())[-1], said.event_id)

    async def test_bodies_too_deep_to_be_signed(self) -> None:
        await self.arrange()
        for levels in (201, 10_000):
            body = b'{"pdus":' + b"[" * levels + b"]" * levels + b"}"
            headers = {"Authorization": 'X-Matrix origin="elsewhere",key="ed25519:a",sig="x"'}
            answer = await self.network.sites[OURS].fetch(
                "PUT", "/_matrix/federation/v1/send/deep", body=body, headers=headers
            )
            self.assertIn(answer.status, (400, 401), str(answer))
        await self.assert_room_goes_on()

    async def miss_events(self, number: int, mutations: Mutations) -> None:
        """An event comes that stands on others, of which the answers about them are changed."""
        for n in range(3):
            self.elsewhere.say(BOB, f"missing {number} {n}")
        late = self.elsewhere.say(BOB, f"late {number}")
        requests = 0

        async def answer(destination: str, method: str, path: str, **options: Any) -> Any:
            nonlocal requests
            requests += 1
            self.assertLess(requests, 500)
            changed = mutations.of(honest_answer(self.elsewhere, path, options))
            events = changed.get("events") if isinstance(changed, dict) else None
            if isinstance(events, list) and mutations.chance.random() < 0.7:
                changed["events"] = [self.resigned(event) for event in events]
            return changed

        self.ask_with(answer)
        self.assertEqual(await self.put([pdu_of(late)]), 200)
        began = time.monotonic()
        await self.rest()
        for _ in range(3):
            self.time.advance(60)
            await self.rest()
        self.assertLess(time.monotonic() - began, PATIENCE_S)

    async def answer_truly(self, destination: str, method: str, path: str, **options: Any) -> Any:
        return honest_answer(self.elsewhere, path, options)

    def resigned(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return resigned(value, self.version, THEIRS, self.key)
