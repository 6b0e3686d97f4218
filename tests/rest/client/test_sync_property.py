"""What clients assemble from /sync is what the server has, whatever happens in between."""

from twisted.internet.defer import Deferred, gatherResults

from tests.rest.client.sync_clients import SEEDS, STEPS, SyncPropertyCase


class SyncPropertyTests(SyncPropertyCase):
    async def test_clients_have_what_the_server_has(self) -> None:
        seeds = SEEDS if not self.on_postgres else 2
        for seed in range(seeds):
            await self.arrange(seed)
            for step in range(STEPS):
                await self.step()
                if step == STEPS // 2:
                    self.start(self.config)  # as after a restart: nothing is in memory
            await self.check_all()
        self.assertGreater(self.seen, 50 * seeds)
        self.assertGreater(self.unread_seen, 0)

    async def test_with_everything_at_once(self) -> None:
        """The same with requests that overlap."""
        seeds = SEEDS if not self.on_postgres else 3
        for seed in range(100, 100 + seeds):
            await self.arrange(seed)
            for _ in range(STEPS // 6):
                await self.all_at_once([self.step() for _ in range(6)])
            await self.check_all()
        self.assertGreater(self.seen, 50 * seeds)

    async def test_with_clients_that_wait(self) -> None:
        seeds = SEEDS // 2 if not self.on_postgres else 2
        for seed in range(200, 200 + seeds):
            await self.arrange(seed)
            for _ in range(STEPS // 6):
                some = self.random.sample(self.clients, 4)
                waiting = [
                    Deferred.fromCoroutine(client.sync(timeout_ms=30_000)) for client in some
                ]
                await self.all_at_once([self.some_write() for _ in range(3)])
                self.advance(31)
                await gatherResults(waiting, consumeErrors=True)
            await self.check_all()
        self.assertGreater(self.seen, 50 * seeds)
