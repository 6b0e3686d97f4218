"""Circles of events, wherever another server may tell them: bounded, and without consequences."""

import time
from typing import Any
from urllib.parse import quote, unquote

from synapse.api.room_versions import ROOM_VERSIONS
from tests.federation.circles import WAYS, circle
from tests.federation.honest_answers import honest_answer
from tests.federation.rooms import ONE, TWO, SharedRoomTestCase, path
from tests.federation.servers import key_of
from tests.federation.test_transactions import BOB, THEIRS, TransactionTestCase, pdu_of

VERSIONS = ("1", "2")
LENGTHS = (1, 2, 15)
# For each event that comes or is told: it is tried three times.
MOST_QUESTIONS = 15
PATIENCE_S = 5.0


class CircleTests(TransactionTestCase):
    async def arrange(self, version: str = "1") -> None:
        self.network.sites.clear()
        await super().arrange(version)
        self.told: list[dict[str, Any]] = []
        self.asked = 0
        self.ask_with(self.answer)

    async def answer(self, destination: str, method: str, path: str, **options: Any) -> Any:
        """The truth, and the circle wherever it has a place."""
        self.asked += 1
        truth = honest_answer(self.elsewhere, path, options)
        if "/event/" in path:
            wanted = unquote(path.rpartition("/")[2])
            return {"pdus": [one for one in self.told if one["event_id"] == wanted]}
        ids = [one["event_id"] for one in self.told]
        return {
            key: [*told, *(ids if key.endswith("_ids") else self.told)]
            for key, told in truth.items()
        }

    def circle(self, length: int, through: tuple[str, ...], number: int) -> list[dict[str, Any]]:
        kinds = [
            self.elsewhere.send("m.room.member", BOB, {"membership": "join"}, BOB),
            self.elsewhere.send("m.room.message", BOB, {"body": "round"}),
        ]
        event = kinds[number % 2]
        assert event is not None
        for one in kinds:
            assert one is not None
            del self.elsewhere.events[one.event_id]
        self.elsewhere.last = self.last
        return circle(
            pdu_of(event),
            event.version,
            THEIRS,
            self.key,
            length=length,
            through=through,
            name=f"circle{number}-",
        )

    async def go_round(self, *, at_once: bool) -> None:
        """Events of circles come, all of one or the first of it; the rest is told if asked for."""
        for version in VERSIONS:
            await self.arrange(version)
            self.last = self.elsewhere.last
            number = 0
            for length in LENGTHS:
                for through in WAYS:
                    for _ in range(2):  # state, and a message
                        number += 1
                        self.told = self.circle(length, through, number)
                        await self.send_some(self.told if at_once else self.told[:1])
            self.told = []
            said = self.elsewhere.say(BOB, "on we go")
            await self.accept(said)
            await self.rest()
            self.assertIn(said.event_id, await self.timeline())

    async def send_some(self, pdus: list[dict[str, Any]]) -> None:
        self.asked = 0
        began = time.monotonic()
        with self.assertNoLogs(level="ERROR"):
            answer = await self.send(*pdus)
            self.assertEqual(set(answer), {pdu["event_id"] for pdu in pdus})
            await self.rest()
            for _ in range(6):  # it is tried again a few times, then given up
                self.time.advance(60)
                await self.rest()
        self.assertLessEqual(self.asked, MOST_QUESTIONS * len(self.told))
        self.assertLess(time.monotonic() - began, PATIENCE_S)
        staged = await self.server.database.fetch("SELECT event_id FROM staged_events")
        self.assertEqual(staged, [])
        placed = [e for e in await self.timeline() if e.startswith("$circle")]
        # What stands on a circle stands on what is told to be the state before it; what is
        # authorised by one stands on nothing.
        for event_id in placed:
            stored = await self.server.stores.events.get(event_id)
            assert stored is not None
            self.assertTrue(all(not a.startswith("$circle") for a in stored.auth_event_ids()))

    async def test_circles_that_come_whole(self) -> None:
        await self.go_round(at_once=True)

    async def test_circles_that_are_told_bit_by_bit(self) -> None:
        await self.go_round(at_once=False)


class ToldCircleTests(SharedRoomTestCase):
    """Bob's server asks Alice's about the room, which tells of circles."""

    async def make(self, version: str) -> tuple[str, list[dict[str, Any]]]:
        """A room, and circles of all kinds like its latest message and like Alice's join."""
        room_id = await self.create(room_version=version)
        event_ids = [await self.say("alice", room_id) for _ in range(3)]
        state = await self.state_ids(ONE, room_id)
        wanted = [event_ids[-1], state["m.room.member", self.user("alice")]]
        events = await self.servers[ONE].stores.events.get_many(wanted)
        circles = [
            one
            for number, like in enumerate(events.values())
            for way, through in enumerate(WAYS)
            for one in circle(
                pdu_of(like),
                ROOM_VERSIONS[version],
                ONE,
                key_of(ONE),
                length=3,
                through=through,
                name=f"circle{number}{way}{version}-",
            )
        ]
        return room_id, circles

    async def test_a_join_that_is_told_of_circles(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            room_id, circles = await self.make(version)

            def tamper(answer: Any, circles: list[dict[str, Any]] = circles) -> Any:
                chain = [*circles, *answer["auth_chain"]]
                return {**answer, "auth_chain": chain}

            self.network.tampers["send_join"] = tamper
            await self.join("bob", room_id, ONE)
            self.assertEqual(await self.state_ids(TWO, room_id), await self.state_ids(ONE, room_id))

    async def test_history_that_goes_round(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            room_id, circles = await self.make(version)
            await self.join("bob", room_id, ONE)

            def beside(answer: Any, circles: list[dict[str, Any]] = circles) -> Any:
                return {**answer, "pdus": [*answer["pdus"], *circles]}

            self.network.tampers["backfill"] = beside
            read = await self.read(room_id)
            self.assertEqual([e for e in read if e.startswith("$circle")], [])

            def below(answer: Any, circles: list[dict[str, Any]] = circles) -> Any:
                """The missing events lead into a circle."""
                leading = [[circles[0]["event_id"], {"sha256": "x"}]]
                pdus = [{**pdu, "prev_events": leading} for pdu in answer["pdus"]]
                return {**answer, "pdus": [*circles, *pdus]}

            self.network.tampers["backfill"] = below
            before = len(self.network.log)
            await self.read(room_id)
            self.assertLess(len(self.network.log) - before, 100)
            self.network.tampers.clear()

    async def read(self, room_id: str) -> list[str]:
        """What Bob reads of the room, page by page."""
        read: list[str] = []
        start = ""
        for _ in range(30):
            url = path(room_id, f"/messages?dir=b&limit=20{start}")
            page = await self.ask("bob", "GET", url)
            read += [event["event_id"] for event in page["chunk"]]
            if "end" not in page:
                return read
            start = f"&from={quote(page['end'])}"
        raise AssertionError("it never ends")
