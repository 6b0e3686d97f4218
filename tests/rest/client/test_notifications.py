"""Client API: GET /notifications."""

from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from synapse.handlers import notifications
from tests.rest.client.test_thread_subscriptions import MSC4306
from tests.rest.client.test_unread import BOB, UnreadTestCase
from tests.rest.rooms import V3


class NotificationTests(UnreadTestCase):
    async def page(self, token: str, **query: Any) -> Any:
        return await self.ok("GET", f"{V3}/notifications?{urlencode(query)}", token=token)

    async def told(self, token: str, **query: Any) -> list[str]:
        """The event ids of all pages."""
        found: list[str] = []
        while True:
            page = await self.page(token, **query)
            found += [item["event"]["event_id"] for item in page["notifications"]]
            if "next_token" not in page:
                return found
            query["from"] = page["next_token"]

    async def test_what_notifies_newest_first(self) -> None:
        await self.arrange()
        first = await self.send(self.alice, self.room_id)
        await self.send(self.alice, self.room_id, msgtype="m.notice")
        await self.set_state(self.alice, self.room_id, "m.room.topic", {"topic": "x"})
        await self.send(self.bob, self.room_id)
        self.advance(1)
        elsewhere = await self.create_public(self.alice)
        await self.send(self.alice, elsewhere)
        await self.join(self.bob, elsewhere)
        second = await self.send(self.alice, elsewhere)
        self.advance(1)
        third = await self.mention(self.carol, BOB)
        page = await self.page(self.bob)
        self.assertNotIn("next_token", page)
        items = page["notifications"]
        self.assertEqual([i["event"]["event_id"] for i in items], [third, second, first])
        self.assertEqual([i["room_id"] for i in items], [self.room_id, elsewhere, self.room_id])
        self.assertEqual(items[0]["ts"], items[0]["event"]["origin_server_ts"])
        self.assertIn({"set_tweak": "highlight"}, items[0]["actions"])
        self.assertEqual(items[2]["actions"], ["notify"])
        self.assertEqual(await self.told(self.bob, only="highlight"), [third])

    async def test_pages(self) -> None:
        await self.arrange()
        rooms = [self.room_id, await self.create_public(self.alice)]
        await self.join(self.bob, rooms[1])
        sent = []
        for n in range(12):
            # Some at the same time, in both rooms.
            sent.append(await self.send(self.alice, rooms[n % 2]))
            if n % 5 == 0:
                self.advance(1)
        whole = await self.told(self.bob)
        self.assertEqual(sorted(whole), sorted(sent))
        for limit in (1, 5, 11, 12):
            self.assertEqual(await self.told(self.bob, limit=limit), whole)
        with patch.object(notifications, "_PORTION", 3):
            self.assertEqual(await self.told(self.bob), whole)
            self.assertEqual(await self.told(self.bob, limit=2), whole)

    async def test_a_request_looks_at_a_bounded_number_of_events(self) -> None:
        await self.arrange()
        early = await self.mention(self.alice, BOB)
        for _ in range(9):
            self.advance(1)
            await self.send(self.alice, self.room_id)
        with patch.multiple(notifications, _PORTION=2, _MAX_LOOKED_AT=4):
            page = await self.page(self.bob, only="highlight")
            self.assertEqual(page["notifications"], [])
            self.assertIn("next_token", page)
            self.assertEqual(await self.told(self.bob, only="highlight"), [early])

    async def test_read(self) -> None:
        await self.arrange()
        root = await self.send(self.alice, self.room_id)
        threaded = await self.in_thread(self.alice, root)
        last = await self.send(self.alice, self.room_id)

        async def unread() -> list[str]:
            items = (await self.page(self.bob))["notifications"]
            return [item["event"]["event_id"] for item in items if not item["read"]]

        self.assertEqual(await unread(), [last, threaded, root])
        await self.read(self.bob, root, thread="main")
        self.assertEqual(await unread(), [last, threaded])
        await self.read(self.bob, last, "m.read.private", thread="main")
        self.assertEqual(await unread(), [threaded])
        await self.read(self.bob, threaded, thread=root)
        self.assertEqual(await unread(), [])
        await self.send(self.alice, self.room_id)
        await self.send(self.bob, self.room_id)
        self.assertEqual(await unread(), [])

    async def test_the_rules_that_the_user_has(self) -> None:
        await self.arrange()
        plain = await self.send(self.alice, self.room_id)
        self.advance(1)
        cake = await self.send(self.alice, self.room_id, "some cake")
        tweak = {"set_tweak": "sound", "value": "yum"}
        await self.put_rule(self.bob, "content", "c", pattern="cake", actions=["notify", tweak])
        items = (await self.page(self.bob))["notifications"]
        self.assertEqual([i["event"]["event_id"] for i in items], [cake, plain])
        self.assertEqual(items[0]["actions"], ["notify", tweak])
        await self.put_rule(self.bob, "room", self.room_id, actions=[])
        self.assertEqual(await self.told(self.bob), [cake])
        await self.enable(self.bob, "override", ".m.rule.master", True)
        self.assertEqual(await self.told(self.bob), [])
        self.assertEqual(await self.told(self.carol), [cake, plain])

    async def test_threads_that_the_user_follows(self) -> None:
        await self.arrange()
        roots = [await self.send(self.alice, self.room_id) for _ in range(2)]
        before = await self.in_thread(self.alice, roots[0])
        self.assertIn(before, await self.told(self.bob))
        path = f"{MSC4306}/rooms/{self.room_id}/thread/{roots[0]}/subscription"
        await self.ok("PUT", path, {}, token=self.bob)
        self.advance(1)
        followed = await self.in_thread(self.alice, roots[0])
        await self.in_thread(self.alice, roots[1])
        self.advance(1)
        mention = await self.in_thread(self.alice, roots[1], **{"m.mentions": {"user_ids": [BOB]}})
        self.assertEqual((await self.told(self.bob))[:2], [mention, followed])
        self.assertEqual(len(await self.told(self.bob)), 4)
        self.assertEqual(len(await self.told(self.carol)), 6)

    async def test_redacted_events_are_gone(self) -> None:
        await self.arrange()
        kept = await self.send(self.alice, self.room_id)
        mention = await self.mention(self.alice, BOB)
        root = await self.send(self.carol, self.room_id)
        threaded = await self.in_thread(self.alice, root)
        for event_id in (mention, threaded):
            await self.redact(self.alice, self.room_id, event_id)
        self.assertEqual(await self.told(self.bob), [root, kept])
        self.assertEqual(await self.told(self.bob, only="highlight"), [])

    async def test_ignored_users_and_rooms_left(self) -> None:
        await self.arrange()
        await self.send(self.carol, self.room_id)
        event_id = await self.send(self.alice, self.room_id)
        path = f"{V3}/user/{BOB}/account_data/m.ignored_user_list"
        await self.ok("PUT", path, {"ignored_users": {"@carol:test": {}}}, token=self.bob)
        self.assertEqual(await self.told(self.bob), [event_id])
        await self.leave(self.bob, self.room_id)
        self.assertEqual(await self.told(self.bob), [])
        self.advance(1)
        await self.join(self.bob, self.room_id)
        self.assertEqual(await self.told(self.bob), [])

    async def test_wrong_requests(self) -> None:
        alice = await self.register("alice")
        _, guest = await self.guest()
        self.assertEqual(await self.page(alice), {"notifications": []})
        for query in ("from=x", "from=1_2", "from=", "limit=0", "limit=x", "only=me"):
            path = f"{V3}/notifications?{query}"
            await self.refused(400, "M_INVALID_PARAM", "GET", path, token=alice)
        path = f"{V3}/notifications"
        await self.refused(403, "M_GUEST_ACCESS_FORBIDDEN", "GET", path, token=guest)
        await self.refused(401, "M_MISSING_TOKEN", "GET", path, token=None)
