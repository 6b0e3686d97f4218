"""Client API: changes of thread subscriptions in sliding sync, and paging back (MSC4308)."""

import random
from typing import Any
from urllib.parse import urlencode

from twisted.internet.defer import Deferred

from tests.rest.client.sliding import SlidingTestCase, sliding_path
from tests.rest.client.test_thread_subscriptions import MSC4306

NAME = "io.element.msc4308.thread_subscriptions"
COMPANION = "/_matrix/client/unstable/io.element.msc4308/thread_subscriptions"
SEEDS = 8
STEPS = 60


class Client:
    """What a client makes of the answers: of each thread the change with the highest stamp."""

    def __init__(self) -> None:
        self.pos: str | None = None
        self.threads: dict[tuple[str, str], tuple[int, bool | None]] = {}

    def take(self, part: Any) -> None:
        for name in ("subscribed", "unsubscribed"):
            for room_id, threads in part.get(name, {}).items():
                for root, facts in threads.items():
                    told = (facts["bump_stamp"], facts.get("automatic"))
                    known = self.threads.get((room_id, root), told)
                    self.threads[room_id, root] = max(known, told, key=lambda each: each[0])

    def subscribed(self) -> dict[tuple[str, str], bool]:
        return {key: auto for key, (_, auto) in self.threads.items() if auto is not None}


class _Case(SlidingTestCase):
    async def arrange(self, name: str = "alice", threads: int = 3) -> None:
        self.alice = await self.register(name)
        self.threads: list[tuple[str, str]] = []
        self.replies: dict[tuple[str, str], str] = {}
        for room_id in [await self.create(self.alice) for _ in range(2)]:
            for _ in range(threads):
                key = (room_id, await self.send(self.alice, room_id))
                self.threads.append(key)
                await self.reply(key)

    async def reply(self, key: tuple[str, str]) -> None:
        relation: Any = {"m.relates_to": {"rel_type": "m.thread", "event_id": key[1]}}
        self.replies[key] = await self.send(self.alice, key[0], **relation)

    async def change(self, key: tuple[str, str], method: str, automatic: bool = False) -> None:
        path = f"{MSC4306}/rooms/{key[0]}/thread/{key[1]}/subscription"
        body = {"automatic": self.replies[key]} if automatic else {}
        answer = await self.fetch(method, path, body if method == "PUT" else None, token=self.alice)
        self.assertIn(answer.status, (200, 409))

    async def subscribe(self, *numbers: int) -> None:
        for number in numbers:
            await self.change(self.threads[number], "PUT")

    def body(self, limit: int | None) -> dict[str, Any]:
        config = {"enabled": True} if limit is None else {"enabled": True, "limit": limit}
        return {"extensions": {NAME: config}}

    async def answer(self, pos: str | None = None, limit: int | None = None) -> tuple[str, Any]:
        answer = await self.sliding(self.alice, pos, **self.body(limit))
        return answer["pos"], answer["extensions"][NAME]

    async def page(self, **query: Any) -> Any:
        query = {name: value for name, value in query.items() if value is not None}
        path = f"{COMPANION}?{urlencode({'dir': 'b', **query})}"
        return await self.ok("GET", path, token=self.alice)


class ThreadSubscriptionChangeTests(_Case):
    async def test_what_changed_since(self) -> None:
        await self.arrange()
        (room, first), second = self.threads[0], self.threads[1]
        pos, told = await self.answer()
        self.assertEqual(told, {})
        await self.change(self.threads[0], "PUT", automatic=True)
        await self.subscribe(1)
        _, told = await self.answer(pos)
        stamps = {root: facts.pop("bump_stamp") for root, facts in told["subscribed"][room].items()}
        self.assertEqual(
            told,
            {"subscribed": {room: {first: {"automatic": True}, second[1]: {"automatic": False}}}},
        )
        # The answer was lost: it comes again.
        _, again = await self.answer(pos)
        self.assertEqual(set(again["subscribed"][room]), {first, second[1]})
        pos, again = await self.answer(pos)
        await self.change(self.threads[0], "DELETE")
        pos, told = await self.answer(pos)
        self.assertEqual(list(told), ["unsubscribed"])
        self.assertGreater(told["unsubscribed"][room][first]["bump_stamp"], stamps[first])
        self.assertEqual((await self.answer(pos))[1], {})

    async def test_a_change_wakes_who_waits(self) -> None:
        await self.arrange()
        pos, _ = await self.answer()
        path = sliding_path(pos, 30_000)
        waiting = Deferred.fromCoroutine(
            self.fetch("POST", path, self.body(None), token=self.alice)
        )
        await self.subscribe(0)
        answer = await waiting
        self.assertIn(self.threads[0][0], answer.json["extensions"][NAME]["subscribed"])

    async def test_paging_back(self) -> None:
        await self.arrange()
        await self.subscribe(0)
        start, _ = await self.answer()
        await self.subscribe(1, 2, 3, 4, 5)
        _, told = await self.answer(start, limit=2)
        client = Client()
        client.take(told)
        self.assertEqual(set(client.subscribed()), set(self.threads[4:]))
        page = await self.page(**{"from": told["prev_batch"], "to": start, "limit": 2})
        client.take(page)
        self.assertEqual(set(client.subscribed()), set(self.threads[2:]))
        page = await self.page(**{"from": page["end"], "to": start, "limit": 2})
        client.take(page)
        self.assertEqual(set(client.subscribed()), set(self.threads[1:]))
        self.assertNotIn("end", page)
        # From the end on, and to the beginning.
        client = Client()
        client.take(await self.page())
        self.assertEqual(set(client.subscribed()), set(self.threads))

    async def test_others_see_nothing_of_it(self) -> None:
        await self.arrange()
        await self.subscribe(0)
        bob = await self.register("bob")
        self.assertEqual(await self.ok("GET", f"{COMPANION}?dir=b", token=bob), {})

    async def test_wrong_requests(self) -> None:
        await self.arrange()
        pos, _ = await self.answer()
        for query in (
            "dir=f",
            "dir=b&from=x",
            "dir=b&from=s1_1",
            "dir=b&to=x",
            "dir=b&to=b5",
            "dir=b&limit=0",
            f"dir=b&from={pos}",
        ):
            path = f"{COMPANION}?{query}"
            await self.refused(400, "M_INVALID_PARAM", "GET", path, token=self.alice)
        await self.refused(400, "M_MISSING_PARAM", "GET", COMPANION, token=self.alice)
        for limit in (0, -1):
            body = self.body(limit)
            path = sliding_path()
            await self.refused(400, "M_INVALID_PARAM", "POST", path, body, token=self.alice)


class ThreadSubscriptionPropertyTests(_Case):
    """A client that follows what MSC4308 says knows all subscriptions, however it gets there."""

    async def test_a_client_assembles_the_true_set(self) -> None:
        for seed in range(SEEDS):
            with self.subTest(seed=seed):
                self.random = random.Random(seed)
                await self.arrange(f"alice{seed}", threads=4)
                client = Client()
                for _ in range(STEPS):
                    step = self.random.choice([self.meddle] * 4 + [self.follow, self.begin_anew])
                    await step(client)
                await self.follow(client)
                self.assertEqual(client.subscribed(), await self.truth())

    async def meddle(self, client: Client) -> None:
        key = self.random.choice(self.threads)
        method = self.random.choice(["PUT", "PUT", "DELETE"])
        if self.random.random() < 0.2:
            await self.reply(key)
        await self.change(key, method, automatic=self.random.random() < 0.5)

    async def begin_anew(self, client: Client) -> None:
        # What it knows stays true; of what changed since, the newest is told again.
        client.pos = None
        await self.follow(client)

    async def follow(self, client: Client) -> None:
        limit = self.random.randint(1, 4)
        pos, told = await self.answer(client.pos, limit)
        if self.random.random() < 0.3:
            await self.meddle(client)
            pos, told = await self.answer(client.pos, limit)  # the first answer was lost
        client.take(told)
        start, stop = told.get("prev_batch"), client.pos
        while start is not None:
            if self.random.random() < 0.3:
                await self.meddle(client)
            if self.random.random() < 0.1:
                client.pos = pos  # beside the paging, the client syncs on
                pos, told = await self.answer(client.pos)
                client.take(told)
                self.assertNotIn("prev_batch", told)
            page = await self.page(**{"from": start, "to": stop, "limit": limit})
            client.take(page)
            start = page.get("end")
            if start is not None and self.random.random() < 0.3:
                await self.meddle(client)
        client.pos = pos
        # What changed on the way is told by the next answer.
        pos, told = await self.answer(client.pos)
        client.take(told)
        client.pos = pos

    async def truth(self) -> dict[tuple[str, str], bool]:
        found = {}
        for room_id, root in self.threads:
            path = f"{MSC4306}/rooms/{room_id}/thread/{root}/subscription"
            answer = await self.fetch("GET", path, token=self.alice)
            if answer.status == 200:
                found[room_id, root] = answer.json["automatic"]
        return found
