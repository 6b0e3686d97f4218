"""The user directory of a database that is older than it."""

from functools import partial

from twisted.internet import task

from synapse.storage.background_updates import BackgroundUpdates, Pace
from synapse.storage.migrations import known_migrations, migrate
from synapse.storage.stores.directory import DirectoryQuery, DirectoryStore
from synapse.storage.stores.directory_feed import DirectoryFeed, index_users
from synapse.storage.stream_readers import StreamReader
from synapse.util.background import Background
from synapse.util.clock import Clock
from tests.storage.base import StoreTestCase
from tests.storage.fresh import SERVER_NAME


class OldDatabaseTests(StoreTestCase):
    migrated = False

    async def test_its_users_are_taken_up_in_the_background(self) -> None:
        older = [migration for migration in known_migrations() if migration.number < 5]
        connection = self.engine.connect()
        migrate(self.engine, connection, SERVER_NAME, older)
        for nid, name in enumerate(("@alice:test", "@bob:test", "@bobby:test"), 1):
            connection.fetch("INSERT INTO names (nid, name) VALUES (?, ?)", (nid, name))
            connection.fetch(
                "INSERT INTO users (user_nid, name, created_ms) VALUES (?, ?, 1)", (nid, name)
            )
        connection.close()
        database = self.open()
        clock = Clock(task.Clock(), real=False)
        updates = BackgroundUpdates(
            database, clock, {"user_directory": index_users}, Pace(sleep_enabled=False)
        )
        await updates.run()
        self.assertEqual(await updates.unfinished(), [])
        reader = StreamReader("user_directory", DirectoryFeed(), database, clock, Background())
        await reader.catch_up()
        find = DirectoryStore(database).find
        query = partial(DirectoryQuery, 1, everybody=True)
        found = await find(query(["bob"]))
        self.assertEqual([entry.user_id for entry in found], ["@bob:test", "@bobby:test"])
