"""Threads of which a reader sees a part: they left the room, or came late to its hidden history."""

from typing import Any

from tests.rest.client.test_relations import RelationsTestCase
from tests.rest.rooms import ids


class PartialThreadTests(RelationsTestCase):
    async def test_who_sees_a_part_of_a_thread_is_told_of_that_part(self) -> None:
        await self.arrange()
        other = await self.send(self.alice, self.room_id, "other")
        first = [await self.say_in_thread(self.alice, self.root) for _ in range(2)]
        between = await self.say_in_thread(self.alice, other)
        await self.leave(self.bob, self.room_id)
        await self.say_in_thread(self.alice, self.root, "secret")
        await self.assert_bob_sees({other: (1, between), self.root: (2, first[1])})
        # Who comes back does not learn what was said meanwhile, where that is hidden.
        hidden = {"history_visibility": "joined"}
        await self.set_state(self.alice, self.room_id, "m.room.history_visibility", hidden)
        await self.say_in_thread(self.alice, other, "secret")
        await self.join(self.bob, self.room_id)
        await self.assert_bob_sees({self.root: (3, None), other: (1, between)})
        last = await self.say_in_thread(self.alice, self.root)
        await self.assert_bob_sees({self.root: (4, last), other: (1, between)})
        await self.redact(self.alice, self.room_id, between)
        await self.assert_bob_sees({self.root: (4, last)})
        self.assertEqual((await self.bundle(self.alice, other))["m.thread"]["count"], 1)

    async def assert_bob_sees(self, expected: dict[str, tuple[int, str | None]]) -> None:
        """In this order; of each thread its length and, unless None, its newest event."""
        for limit in (1, 5):
            pages: list[Any] = []
            query: dict[str, Any] = {"limit": limit}
            while True:
                page = await self.threads(self.bob, **query)
                pages += page["chunk"]
                if "next_batch" not in page:
                    break
                query["from"] = page["next_batch"]
            self.assertEqual(ids(pages), list(expected))
            for root in pages:
                thread = root["unsigned"]["m.relations"]["m.thread"]
                count, newest = expected[root["event_id"]]
                self.assertEqual(thread["count"], count)
                if newest is not None:
                    self.assertEqual(thread["latest_event"]["event_id"], newest)
                self.assertEqual(
                    (await self.bundle(self.bob, root["event_id"]))["m.thread"], thread
                )
