"""Syncs of rooms in which forks met: they tell what state resolution decided, and no old news."""

from typing import Any

from synapse.rooms.receiver import Verdict
from tests.rest.client.sliding import SlidingTestCase, a_list
from tests.rest.remote import MOD, RemoteRoom
from tests.rest.rooms import V3, bodies, ids, room_path

ALICE, BOB = "@alice:test", "@bob:test"
STATE_AFTER = {"use_state_after": "true"}


class ForkTestCase(SlidingTestCase):
    """A room of Alice's, to which Mod of another server writes as well."""

    async def arrange(self, name: str = "") -> None:
        self.alice = await self.register(f"alice{name}")
        self.bob = await self.register(f"bob{name}")
        levels = {"users": {MOD: 100}, "state_default": 0}
        self.room_id = await self.create_public(self.alice, power_level_content_override=levels)
        self.remote = await RemoteRoom.of(self.server, self.room_id)
        await self.deliver(self.remote.model.join(MOD))
        self.old = self.remote.model.last

    async def deliver(self, event: Any) -> None:
        verdict = await self.remote.deliver(self.server, event)
        self.assertEqual(verdict, Verdict.ACCEPTED)

    def topic(self, topic: str) -> Any:
        """One that stands on the room's beginning."""
        return self.remote.model.topic(MOD, topic, after=[self.old])

    async def told(self, token: str, **query: Any) -> Any:
        """What a sync tells of the room; None: nothing."""
        answer = await self.sync(token, **query)
        self.next_batch = answer["next_batch"]
        return answer.get("rooms", {}).get("join", {}).get(self.room_id)

    async def late_topic(self) -> Any:
        """A topic that is known for long, as an outlier."""
        topic = self.topic("late")
        await self.remote.keep(self.server, topic)
        return topic


class NewsTests(ForkTestCase):
    async def test_an_outlier_that_finds_its_place_is_told_as_state_alone(self) -> None:
        await self.arrange()
        topic = await self.late_topic()
        await self.send(self.alice, self.room_id, "hello")
        await self.told(self.alice)
        since = self.next_batch
        await self.deliver(topic)
        for query, name in (({}, "state"), (STATE_AFTER, "state_after")):
            told = await self.told(self.alice, since=since, **query)
            self.assertEqual(told["timeline"]["events"], [])
            self.assertFalse(told["timeline"]["limited"])
            self.assertEqual(ids(told[name]["events"]), [topic.event_id])
            self.assertIsNone(await self.told(self.alice, since=self.next_batch, **query))
        page = await self.messages(self.alice, self.room_id, limit=1)
        self.assertEqual(ids(page["chunk"]), [topic.event_id])

    async def test_it_hides_nothing_that_is_older(self) -> None:
        for count in (3, 60):  # memory has less
            await self.hides_nothing(count)

    async def hides_nothing(self, count: int) -> None:
        self.start(self.config)
        await self.arrange(f"{count}")
        topic = await self.late_topic()
        await self.told(self.alice)
        since = self.next_batch
        sent = ["before"]
        await self.send(self.alice, self.room_id, "before")
        await self.deliver(topic)
        for number in range(count):
            sent.append(str(number))
            await self.send(self.alice, self.room_id, str(number))
        filter = '{"room":{"timeline":{"limit":100}}}'
        told = await self.told(self.alice, since=since, filter=filter)
        self.assertEqual(bodies(told["timeline"]["events"]), sent)
        self.assertFalse(told["timeline"]["limited"])
        page = await self.messages(self.alice, self.room_id, "f", **{"from": since, "limit": 100})
        self.assertEqual(bodies(page["chunk"]), sent)
        events = await self.ok("GET", f"{V3}/events?from={since}&timeout=0", token=self.alice)
        self.assertEqual([event["content"].get("body") for event in events["chunk"]], sent)

    async def test_all_state_is_told_without_old_news(self) -> None:
        await self.arrange()
        await self.told(self.alice)
        since = self.next_batch
        topic = await self.late_topic()
        await self.deliver(topic)
        news = await self.send(self.alice, self.room_id, "news")
        told = await self.told(self.alice, since=since, full_state="true")
        self.assertEqual(ids(told["timeline"]["events"]), [news])
        self.assertIn(topic.event_id, ids(told["state"]["events"]))

    async def test_who_knows_of_a_flip_and_who_does_not_are_told_different_things(self) -> None:
        await self.arrange()
        topic = await self.late_topic()
        await self.told(self.alice)
        before = self.next_batch
        await self.deliver(topic)
        await self.told(self.alice)
        behind = self.next_batch
        news = await self.send(self.alice, self.room_id, "news")
        for since, state in ((behind, []), (before, [topic.event_id]), (behind, [])):
            told = await self.told(self.alice, since=since)
            self.assertEqual(ids(told["timeline"]["events"]), [news])
            self.assertEqual(ids(told["state"]["events"]), state)

    async def test_state_in_the_gap_is_the_view_and_not_what_an_event_stands_on(self) -> None:
        await self.arrange()
        await self.told(self.alice)
        since = self.next_batch
        topic = await self.set_state(self.alice, self.room_id, "m.room.topic", {"topic": "ours"})
        for number in range(70):
            await self.send(self.alice, self.room_id, str(number))
        await self.deliver(self.remote.model.say(MOD, "elsewhere", after=[self.old]))
        for query, name in (({}, "state"), (STATE_AFTER, "state_after")):
            filter = '{"room":{"timeline":{"limit":1}}}'
            told = await self.told(self.alice, since=since, filter=filter, **query)
            self.assertEqual(bodies(told["timeline"]["events"]), ["elsewhere"])
            self.assertEqual(ids(told[name]["events"]), [topic])

    async def test_a_timeline_begins_behind_a_state_event_that_lost(self) -> None:
        await self.arrange()
        lost = self.topic("lost")
        await self.told(self.alice)
        since = self.next_batch
        won = await self.set_state(self.alice, self.room_id, "m.room.topic", {"topic": "won"})
        await self.deliver(lost)
        after = await self.send(self.alice, self.room_id, "after")
        view = (await self.state(self.alice, self.room_id))["m.room.topic", ""]["event_id"]
        lost_id = {won, lost.event_id} - {view}
        for query in ({"since": since}, {}):
            told = await self.told(self.alice, **query)
            timeline = ids(told["timeline"]["events"])
            if lost.event_id in lost_id:
                self.assertEqual(timeline, [after])
                self.assertTrue(told["timeline"]["limited"])
                self.assertIn(view, ids(told["state"]["events"]))
        told = await self.told(self.alice, since=since, **STATE_AFTER)
        self.assertEqual(ids(told["timeline"]["events"]), [won, lost.event_id, after])
        self.assertEqual(ids(told["state_after"]["events"]), [view])


class MembershipTests(ForkTestCase):
    async def bob_loses_his_join(self) -> Any:
        """The room was closed, elsewhere, when Bob came in here."""
        rule = self.remote.model.must_send(
            "m.room.join_rules", MOD, {"join_rule": "invite"}, "", after=[self.old]
        )
        await self.join(self.bob, self.room_id)
        return rule

    async def test_a_join_that_comes_to_nothing_is_a_leave(self) -> None:
        await self.arrange()
        rule = await self.bob_loses_his_join()
        since = (await self.sync(self.bob))["next_batch"]
        alices = (await self.sync(self.alice))["next_batch"]
        pos = (await self.sliding(self.bob, lists={"all": a_list()}))["pos"]
        await self.deliver(rule)
        row = await self.database.fetch("SELECT count(*) FROM flips WHERE event_nid = 0")
        self.assertEqual(row, [(1,)])
        rooms = (await self.sync(self.bob, since=since))["rooms"]
        self.assertEqual(set(rooms), {"leave"})
        told = rooms["leave"][self.room_id]
        self.assertIn(rule.event_id, ids(told["timeline"]["events"] + told["state"]["events"]))
        full = await self.sync(self.bob, since=since, full_state="true")
        self.assertIn(self.room_id, full["rooms"]["leave"])
        self.assertNotIn("rooms", await self.sync(self.bob))
        part = (await self.sliding(self.bob, pos, lists={"all": a_list()}))["rooms"]
        self.assertEqual(part[self.room_id]["membership"], "leave")
        self.assertEqual((await self.sliding(self.bob, lists={"all": a_list()}))["rooms"], {})
        events = await self.ok("GET", f"{V3}/events?from={since}&timeout=0", token=self.bob)
        self.assertEqual(events["chunk"], [])
        summary = (await self.told(self.alice, since=alices))["summary"]
        self.assertEqual(summary["m.joined_member_count"], 2)

    async def test_one_who_lost_a_join_may_come_again(self) -> None:
        await self.arrange()
        rule = await self.bob_loses_his_join()
        since = (await self.sync(self.bob))["next_batch"]
        await self.deliver(rule)
        await self.change_membership(self.alice, self.room_id, "invite", BOB)
        answer = await self.sync(self.bob, since=since)
        self.assertEqual(set(answer["rooms"]), {"invite"})
        await self.join(self.bob, self.room_id)
        told = (await self.sync(self.bob, since=answer["next_batch"]))["rooms"]["join"]
        self.assertIn(self.room_id, told)

    async def test_a_ban_that_wins_is_told_with_what_came_before(self) -> None:
        await self.arrange()
        await self.join(self.bob, self.room_id)
        await self.remote.listen(self.server)
        base = self.remote.model.last
        ban = self.remote.model.must_send(
            "m.room.member", MOD, {"membership": "ban"}, BOB, after=[base]
        )
        await self.remote.keep(self.server, ban)  # known as an outlier, before it counts
        since = (await self.sync(self.bob))["next_batch"]
        last = await self.send(self.bob, self.room_id, "am I still here?")
        await self.deliver(ban)
        answer = await self.sync(self.bob, since=since)
        told = answer["rooms"]["leave"][self.room_id]
        self.assertEqual(ids(told["timeline"]["events"]), [last])
        self.assertEqual(ids(told["state"]["events"]), [ban.event_id])
        self.assertNotIn("rooms", await self.sync(self.bob, since=answer["next_batch"]))
        leave = '{"room":{"include_leave":true}}'
        self.assertIn(self.room_id, (await self.sync(self.bob, filter=leave))["rooms"]["leave"])
        joined = await self.ok("GET", f"{V3}/joined_rooms", token=self.bob)
        self.assertEqual(joined["joined_rooms"], [])

    async def test_members_at_a_token_are_those_of_the_view(self) -> None:
        await self.arrange()
        await self.join(self.bob, self.room_id)
        await self.deliver(self.remote.model.say(MOD, "elsewhere", after=[self.old]))
        at = (await self.sync(self.alice))["next_batch"]
        await self.leave(self.bob, self.room_id)
        path = room_path(self.room_id, f"/members?at={at}&membership=join")
        members = await self.ok("GET", path, token=self.alice)
        self.assertEqual({event["state_key"] for event in members["chunk"]}, {ALICE, BOB, MOD})
        event = (await self.messages(self.alice, self.room_id, limit=2))["chunk"][1]
        context = await self.ok(
            "GET",
            room_path(self.room_id, f"/context/{event['event_id']}?limit=0"),
            token=self.alice,
        )
        # The state at an event is what it stands on.
        self.assertNotIn(BOB, {event["state_key"] for event in context["state"]})

    async def test_who_joins_sees_no_fork_in_which_history_was_hidden(self) -> None:
        await self.arrange()
        hidden = {"history_visibility": "joined"}
        setting = self.remote.model.must_send(
            "m.room.history_visibility", MOD, hidden, "", after=[self.old]
        )
        secret = self.remote.model.say(MOD, "secret")
        # Here it is set again, and that stands on the fork.
        shared = self.remote.model.must_send(
            "m.room.history_visibility", MOD, {"history_visibility": "shared"}, ""
        )
        await self.deliver(setting)
        await self.deliver(secret)
        await self.deliver(shared)
        late = self.remote.model.say(MOD, "late secret", after=[secret.event_id])
        await self.deliver(late)
        await self.join(self.bob, self.room_id)
        page = await self.messages(self.bob, self.room_id, limit=100)
        told = ids(page["chunk"])
        self.assertIn(shared.event_id, told)
        self.assertNotIn(late.event_id, told)
        self.assertNotIn(secret.event_id, told)
