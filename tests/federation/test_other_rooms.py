"""Events that cite events of other rooms, or have the ids of such."""

from typing import Any
from urllib.parse import quote

import orjson
from msgspec import Raw

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.auth_selection import auth_slots
from synapse.events.event import Event
from synapse.federation.history_keeping import HistoryKeeping
from synapse.federation.pdus import Verified
from tests.federation.honest_answers import honest_answer
from tests.federation.mutations import resigned
from tests.federation.test_transactions import BOB, OURS, THEIRS, TransactionTestCase, pdu_of
from tests.rooms.elsewhere import Elsewhere

VERSIONS = ("1", "2", "10", "12")
CAROL = "@carol:elsewhere"


class OtherRoomTests(TransactionTestCase):
    """Bob has power in another room of Alice's; in this one he has none."""

    async def arrange(self, version: str = "12") -> None:
        self.network.sites.clear()
        await super().arrange(version)
        self.other = await self.create(version, {BOB: 100})
        await self.accept(self.other.join(BOB))
        await self.accept(self.other.must_send("m.room.name", BOB, {"name": "Bob's"}, ""))
        self.questions: list[str] = []
        self.ask_with(self.answer)

    async def create(self, version: str, users: dict[str, int]) -> Elsewhere:
        privileged = ROOM_VERSIONS[version].privileged_creators
        wish = {
            "preset": "public_chat",
            "room_version": version,
            "power_level_content_override": {
                "users": users if privileged else {**users, "@alice:ours.test": 100}
            },
        }
        answer = await self.client(
            OURS, "POST", "/_matrix/client/v3/createRoom", wish, token=self.token
        )
        room = await self.server.rooms.cache.get(answer["room_id"])
        beginning = await self.server.stores.events.after(room.nid, -(2**60), 100)
        return Elsewhere.of(ROOM_VERSIONS[version], beginning, key=self.key)

    async def answer(self, destination: str, method: str, path: str, **options: Any) -> Any:
        self.questions.append(path)
        return honest_answer(self.elsewhere, path, options)

    def forge(self, like: Event, **changes: Any) -> dict[str, Any]:
        return resigned({**pdu_of(like), **changes}, like.version, THEIRS, self.key)

    def reference(self, event_id: str) -> Any:
        if self.elsewhere.version.events_have_ids:
            return [event_id, {"sha256": "x"}]
        return event_id

    async def stored(self, event_id: str) -> Event | None:
        return await self.server.stores.events.get(event_id)

    async def assert_only_its_own(self) -> None:
        """Nothing of the other room is anywhere in the state of this one."""
        room = await self.server.rooms.cache.get(self.room_id)
        for tip in room.tips:
            for state_nid in (tip.state_nid, room.view_nid):
                state = await self.server.stores.states.events_at(state_nid)
                self.assertEqual({e.room_id for e in state.values()}, {self.room_id})

    async def test_an_event_does_not_stand_on_the_state_of_another_room(self) -> None:
        for version in VERSIONS:
            await self.arrange(version)
            like = self.elsewhere.say(BOB, "where am I?")
            before = self.elsewhere.state_after[like.event_id]
            slots = auth_slots("m.room.message", None, BOB, {}, like.version)
            auth = [self.reference(before[slot]) for slot in slots if slot in before]
            forged = self.forge(
                like, prev_events=[self.reference(self.other.last)], auth_events=auth
            )
            await self.send(forged)
            await self.rest()
            # What it stands on is not known in this room, so its server is asked.
            self.assertTrue(self.questions)
            await self.assert_only_its_own()
            await self.accept(like)
            await self.assert_only_its_own()

    async def test_auth_events_of_another_room_authorise_nothing(self) -> None:
        for version in VERSIONS:
            await self.arrange(version)
            like = self.elsewhere.say(BOB, "by whose leave?")
            state = self.other.state_after[self.other.last]
            slots = auth_slots("m.room.message", None, BOB, {}, like.version)
            auth = [self.reference(state[slot]) for slot in slots if slot in state]
            (event_id,) = await self.send(self.forge(like, auth_events=auth))
            await self.rest()
            self.assertNotIn(event_id, await self.timeline())
            found = await self.stored(event_id)
            self.assertTrue(found is None or found.rejected)
            await self.assert_only_its_own()

    async def test_an_id_that_another_room_has_is_no_event_of_this_room(self) -> None:
        for version in ("1", "2"):
            await self.arrange(version)
            taken = self.other.last
            before = await self.stored(taken)
            like = self.elsewhere.say(BOB, "who am I?")
            await self.send(self.forge(like, event_id=taken))
            await self.rest()
            self.assertNotIn(taken, await self.timeline())
            assert before is not None
            found = await self.stored(taken)
            assert found is not None
            self.assertEqual(found.json, before.json)
            self.assertEqual(found.state_nid, before.state_nid)
            # What others say on top of it is taken up all the same.
            reply = self.forge(
                self.elsewhere.say(CAROL, "so?", forbidden=True),
                sender=BOB,
                prev_events=[self.reference(taken)],
                auth_events=pdu_of(like)["auth_events"],
            )
            self.elsewhere.state_after[taken] = self.elsewhere.state_after[like.event_id]
            self.assertEqual(await self.send(reply), {reply["event_id"]: {}})
            await self.rest()
            self.assertIn(reply["event_id"], await self.timeline())
            await self.assert_only_its_own()

    async def test_an_outlier_with_the_id_of_another_room_is_dropped(self) -> None:
        for version in ("1", "2"):
            await self.arrange(version)
            taken = self.other.state_after[self.other.last]["m.room.name", ""]
            before = await self.stored(taken)
            assert before is not None
            levels = self.elsewhere.events[
                self.elsewhere.state_after[self.elsewhere.last]["m.room.power_levels", ""]
            ]
            join = next(e for e in self.elsewhere.events.values() if e.state_key == BOB)
            forged = self.forge(join, event_id=taken, prev_events=[self.reference(levels.event_id)])
            room = await self.server.rooms.cache.get(self.room_id)
            raw = Raw(orjson.dumps(forged))
            kept = await self.server.federation.graph.keep(room, [raw])
            self.assertEqual(kept, {})
            found = await self.stored(taken)
            assert found is not None
            self.assertEqual(found.json, before.json)

    async def test_a_state_that_is_told_holds_no_events_of_other_rooms(self) -> None:
        for version in VERSIONS:
            await self.arrange(version)
            late = self.elsewhere.must_send(
                "m.room.message",
                BOB,
                {"body": "late"},
                after=[self.elsewhere.say(BOB, "x").event_id],
            )
            foreign = list(self.other.state_after[self.other.last].values())

            async def answer(destination: str, method: str, path: str, **options: Any) -> Any:
                truth = honest_answer(self.elsewhere, path, options)
                if "get_missing_events" in path:
                    return {"events": []}
                return {key: [*value, *foreign] for key, value in truth.items()}  # noqa: B023

            self.ask_with(answer)
            await self.accept(late)
            await self.rest()
            self.assertIn(late.event_id, await self.timeline())
            await self.assert_only_its_own()

    async def test_who_cites_events_of_another_room_is_not_told_of_it(self) -> None:
        await self.arrange("10")
        like = self.elsewhere.say(BOB, "what do you know of $secret?")
        secret = self.other.state_after[self.other.last]["m.room.name", ""]
        (event_id,) = await self.send(
            self.forge(like, auth_events=[*pdu_of(like)["auth_events"], secret])
        )
        found = await self.stored(event_id)
        assert found is not None
        self.assertTrue(found.rejected)
        path = f"/_matrix/federation/v1/event_auth/{quote(self.room_id)}/{quote(event_id)}"
        answer = await self.link.request(OURS, "GET", path)
        told = {pdu["room_id"] for pdu in answer["auth_chain"]}
        self.assertEqual(told, {self.room_id})

    async def test_history_with_the_id_of_another_room_leaves_no_hole_that_stays(self) -> None:
        await self.arrange("1")
        said = [self.elsewhere.say(BOB, str(number)) for number in range(4)]
        taken = self.other.last
        forged = self.forge(said[1], event_id=taken)
        above = self.forge(said[2], prev_events=[self.reference(taken)])
        page = [
            one
            for one in await self.server.federation.pdus.verify(
                said[0].version, self.room_id, [pdu_of(said[0]), forged, above]
            )
            if isinstance(one, Verified)
        ]
        room = await self.server.rooms.cache.get(self.room_id)
        keeping = HistoryKeeping(
            self.server.federation.graph,
            self.server.rooms.standings,
            self.server.rooms.asides,
            self.server.stores.events,
            self.server.rooms.early_redactions,
            self.server.rooms.removals,
            self.server.rooms.sender_redactions,
            self.clock,
        )
        kept = await keeping.keep(THEIRS, room, page, max_asked=1)
        self.assertEqual(
            [event.event_id for event in kept.events], [said[0].event_id, above["event_id"]]
        )

    async def test_two_events_of_one_id_are_judged_each_by_its_own_signatures(self) -> None:
        await self.arrange("1")
        true = self.elsewhere.say(BOB, "true")
        alices = {**pdu_of(true), "sender": "@alice:ours.test"}
        for pdus in ([alices, pdu_of(true)], [pdu_of(true), alices]):
            one, other = await self.server.federation.pdus.verify(true.version, self.room_id, pdus)
            verdicts = {type(one).__name__, type(other).__name__}
            self.assertEqual(verdicts, {"Verified", "Refused"})
