"""Who sends a request is told by its signature."""

from synapse.crypto.signing import SigningKey
from tests.federation.servers import FederationTestCase, Link

ONE, TWO = "one.test", "two.test"
PATH = "/_matrix/federation/v1/query/profile?user_id=%40nobody%3Aone.test"


class PeersTests(FederationTestCase):
    async def test_a_wrong_signature_is_refused_and_logged(self) -> None:
        for name in (ONE, TWO):
            self.add_server(name)
        key_id = self.network.links[TWO].key.key_id
        forged = SigningKey(key_id.partition(":")[2], bytes(32))
        link = Link(self.network, TWO, forged)
        with self.assertLogs("synapse.federation.peers", "INFO") as logs:
            answer = await link.fetch(ONE, "GET", PATH)
        self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_UNAUTHORIZED"))
        (line,) = logs.output
        self.assertIn(f"is refused: 'The signature by {TWO} with {key_id} is wrong'", line)

    async def test_a_good_signature_is_no_news(self) -> None:
        for name in (ONE, TWO):
            self.add_server(name)
        with self.assertNoLogs("synapse.federation.peers", "INFO"):
            answer = await self.network.links[TWO].fetch(ONE, "GET", PATH)
        self.assertEqual(answer.status, 404)
