"""Client API: thread subscriptions (MSC4306)."""

from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.rest.client.test_sync import ALICE, SyncTestCase
from tests.rest.rooms import V3

MSC4306 = "/_matrix/client/unstable/io.element.msc4306"
NOT_IN_THREAD = "IO.ELEMENT.MSC4306.M_NOT_IN_THREAD"
CONFLICT = "IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION"


class ThreadSubscriptionTests(SyncTestCase):
    async def arrange(self) -> None:
        await self.people()
        self.room_id = await self.shared_room()
        self.root = await self.send(self.bob, self.room_id)
        self.path = self.path_of(self.room_id, self.root)

    def path_of(self, room_id: str, root: str) -> str:
        return f"{MSC4306}/rooms/{room_id}/thread/{root}/subscription"

    async def reply(self, root: str | None = None) -> str:
        relation = {"rel_type": "m.thread", "event_id": root or self.root}
        content = {"msgtype": "m.text", "body": "reply", "m.relates_to": relation}
        return await self.send_event(self.bob, self.room_id, "m.room.message", content)

    async def subscribe(self, cause: Any = None) -> None:
        body = {} if cause is None else {"automatic": cause}
        await self.ok("PUT", self.path, body, token=self.alice)

    async def unsubscribe(self) -> None:
        await self.ok("DELETE", self.path, token=self.alice)

    async def is_automatic(self) -> Any:
        return (await self.ok("GET", self.path, token=self.alice))["automatic"]

    async def assert_not_subscribed(self) -> None:
        await self.refused(404, "M_NOT_FOUND", "GET", self.path, token=self.alice)

    async def changes(self, after: int = 0, upto: int = 2**60, limit: int = 100) -> list[Any]:
        user_nid = await self.server.stores.names.nid(ALICE)
        assert user_nid is not None
        store = self.server.streams.thread_subscription_store
        return [
            (change.root_id, change.subscribed, change.automatic)
            for change in await store.changes(user_nid, after, upto, limit)
        ]

    async def test_subscriptions_come_and_go(self) -> None:
        await self.arrange()
        await self.assert_not_subscribed()
        for cause in (None, False):
            await self.subscribe(cause)
            self.assertIs(await self.is_automatic(), False)
            for _ in range(2):
                await self.unsubscribe()
                await self.assert_not_subscribed()

    async def test_what_the_user_does_goes_before_what_clients_do(self) -> None:
        await self.arrange()
        await self.subscribe(await self.reply())
        self.assertIs(await self.is_automatic(), True)
        await self.subscribe()
        self.assertIs(await self.is_automatic(), False)
        await self.subscribe(await self.reply())
        self.assertIs(await self.is_automatic(), False)

    async def test_who_unsubscribed_is_subscribed_again_only_by_what_came_later(self) -> None:
        await self.arrange()
        causes = [await self.reply() for _ in range(2)]
        await self.subscribe(causes[0])
        await self.unsubscribe()
        for cause in causes:
            body = {"automatic": cause}
            await self.refused(409, CONFLICT, "PUT", self.path, body, token=self.alice)
        await self.assert_not_subscribed()
        later = await self.reply()
        await self.subscribe(later)
        self.assertIs(await self.is_automatic(), True)
        await self.subscribe(causes[0])
        await self.unsubscribe()
        await self.subscribe()
        await self.subscribe(later)
        self.assertIs(await self.is_automatic(), False)

    async def test_the_cause_must_be_in_the_thread(self) -> None:
        await self.arrange()
        other = await self.reply(await self.send(self.bob, self.room_id))
        elsewhere = await self.send(self.alice, await self.create(self.alice))
        beside = await self.send(self.bob, self.room_id)
        for cause in (self.root, other, elsewhere, beside, "$unknown", "", "x"):
            body = {"automatic": cause}
            await self.refused(400, NOT_IN_THREAD, "PUT", self.path, body, token=self.alice)
        wrong: list[Any] = [True, 1, {}]
        for value in wrong:
            await self.refused(
                400, "M_BAD_JSON", "PUT", self.path, {"automatic": value}, token=self.alice
            )
        await self.assert_not_subscribed()

    async def test_only_threads_that_one_may_see(self) -> None:
        await self.arrange()
        carol = await self.register("carol")
        await self.subscribe()
        for path in (
            self.path,
            self.path_of(self.room_id, "$unknown"),
            self.path_of("!unknown:test", self.root),
            self.path_of(await self.create(carol), self.root),
        ):
            for method, body in (("GET", None), ("PUT", {}), ("DELETE", None)):
                await self.refused(404, "M_NOT_FOUND", method, path, body, token=carol)
        await self.ok("GET", self.path, token=self.alice)

    async def test_what_was_said_before_one_came_is_no_cause(self) -> None:
        await self.arrange()
        content = {"history_visibility": "joined"}
        await self.set_state(self.alice, self.room_id, "m.room.history_visibility", content)
        root = await self.send(self.bob, self.room_id)
        carol = await self.register("carol")
        await self.join(carol, self.room_id)
        path = self.path_of(self.room_id, root)
        await self.refused(404, "M_NOT_FOUND", "PUT", path, {}, token=carol)

    async def test_changes_between_positions(self) -> None:
        await self.arrange()
        first = self.path
        before = self.database.position
        await self.subscribe()
        between = self.database.position
        second = await self.send(self.bob, self.room_id)
        self.path = self.path_of(self.room_id, second)
        await self.subscribe(await self.reply(second))
        both = [(second, True, True), (self.root, True, False)]
        self.assertEqual(await self.changes(before), both)
        self.assertEqual(await self.changes(before, between), both[1:])
        self.assertEqual(await self.changes(between), both[:1])
        self.assertEqual(await self.changes(limit=1), both[:1])
        self.path = first
        await self.unsubscribe()
        self.assertEqual(await self.changes(), [(self.root, False, False), both[0]])

    async def test_what_changes_nothing_is_no_change(self) -> None:
        await self.arrange()
        await self.unsubscribe()
        self.assertEqual(await self.changes(), [])
        await self.subscribe()
        position = self.database.position
        await self.subscribe()
        await self.subscribe(await self.reply())
        self.assertEqual(await self.changes(position), [])

    async def test_who_subscribes_gets_rules_for_threads(self) -> None:
        await self.arrange()
        path = f"{V3}/pushrules/global/"
        self.assertNotIn("postcontent", await self.ok("GET", path, token=self.alice))
        since = (await self.sync(self.alice))["next_batch"]
        await self.subscribe()
        rules = await self.ok("GET", path, token=self.alice)
        names = [rule["rule_id"].rsplit(".", 1)[1] for rule in rules["postcontent"]]
        self.assertEqual(names, ["unsubscribed_thread", "subscribed_thread"])
        (news,) = (await self.sync(self.alice, since=since))["account_data"]["events"]
        self.assertEqual(news, {"type": "m.push_rules", "content": {"global": rules}})
        # They stay, whatever becomes of the subscription, and can be changed like others.
        await self.unsubscribe()
        rule = f"{path}postcontent/{rules['postcontent'][0]['rule_id']}"
        await self.ok("PUT", f"{rule}/enabled", {"enabled": False}, token=self.alice)
        self.assertIs((await self.ok("GET", rule, token=self.alice))["enabled"], False)
        body: Any = {"actions": [], "conditions": []}
        await self.refused(
            400, "M_INVALID_PARAM", "PUT", f"{path}postcontent/x", body, token=self.alice
        )
        self.assertNotIn("postcontent", await self.ok("GET", path, token=self.bob))

    async def test_several_clients_at_once(self) -> None:
        await self.arrange()
        cause = await self.reply()
        calls = [self.subscribe(cause), self.subscribe(), self.subscribe(cause)]
        await gatherResults([Deferred.fromCoroutine(call) for call in calls])
        self.assertIs(await self.is_automatic(), False)
        self.assertEqual(len(await self.changes()), 1)

    async def test_the_server_says_that_it_can(self) -> None:
        answer = await self.fetch("GET", "/_matrix/client/versions")
        self.assertIs(answer.json["unstable_features"]["org.matrix.msc4306"], True)
