"""What clients assemble from sliding sync is what the server has, whatever happens in between."""

from tests.rest.client.sliding_clients import SlidingPropertyCase

SEEDS = 6


class SlidingPropertyTests(SlidingPropertyCase):
    async def test_the_view_is_the_truth(self) -> None:
        for seed in range(SEEDS):
            await self.run_seed(seed)
        self.assertGreater(self.seen, 100)
