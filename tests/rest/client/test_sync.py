"""Client API: /sync, what it tells and when."""

from typing import Any
from unittest import mock

from tests.rest.rooms import RoomTestCase, bodies, ids, room_path, sync_path

ALICE, BOB, CAROL = "@alice:test", "@bob:test", "@carol:test"


class SyncTestCase(RoomTestCase):
    async def people(self) -> None:
        self.alice = await self.register("alice")
        self.bob = await self.register("bob")

    async def shared_room(self, **body: Any) -> str:
        """A room with alice and bob in it."""
        room_id = await self.create_public(self.alice, **body)
        await self.join(self.bob, room_id)
        return room_id


# What every answer says.
ALWAYS = {
    "next_batch",
    "device_lists",
    "device_one_time_keys_count",
    "device_unused_fallback_key_types",
}


def joined(answer: Any, room_id: str) -> Any:
    return answer["rooms"]["join"][room_id]


def timeline(answer: Any, room_id: str) -> list[Any]:
    events: list[Any] = joined(answer, room_id)["timeline"]["events"]
    return events


def slots(events: list[Any]) -> dict[tuple[str, str], Any]:
    return {(event["type"], event["state_key"]): event["content"] for event in events}


class InitialSyncTests(SyncTestCase):
    async def test_nothing_to_tell_of_rooms(self) -> None:
        await self.people()
        answer = await self.sync(self.alice)
        self.assertEqual(set(answer), {*ALWAYS, "account_data", "presence"})
        self.assertEqual(answer["device_lists"], {"changed": [], "left": []})
        self.assertEqual(answer["device_one_time_keys_count"], {"signed_curve25519": 0})
        self.assertEqual(answer["device_unused_fallback_key_types"], [])

    async def test_what_there_is_no_news_of_is_left_out(self) -> None:
        """`to_device`, `device_lists`, `rooms` and the others: there is no empty form of them."""
        await self.people()
        since = (await self.sync(self.alice))["next_batch"]
        self.assertEqual(set(await self.sync(self.alice, since=since)), ALWAYS)
        room_id = await self.create(self.alice)
        answer = await self.sync(self.alice, since=since)
        self.assertEqual(set(answer) - {"presence"}, {*ALWAYS, "rooms"})
        self.assertEqual(set(answer["rooms"]), {"join"})
        self.assertEqual(set(answer["rooms"]["join"]), {room_id})

    async def test_small_room_is_told_whole(self) -> None:
        await self.people()
        room_id = await self.create(self.alice, name="Home")
        sent = await self.send(self.alice, room_id)
        room = joined(await self.sync(self.alice), room_id)
        self.assertFalse(room["timeline"]["limited"])
        self.assertEqual(room["state"]["events"], [])
        self.assertEqual(room["timeline"]["events"][0]["type"], "m.room.create")
        self.assertEqual(room["timeline"]["events"][-1]["event_id"], sent)
        self.assertEqual(room["summary"]["m.joined_member_count"], 1)
        for event in room["timeline"]["events"]:
            self.assertNotIn("room_id", event)

    async def test_state_and_timeline_together_are_the_room(self) -> None:
        await self.people()
        room_id = await self.create(self.alice, name="Home")
        for n in range(20):
            await self.send(self.alice, room_id, str(n))
            await self.set_state(self.alice, room_id, "m.room.topic", {"topic": str(n)})
        room = joined(await self.sync(self.alice), room_id)
        self.assertTrue(room["timeline"]["limited"])
        self.assertEqual(len(room["timeline"]["events"]), 10)
        state = slots(room["state"]["events"])
        self.assertEqual(state["m.room.topic", ""], {"topic": "14"})
        everything = await self.state(self.alice, room_id)
        self.assertEqual(set(state), set(everything))

    async def test_prev_batch_continues_without_gap_or_overlap(self) -> None:
        await self.people()
        room_id = await self.create(self.alice)
        for n in range(30):
            await self.send(self.alice, room_id, str(n))
        whole = await self.messages(self.alice, room_id, limit=1000)
        for limit in (0, 1, 5, 29, 100):
            filter = f'{{"room":{{"timeline":{{"limit":{limit}}}}}}}'
            room = joined(await self.sync(self.alice, filter=filter), room_id)
            shown = ids(room["timeline"]["events"])
            prev_batch = room["timeline"]["prev_batch"]
            older = await self.messages(self.alice, room_id, **{"from": prev_batch, "limit": 1000})
            self.assertEqual(shown[::-1] + ids(older["chunk"]), ids(whole["chunk"]), limit)

    async def test_left_rooms_only_on_demand(self) -> None:
        await self.people()
        left, banned = await self.shared_room(), await self.shared_room()
        await self.send(self.alice, left, "seen")
        await self.leave(self.bob, left)
        await self.send(self.alice, left, "unseen")
        await self.change_membership(self.alice, banned, "ban", BOB)
        self.assertNotIn("rooms", await self.sync(self.bob))
        answer = await self.sync(self.bob, filter='{"room":{"include_leave":true}}')
        rooms = answer["rooms"]["leave"]
        self.assertEqual(set(rooms), {left, banned})
        self.assertEqual(bodies(rooms[left]["timeline"]["events"]), ["seen"])
        last = rooms[left]["timeline"]["events"][-1]
        self.assertEqual((last["state_key"], last["content"]["membership"]), (BOB, "leave"))

    async def test_more_rooms_take_no_more_queries(self) -> None:
        await self.people()
        queries = []
        fetch = self.database.fetch

        def counted(sql: str, *params: Any) -> Any:
            queries.append(sql)
            return fetch(sql, *params)

        counts = []
        for _ in range(3):
            room_id = await self.shared_room()
            await self.send(self.bob, room_id)
            await self.sync(self.bob)
            queries.clear()
            with mock.patch.object(self.database, "fetch", counted):
                await self.sync(self.bob)
            counts.append(len(queries))
        self.assertEqual(counts, counts[:1] * 3)
        self.assertGreater(counts[0], 0)

    async def test_account_data_of_left_rooms(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        path = f"/_matrix/client/v3/user/{BOB}/rooms/{room_id}/account_data/x"
        await self.ok("PUT", path, {"n": 1}, token=self.bob)
        await self.leave(self.bob, room_id)
        for wanted, more in (([{"type": "x", "content": {"n": 1}}], ""), ([], '"not_types":["x"]')):
            filter = f'{{"room":{{"include_leave":true,"account_data":{{{more}}}}}}}'
            room = (await self.sync(self.bob, filter=filter))["rooms"]["leave"][room_id]
            self.assertEqual(room["account_data"]["events"], wanted)

    async def test_forgotten_rooms_never(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        since = (await self.sync(self.bob))["next_batch"]
        await self.leave(self.bob, room_id)
        await self.ok("POST", room_path(room_id, "/forget"), {}, token=self.bob)
        for query in ({"filter": '{"room":{"include_leave":true}}'}, {"since": since}):
            self.assertNotIn("rooms", await self.sync(self.bob, **query))

    async def test_invites_show_what_the_room_is(self) -> None:
        await self.people()
        room_id = await self.create(self.alice, name="Home", topic="secret", invite=[BOB])
        for query in ({}, {"since": "s0_0"}):
            answer = await self.sync(self.bob, **query)
            events = answer["rooms"]["invite"][room_id]["invite_state"]["events"]
            state = slots(events)
            self.assertEqual(state["m.room.name", ""], {"name": "Home"})
            self.assertEqual(state["m.room.member", BOB]["membership"], "invite")
            self.assertIn(("m.room.create", ""), state)
            self.assertIn(("m.room.join_rules", ""), state)
            self.assertNotIn(("m.room.member", CAROL), state)
            for event in events:
                self.assertEqual(set(event), {"type", "state_key", "sender", "content"})

    async def test_knocks_show_what_the_room_is(self) -> None:
        await self.people()
        rules = [{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}]
        room_id = await self.create(self.alice, name="Home", initial_state=rules)
        await self.ok("POST", f"/_matrix/client/v3/knock/{room_id}", {}, token=self.bob)
        answer = await self.sync(self.bob)
        state = slots(answer["rooms"]["knock"][room_id]["knock_state"]["events"])
        self.assertEqual(state["m.room.name", ""], {"name": "Home"})

    async def test_heroes_of_a_nameless_room(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice)
        tokens = [await self.register(f"user{n}") for n in range(7)]
        for token in tokens:
            await self.join(token, room_id)
        summary = joined(await self.sync(self.alice), room_id)["summary"]
        self.assertEqual(summary["m.heroes"], [f"@user{n}:test" for n in range(5)])
        self.assertEqual(summary["m.joined_member_count"], 8)
        await self.set_state(self.alice, room_id, "m.room.name", {"name": "Home"})
        summary = joined(await self.sync(self.alice), room_id)["summary"]
        self.assertNotIn("m.heroes", summary)


class IncrementalSyncTests(SyncTestCase):
    async def test_only_what_is_new(self) -> None:
        await self.people()
        room_id, quiet = await self.shared_room(), await self.shared_room()
        since = (await self.sync(self.bob))["next_batch"]
        sent = [await self.send(self.alice, room_id, str(n)) for n in range(3)]
        answer = await self.sync(self.bob, since=since)
        self.assertEqual(list(answer["rooms"]["join"]), [room_id])
        self.assertNotIn(quiet, answer["rooms"]["join"])
        self.assertEqual(ids(timeline(answer, room_id)), sent)
        self.assertFalse(joined(answer, room_id)["timeline"]["limited"])
        again = await self.sync(self.bob, since=answer["next_batch"])
        self.assertEqual(set(again), ALWAYS)

    async def test_gap(self) -> None:
        await self.people()
        for many in (15, 80):  # within and beyond what is in memory
            room_id = await self.shared_room()
            since = (await self.sync(self.bob))["next_batch"]
            await self.set_state(self.alice, room_id, "m.room.name", {"name": "new"})
            sent = [await self.send(self.alice, room_id, str(n)) for n in range(many)]
            answer = await self.sync(self.bob, since=since)
            room = joined(answer, room_id)
            self.assertTrue(room["timeline"]["limited"])
            self.assertEqual(ids(room["timeline"]["events"]), sent[-10:])
            self.assertEqual(slots(room["state"]["events"]), {("m.room.name", ""): {"name": "new"}})
            missing = await self.messages(
                self.bob,
                room_id,
                **{"from": room["timeline"]["prev_batch"], "to": since, "limit": 1000},
            )
            self.assertEqual(bodies(missing["chunk"]), [str(n) for n in range(many - 10)][::-1])
            self.assertEqual(missing["chunk"][-1]["type"], "m.room.name")

    async def test_state_in_the_gap_is_that_before_the_timeline(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        since = (await self.sync(self.bob))["next_batch"]
        for n in range(12):
            await self.set_state(self.alice, room_id, "m.room.topic", {"topic": str(n)})
        room = joined(await self.sync(self.bob, since=since), room_id)
        self.assertEqual(slots(room["state"]["events"]), {("m.room.topic", ""): {"topic": "1"}})

    async def test_state_that_the_filter_keeps_out_of_the_timeline(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        filter = '{"room":{"timeline":{"types":["m.room.message"],"limit":2}}}'
        since = (await self.sync(self.bob, filter=filter))["next_batch"]
        for n in range(5):
            await self.set_state(self.alice, room_id, "m.room.topic", {"topic": str(n)})
            await self.send(self.alice, room_id, str(n))
        await self.set_state(self.alice, room_id, "m.room.topic", {"topic": "last"})
        room = joined(await self.sync(self.bob, filter=filter, since=since), room_id)
        self.assertEqual(bodies(room["timeline"]["events"]), ["3", "4"])
        self.assertEqual(slots(room["state"]["events"])["m.room.topic", ""], {"topic": "last"})

    async def test_newly_joined_room_comes_with_all_its_state(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice, name="Home")
        for n in range(20):
            await self.send(self.alice, room_id, str(n))
        since = (await self.sync(self.bob))["next_batch"]
        await self.join(self.bob, room_id)
        room = joined(await self.sync(self.bob, since=since), room_id)
        self.assertTrue(room["timeline"]["limited"])
        self.assertEqual(bodies(room["timeline"]["events"])[-1], "19")
        self.assertEqual(room["timeline"]["events"][-1]["state_key"], BOB)
        self.assertEqual(slots(room["state"]["events"])["m.room.name", ""], {"name": "Home"})
        self.assertEqual(room["summary"]["m.joined_member_count"], 2)

    async def test_leaving(self) -> None:
        await self.people()
        for action in ("leave", "kick", "ban", "kick and ban"):
            room_id = await self.shared_room()
            since = (await self.sync(self.bob))["next_batch"]
            await self.send(self.alice, room_id, "before")
            if action == "leave":
                await self.leave(self.bob, room_id)
            else:
                for one in action.split(" and "):
                    await self.change_membership(self.alice, room_id, one, BOB)
            await self.send(self.alice, room_id, "after")
            answer = await self.sync(self.bob, since=since)
            self.assertNotIn("join", answer["rooms"], action)
            events = answer["rooms"]["leave"][room_id]["timeline"]["events"]
            self.assertEqual(bodies(events), ["before"], action)
            wanted = "ban" if "ban" in action else "leave"
            self.assertEqual(events[-1]["content"]["membership"], wanted, action)
            again = await self.sync(self.bob, since=answer["next_batch"])
            self.assertEqual(set(again), ALWAYS, action)

    async def test_left_room_whose_history_is_for_members(self) -> None:
        await self.people()
        room_id = await self.create_public(
            self.alice,
            name="Home",
            initial_state=[
                {
                    "type": "m.room.history_visibility",
                    "content": {"history_visibility": "joined"},
                }
            ],
        )
        await self.send(self.alice, room_id, "hidden")
        since = (await self.sync(self.bob))["next_batch"]
        await self.join(self.bob, room_id)
        await self.send(self.alice, room_id, "seen")
        await self.leave(self.bob, room_id)
        answer = await self.sync(self.bob, since=since)
        room = answer["rooms"]["leave"][room_id]
        self.assertEqual(bodies(room["timeline"]["events"]), ["seen"])

    async def test_joined_and_left_between_two_syncs(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice, name="Home")
        for n in range(20):
            await self.send(self.alice, room_id, str(n))
        since = (await self.sync(self.bob))["next_batch"]
        await self.join(self.bob, room_id)
        await self.leave(self.bob, room_id)
        room = (await self.sync(self.bob, since=since))["rooms"]["leave"][room_id]
        self.assertEqual(slots(room["state"]["events"])["m.room.name", ""], {"name": "Home"})

    async def test_rejected_invite(self) -> None:
        await self.people()
        room_id = await self.create(self.alice, invite=[BOB])
        since = (await self.sync(self.bob))["next_batch"]
        await self.leave(self.bob, room_id)
        room = (await self.sync(self.bob, since=since))["rooms"]["leave"][room_id]
        (event,) = room["timeline"]["events"]
        self.assertEqual(event["content"]["membership"], "leave")
        self.assertEqual(room["state"]["events"], [])

    async def test_coming_back(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.leave(self.bob, room_id)
        since = (await self.sync(self.bob))["next_batch"]
        await self.send(self.alice, room_id, "missed")
        await self.join(self.bob, room_id)
        answer = await self.sync(self.bob, since=since)
        self.assertNotIn("leave", answer["rooms"])
        room = joined(answer, room_id)
        self.assertIn("missed", bodies(room["timeline"]["events"]))
        told = slots(
            room["state"]["events"] + [e for e in room["timeline"]["events"] if "state_key" in e]
        )
        self.assertEqual(set(told), set(await self.state(self.bob, room_id)))

    async def test_full_state(self) -> None:
        await self.people()
        room_id, left = await self.shared_room(name="Home"), await self.shared_room()
        answer = await self.sync(self.bob)
        since = answer["next_batch"]
        sent = await self.send(self.alice, room_id)
        await self.leave(self.bob, left)
        answer = await self.sync(self.bob, since=since, full_state="true")
        room = joined(answer, room_id)
        self.assertEqual(ids(room["timeline"]["events"]), [sent])
        self.assertFalse(room["timeline"]["limited"])
        self.assertEqual(
            set(slots(room["state"]["events"])), set(await self.state(self.bob, room_id))
        )
        self.assertIn(left, answer["rooms"]["leave"])

    async def test_old_tokens_after_a_restart(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        since = (await self.sync(self.bob))["next_batch"]
        sent = [await self.send(self.alice, room_id, str(n)) for n in range(3)]
        self.start(self.config)
        answer = await self.sync(self.bob, since=since)
        self.assertEqual(ids(timeline(answer, room_id)), sent)
        again = await self.sync(self.bob, since=answer["next_batch"])
        self.assertEqual(set(again), ALWAYS)

    async def test_profile_change(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        since = (await self.sync(self.bob))["next_batch"]
        path = f"/_matrix/client/v3/profile/{ALICE}/displayname"
        await self.ok("PUT", path, {"displayname": "Alice"}, token=self.alice)
        await self.finish_background()
        (event,) = timeline(await self.sync(self.bob, since=since), room_id)
        self.assertEqual(event["content"], {"membership": "join", "displayname": "Alice"})
        self.assertEqual(event["unsigned"]["prev_content"]["displayname"], "alice")

    async def test_redaction(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        sent = await self.send(self.alice, room_id, "secret")
        since = (await self.sync(self.bob))["next_batch"]
        redaction = await self.redact(self.alice, room_id, sent)
        (event,) = timeline(await self.sync(self.bob, since=since), room_id)
        self.assertEqual((event["event_id"], event["redacts"]), (redaction, sent))
        self.assertEqual(event["content"]["redacts"], sent)
        redacted = next(
            e for e in timeline(await self.sync(self.bob), room_id) if e["event_id"] == sent
        )
        self.assertEqual(redacted["content"], {})
        self.assertEqual(redacted["unsigned"]["redacted_because"]["event_id"], redaction)

    async def test_redacted_state_is_not_told_by_what_replaced_it(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        sent = await self.set_state(self.alice, room_id, "m.room.topic", {"topic": "secret"})
        await self.set_state(self.alice, room_id, "m.room.topic", {"topic": "new"})
        await self.redact(self.alice, room_id, sent)
        answer = await self.fetch("GET", sync_path(), token=self.bob)
        self.assertNotIn(b"secret", answer.body)

    async def test_transaction_id_for_the_device_that_sent_it(self) -> None:
        await self.people()
        other = (await self.login("alice")).json["access_token"]
        room_id = await self.shared_room()
        await self.ok(
            "PUT", room_path(room_id, "/send/m.room.message/my-txn"), {"body": ""}, token=self.alice
        )
        for token, wanted in ((self.alice, "my-txn"), (other, None), (self.bob, None)):
            event = timeline(await self.sync(token), room_id)[-1]
            self.assertEqual(event["unsigned"].get("transaction_id"), wanted)

    async def test_the_readers_membership_at_an_event(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice)
        await self.send(self.alice, room_id)
        await self.join(self.bob, room_id)
        answer = await self.sync(self.bob)
        *before, join = timeline(answer, room_id)
        self.assertEqual(join["unsigned"]["membership"], "join")
        for event in before:
            self.assertNotEqual(event["unsigned"].get("membership"), "join")
        await self.send(self.alice, room_id)
        await self.send(self.bob, room_id)
        for filter in ("{}", '{"event_format":"federation"}', '{"event_fields":["unsigned"]}'):
            query = {"since": answer["next_batch"], "filter": filter}
            events = timeline(await self.sync(self.bob, **query), room_id)
            memberships = [event["unsigned"]["membership"] for event in events]
            self.assertEqual(memberships, ["join", "join"])
            self.assertIn("transaction_id", events[-1]["unsigned"])

    async def test_a_token_from_the_future(self) -> None:
        """As after a backup was restored: the client goes on from now."""
        await self.people()
        now = (await self.sync(self.alice))["next_batch"]
        answer = await self.sync(self.alice, since="s999999_0")
        self.assertEqual(answer["next_batch"], now)
        self.assertNotIn("rooms", answer)

    async def test_wrong_queries(self) -> None:
        await self.people()
        for query in (
            {"since": "x"},
            {"since": "t5"},
            {"since": "s1"},
            {"since": "s-1_0"},
            {"since": "s1_0'"},
            {"filter": "17"},
            {"filter": "{"},
            {"filter": "x"},
            {"filter": '{"room":[]}'},
            {"filter": '{"room":{"timeline":{"limit":-1}}}'},
            {"timeout": "-1"},
            {"timeout": "soon"},
            {"full_state": "maybe"},
            {"set_presence": "asleep"},
        ):
            answer = await self.fetch("GET", sync_path(**query), token=self.alice)
            self.assertEqual(answer.status, 400, f"{query}: {answer}")
