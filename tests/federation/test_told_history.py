"""What a server tells others of a room's history and states, and whom."""

from typing import Any
from urllib.parse import quote

from synapse.events.event import Event
from synapse.federation.errors import RemoteError
from synapse.rooms.receiver import Verdict
from tests.federation.shared_rooms import (
    ALICE,
    BOB,
    CAROL,
    ONE,
    THIRD,
    TWO,
    VERSIONS,
    Asker,
    SharedRoomTestCase,
    ids,
)

STRANGER = "stranger.test"


class ToldTestCase(SharedRoomTestCase):
    def ask_all(self, asker: Asker, event_id: str) -> dict[str, Any]:
        """Each question that is about an event of the room."""
        room, event = quote(self.room_id), quote(event_id)
        missing = {"earliest_events": [], "latest_events": [event_id]}
        return {
            "event": asker.get(f"/event/{event}"),
            "state": asker.get(f"/state/{room}", event_id=event_id),
            "state_ids": asker.get(f"/state_ids/{room}", event_id=event_id),
            "event_auth": asker.get(f"/event_auth/{room}/{event}"),
            "backfill": asker.get(f"/backfill/{room}", v=[event_id], limit="10"),
            "get_missing_events": asker.post(f"/get_missing_events/{room}", missing),
            "timestamp_to_event": asker.get(f"/timestamp_to_event/{room}", ts="0", dir="f"),
        }

    async def assert_refused(self, request: Any, status: int, what: str) -> None:
        with self.assertRaises(RemoteError, msg=what) as raised:
            await request
        self.assertEqual(raised.exception.status, status, f"{what}: {raised.exception}")

    async def stored(self, event_id: str) -> Event:
        event = await self.one.stores.events.get(event_id)
        assert event is not None
        return event


def told_ids(pdus: list[Any], events: list[Event]) -> list[str]:
    """Which events these are, some of them perhaps redacted."""
    by_place = {(e.depth, e.type, e.sender, e.origin_server_ts): e.event_id for e in events}
    return [by_place[p["depth"], p["type"], p["sender"], p["origin_server_ts"]] for p in pdus]


class RightsTests(ToldTestCase):
    async def test_servers_in_the_room(self) -> None:
        for version in VERSIONS:
            self.network.sites.clear()
            await self.arrange(version)
            event_id = await self.say("hello")
            for what, request in self.ask_all(self.ask(THIRD), event_id).items():
                answer = await request
                self.assertIsInstance(answer, dict, what)

    async def test_servers_that_never_were_in_the_room(self) -> None:
        await self.arrange()
        self.add_server(STRANGER)
        event_id = await self.say("hello")
        for what, request in self.ask_all(self.ask(STRANGER), event_id).items():
            await self.assert_refused(request, 403, what)
        room_id, self.room_id = self.room_id, "!unknown:one.test"
        for what, request in self.ask_all(self.ask(STRANGER), "$unknown").items():
            await self.assert_refused(request, 404 if what == "event" else 403, what)
        self.room_id = room_id

    async def test_servers_that_the_room_does_not_admit(self) -> None:
        await self.arrange()
        event_id = await self.say("hello")
        await self.set_state("m.room.server_acl", {"allow": ["*"], "deny": [THIRD]})
        for what, request in self.ask_all(self.ask(THIRD), event_id).items():
            await self.assert_refused(request, 403, what)

    async def test_a_server_that_left_learns_of_what_was_before(self) -> None:
        await self.arrange("10")
        early = await self.say("early")
        await self.enter()
        left = await self.tell_membership(CAROL, TWO, "leave")
        late = await self.say("late")
        asker = self.ask(TWO)
        for what, request in self.ask_all(asker, early).items():
            self.assertIsInstance(await request, dict, what)
        for what, request in self.ask_all(asker, late).items():
            if what in ("event", "state", "state_ids", "event_auth"):
                await self.assert_refused(request, 403, what)
            else:
                await request
        told = await asker.get(f"/backfill/{self.room_id}", v=[late], limit="10")
        known = told_ids(told["pdus"], await self.timeline(self.one))
        self.assertEqual(known[0], left.event_id)
        self.assertNotIn(late, known)
        self.assertIn(early, known)

    async def test_an_event_is_told_to_whom_it_concerns(self) -> None:
        await self.arrange()
        self.add_server(STRANGER)
        invited = await self.invite("@dave:stranger.test")
        answer = await self.ask(STRANGER).get(f"/event/{quote(invited)}")
        self.assertEqual(answer["pdus"][0]["state_key"], "@dave:stranger.test")
        await self.assert_refused(
            self.ask(STRANGER).get(f"/event/{quote(await self.say('hello'))}"), 403, "event"
        )

    async def test_requests_must_be_signed(self) -> None:
        await self.arrange()
        for path in (f"/event/{quote(await self.say('x'))}", f"/state/{quote(self.room_id)}"):
            answer = await self.fetch(ONE, "GET", f"/_matrix/federation/v1{path}")
            self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_UNAUTHORIZED"))


class VisibilityTests(ToldTestCase):
    async def test_what_was_said_before_is_told_as_the_room_says(self) -> None:
        """For each history visibility: who was never in it joins after a message."""
        for visibility, seen in (
            ("world_readable", True),
            ("shared", True),
            ("invited", False),
            ("joined", False),
        ):
            self.network.sites.clear()
            await self.arrange(
                "10",
                initial_state=[
                    {
                        "type": "m.room.history_visibility",
                        "content": {"history_visibility": visibility},
                    }
                ],
            )
            early = await self.say("early")
            await self.enter()
            late = await self.say("late")
            asker = self.ask(TWO)
            told = await asker.get(f"/backfill/{self.room_id}", v=[late], limit="3")
            contents = [pdu["content"].get("body") for pdu in told["pdus"]]
            self.assertEqual(contents, ["late", None, "early" if seen else None], visibility)
            # Who joined with part of the state asks for what the join stands on: it has to get it.
            for event_id, body in ((early, contents[2]), (late, "late")):
                (pdu,) = (await asker.get(f"/event/{quote(event_id)}"))["pdus"]
                self.assertEqual(pdu["content"].get("body"), body, visibility)
            # Bob's server was there all the time.
            whole = await self.ask(THIRD).get(f"/backfill/{self.room_id}", v=[late], limit="3")
            self.assertEqual(whole["pdus"][2]["content"]["body"], "early")

    async def test_who_was_invited_sees_it_if_the_room_says_so(self) -> None:
        setting = {"history_visibility": "invited"}
        await self.arrange(
            "10", initial_state=[{"type": "m.room.history_visibility", "content": setting}]
        )
        await self.invite(CAROL)
        said = await self.say("you may hear this")
        await self.enter()
        answer = await self.ask(TWO).get(f"/event/{quote(said)}")
        self.assertEqual(answer["pdus"][0]["content"]["body"], "you may hear this")

    async def test_the_setting_may_change(self) -> None:
        await self.arrange("10")
        first = await self.say("shared")
        await self.set_state("m.room.history_visibility", {"history_visibility": "joined"})
        second = await self.say("joined")
        await self.enter()
        for event_id, body in ((first, "shared"), (second, None)):
            answer = await self.ask(TWO).get(f"/event/{quote(event_id)}")
            self.assertEqual(answer["pdus"][0]["content"].get("body"), body)

    async def test_no_event_before_a_time_that_may_be_seen(self) -> None:
        await self.arrange("10")
        await self.set_state("m.room.history_visibility", {"history_visibility": "joined"})
        self.time.advance(60)
        await self.say("hidden")
        self.time.advance(60)
        join = await self.enter()
        path = f"/timestamp_to_event/{self.room_id}"
        asked = self.clock.now_ms() - 90_000
        answer = await self.ask(TWO).get(path, ts=str(asked), dir="f")
        self.assertEqual(answer["event_id"], join.event_id)
        await self.assert_refused(
            self.ask(TWO).get(path, ts=str(self.clock.now_ms() + 1), dir="f"), 404, "later"
        )


class StateTests(ToldTestCase):
    async def test_the_state_before_an_event(self) -> None:
        for version in VERSIONS:
            self.network.sites.clear()
            await self.arrange(version)
            asker = self.ask(THIRD)
            first = await self.set_state("m.room.topic", {"topic": "first"})
            second = await self.set_state("m.room.topic", {"topic": "second"})
            said = await self.say("after")
            for event_id, topic in ((first, None), (second, first), (said, second)):
                answer = await asker.get(f"/state_ids/{self.room_id}", event_id=event_id)
                topics = {first, second} & set(answer["pdu_ids"])
                self.assertEqual(topics, {topic} - {None}, version)
                whole = await asker.get(f"/state/{self.room_id}", event_id=event_id)
                self.assertEqual(len(whole["pdus"]), len(answer["pdu_ids"]))
                self.assertEqual(len(whole["auth_chain"]), len(answer["auth_chain_ids"]))
            create = (await self.timeline(self.one))[0].event_id
            answer = await asker.get(f"/state_ids/{self.room_id}", event_id=create)
            self.assertEqual(answer, {"pdu_ids": [], "auth_chain_ids": []})

    async def test_the_state_before_a_refused_event(self) -> None:
        await self.arrange("10")
        topic = self.third.send("m.room.topic", BOB, {"topic": "no"}, "", forbidden=True)
        assert topic is not None
        self.assertEqual(await self.tell_one(topic), [Verdict.REJECTED])
        answer = await self.ask(THIRD).get(f"/state_ids/{self.room_id}", event_id=topic.event_id)
        state = self.third.state_after[topic.prev_event_ids()[0]]
        self.assertEqual(set(answer["pdu_ids"]), set(state.values()))
        self.assertNotIn(topic.event_id, answer["pdu_ids"])

    async def test_the_state_where_forks_meet(self) -> None:
        await self.arrange("10", power_level_content_override={"events": {"m.room.topic": 0}})
        fork = self.third.last
        left = self.third.topic(BOB, "left", after=[fork])
        right = self.third.say(BOB, "right", after=[fork])
        meet = self.third.say(BOB, "meet", after=[left.event_id, right.event_id])
        await self.tell_one(left, right, meet)
        answer = await self.ask(THIRD).get(f"/state_ids/{self.room_id}", event_id=meet.event_id)
        expected = self.third.resolved([left.event_id, right.event_id])
        self.assertEqual(set(answer["pdu_ids"]), set(expected.values()))

    async def test_auth_chains_are_whole(self) -> None:
        for version in VERSIONS:
            self.network.sites.clear()
            await self.arrange(version)
            for number in range(3):
                await self.set_state("m.room.power_levels", await self.levels(number))
            said = await self.say("hello")
            path = f"/event_auth/{self.room_id}/{quote(said)}"
            answer = await self.ask(THIRD).get(path)
            expected = await self.chain(said)
            self.assertEqual(len(answer["auth_chain"]), len(expected), version)
            self.assertIn("m.room.create", {pdu["type"] for pdu in answer["auth_chain"]})

    async def levels(self, number: int) -> dict[str, Any]:
        content = await self.one.rooms.cache.current(
            await self.one.rooms.cache.get(self.room_id), "m.room.power_levels"
        )
        assert content is not None
        return {**content.content, "invite": number}

    async def chain(self, event_id: str) -> set[str]:
        """By the definition: all that an event cites, and what that cites; and the create event."""
        found: set[str] = {(await self.timeline(self.one))[0].event_id}
        stack = (await self.stored(event_id)).auth_event_ids()
        while stack:
            cited = stack.pop()
            if cited not in found:
                found.add(cited)
                stack += (await self.stored(cited)).auth_event_ids()
        return found


class WalkTests(ToldTestCase):
    async def test_backfill_includes_where_it_starts(self) -> None:
        await self.arrange()
        said = [await self.say(str(number)) for number in range(5)]
        answer = await self.ask(THIRD).get(f"/backfill/{self.room_id}", v=[said[3]], limit="3")
        self.assertEqual(answer["origin"], ONE)
        bodies = [pdu["content"]["body"] for pdu in answer["pdus"]]
        self.assertEqual(bodies, ["3", "2", "1"])

    async def test_missing_events_lie_between(self) -> None:
        await self.arrange()
        said = [await self.say(str(number)) for number in range(6)]
        body = {"earliest_events": [said[1]], "latest_events": [said[5]], "limit": 10}
        path = f"/get_missing_events/{self.room_id}"
        depth = (await self.stored(said[3])).depth
        for changes, expected in (
            ({}, ["2", "3", "4"]),
            ({"limit": 2}, ["3", "4"]),
            ({"min_depth": depth}, ["3", "4"]),
            ({"earliest_events": [said[4]]}, []),
            ({"latest_events": ["$unknown"]}, []),
        ):
            answer = await self.ask(THIRD).post(path, {**body, **changes})
            bodies = [pdu["content"].get("body") for pdu in answer["events"]]
            self.assertEqual(bodies, expected, str(changes))

    async def test_what_was_refused_is_walked_through(self) -> None:
        await self.arrange("10")
        before = self.third.last
        refused = self.third.send("m.room.topic", BOB, {"topic": "no"}, "", forbidden=True)
        assert refused is not None
        self.third.add(refused, self.third.state_after[before])
        after = self.third.say(BOB, "after")
        await self.tell_one(refused, after)
        answer = await self.ask(THIRD).get(
            f"/backfill/{self.room_id}", v=[after.event_id], limit="3"
        )
        timeline = await self.timeline(self.one)
        told = told_ids(answer["pdus"], timeline)
        self.assertEqual(told, ids(timeline)[::-1][:3])
        # Who needs it asks for it.
        single = await self.ask(THIRD).get(f"/event/{quote(refused.event_id)}")
        self.assertEqual(single["pdus"][0]["content"], {"topic": "no"})

    async def test_what_stands_aside_is_not_told_as_history(self) -> None:
        await self.arrange("10")
        await self.enter()
        # For two.test, the room's beginning is a handful of outliers.
        create = (await self.timeline(self.one))[0].event_id
        asker = self.ask(THIRD, TWO)
        for path, query in (
            (f"/backfill/{self.room_id}", {"v": [create], "limit": "5"}),
            (f"/backfill/{self.room_id}", {"v": ["$nothing"], "limit": "5"}),
        ):
            self.assertEqual((await asker.get(path, **query))["pdus"], [])
        await asker.get(f"/event/{quote(create)}")

    async def test_limits(self) -> None:
        await self.arrange()
        said = [await self.say(str(number)) for number in range(120)]
        path = f"/backfill/{self.room_id}"
        answer = await self.ask(THIRD).get(path, v=[said[-1]], limit="100000")
        self.assertEqual(len(answer["pdus"]), 100)
        for query in (
            {"v": [said[0]]},
            {"limit": "5"},
            {"v": [said[0]], "limit": "0"},
            {"v": [said[0]], "limit": "x"},
            {"v": [said[0]], "limit": "-5"},
        ):
            await self.assert_refused(self.ask(THIRD).get(path, **query), 400, str(query))
        large = await self.ask(THIRD).get(path, v=["$x"] * 500, limit="100")
        self.assertEqual(large["pdus"], [])
        self.assertEqual(ALICE, answer["pdus"][0]["sender"])
