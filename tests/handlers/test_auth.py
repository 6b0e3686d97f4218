"""Who makes a request, and what it costs to know."""

from twisted.internet.defer import Deferred

from synapse.api.errors import UnknownToken
from synapse.handlers.auth import Auth
from synapse.http.request import Request
from synapse.storage.database import Database
from synapse.storage.stores.tokens import Session, TokenStore
from tests.rest.base import RestTestCase


class AuthTests(RestTestCase):
    def request(self, token: str) -> Request:
        return Request("GET", "/", {b"authorization": f"Bearer {token}".encode()}, client_ip="::1")

    def reads(self) -> int:
        return sum(timing.count for timing in self.database.timings.values())

    async def test_known_token_costs_no_query(self) -> None:
        token = await self.register("alice", device_id="A")
        auth = self.server.access.auth
        first = await auth.requester(self.request(token))
        await self.finish_background()
        before = self.reads()
        request = self.request(token)
        self.assertIs(await auth.requester(request), first)
        self.assertEqual(self.reads(), before)
        self.assertEqual(request.requester_label, "@alice:test")
        self.assertEqual((first.user_id, first.device_id), ("@alice:test", "A"))
        self.assertGreater(first.device_nid, 0)

    async def test_forgetting_one_user_leaves_the_others_cached(self) -> None:
        auth = self.server.access.auth
        tokens = [await self.register("alice"), await self.register("bob")]
        alice, bob = [await auth.requester(self.request(token)) for token in tokens]
        await self.finish_background()
        auth.forget(alice.user_nid)
        self.assertIs(await auth.requester(self.request(tokens[1])), bob)
        again = await auth.requester(self.request(tokens[0]))
        self.assertEqual(again, alice)
        self.assertIsNot(again, alice)

    async def test_token_without_a_device_has_its_own_transactions(self) -> None:
        token = await self.register("alice")
        await self.database.write(
            lambda txn, items: [txn.execute("UPDATE access_tokens SET device_nid = NULL")], None
        )
        requester = await self.server.access.auth.requester(self.request(token))
        self.assertIsNone(requester.device_id)
        self.assertEqual(requester.device_nid, -requester.token_id)
        await self.server.access.sessions.end(requester)
        self.assertEqual((await self.whoami(token)).status, 401)

    async def test_log_out_while_the_token_is_looked_up_is_not_forgotten(self) -> None:
        token = await self.register("alice")
        user = await self.server.stores.users.user("@alice:test")
        assert user is not None
        tokens = SlowTokens(self.database)
        auth = Auth(tokens, self.server.stores.devices, self.clock, self.background)
        in_flight = Deferred.fromCoroutine(auth.requester(self.request(token)))
        await tokens.has_read
        await self.server.access.sessions.end_all(user.user_nid)
        auth.forget(user.user_nid)
        tokens.may_answer.callback(None)
        await in_flight
        with self.assertRaises(UnknownToken):
            await auth.requester(self.request(token))


class SlowTokens(TokenStore):
    """A store whose reads take as long as the test wants."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.has_read: Deferred[None] = Deferred()
        self.may_answer: Deferred[None] = Deferred()

    async def session(self, access_hash: bytes) -> Session | None:
        session = await super().session(access_hash)
        if not self.has_read.called:
            self.has_read.callback(None)
            await self.may_answer
        return session
