"""Message retention: what has expired is hidden at once, and deleted later."""

from typing import Any
from unittest.mock import patch

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from synapse.config.retention import PurgeJobConfig, RetentionPolicyConfig
from synapse.rooms import purging
from synapse.util.clock import Clock
from tests.rest.rooms import RoomTestCase, bodies, room_path

HOUR_MS = 3600 * 1000
DAY_S = 24 * 3600


class RetentionTestCase(RoomTestCase):
    async def arrange(self, lifetime_ms: int | None = HOUR_MS, **config: Any) -> None:
        """A room with a message of two hours ago, "old", and one of now, "new"."""
        self.reconfigure(retention={"enabled": True, **config})
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.room(lifetime_ms)
        await self.join(self.bob, self.room_id)
        self.old = await self.send(self.alice, self.room_id, "old")
        self.since = (await self.sync(self.bob))["next_batch"]
        self.older = await self.send(self.alice, self.room_id, "old, too")
        self.advance(2 * 3600)
        self.new = await self.send(self.alice, self.room_id, "new")

    async def room(self, lifetime_ms: int | None) -> str:
        state = [{"type": "m.room.retention", "content": {"max_lifetime": lifetime_ms}}]
        return await self.create_public(
            self.alice, initial_state=state if lifetime_ms is not None else []
        )

    async def texts(self, room_id: str | None = None) -> list[str]:
        page = await self.messages(self.alice, room_id or self.room_id, limit=100)
        return bodies(page["chunk"])[::-1]

    async def stored(self) -> int:
        """How many events of all rooms there are."""
        ((count,),) = await self.database.fetch("SELECT count(*) FROM events")
        return int(count)

    async def purge(self) -> None:
        """Let the jobs that are due run to their end."""
        running = Deferred.fromCoroutine(self.server.rooms.purging.run_due())
        while not running.called:
            self.advance(0.5)
            await Clock(reactor).sleep(0.001)  # for the database's threads
        await running


class HidingTests(RetentionTestCase):
    async def test_expired_messages_are_nowhere(self) -> None:
        await self.arrange()
        self.assertEqual(await self.texts(), ["new"])
        for rest in (f"/event/{self.old}", f"/context/{self.old}"):
            path = room_path(self.room_id, rest)
            await self.refused(404, "M_NOT_FOUND", "GET", path, token=self.bob)
        around = await self.ok(
            "GET", room_path(self.room_id, f"/context/{self.new}"), token=self.bob
        )
        self.assertEqual(bodies(around["events_before"]), [])
        for restarted in (False, True):
            if restarted:
                self.start(self.config)
            for query in ({}, {"since": self.since}):
                rooms = (await self.sync(self.bob, **query))["rooms"]["join"]
                timeline = rooms[self.room_id]["timeline"]["events"]
                self.assertEqual(bodies(timeline), ["new"], f"{query}, {restarted}")
            few = '{"room":{"timeline":{"limit":3}}}'
            rooms = (await self.sync(self.alice, filter=few))["rooms"]["join"]
            self.assertEqual(bodies(rooms[self.room_id]["timeline"]["events"]), ["new"])
        snapshot = await self.ok("GET", room_path(self.room_id, "/initialSync"), token=self.bob)
        self.assertEqual(bodies(snapshot["messages"]["chunk"]), ["new"])

    async def test_state_does_not_expire(self) -> None:
        await self.arrange()
        state = await self.state(self.bob, self.room_id)
        self.assertEqual(state["m.room.retention", ""]["content"], {"max_lifetime": HOUR_MS})
        page = await self.messages(self.bob, self.room_id, limit=100)
        self.assertIn("m.room.create", [event["type"] for event in page["chunk"]])

    async def test_a_changed_policy_holds_for_older_messages_too(self) -> None:
        await self.arrange()
        content = {"max_lifetime": 3 * HOUR_MS}
        await self.set_state(self.alice, self.room_id, "m.room.retention", content)
        self.assertEqual(await self.texts(), ["old", "old, too", "new"])
        self.advance(1.5 * 3600)
        self.assertEqual(await self.texts(), ["new"])

    async def test_rooms_without_a_policy(self) -> None:
        await self.arrange(None)
        self.assertEqual(await self.texts(), ["old", "old, too", "new"])
        policy = RetentionPolicyConfig(max_lifetime_ms=HOUR_MS)
        self.reconfigure(retention={"default_policy": policy})
        self.assertEqual(await self.texts(), ["new"])

    async def test_the_servers_bounds(self) -> None:
        await self.arrange(allowed_lifetime_min_ms=3 * HOUR_MS)
        self.assertEqual(await self.texts(), ["old", "old, too", "new"])
        self.reconfigure(
            retention={"allowed_lifetime_min_ms": None, "allowed_lifetime_max_ms": HOUR_MS // 2}
        )
        self.advance(3000)
        self.assertEqual(await self.texts(), [])

    async def test_not_enabled(self) -> None:
        await self.arrange(enabled=False)
        self.assertEqual(await self.texts(), ["old", "old, too", "new"])
        stored = await self.stored()
        await self.purge()
        self.assertEqual(await self.stored(), stored)


class PurgingTests(RetentionTestCase):
    async def test_expired_messages_are_deleted_and_nothing_else(self) -> None:
        await self.arrange()
        kept_forever = await self.room(None)
        await self.send(self.alice, kept_forever, "kept")
        self.advance(2 * 3600)
        await self.send(self.alice, self.room_id, "newest")
        state, stored = await self.state(self.bob, self.room_id), await self.stored()
        await self.purge()
        self.assertEqual(await self.stored(), stored - 3)
        for restarted in (False, True):
            if restarted:
                self.start(self.config)
            # Without the policy, what is left would be seen.
            self.reconfigure(retention={"enabled": False})
            self.assertEqual(await self.texts(), ["newest"])
            self.assertEqual(await self.texts(kept_forever), ["kept"])
            now = await self.state(self.bob, self.room_id)
            self.assertEqual(
                {slot: event["event_id"] for slot, event in now.items()},
                {slot: event["event_id"] for slot, event in state.items()},
            )
        page = await self.messages(self.bob, self.room_id, "f", limit=100)
        self.assertEqual(page["chunk"][0]["type"], "m.room.create")
        self.assertEqual(page["chunk"][-1]["content"]["body"], "newest")
        rooms = (await self.sync(self.bob, since=self.since))["rooms"]["join"]
        self.assertEqual(bodies(rooms[self.room_id]["timeline"]["events"]), ["newest"])

    async def test_the_search_index_forgets_their_words(self) -> None:
        await self.arrange()
        await self.send(self.alice, self.room_id, "newest")
        await self.server.discovery.search_reader.catch_up()
        self.assertEqual([await self.indexed(word) for word in ("old", "too", "newest")], [2, 1, 1])
        await self.purge()
        self.assertEqual([await self.indexed(word) for word in ("old", "too", "newest")], [0, 0, 1])

    async def indexed(self, word: str) -> int:
        """In how many documents of the index a word stands."""
        sql = "SELECT count(*) FROM search_index WHERE search_index MATCH ?"
        if self.on_postgres:
            sql = "SELECT count(*) FROM search_index WHERE words @@ CAST(? AS tsquery)"
        ((count,),) = await self.database.fetch(sql, word)
        return int(count)

    async def test_memory_forgets_them_too(self) -> None:
        await self.arrange()
        await self.texts()
        await self.purge()
        room = await self.server.rooms.cache.get(self.room_id)
        self.assertNotIn(self.old, [event.event_id for event in room.tail])
        self.assertIsNone(await self.server.stores.events.get(self.old))

    async def test_the_newest_event_stays_and_the_room_goes_on(self) -> None:
        await self.arrange()
        self.advance(2 * 3600)
        await self.purge()
        ((count,),) = await self.database.fetch(
            "SELECT count(*) FROM events WHERE slot_nid IS NULL"
        )
        self.assertEqual(count, 1)
        for restarted in (False, True):
            if restarted:
                self.start(self.config)
            self.assertEqual(await self.texts(), ["again"] if restarted else [])
            await self.send(self.alice, self.room_id, "again")

    async def test_what_redactions_took_away_is_deleted(self) -> None:
        await self.arrange()
        await self.redact(self.alice, self.room_id, self.old)
        await self.purge()
        self.assertEqual(await self.database.fetch("SELECT * FROM redacted_events"), [])

    async def test_in_batches(self) -> None:
        await self.arrange()
        for n in range(7):
            await self.send(self.alice, self.room_id, str(n))
            await self.set_state(self.alice, self.room_id, "x", {"n": n})
        self.advance(2 * 3600)
        with patch.object(purging, "_EVENTS_AT_ONCE", 2):
            await self.purge()
        rows = await self.database.fetch("SELECT 1 FROM events WHERE slot_nid IS NULL")
        self.assertEqual(rows, [])

    async def test_a_run_that_was_interrupted_goes_on(self) -> None:
        await self.arrange()
        rooms = [await self.room(HOUR_MS) for _ in range(3)]
        for room_id in rooms:
            for text in ("gone", "newest"):
                await self.send(self.alice, room_id, text)
        self.advance(2 * 3600)
        for room_id in rooms:
            await self.set_state(self.alice, room_id, "x", {})
        before = await self.stored()
        with patch.object(purging, "_ROOMS_AT_ONCE", 2):
            running = Deferred.fromCoroutine(self.server.rooms.purging.run_due())
            while await self.stored() == before:
                await Clock(reactor).sleep(0.001)
            self.server.rooms.purging.stop()  # it pauses, and saves nothing
            while not running.called:
                self.advance(0.5)
                await Clock(reactor).sleep(0.001)
            self.start(self.config)
            await self.purge()
        rows = await self.database.fetch("SELECT 1 FROM events WHERE slot_nid IS NULL")
        self.assertEqual(len(rows), 1)  # the newest of the first room
        ((room_nid,),) = await self.database.fetch("SELECT room_nid FROM purge_jobs")
        self.assertIsNone(room_nid)

    async def test_a_job_runs_again_after_its_interval(self) -> None:
        await self.arrange()
        await self.purge()
        old = await self.send(self.alice, self.room_id, "another")
        await self.send(self.alice, self.room_id, "newest")
        self.start(self.config)
        for seconds, is_gone in ((DAY_S // 2, False), (DAY_S // 2, True)):
            self.advance(seconds)
            await self.purge()
            self.assertEqual(await self.server.stores.events.get(old) is None, is_gone)

    async def test_jobs_look_after_lifetimes(self) -> None:
        short = PurgeJobConfig(longest_max_lifetime_ms=HOUR_MS - 1)
        await self.arrange(purge_jobs=(short,))
        stored = await self.stored()
        await self.purge()
        self.assertEqual(await self.stored(), stored)
        long = PurgeJobConfig(shortest_max_lifetime_ms=HOUR_MS - 1)
        self.reconfigure(retention={"purge_jobs": (short, long)})
        await self.purge()
        self.assertEqual(await self.stored(), stored - 2)


class ConfigurationTests(RetentionTestCase):
    path = "/_matrix/client/unstable/org.matrix.msc1763/retention/configuration"

    async def test_what_clients_are_told(self) -> None:
        token = await self.register("alice")
        policy = RetentionPolicyConfig(min_lifetime_ms=1, max_lifetime_ms=2)
        for config, policies, limits in (
            ({"enabled": True}, {}, {}),
            (
                {"default_policy": policy, "allowed_lifetime_max_ms": 9},
                {"*": {"min_lifetime": 1, "max_lifetime": 2}},
                {"max_lifetime": {"max": 9}},
            ),
            ({"enabled": False}, {}, {}),
        ):
            self.reconfigure(retention=config)
            answer = await self.ok("GET", self.path, token=token)
            self.assertEqual(answer, {"policies": policies, "limits": limits})
        await self.refused(401, "M_MISSING_TOKEN", "GET", self.path, token=None)
