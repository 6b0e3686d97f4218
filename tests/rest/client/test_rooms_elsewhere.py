"""Rooms of other servers: standing before them, and having come in."""

from typing import Any

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.event import Event
from synapse.rooms.arrivals import Arrival
from synapse.rooms.asides import Aside
from tests.rest.client.sliding import SlidingTestCase, a_list
from tests.rest.rooms import V3, ids, room_path
from tests.rooms.elsewhere import Elsewhere

ALICE = "@alice:test"
ELSA = "@elsa:elsewhere"
SHOWN = [{"type": "m.room.name", "state_key": "", "sender": ELSA, "content": {"name": "Elsewhere"}}]


class ElsewhereTestCase(SlidingTestCase):
    """A room of Elsa's on another server."""

    async def arrange(self) -> None:
        self.alice = await self.register("alice")
        self.room = Elsewhere.begin(ROOM_VERSIONS["10"], ELSA)
        self.room_id = self.room.room_id
        self.nid = await self.server.rooms.entrances.open(self.room_id, self.room.version)

    async def stand(self, membership: str, shown: list[Any] = SHOWN) -> Event:
        """What is said of Alice elsewhere, and comes to her."""
        event = self.room.must_send("m.room.member", ELSA, {"membership": membership}, ALICE)
        event = self.room.arrival(event).event
        await self.server.rooms.doorstep.stand(self.nid, event, shown)
        return event

    async def enter(self) -> Event:
        events = [self.room.arrival(event).event for event in self.room.events.values()]
        by_id = {event.event_id: event for event in events}
        asides = [Aside(e, [by_id[a] for a in e.auth_event_ids()]) for e in events if e.is_state]
        await self.server.rooms.asides.keep(self.nid, asides)
        state = [by_id[event.event_id] for event in self.room.state()]
        join = self.room.join(ALICE)
        auth_events = [by_id[auth] for auth in join.auth_event_ids()]
        arrival = Arrival(self.room.arrival(join).event, auth_events, frozenset())
        await self.server.rooms.entrances.enter(arrival, state)
        return join


class DoorstepTests(ElsewhereTestCase):
    async def test_an_invited_user_is_shown_what_the_other_server_showed(self) -> None:
        await self.arrange()
        await self.sync(self.alice)
        since = (await self.sync(self.alice))["next_batch"]
        pos = (await self.sliding(self.alice, lists={"all": a_list()}))["pos"]
        await self.stand("invite")
        expected = {("m.room.name", ""), ("m.room.member", ALICE)}
        for query in ({}, {"since": since}):
            rooms = (await self.sync(self.alice, **query))["rooms"]
            self.assertEqual(
                _slots(rooms["invite"][self.room_id]["invite_state"]["events"]), expected
            )
        for place in (pos, None):
            part = (await self.sliding(self.alice, place, lists={"all": a_list()}))["rooms"]
            self.assertEqual(_slots(part[self.room_id]["invite_state"]), expected)
        snapshot = await self.ok("GET", f"{V3}/initialSync", token=self.alice)
        self.assertEqual(snapshot["rooms"][0]["membership"], "invite")
        events = await self.ok("GET", f"{V3}/events?from={since}&timeout=0", token=self.alice)
        self.assertEqual([event["type"] for event in events["chunk"]], ["m.room.member"])

    async def test_the_own_membership_is_told_once(self) -> None:
        await self.arrange()
        own = {"type": "m.room.member", "state_key": ALICE, "sender": ELSA, "content": {}}
        await self.stand("invite", [*SHOWN, own])
        rooms = (await self.sync(self.alice))["rooms"]
        events = rooms["invite"][self.room_id]["invite_state"]["events"]
        self.assertEqual(
            [e["content"] for e in events if e["state_key"] == ALICE], [{"membership": "invite"}]
        )

    async def test_an_invitation_that_was_known_before_is_news_when_it_counts(self) -> None:
        await self.arrange()
        event = self.room.must_send("m.room.member", ELSA, {"membership": "invite"}, ALICE)
        event = self.room.arrival(event).event
        await self.server.rooms.asides.keep(self.nid, [Aside(event, ())])
        since = (await self.sync(self.alice))["next_batch"]
        pos = (await self.sliding(self.alice, lists={"all": a_list()}))["pos"]
        await self.server.rooms.doorstep.stand(self.nid, event, SHOWN)
        self.assertIn("invite", (await self.sync(self.alice, since=since))["rooms"])
        part = (await self.sliding(self.alice, pos, lists={"all": a_list()}))["rooms"]
        self.assertIn(self.room_id, part)

    async def test_an_invitation_that_is_taken_back_leaves(self) -> None:
        await self.arrange()
        await self.stand("invite")
        since = (await self.sync(self.alice))["next_batch"]
        pos = (await self.sliding(self.alice, lists={"all": a_list()}))["pos"]
        leave = await self.stand("leave")
        rooms = (await self.sync(self.alice, since=since))["rooms"]
        self.assertEqual(ids(rooms["leave"][self.room_id]["timeline"]["events"]), [leave.event_id])
        part = (await self.sliding(self.alice, pos, lists={"all": a_list()}))["rooms"]
        self.assertEqual(part[self.room_id]["membership"], "leave")
        await self.refused(
            403, "M_FORBIDDEN", "GET", room_path(self.room_id, "/state"), token=self.alice
        )


class EnteredRoomTests(ElsewhereTestCase):
    async def test_the_room_does_not_begin_with_our_join(self) -> None:
        await self.arrange()
        self.room.topic(ELSA, "news")
        since = (await self.sync(self.alice))["next_batch"]
        join = await self.enter()
        for query in ({}, {"since": since}):
            told = (await self.sync(self.alice, **query))["rooms"]["join"][self.room_id]
            self.assertEqual(ids(told["timeline"]["events"]), [join.event_id])
            self.assertTrue(told["timeline"]["limited"])
            self.assertIn("m.room.topic", {event["type"] for event in told["state"]["events"]})
            page = await self.messages(
                self.alice, self.room_id, **{"from": told["timeline"]["prev_batch"]}
            )
            # Nobody can be asked for what was before; one may try again.
            self.assertEqual(page["chunk"], [])
        part = (await self.sliding(self.alice, lists={"all": a_list()}))["rooms"][self.room_id]
        self.assertTrue(part["limited"])
        after = (await self.sync(self.alice))["next_batch"]
        sent = await self.send(self.alice, self.room_id)
        told = (await self.sync(self.alice, since=after))["rooms"]["join"][self.room_id]
        self.assertEqual(ids(told["timeline"]["events"]), [sent])
        self.assertFalse(told["timeline"]["limited"])

    async def test_an_invitation_becomes_a_room(self) -> None:
        await self.arrange()
        self.room.must_send("m.room.join_rules", ELSA, {"join_rule": "invite"}, "")
        await self.stand("invite")
        since = (await self.sync(self.alice))["next_batch"]
        await self.enter()
        rooms = (await self.sync(self.alice, since=since))["rooms"]
        self.assertEqual(set(rooms), {"join"})
        snapshot = await self.ok("GET", room_path(self.room_id, "/initialSync"), token=self.alice)
        self.assertEqual(snapshot["membership"], "join")

    async def test_who_leaves_is_told_what_is_known(self) -> None:
        await self.arrange()
        await self.enter()
        since = (await self.sync(self.alice))["next_batch"]
        await self.leave(self.alice, self.room_id)
        leave = '{"room":{"include_leave":true}}'
        for query in ({"since": since}, {"filter": leave}):
            told = (await self.sync(self.alice, **query))["rooms"]["leave"][self.room_id]
            self.assertEqual(told["timeline"]["limited"], "filter" in query)


def _slots(events: list[Any]) -> set[tuple[str, str]]:
    return {(event["type"], event["state_key"]) for event in events}
