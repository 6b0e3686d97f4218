"""Client API: ignored users, in /sync, /messages and /context."""

from typing import Any

import orjson

from tests.rest.client.test_sync import ALICE, BOB, SyncTestCase, joined, timeline
from tests.rest.rooms import V3, bodies, room_path, sync_path


class IgnoredUsersTests(SyncTestCase):
    async def ignore(self, *users: str) -> None:
        """Bob ignores these users alone."""
        content: dict[str, Any] = {"ignored_users": {user: {} for user in users}}
        path = f"{V3}/user/{BOB}/account_data/m.ignored_user_list"
        await self.ok("PUT", path, content, token=self.bob)

    async def store_list(self, content: Any) -> None:
        """As if an earlier server had taken what is refused today."""
        bob = await self.server.stores.names.nid(BOB)
        assert bob is not None
        json = orjson.dumps(content)
        await self.server.streams.account_data_store.put(bob, None, "m.ignored_user_list", json)

    async def test_first_sync(self) -> None:
        await self.people()
        room_id = await self.shared_room(name="Home")
        await self.send(self.alice, room_id, "unseen")
        await self.send(self.bob, room_id, "seen")
        await self.ignore(ALICE)
        room = joined(await self.sync(self.bob), room_id)
        self.assertEqual(bodies(room["timeline"]["events"]), ["seen"])
        # State events are told all the same.
        self.assertIn(ALICE, {event["sender"] for event in room["timeline"]["events"]})

    async def test_later_syncs_and_changes_of_the_list(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        since = (await self.sync(self.bob))["next_batch"]
        await self.send(self.alice, room_id, "seen")
        answer = await self.sync(self.bob, since=since)
        self.assertEqual(bodies(timeline(answer, room_id)), ["seen"])
        await self.ignore(ALICE)
        await self.send(self.alice, room_id, "unseen")
        await self.set_state(self.alice, room_id, "m.room.name", {"name": "Home"})
        answer = await self.sync(self.bob, since=since)
        types = [event["type"] for event in timeline(answer, room_id)]
        self.assertEqual(types, ["m.room.name"])
        # Others who wait for the same are told everything.
        answer = await self.sync(self.alice, since=since)
        self.assertEqual(bodies(timeline(answer, room_id)), ["seen", "unseen"])
        await self.ignore()
        answer = await self.sync(self.bob, since=since)
        self.assertEqual(bodies(timeline(answer, room_id)), ["seen", "unseen"])

    async def test_their_messages_are_no_news(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.ignore(ALICE)
        since = (await self.sync(self.bob))["next_batch"]
        path = sync_path(since=since, timeout=9000)
        waiting = self.site.start("GET", path, token=self.bob)
        await self.send(self.alice, room_id, "unseen")
        await self.send(self.bob, room_id, "seen")
        answer = (await waiting.answered()).json
        self.assertEqual(bodies(timeline(answer, room_id)), ["seen"])

    async def test_rooms_that_were_left(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.ignore(ALICE)
        since = (await self.sync(self.bob))["next_batch"]
        await self.send(self.alice, room_id, "unseen")
        await self.leave(self.bob, room_id)
        room = (await self.sync(self.bob, since=since))["rooms"]["leave"][room_id]
        self.assertEqual(bodies(room["timeline"]["events"]), [])

    async def test_invites(self) -> None:
        await self.people()
        since = (await self.sync(self.bob))["next_batch"]
        room_id = await self.create(self.alice, invite=[BOB])
        await self.ignore(ALICE)
        for query in ({}, {"since": since}):
            self.assertNotIn("rooms", await self.sync(self.bob, **query))
        await self.ignore()
        self.assertIn(room_id, (await self.sync(self.bob))["rooms"]["invite"])

    async def test_what_was_before_their_invites(self) -> None:
        await self.people()
        await self.ignore(ALICE)
        room_id = await self.shared_room()
        first = await self.sync(self.bob)
        await self.leave(self.bob, room_id)
        await self.change_membership(self.alice, room_id, "invite", BOB)
        for query in ({}, {"full_state": "true"}):
            rooms = (await self.sync(self.bob, since=first["next_batch"], **query))["rooms"]
            self.assertEqual(list(rooms), ["leave"])
            events = rooms["leave"][room_id]["timeline"]["events"]
            self.assertEqual(events[-1]["content"]["membership"], "leave")
        later = (await self.sync(self.bob, since=first["next_batch"]))["next_batch"]
        for query in ({}, {"since": later}, {"since": later, "full_state": "true"}):
            self.assertNotIn("rooms", await self.sync(self.bob, **query))
        left = '{"room":{"include_leave":true}}'
        self.assertEqual(
            list((await self.sync(self.bob, filter=left))["rooms"]["leave"]), [room_id]
        )
        await self.ignore()
        self.assertIn(room_id, (await self.sync(self.bob))["rooms"]["invite"])

    async def test_pages_of_messages(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.ignore(ALICE)
        for n in range(6):
            await self.send((self.alice, self.bob)[n % 2], room_id, str(n))
        page = await self.messages(self.bob, room_id, limit=3)
        self.assertEqual(bodies(page["chunk"]), ["5", "3", "1"])
        page = await self.messages(self.alice, room_id, limit=3)
        self.assertEqual(bodies(page["chunk"]), ["5", "4", "3"])

    async def test_what_surrounds_an_event(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.ignore(ALICE)
        await self.send(self.alice, room_id, "unseen")
        sent = await self.send(self.bob, room_id, "seen")
        path = room_path(room_id, f"/context/{sent}")
        context = await self.ok("GET", path, token=self.bob)
        self.assertEqual(bodies(context["events_before"]), [])

    async def test_lists_that_are_none(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.send(self.alice, room_id, "seen")
        for content in ({"ignored_users": [ALICE]}, {"ignored_users": None}, {"x": 1}):
            await self.store_list(content)
            self.assertEqual(bodies(timeline(await self.sync(self.bob), room_id)), ["seen"])

    async def test_who_was_put_out_and_invited_again_has_left(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        since = (await self.sync(self.bob))["next_batch"]
        await self.change_membership(self.alice, room_id, "kick", BOB)
        await self.change_membership(self.alice, room_id, "invite", BOB)
        await self.ignore(ALICE)
        rooms = (await self.sync(self.bob, since=since))["rooms"]
        self.assertEqual(list(rooms), ["leave"])
        (event,) = rooms["leave"][room_id]["timeline"]["events"]
        self.assertEqual(event["content"]["membership"], "leave")

    async def test_nobody_ignores_themselves(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.store_list({"ignored_users": {BOB: {}}})
        await self.send(self.bob, room_id, "seen")
        self.assertEqual(bodies(timeline(await self.sync(self.bob), room_id)), ["seen"])
