"""What clients assemble from sliding sync is what the server has, also where forks meet."""

from tests.rest.client.fork_writers import ForkWriters
from tests.rest.client.sliding import a_list
from tests.rest.client.sliding_clients import Client, SlidingPropertyCase


class SlidingForkPropertyTests(ForkWriters, SlidingPropertyCase):
    timeout = 120

    async def arrange(self, seed: int) -> None:
        await super().arrange(seed)
        await self.meet_remotes(self.room_ids)

    async def step(self) -> None:
        for _ in range(self.random.randrange(4)):
            await self.remote_step()
        await super().step()

    async def check_order(self, client: Client) -> None:
        """Rooms that the user was thrown out of are in the window as well."""
        newest = sorted([await self._joined_newest(room_id) for room_id in client.rooms])
        window = (0, 1 + len(self.room_ids) - len(client.rooms))
        answer = await self.sliding(client.token, conn_id="order", lists={"top": a_list(window)})
        self.assertLessEqual({room_id for _, room_id in newest[-2:]}, set(answer["rooms"]))

    async def test_the_view_is_the_truth(self) -> None:
        for seed in range(6):
            await self.run_seed(seed)
        self.assertGreater(self.seen, 100)
        self.assertGreater(await self.flips(), 10)
