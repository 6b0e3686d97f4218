"""Sliding sync: what is made for the user alone, or kept from them."""

from typing import Any
from unittest.mock import patch

from synapse.storage.stores.unread import UnreadStore
from tests.rest.client.sliding import SlidingTestCase, a_list, sliding_path
from tests.rest.rooms import V3, bodies, room_path

ALICE, BOB = "@alice:test", "@bob:test"
HOUR_MS = 3600 * 1000


class _Case(SlidingTestCase):
    async def arrange(self, **options: Any) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create_public(self.alice, **options)
        await self.join(self.bob, self.room_id)
        self.pos: str | None = None

    async def next(self, **config: Any) -> Any:
        """What the next answer tells Bob of the room."""
        answer = await self.sliding(self.bob, self.pos, lists={"all": a_list(**config)})
        self.pos = answer["pos"]
        return answer["rooms"].get(self.room_id, {})


class UnreadTests(_Case):
    async def read(self, event_id: str, type: str = "m.read", token: str | None = None) -> None:
        path = room_path(self.room_id, f"/receipt/{type}/{event_id}")
        await self.ok("POST", path, {}, token=token or self.bob)

    async def test_counts(self) -> None:
        await self.arrange()
        await self.send(self.alice, self.room_id)
        self.assertEqual(counts(await self.next()), (1, 0))
        mention: Any = {"m.mentions": {"user_ids": [BOB]}}
        await self.send(self.alice, self.room_id, **mention)
        self.assertEqual(counts(await self.next()), (2, 1))

    async def test_reading_is_news(self) -> None:
        await self._is_news("m.read")

    async def test_reading_in_private_is_news(self) -> None:
        await self._is_news("m.read.private")

    async def _is_news(self, type: str) -> None:
        await self.arrange()
        phone = (await self.login("bob")).json["access_token"]
        event_id = await self.send(self.alice, self.room_id)
        self.assertEqual(counts(await self.next()), (1, 0))
        path, body = sliding_path(self.pos, 9000), {"lists": {"all": a_list()}}
        waiting = self.site.start("POST", path, body, token=self.bob)
        await self.read(event_id, type, phone)
        answer = (await waiting.answered()).json
        part = answer["rooms"][self.room_id]
        self.assertEqual(counts(part), (0, 0))
        self.assertNotIn("timeline", part)
        self.pos = answer["pos"]
        self.assertEqual(await self.next(), {})

    async def test_others_reading_is_no_news(self) -> None:
        await self.arrange()
        event_id = await self.send(self.alice, self.room_id)
        await self.next()
        await self.read(event_id, token=self.alice)
        self.assertEqual(await self.next(), {})

    async def test_a_room_that_was_read_while_it_was_out_of_the_window(self) -> None:
        await self.arrange()
        event_id = await self.send(self.alice, self.room_id)
        await self.next()
        answer = await self.sliding(self.bob, self.pos, lists={})
        await self.read(event_id)
        self.pos = (await self.sliding(self.bob, answer["pos"], lists={}))["pos"]
        self.assertEqual(counts(await self.next()), (0, 0))

    async def test_one_query_for_all_rooms(self) -> None:
        await self.arrange()
        for _ in range(3):
            await self.join(self.bob, await self.create_public(self.alice))
        real = UnreadStore.counts
        with patch.object(UnreadStore, "counts", autospec=True, side_effect=real) as counted:
            await self.next()
        self.assertEqual(counted.call_count, 1)


class PresenceTests(_Case):
    async def presence(self) -> Any:
        path = f"{V3}/presence/{BOB}/status"
        return (await self.ok("GET", path, token=self.alice))["presence"]

    async def test_who_syncs_is_there(self) -> None:
        await self.arrange()
        self.assertEqual(await self.presence(), "offline")
        for state in ("offline", "unavailable", "online"):
            await self.ok("POST", sliding_path() + f"&set_presence={state}", {}, token=self.bob)
            self.assertEqual(await self.presence(), state)
        path = sliding_path() + "&set_presence=x"
        await self.refused(400, "M_INVALID_PARAM", "POST", path, {}, token=self.bob)

    async def test_online_unless_said_otherwise(self) -> None:
        await self.arrange()
        await self.next()
        self.assertEqual(await self.presence(), "online")

    async def test_who_has_gone_is_offline(self) -> None:
        await self.arrange()
        await self.next()
        for _ in range(10):
            self.advance(5)
        self.assertEqual(await self.presence(), "offline")


class IgnoredUsersTests(_Case):
    async def ignore(self, *users: str) -> None:
        content: dict[str, Any] = {"ignored_users": {user: {} for user in users}}
        path = f"{V3}/user/{BOB}/account_data/m.ignored_user_list"
        await self.ok("PUT", path, content, token=self.bob)

    async def test_a_new_room(self) -> None:
        await self.arrange()
        await self.ignore(ALICE)
        await self.send(self.alice, self.room_id, "unseen")
        await self.send(self.bob, self.room_id, "seen")
        part = await self.next()
        self.assertEqual(bodies(part["timeline"]), ["seen"])
        # State events are told all the same.
        self.assertIn(ALICE, {event["sender"] for event in part["timeline"]})

    async def test_their_messages_are_no_news(self) -> None:
        await self.arrange()
        await self.ignore(ALICE)
        await self.next()
        path, body = sliding_path(self.pos, 9000), {"lists": {"all": a_list()}}
        waiting = self.site.start("POST", path, body, token=self.bob)
        await self.send(self.alice, self.room_id, "unseen")
        await self.send(self.bob, self.room_id, "seen")
        part = (await waiting.answered()).json["rooms"][self.room_id]
        self.assertEqual((bodies(part["timeline"]), part["num_live"]), (["seen"], 1))

    async def test_a_room_that_was_left(self) -> None:
        await self.arrange()
        await self.ignore(ALICE)
        await self.next()
        await self.send(self.alice, self.room_id, "unseen")
        await self.leave(self.bob, self.room_id)
        part = await self.next()
        self.assertEqual([event["type"] for event in part["timeline"]], ["m.room.member"])

    async def test_invites(self) -> None:
        await self.arrange()
        invited = await self.create(self.alice, invite=[BOB])
        await self.ignore(ALICE)
        body: Any = {
            "lists": {"all": a_list()},
            "room_subscriptions": {invited: {"timeline_limit": 1, "required_state": []}},
        }
        answer = await self.sliding(self.bob, **body)
        self.assertEqual(answer["lists"]["all"]["count"], 1)
        self.assertEqual(list(answer["rooms"]), [self.room_id])
        await self.ignore()
        answer = await self.sliding(self.bob, answer["pos"], **body)
        self.assertEqual(answer["lists"]["all"]["count"], 2)
        self.assertIn("invite_state", answer["rooms"][invited])
        await self.ignore(ALICE)
        another = await self.create(self.alice, invite=[BOB])
        answer = await self.sliding(self.bob, answer["pos"], **body)
        self.assertNotIn(another, answer["rooms"])

    async def test_what_was_before_their_invites(self) -> None:
        await self.arrange()
        await self.ignore(ALICE)
        await self.next()
        await self.leave(self.bob, self.room_id)
        await self.change_membership(self.alice, self.room_id, "invite", BOB)
        part = await self.next()
        self.assertEqual(part["membership"], "leave")
        self.assertNotIn("invite_state", part)
        other = await self.sliding(self.bob, conn_id="other", lists={"all": a_list()})
        self.assertEqual(other["rooms"], {})
        await self.ignore()
        self.assertEqual((await self.next())["membership"], "invite")


class RetentionTests(_Case):
    async def arrange(self, **options: Any) -> None:
        """The room's "old" message has expired, "new" has not."""
        self.reconfigure(retention={"enabled": True})
        retention = {"type": "m.room.retention", "content": {"max_lifetime": HOUR_MS}}
        await super().arrange(initial_state=[retention])
        await self.next(limit=1)
        await self.send(self.alice, self.room_id, "old")
        self.advance(2 * 3600)
        await self.send(self.alice, self.room_id, "new")

    async def test_expired_messages_are_not_shown(self) -> None:
        await self.arrange()
        self.assertEqual(bodies((await self.next(limit=1))["timeline"]), ["new"])
        self.assertEqual(bodies((await self.next(limit=9))["timeline"]), ["new"])
        self.pos = None
        self.assertEqual(bodies((await self.next())["timeline"]), ["new"])

    async def test_in_rooms_that_were_left(self) -> None:
        await self.arrange()
        await self.change_membership(self.alice, self.room_id, "kick", BOB)
        self.assertEqual(bodies((await self.next())["timeline"]), ["new"])
        self.pos = None
        self.assertEqual(bodies((await self.next())["timeline"]), ["new"])


class UnsignedTests(_Case):
    async def test_membership(self) -> None:
        await self.arrange()
        part = await self.next()
        told = [event["unsigned"].get("membership") for event in part["timeline"]]
        # What was before the join is not said to be known.
        self.assertEqual((told[0], told[-1]), ("leave", "join"))
        await self.send(self.bob, self.room_id)
        (event,) = (await self.next())["timeline"]
        self.assertEqual(event["unsigned"]["membership"], "join")
        self.assertIn("transaction_id", event["unsigned"])
        expanded = (await self.next(limit=12))["timeline"]
        self.assertEqual(expanded[-1]["unsigned"]["membership"], "join")

    async def test_transaction_ids_are_the_device_s_own(self) -> None:
        await self.arrange()
        await self.send(self.bob, self.room_id)
        phone = (await self.login("bob")).json["access_token"]
        (event,) = (await self.rooms(phone, limit=1))[self.room_id]["timeline"]
        self.assertNotIn("transaction_id", event["unsigned"])


def counts(part: Any) -> tuple[int, int]:
    return part["notification_count"], part["highlight_count"]
