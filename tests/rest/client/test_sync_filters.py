"""Client API: /sync with filters."""

from typing import Any

import orjson

from tests.rest.client.test_sync import ALICE, BOB, SyncTestCase, joined, slots, timeline
from tests.rest.rooms import V3, bodies, room_path


class SyncFilterTests(SyncTestCase):
    async def filtered(self, token: str, filter: Any, **query: Any) -> Any:
        return await self.sync(token, filter=orjson.dumps(filter).decode(), **query)

    async def test_types_and_senders(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.send(self.alice, room_id, "a")
        await self.send(self.bob, room_id, "b")
        await self.send_event(self.alice, room_id, "org.example.x", {"body": "x"})
        for wish, wanted in (
            ({"types": ["m.room.message"]}, ["a", "b"]),
            ({"types": ["org.*"]}, ["x"]),
            ({"types": ["m.room.message"], "senders": [ALICE]}, ["a"]),
            ({"not_types": ["m.*"]}, ["x"]),
            ({"types": ["m.room.message"], "not_senders": [ALICE]}, ["b"]),
            ({"types": []}, []),
            ({"not_types": ["org.*"], "senders": [ALICE, BOB], "limit": 1}, ["b"]),
            ({"rooms": ["!other:test"]}, []),
            ({"not_rooms": [room_id]}, []),
            ({"contains_url": True}, []),
        ):
            answer = await self.filtered(self.bob, {"room": {"timeline": wish}})
            self.assertEqual(bodies(timeline(answer, room_id)), wanted, str(wish))

    async def test_rooms(self) -> None:
        await self.people()
        first, second = await self.shared_room(), await self.shared_room()
        invited = await self.create(self.alice, invite=[BOB])
        since = (await self.sync(self.bob))["next_batch"]
        for room_id in (first, second):
            await self.send(self.alice, room_id)
        for wish, wanted in (
            ({"rooms": [first]}, {first}),
            ({"not_rooms": [first]}, {second}),
            ({"rooms": [first, second], "not_rooms": [second]}, {first}),
        ):
            for query in ({}, {"since": since}):
                answer = await self.filtered(self.bob, {"room": wish}, **query)
                self.assertEqual(set(answer["rooms"]["join"]), wanted, str(wish))
        answer = await self.filtered(self.bob, {"room": {"not_rooms": [invited]}})
        self.assertNotIn("invite", answer["rooms"])
        answer = await self.filtered(self.bob, {"room": {"rooms": []}})
        self.assertNotIn("rooms", answer)

    async def test_state(self) -> None:
        await self.people()
        room_id = await self.shared_room(name="Home")
        for wish, wanted in (
            ({"types": ["m.room.name"]}, {("m.room.name", "")}),
            ({"types": []}, set()),
            ({"not_types": ["*"]}, set()),
        ):
            answer = await self.filtered(
                self.bob, {"room": {"timeline": {"limit": 0}, "state": wish}}
            )
            state = joined(answer, room_id)["state"]["events"]
            self.assertEqual(set(slots(state)), wanted, str(wish))

    async def test_state_has_no_limit(self) -> None:
        """State that is cut off would be wrong state."""
        await self.people()
        room_id = await self.shared_room(name="Home")
        wish = {"room": {"timeline": {"limit": 1}, "state": {"limit": 1}}}
        answer = await self.filtered(self.bob, wish)
        told = slots(joined(answer, room_id)["state"]["events"])
        whole = set(await self.state(self.bob, room_id))
        self.assertEqual(set(told) | {("m.room.member", BOB)}, whole)
        await self.set_state(self.alice, room_id, "m.room.name", {"name": "House"})
        await self.set_state(self.alice, room_id, "m.room.topic", {"topic": "New"})
        await self.send(self.alice, room_id)
        answer = await self.filtered(self.bob, wish, since=answer["next_batch"])
        told = slots(joined(answer, room_id)["state"]["events"])
        self.assertEqual(set(told), {("m.room.name", ""), ("m.room.topic", "")})

    async def test_ephemeral_and_account_data(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        sent = await self.send(self.alice, room_id)
        for n, since in enumerate(("", (await self.sync(self.bob))["next_batch"])):
            query = {"since": since} if since else {}
            await self.ok(
                "POST", room_path(room_id, f"/receipt/m.read/{sent}"), {}, token=self.alice
            )
            await self.ok(
                "PUT", room_path(room_id, f"/typing/{ALICE}"), {"typing": True}, token=self.alice
            )
            for path in (f"/rooms/{room_id}", ""):
                path = f"{V3}/user/{BOB}{path}/account_data/x"
                await self.ok("PUT", path, {"n": n}, token=self.bob)
            nothing = {
                "account_data": {"types": []},
                "room": {
                    "ephemeral": {"not_types": ["m.*"]},
                    "account_data": {"not_types": ["x"]},
                },
            }
            elsewhere = {
                "account_data": {"not_types": ["*"]},
                "room": {
                    "ephemeral": {"not_rooms": [room_id]},
                    "account_data": {"rooms": ["!a:b"]},
                },
            }
            for wish in (nothing, elsewhere):
                answer = await self.filtered(self.bob, wish, **query)
                self.assertEqual(answer.get("account_data", {"events": []}), {"events": []})
                room = answer.get("rooms", {}).get("join", {}).get(room_id)
                if room is not None:
                    self.assertEqual(room["ephemeral"]["events"], [])
                    self.assertEqual(room["account_data"]["events"], [])

    async def test_limit_0(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        wish = {"room": {"timeline": {"limit": 0}}}
        answer = await self.filtered(self.bob, wish)
        self.assertEqual(
            set(slots(joined(answer, room_id)["state"]["events"])),
            set(await self.state(self.bob, room_id)),
        )
        await self.send(self.alice, room_id)
        await self.set_state(self.alice, room_id, "m.room.name", {"name": "Home"})
        room = joined(await self.filtered(self.bob, wish, since=answer["next_batch"]), room_id)
        self.assertEqual((room["timeline"]["events"], room["timeline"]["limited"]), ([], True))
        self.assertEqual(slots(room["state"]["events"]), {("m.room.name", ""): {"name": "Home"}})

    async def test_the_servers_limit(self) -> None:
        for configured, wanted in ((20, 20), (-1, 150)):
            self.reconfigure(server={"filter_timeline_limit": configured})
            token = await self.register(f"user{wanted}")
            room_id = await self.create(token)
            for n in range(160):
                await self.send(token, room_id, str(n))
            answer = await self.filtered(token, {"room": {"timeline": {"limit": 150}}})
            self.assertEqual(len(timeline(answer, room_id)), wanted)

    async def test_by_id(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        path = f"{V3}/user/{BOB}/filter"
        wish = {"room": {"timeline": {"limit": 1}}}
        filter_id = (await self.ok("POST", path, wish, token=self.bob))["filter_id"]
        answer = await self.sync(self.bob, filter=filter_id)
        self.assertEqual(len(timeline(answer, room_id)), 1)
        # A filter is its user's own.
        await self.refused(
            400, "M_INVALID_PARAM", "GET", f"{V3}/sync?filter={filter_id}", token=self.alice
        )

    async def test_event_fields(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.send(self.alice, room_id, "hello", **{"a.b": 1, "c": {"d": 2, "e": 3}})
        fields = ["type", "content.body", "content.a\\.b", "content.c.d", "x.y"]
        answer = await self.filtered(self.bob, {"event_fields": fields})
        self.assertEqual(
            timeline(answer, room_id)[-1],
            {
                "type": "m.room.message",
                "content": {"body": "hello", "a.b": 1, "c": {"d": 2}},
            },
        )

    async def test_federation_format(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.send(self.alice, room_id, "hello")
        answer = await self.filtered(self.alice, {"event_format": "federation"})
        event = timeline(answer, room_id)[-1]
        self.assertEqual(event["room_id"], room_id)
        for key in ("auth_events", "prev_events", "hashes", "signatures", "depth"):
            self.assertIn(key, event)
        self.assertIn("transaction_id", event["unsigned"])


class LazyMembersTests(SyncTestCase):
    WISH = '{"room":{"state":{"lazy_load_members":true},"timeline":{"limit":3}}}'

    def members(self, room: Any) -> set[str]:
        return {key for type, key in slots(room["state"]["events"]) if type == "m.room.member"}

    async def big_room(self, **body: Any) -> tuple[str, list[str]]:
        await self.people()
        room_id = await self.create_public(self.alice, **body)
        tokens = [await self.register(f"user{n}") for n in range(12)]
        for token in tokens:
            await self.join(token, room_id)
        await self.join(self.bob, room_id)
        for _ in range(3):
            await self.send(self.alice, room_id)
        return room_id, tokens

    async def test_first_sync_tells_who_speaks(self) -> None:
        room_id, _ = await self.big_room(name="Home")
        room = joined(await self.sync(self.bob, filter=self.WISH), room_id)
        self.assertEqual(self.members(room), {ALICE, BOB})
        self.assertEqual(room["summary"]["m.joined_member_count"], 14)

    async def test_heroes_are_told_too(self) -> None:
        room_id, _ = await self.big_room()
        room = joined(await self.sync(self.bob, filter=self.WISH), room_id)
        heroes = room["summary"]["m.heroes"]
        self.assertEqual(len(heroes), 5)
        self.assertEqual(self.members(room), {ALICE, BOB, *heroes})

    async def test_who_speaks_later_is_told_then(self) -> None:
        room_id, tokens = await self.big_room(name="Home")
        since = (await self.sync(self.bob, filter=self.WISH))["next_batch"]
        await self.send(tokens[7], room_id)
        room = joined(await self.sync(self.bob, filter=self.WISH, since=since), room_id)
        self.assertEqual(self.members(room), {"@user7:test"})
        self.assertNotIn("summary", room)

    async def test_who_speaks_after_a_gap(self) -> None:
        room_id, tokens = await self.big_room(name="Home")
        since = (await self.sync(self.bob, filter=self.WISH))["next_batch"]
        for token in tokens[:5]:
            await self.send(token, room_id)
        room = joined(await self.sync(self.bob, filter=self.WISH, since=since), room_id)
        self.assertEqual(self.members(room), {f"@user{n}:test" for n in (2, 3, 4)})

    async def test_new_heroes_are_told(self) -> None:
        room_id, tokens = await self.big_room()
        answer = await self.sync(self.bob, filter=self.WISH)
        before = self.members(joined(answer, room_id))
        await self.leave(tokens[0], room_id)
        query = {"since": answer["next_batch"]}
        room = joined(await self.sync(self.bob, filter=self.WISH, **query), room_id)
        heroes = room["summary"]["m.heroes"]
        self.assertNotIn("@user0:test", heroes)
        self.assertEqual(self.members(room), set(heroes) - before)
        self.assertTrue(self.members(room))
        self.assertEqual(room["summary"]["m.joined_member_count"], 13)

    async def test_a_room_that_loses_its_name_tells_its_heroes(self) -> None:
        room_id, _ = await self.big_room(name="Home")
        since = (await self.sync(self.bob, filter=self.WISH))["next_batch"]
        await self.set_state(self.alice, room_id, "m.room.name", {})
        room = joined(await self.sync(self.bob, filter=self.WISH, since=since), room_id)
        self.assertEqual(len(room["summary"]["m.heroes"]), 5)

    async def test_members_are_told_once(self) -> None:
        room_id, tokens = await self.big_room(name="Home")
        since = (await self.sync(self.bob, filter=self.WISH))["next_batch"]
        told, redundant = [], []
        wish = self.WISH.replace("true}", 'true,"include_redundant_members":true}')
        for _ in range(2):
            await self.send(tokens[7], room_id)
            await self.send(self.alice, room_id)
            query = {"since": since}
            redundant.append(joined(await self.sync(self.bob, filter=wish, **query), room_id))
            answer = await self.sync(self.bob, filter=self.WISH, **query)
            told.append(joined(answer, room_id))
            since = answer["next_batch"]
        self.assertEqual([self.members(room) for room in told], [{"@user7:test"}, set()])
        self.assertEqual([self.members(room) for room in redundant], [{ALICE, "@user7:test"}] * 2)

    async def test_what_a_lost_answer_told_is_told_again(self) -> None:
        room_id, tokens = await self.big_room(name="Home")
        since = (await self.sync(self.bob, filter=self.WISH))["next_batch"]
        await self.send(tokens[7], room_id)
        for _ in range(2):
            room = joined(await self.sync(self.bob, filter=self.WISH, since=since), room_id)
            self.assertEqual(self.members(room), {"@user7:test"})

    async def test_a_first_sync_forgets_what_was_told(self) -> None:
        room_id, tokens = await self.big_room(name="Home")
        since = (await self.sync(self.bob, filter=self.WISH))["next_batch"]
        await self.send(tokens[7], room_id)
        await self.sync(self.bob, filter=self.WISH, since=since)
        for _ in range(3):
            await self.send(self.alice, room_id)
        answer = await self.sync(self.bob, filter=self.WISH)
        self.assertEqual(self.members(joined(answer, room_id)), {ALICE, BOB})
        await self.send(tokens[7], room_id)
        query = {"since": answer["next_batch"]}
        room = joined(await self.sync(self.bob, filter=self.WISH, **query), room_id)
        self.assertEqual(self.members(room), {"@user7:test"})

    async def test_a_first_sync_forgets_what_another_told_up_to_the_same_position(self) -> None:
        room_id, _ = await self.big_room(name="Home")
        since = (await self.sync(self.bob, filter=self.WISH))["next_batch"]
        late = await self.register("late")
        await self.join(late, room_id)
        for _ in range(3):
            await self.send(self.alice, room_id)
        answer = await self.sync(self.bob, filter=self.WISH, since=since)
        self.assertIn("@late:test", self.members(joined(answer, room_id)))
        first = await self.sync(self.bob, filter=self.WISH)
        self.assertEqual(self.members(joined(first, room_id)), {ALICE, BOB})
        await self.send(late, room_id)
        query = {"since": first["next_batch"]}
        room = joined(await self.sync(self.bob, filter=self.WISH, **query), room_id)
        self.assertEqual(self.members(room), {"@late:test"})

    async def test_who_comes_back_is_told_anew(self) -> None:
        room_id, tokens = await self.big_room(name="Home")
        since = (await self.sync(self.bob, filter=self.WISH))["next_batch"]
        await self.send(tokens[7], room_id)
        since = (await self.sync(self.bob, filter=self.WISH, since=since))["next_batch"]
        await self.leave(self.bob, room_id)
        since = (await self.sync(self.bob, filter=self.WISH, since=since))["next_batch"]
        await self.join(self.bob, room_id)
        for _ in range(3):
            await self.send(self.alice, room_id)
        answer = await self.sync(self.bob, filter=self.WISH, since=since)
        self.assertEqual(self.members(joined(answer, room_id)), {ALICE, BOB})
        await self.send(tokens[7], room_id)
        query = {"since": answer["next_batch"]}
        room = joined(await self.sync(self.bob, filter=self.WISH, **query), room_id)
        self.assertEqual(self.members(room), {"@user7:test"})

    async def test_a_new_name_is_told(self) -> None:
        room_id, tokens = await self.big_room(name="Home")
        since = (await self.sync(self.bob, filter=self.WISH))["next_batch"]
        content = {"membership": "join", "displayname": "Ann"}
        await self.set_state(self.alice, room_id, "m.room.member", content, ALICE)
        for _ in range(4):
            await self.send(tokens[7], room_id)
        room = joined(await self.sync(self.bob, filter=self.WISH, since=since), room_id)
        self.assertEqual(self.members(room), {ALICE, "@user7:test"})

    async def test_another_device_is_told_anew(self) -> None:
        room_id, _ = await self.big_room(name="Home")
        since = (await self.sync(self.bob, filter=self.WISH))["next_batch"]
        other = (await self.login("bob")).json["access_token"]
        await self.send(self.alice, room_id)
        room = joined(await self.sync(other, filter=self.WISH, since=since), room_id)
        self.assertEqual(self.members(room), {ALICE})

    async def test_who_speaks_in_a_room_that_was_left(self) -> None:
        room_id, tokens = await self.big_room(name="Home")
        since = (await self.sync(self.bob, filter=self.WISH))["next_batch"]
        await self.send(tokens[7], room_id)
        await self.leave(self.bob, room_id)
        await self.change_membership(self.alice, room_id, "ban", BOB)
        answer = await self.sync(self.bob, filter=self.WISH, since=since)
        self.assertIn("@user7:test", self.members(answer["rooms"]["leave"][room_id]))
