"""Client API: unread counts in /sync."""

from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import orjson

from synapse.storage.stores import unread
from tests.rest.client.test_thread_subscriptions import MSC4306
from tests.rest.rooms import V3, RoomTestCase, room_path

ALICE, BOB = "@alice:test", "@bob:test"
BY_THREAD = orjson.dumps({"room": {"timeline": {"unread_thread_notifications": True}}}).decode()


class UnreadTestCase(RoomTestCase):
    async def arrange(self) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.carol = await self.register("carol")
        self.room_id = await self.create_public(self.alice)
        for token in (self.bob, self.carol):
            await self.join(token, self.room_id)

    async def counts(self, token: str) -> tuple[int, int]:
        """Notifications and highlights of the room."""
        told = (await self.sync(token))["rooms"]["join"][self.room_id]["unread_notifications"]
        return told["notification_count"], told["highlight_count"]

    async def by_thread(self, token: str) -> dict[str, tuple[int, int]]:
        room = (await self.sync(token, filter=BY_THREAD))["rooms"]["join"][self.room_id]
        told = {"main": room["unread_notifications"], **room["unread_thread_notifications"]}
        return {
            thread: (count["notification_count"], count["highlight_count"])
            for thread, count in told.items()
        }

    async def read(
        self, token: str, event_id: str, type: str = "m.read", thread: str | None = None
    ) -> None:
        path = room_path(self.room_id, f"/receipt/{type}/{quote(event_id, safe='$')}")
        body = {} if thread is None else {"thread_id": thread}
        await self.ok("POST", path, body, token=token)

    async def mention(self, token: str, *users: str, **content: Any) -> str:
        return await self.send(
            token, self.room_id, **{"m.mentions": {"user_ids": list(users)}, **content}
        )

    async def in_thread(self, token: str, root: str, **content: Any) -> str:
        relation = {"rel_type": "m.thread", "event_id": root}
        return await self.send(token, self.room_id, **{"m.relates_to": relation, **content})

    async def put_rule(self, token: str, kind: str, rule_id: str, **rule: Any) -> None:
        path = f"{V3}/pushrules/global/{kind}/{quote(rule_id, safe='!:')}"
        await self.ok("PUT", path, rule, token=token)

    async def delete_rule(self, token: str, kind: str, rule_id: str) -> None:
        path = f"{V3}/pushrules/global/{kind}/{quote(rule_id, safe='!:')}"
        await self.ok("DELETE", path, token=token)

    async def ignore(self, token: str, user: str, *others: str) -> None:
        """`user`, whose token it is, ignores the others and nobody else."""
        content: dict[str, Any] = {"ignored_users": {other: {} for other in others}}
        path = f"{V3}/user/{user}/account_data/m.ignored_user_list"
        await self.ok("PUT", path, content, token=token)

    async def enable(self, token: str, kind: str, rule_id: str, enabled: bool) -> None:
        path = f"{V3}/pushrules/global/{kind}/{rule_id}/enabled"
        await self.ok("PUT", path, {"enabled": enabled}, token=token)


class UnreadTests(UnreadTestCase):
    async def test_messages_count_and_other_events_do_not(self) -> None:
        await self.arrange()
        self.assertEqual(await self.counts(self.bob), (0, 0))
        message = await self.send(self.alice, self.room_id)
        await self.send_event(self.alice, self.room_id, "m.room.encrypted", {})
        await self.send(self.alice, self.room_id, msgtype="m.notice")
        await self.set_state(self.alice, self.room_id, "m.room.topic", {"topic": "x"})
        reaction = {"rel_type": "m.annotation", "event_id": message, "key": "x"}
        await self.send_event(self.alice, self.room_id, "m.reaction", {"m.relates_to": reaction})
        self.assertEqual(await self.counts(self.bob), (2, 0))
        self.assertEqual(await self.counts(self.alice), (0, 0))

    async def test_what_was_before_the_join_counts_as_read(self) -> None:
        await self.arrange()
        await self.send(self.alice, self.room_id)
        dave = await self.register("dave")
        await self.join(dave, self.room_id)
        self.assertEqual(await self.counts(dave), (0, 0))
        await self.mention(self.alice, "@dave:test")
        self.assertEqual(await self.counts(dave), (1, 1))
        await self.leave(dave, self.room_id)
        await self.send(self.alice, self.room_id)
        await self.join(dave, self.room_id)
        self.assertEqual(await self.counts(dave), (0, 0))

    async def test_receipts_reset_up_to_their_event(self) -> None:
        await self.arrange()
        events = [await self.mention(self.alice, BOB) for _ in range(4)]
        for type, event, left in (
            ("m.read", 1, 2),
            ("m.read", 0, 2),
            ("m.read.private", 2, 1),
            ("m.read", 1, 1),
            ("m.fully_read", 3, 1),
            ("m.read", 3, 0),
        ):
            await self.read(self.bob, events[event], type)
            self.assertEqual(await self.counts(self.bob), (left, left), (type, event))
        self.assertEqual(await self.counts(self.carol), (4, 0))

    async def test_sending_is_reading(self) -> None:
        await self.arrange()
        await self.mention(self.alice, BOB)
        await self.send(self.bob, self.room_id)
        self.assertEqual(await self.counts(self.bob), (0, 0))
        self.assertEqual(await self.counts(self.carol), (2, 0))

    async def test_mentions_are_highlighted_for_members_alone(self) -> None:
        await self.arrange()
        await self.register("dave")
        await self.mention(self.alice, BOB, "@dave:test", "@x:elsewhere", "@nobody:test", ALICE)
        self.assertEqual(await self.counts(self.bob), (1, 1))
        self.assertEqual(await self.counts(self.carol), (1, 0))
        self.assertEqual(await self.counts(self.alice), (0, 0))

    async def test_who_may_shout(self) -> None:
        await self.arrange()
        everyone: Any = {"m.mentions": {"room": True}}
        await self.send(self.alice, self.room_id, **everyone)
        await self.send(self.bob, self.room_id, **everyone)
        self.assertEqual(await self.counts(self.carol), (2, 1))

    async def test_muted_room(self) -> None:
        await self.arrange()
        await self.send(self.alice, self.room_id)
        condition = {"kind": "event_match", "key": "room_id", "pattern": self.room_id}
        await self.put_rule(self.bob, "override", "mute", conditions=[condition], actions=[])
        await self.mention(self.alice, BOB)
        self.assertEqual(await self.counts(self.bob), (1, 0))
        await self.delete_rule(self.bob, "override", "mute")
        self.assertEqual(await self.counts(self.bob), (1, 0))
        await self.mention(self.alice, BOB)
        self.assertEqual(await self.counts(self.bob), (2, 1))

    async def test_past_rules_are_kept_while_they_matter(self) -> None:
        await self.arrange()
        kept = "SELECT COUNT(*) FROM past_listeners"
        for _ in range(3):
            await self.put_rule(self.bob, "room", self.room_id, actions=[])
            await self.delete_rule(self.bob, "room", self.room_id)
        self.assertEqual(await self.database.fetch(kept), [(1,)])
        last = await self.send(self.alice, self.room_id)
        await self.put_rule(self.bob, "room", self.room_id, actions=[])
        self.assertEqual(await self.database.fetch(kept), [(2,)])
        self.assertEqual(await self.counts(self.bob), (1, 0))
        await self.read(self.bob, last)
        last = await self.send(self.alice, self.room_id)
        await self.delete_rule(self.bob, "room", self.room_id)
        await self.read(self.bob, last)
        await self.put_rule(self.bob, "room", self.room_id, actions=[])
        self.assertEqual(await self.database.fetch(kept), [(1,)])
        self.assertEqual(await self.counts(self.bob), (0, 0))

    async def test_mentions_only(self) -> None:
        await self.arrange()
        await self.put_rule(self.bob, "room", self.room_id, actions=[])
        await self.send(self.alice, self.room_id)
        self.assertEqual(await self.counts(self.bob), (0, 0))
        last = await self.mention(self.alice, BOB)
        self.assertEqual(await self.counts(self.bob), (1, 1))
        await self.read(self.bob, last)
        self.assertEqual(await self.counts(self.bob), (0, 0))

    async def test_keywords(self) -> None:
        await self.arrange()
        actions = ["notify", {"set_tweak": "highlight"}]
        for token in (self.bob, self.carol):
            await self.put_rule(token, "content", "cake", pattern="cake", actions=actions)
        await self.send(self.alice, self.room_id, "cake!")
        await self.send(self.alice, self.room_id, "pancakes")
        await self.send(
            self.alice, self.room_id, "cake, bob", **{"m.mentions": {"user_ids": [BOB]}}
        )
        for token in (self.bob, self.carol):
            self.assertEqual(await self.counts(token), (3, 2))
        rows = await self.database.fetch("SELECT listener FROM marks")
        self.assertEqual(len(rows), 2)  # however many share the rule

    async def test_one_to_one_rooms(self) -> None:
        await self.arrange()
        await self.enable(self.bob, "underride", ".m.rule.message", False)
        await self.send(self.alice, self.room_id)
        self.assertEqual(await self.counts(self.bob), (0, 0))
        await self.leave(self.carol, self.room_id)
        await self.send(self.alice, self.room_id)
        self.assertEqual(await self.counts(self.bob), (1, 0))

    async def test_display_names_in_rules_of_ones_own(self) -> None:
        await self.arrange()
        rule: Any = {
            "conditions": [{"kind": "contains_display_name"}],
            "actions": ["notify", {"set_tweak": "highlight"}],
        }
        for token in (self.bob, self.carol):
            await self.put_rule(token, "override", "name", **rule)
        await self.send(self.alice, self.room_id, "hello Bob")
        self.assertEqual(await self.counts(self.bob), (1, 1))
        self.assertEqual(await self.counts(self.carol), (1, 0))

    async def test_messages_of_ignored_users_do_not_count(self) -> None:
        await self.arrange()
        await self.ignore(self.bob, BOB, ALICE)
        await self.send(self.alice, self.room_id)
        root = await self.mention(self.alice, BOB)
        await self.in_thread(self.alice, root)
        self.assertEqual(await self.counts(self.bob), (0, 0))
        self.assertEqual(await self.counts(self.carol), (3, 0))
        await self.mention(self.carol, BOB)
        self.assertEqual(await self.counts(self.bob), (1, 1))

        path = "/_matrix/client/unstable/org.matrix.msc3391/user/" + BOB
        path += "/account_data/m.ignored_user_list"
        await self.ok("DELETE", path, token=self.bob)
        await self.send(self.alice, self.room_id)
        self.assertEqual(await self.counts(self.bob), (2, 1))

    async def test_whom_others_ignore_is_remembered_for_new_members(self) -> None:
        await self.arrange()
        await self.leave(self.bob, self.room_id)
        await self.ignore(self.bob, BOB, ALICE)
        await self.send(self.alice, self.room_id)
        await self.join(self.bob, self.room_id)
        await self.send(self.alice, self.room_id)
        self.assertEqual(await self.counts(self.bob), (0, 0))
        self.start(self.config)  # nothing is in memory
        await self.send(self.alice, self.room_id)
        self.assertEqual(await self.counts(self.bob), (0, 0))

    async def test_threads(self) -> None:
        await self.arrange()
        root = await self.send(self.alice, self.room_id)
        other = await self.send(self.alice, self.room_id)
        first = await self.in_thread(self.alice, root)
        await self.in_thread(self.alice, root, **{"m.mentions": {"user_ids": [BOB]}})
        await self.in_thread(self.alice, other)
        self.assertEqual(await self.counts(self.bob), (5, 1))
        self.assertEqual(
            await self.by_thread(self.bob), {"main": (2, 0), root: (2, 1), other: (1, 0)}
        )
        await self.read(self.bob, other, thread="main")
        await self.read(self.bob, first, thread=root)
        self.assertEqual(
            await self.by_thread(self.bob), {"main": (0, 0), root: (1, 1), other: (1, 0)}
        )
        await self.in_thread(self.bob, other)
        self.assertEqual(await self.by_thread(self.bob), {"main": (0, 0), root: (1, 1)})
        last = await self.send(self.alice, self.room_id)
        self.assertEqual(await self.counts(self.bob), (2, 1))
        await self.read(self.bob, last)
        self.assertEqual(await self.by_thread(self.bob), {"main": (0, 0)})

    async def test_of_many_messages_in_threads_the_newest_count(self) -> None:
        await self.arrange()
        silence = [{"kind": "event_match", "key": "content.body", "pattern": "psst"}]
        await self.put_rule(self.carol, "override", "q", conditions=silence, actions=[])
        old, new = [await self.send(self.alice, self.room_id) for _ in range(2)]
        with patch.object(unread, "_THREAD_MESSAGES_COUNTED", 3):
            await self.in_thread(self.alice, old, body="psst")
            await self.in_thread(self.alice, old, **{"m.mentions": {"user_ids": [BOB]}})
            self.assertEqual(await self.by_thread(self.bob), {"main": (2, 0), old: (2, 1)})
            self.assertEqual(await self.by_thread(self.carol), {"main": (2, 0), old: (1, 0)})
            for count in (1, 2, 3, 3):
                last = await self.in_thread(self.alice, new)
                self.assertEqual((await self.by_thread(self.bob))[new], (count, 0))
            # The mention is still told of, and what was silent takes nothing away.
            threads = {"main": (2, 0), old: (0, 1), new: (3, 0)}
            self.assertEqual(await self.by_thread(self.bob), threads)
            self.assertEqual(await self.by_thread(self.carol), {"main": (2, 0), new: (3, 0)})
            await self.read(self.bob, last)
            self.assertEqual(await self.by_thread(self.bob), {"main": (0, 0)})
            await self.in_thread(self.alice, old)
            self.assertEqual(await self.by_thread(self.bob), {"main": (0, 0), old: (1, 0)})

    async def test_who_has_read_all_threads_has_read_all(self) -> None:
        await self.arrange()
        root = await self.send(self.alice, self.room_id)
        last = await self.in_thread(self.alice, root)
        everything = "SELECT event_nid FROM read_points WHERE thread_id = ''"
        await self.read(self.bob, root, thread="main")
        self.assertEqual(await self.database.fetch(everything), [])
        await self.read(self.bob, last, thread=root)
        self.assertEqual(len(await self.database.fetch(everything)), 1)
        await self.in_thread(self.alice, root)
        await self.send(self.alice, self.room_id)
        self.assertEqual(await self.by_thread(self.bob), {"main": (1, 0), root: (1, 0)})

    async def test_what_relates_to_a_thread_is_in_it(self) -> None:
        await self.arrange()
        root = await self.send(self.alice, self.room_id)
        reply = await self.in_thread(self.alice, root)
        reaction = await self.send_event(
            self.alice,
            self.room_id,
            "m.reaction",
            {"m.relates_to": {"rel_type": "m.annotation", "event_id": reply, "key": "x"}},
        )
        for event_id, thread in ((reply, "main"), (reaction, "main"), (root, reply)):
            path = room_path(self.room_id, f"/receipt/m.read/{quote(event_id, safe='$')}")
            await self.refused(
                400, "M_INVALID_PARAM", "POST", path, {"thread_id": thread}, token=self.bob
            )
        await self.read(self.bob, root, thread=root)
        await self.read(self.bob, root, thread="main")
        self.assertEqual(await self.by_thread(self.bob), {"main": (0, 0), root: (1, 0)})
        await self.read(self.bob, reaction, thread=root)
        self.assertEqual(await self.by_thread(self.bob), {"main": (0, 0)})

    async def subscribe(self, token: str, root: str, method: str = "PUT") -> None:
        path = f"{MSC4306}/rooms/{self.room_id}/thread/{root}/subscription"
        await self.ok(method, path, {} if method == "PUT" else None, token=token)

    async def test_who_subscribes_to_threads_hears_those_alone(self) -> None:
        await self.arrange()
        one, two = [await self.send(self.alice, self.room_id) for _ in range(2)]
        await self.in_thread(self.alice, one)
        self.assertEqual(await self.by_thread(self.bob), {"main": (2, 0), one: (1, 0)})
        await self.read(self.bob, await self.send(self.alice, self.room_id))
        await self.subscribe(self.bob, one)
        for root in (one, two, two):
            await self.in_thread(self.alice, root)
        self.assertEqual(await self.by_thread(self.bob), {"main": (0, 0), one: (1, 0)})
        # Nothing is written for it, however many subscribe.
        rows = await self.database.fetch("SELECT listener FROM marks WHERE listener <> 0")
        self.assertEqual(rows, [])
        # Others are as they were.
        self.assertEqual(
            await self.by_thread(self.carol), {"main": (3, 0), one: (2, 0), two: (2, 0)}
        )
        await self.in_thread(self.alice, two, **{"m.mentions": {"user_ids": [BOB]}})
        await self.in_thread(self.alice, one, **{"m.mentions": {"user_ids": [BOB]}})
        expected = {"main": (0, 0), one: (2, 1), two: (1, 1)}
        self.assertEqual(await self.by_thread(self.bob), expected)
        # What was said before counts for subscribers no more than for others.
        await self.subscribe(self.bob, two)
        self.assertEqual(await self.by_thread(self.bob), expected)
        await self.in_thread(self.alice, two)
        self.assertEqual((await self.by_thread(self.bob))[two], (2, 1))
        await self.subscribe(self.bob, one, "DELETE")
        self.assertEqual((await self.by_thread(self.bob))[one], (1, 1))

    async def test_subscribed_threads_of_a_muted_room(self) -> None:
        await self.arrange()
        root = await self.send(self.alice, self.room_id)
        await self.put_rule(self.bob, "room", self.room_id, actions=[])
        await self.subscribe(self.bob, root)
        for _ in range(2):
            await self.send(self.alice, self.room_id)
            await self.in_thread(self.alice, root)
        self.assertEqual(await self.by_thread(self.bob), {"main": (1, 0), root: (2, 0)})
        self.assertEqual(await self.counts(self.bob), (3, 0))

    async def test_polls(self) -> None:
        await self.arrange()
        poll = "org.matrix.msc3381.poll"
        start = await self.send_event(self.alice, self.room_id, f"{poll}.start", {})
        relation = {"m.relates_to": {"rel_type": "m.reference", "event_id": start}}
        await self.send_event(self.carol, self.room_id, f"{poll}.response", relation)
        self.assertEqual(await self.counts(self.bob), (1, 0))
        await self.send_event(self.alice, self.room_id, f"{poll}.end", relation)
        self.assertEqual(await self.counts(self.bob), (2, 0))

    async def test_redacted_messages_count_no_more(self) -> None:
        await self.arrange()
        root = await self.mention(self.alice, BOB)
        await self.read(self.carol, root)
        threaded = await self.in_thread(self.alice, root, **{"m.mentions": {"user_ids": [BOB]}})
        last = await self.send(self.alice, self.room_id)
        self.assertEqual(await self.by_thread(self.bob), {"main": (2, 1), root: (1, 1)})
        await self.redact(self.alice, self.room_id, threaded)
        self.assertEqual(await self.by_thread(self.bob), {"main": (2, 1)})
        self.assertEqual(await self.by_thread(self.carol), {"main": (1, 0)})
        for _ in range(2):
            await self.redact(self.alice, self.room_id, root)
            self.assertEqual(await self.by_thread(self.bob), {"main": (1, 0)})
            # Who had read it counts what came later, as before.
            self.assertEqual(await self.by_thread(self.carol), {"main": (1, 0)})
        await self.redact(self.alice, self.room_id, last)
        for token in (self.bob, self.carol):
            self.assertEqual(await self.by_thread(token), {"main": (0, 0)})

    async def test_of_many_redacted_messages_the_newest_are_looked_at(self) -> None:
        await self.arrange()
        events = [await self.mention(self.alice, BOB) for _ in range(5)]
        with patch.object(unread, "_THREAD_MESSAGES_COUNTED", 3):
            for event_id in events:
                await self.redact(self.alice, self.room_id, event_id)
            self.assertEqual(await self.counts(self.bob), (2, 2))
            await self.read(self.bob, events[1])
            self.assertEqual(await self.counts(self.bob), (0, 0))

    async def test_a_redacted_reaction_leaves_no_mark(self) -> None:
        await self.arrange()
        message = await self.send(self.alice, self.room_id)
        reaction = {"rel_type": "m.annotation", "event_id": message, "key": "x"}
        event_id = await self.send_event(
            self.alice, self.room_id, "m.reaction", {"m.relates_to": reaction}
        )
        await self.redact(self.alice, self.room_id, event_id)
        self.assertEqual(await self.database.fetch("SELECT event_nid FROM marks"), [])
        self.assertEqual(await self.counts(self.bob), (1, 0))

    async def test_other_devices_are_told_of_receipts(self) -> None:
        await self.arrange()
        last = await self.send(self.alice, self.room_id)
        quiet = orjson.dumps({"room": {"ephemeral": {"types": []}}}).decode()
        since = (await self.sync(self.bob))["next_batch"]
        await self.read(self.bob, last, "m.read.private")
        room = (await self.sync(self.bob, since=since, filter=quiet))["rooms"]["join"][self.room_id]
        self.assertEqual(
            room["unread_notifications"], {"highlight_count": 0, "notification_count": 0}
        )
        # Others are told nothing.
        self.assertNotIn("rooms", await self.sync(self.carol, since=since))
