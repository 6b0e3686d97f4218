"""What clients assemble from /sync is what the server has, also where forks meet.

Another server writes to the rooms as well, at random places of their graphs: forks meet, slots flip
to other events, and events are refused. Timelines are compared without what is no news (outliers
that found a place); and a slot that nothing fills any more is something that no client can be told.
"""

from typing import Any

from tests.rest.client.fork_writers import ForkWriters
from tests.rest.client.sync_clients import Client, ClientRoom, SyncPropertyCase
from tests.rest.rooms import ids


class ForkClient(Client):
    """A client that takes a room anew if it is told again of what it knows."""

    def _has_joined(self, room: ClientRoom, state: list[Any], timeline: list[Any]) -> bool:
        # Who was thrown out and is in again by the same join is told the room whole.
        if set(ids(timeline)) & set(room.timeline):
            return True
        return super()._has_joined(room, state, timeline)


class ForkPropertyCase(ForkWriters, SyncPropertyCase):
    timeout = 120
    client_class = ForkClient
    room_count = 2
    steps = 150

    async def arrange(self, seed: int) -> None:
        await super().arrange(seed)
        await self.meet_remotes(self.rooms)

    async def step(self) -> None:
        if self.random.random() < 0.6:
            await self.remote_step()
        else:
            await super().step()

    async def assert_timeline(self, client: Client, room_id: str, told: list[str]) -> None:
        wish = client.timeline_filter
        truth = await self.messages(client.token, room_id, limit=1000, filter=wish)
        live = await self.live(ids(truth["chunk"])[::-1])
        told = await self.live(told)
        self.assertEqual(told, live[len(live) - len(told) :])
        self.seen += len(told)

    async def run_seed(self, seed: int) -> None:
        await self.arrange(seed)
        for step in range(self.steps):
            await self.step()
            if step == self.steps // 2:
                self.start(self.config)
            if step == 20 and not self.diligence:
                for client in self.clients:
                    await client.sync()
        await self.check_all()

    async def run_seeds(self, seeds: int) -> None:
        for seed in range(seeds if not self.on_postgres else 2):
            await self.run_seed(seed)
        self.assertGreater(self.seen, 10)
        self.assertGreater(await self.flips(), 10)


class ForkPropertyTests(ForkPropertyCase):
    async def test_clients_have_what_the_server_has(self) -> None:
        await self.run_seeds(6)


class LongGapTests(ForkPropertyCase):
    """Clients that sync once and then much later: of what they missed memory has a part."""

    room_count = 1
    steps = 300
    diligence = 0.0

    async def test_clients_have_what_the_server_has(self) -> None:
        await self.run_seeds(4)
