"""Who makes a request, and what it costs to know."""

from synapse.http.request import Request
from tests.rest.base import RestTestCase


class AuthTests(RestTestCase):
    def request(self, token: str) -> Request:
        return Request("GET", "/", {b"authorization": f"Bearer {token}".encode()}, client_ip="::1")

    def reads(self) -> int:
        return sum(timing.count for timing in self.database.timings.values())

    async def test_known_token_costs_no_query(self) -> None:
        token = await self.register("alice", device_id="A")
        auth = self.server.auth
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
        auth = self.server.auth
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
        requester = await self.server.auth.requester(self.request(token))
        self.assertIsNone(requester.device_id)
        self.assertEqual(requester.device_nid, -requester.token_id)
        await self.server.sessions.end(requester)
        self.assertEqual((await self.whoami(token)).status, 401)
